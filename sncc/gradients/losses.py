"""Losses: the formula of each, over a readout's outputs, with `x` (what the loss sees) and `target`.

`target` is the one-hot code of a class, or the value to reach. The derivative is not written here: it is the transposed
formula. To add a loss, add an entry.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from sncc.expressions.algebra import fold_all, mul
from sncc.expressions.nodes import Expression, Number, Symbol, apply, substitute
from sncc.model.training_nodes import Loss
from sncc.program.statements import Assign, Reduce, Statement

X, TARGET = Symbol("x"), Symbol("target")


@dataclass(frozen=True, slots=True)
class LossFormula:
    """What the labels are, and the statements that end in `loss`; `outputs` stands for their number."""

    labels: Literal["class", "value"]
    statements: tuple[Statement, ...]


LOSSES: dict[str, LossFormula] = {
    # -log softmax(x)[class], the maximum taken out so that exp cannot overflow (and the mass is at least one)
    "cross_entropy": LossFormula(
        "class",
        (
            Reduce("peak", "max", X),
            Assign("power", apply("exp", apply("sub", X, Symbol("peak")))),
            Reduce("mass", "sum", Symbol("power")),
            Assign("log_mass", apply("log", Symbol("mass"))),  # apart, as it is the same for every output
            Assign("surprise", apply("sub", Symbol("log_mass"), apply("sub", X, Symbol("peak")))),
            Reduce("loss", "sum", apply("mul", TARGET, Symbol("surprise"))),
        ),
    ),
    "mse": LossFormula(
        "value",
        (
            Assign("error", apply("sub", X, TARGET)),
            Reduce("loss", "sum", apply("div", apply("mul", Symbol("error"), Symbol("error")), Symbol("outputs"))),
        ),
    ),
    # half the square near zero, linear beyond one
    "huber": LossFormula(
        "value",
        (
            Assign("error", apply("sub", X, TARGET)),
            Assign("size", apply("abs", Symbol("error"))),
            Assign(
                "cost",
                apply(
                    "select",
                    apply("le", Symbol("size"), 1.0),
                    apply("mul", 0.5, apply("mul", Symbol("error"), Symbol("error"))),
                    apply("sub", Symbol("size"), 0.5),
                ),
            ),
            Reduce("loss", "sum", apply("div", Symbol("cost"), Symbol("outputs"))),
        ),
    ),
}


def formula_of(loss: Loss, outputs: int) -> LossFormula:
    """The formula of a term of the loss, over `outputs` outputs, with all numbers put in.

    The function sees `scale` · x; `smoothing` s makes the target (1 - s) · target + s / outputs, the latter times the
    class's weight, which the one-hot code holds in place of a one.
    An expression of `output` and `label` is averaged over the outputs, as `mse` is.
    """
    formula = LOSSES[loss.function] if loss.function != "expression" else _of_expression(loss)
    target: Expression = TARGET
    before: tuple[Statement, ...] = ()
    if loss.smoothing:
        spread: Expression = Number(loss.smoothing / outputs)
        if loss.class_weights:
            before = (Reduce("class_weight", "sum", TARGET),)
            spread = mul(spread, Symbol("class_weight"))
        target = apply("add", apply("mul", 1.0 - loss.smoothing, TARGET), spread)
    values = {"outputs": Number(float(outputs)), "x": mul(Number(loss.scale), X), "target": target}
    statements = [*before]
    for statement in formula.statements:
        assert isinstance(statement, Assign | Reduce)
        statements.append(replace(statement, value=fold_all(substitute(statement.value, values))))
    return LossFormula(formula.labels, tuple(statements))


def _of_expression(loss: Loss) -> LossFormula:
    assert loss.expression is not None
    value = substitute(loss.expression, {"output": X, "label": TARGET})
    return LossFormula("value", (Reduce("loss", "sum", apply("div", value, Symbol("outputs"))),))
