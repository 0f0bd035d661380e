"""A loss of the Model → a readout of the Program: what the loss sees, its formula, and the formula's derivative."""

from __future__ import annotations

from dataclasses import replace

from sncc.expressions.algebra import ONE, ZERO, fold_all
from sncc.expressions.nodes import Expression, Symbol, substitute
from sncc.gradients.losses import formula_of
from sncc.gradients.transpose import transpose
from sncc.model.training_nodes import Loss
from sncc.program.nodes import Program
from sncc.program.operations import Readout
from sncc.program.statements import SPIKE, Assign, Reduce, Statement


def readouts_of(program: Program, losses: tuple[Loss, ...]) -> tuple[Readout, ...]:
    """The readouts of the terms of the loss, the first of which reads labels where one does."""
    found = [_readout(program, loss, k) for k, loss in enumerate(losses)]
    if not losses[0].reads_labels:  # labels only tell how many samples there are, and with how many outputs
        return tuple(found)
    return tuple(r if loss.reads_labels else replace(r, labels="none") for r, loss in zip(found, losses, strict=True))


def _readout(program: Program, loss: Loss, index: int) -> Readout:
    """The readout of a term of the loss; `index` is its place among them."""
    group = next(g for g in program.groups if any(r.population == loss.population for r in g.rows))
    row = next(r for r in group.rows if r.population == loss.population)
    formula = formula_of(loss, row.size)
    transposed = transpose(formula.statements, {"loss": Symbol("one")}, frozenset({"x"}))
    statements = [_one(s) for s in transposed.body]
    statements.append(Assign("x~", _one_in(transposed.adjoints.get("x", ZERO))))
    return Readout(
        group=group.name,
        population=loss.population,
        offset=row.offset,
        size=row.size,
        variable=SPIKE if loss.variable == "spikes" else loss.variable,
        reduction=loss.reduction,
        over_steps=loss.over_steps,
        first=loss.window[0],
        last=loss.window[1],
        labels=formula.labels,
        body=formula.statements,
        loss="loss",
        gradient=tuple(statements),
        factor=loss.factor,
        scale=loss.scale,
        class_weights=loss.class_weights,
        index=index,
    )


def _one_in(expression: Expression) -> Expression:
    """The loss's derivative by itself, `one`, put in as the number it is."""
    return fold_all(substitute(expression, {"one": ONE}))


def _one(statement: Statement) -> Statement:
    if not isinstance(statement, Assign | Reduce):
        return statement
    return replace(statement, value=_one_in(statement.value))
