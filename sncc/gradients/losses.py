"""Losses: the formula of each, over a readout's outputs, with `x` (what the loss sees) and `target`.

`target` is the one-hot code of a class, or the value to reach. The derivative is not written here: it is the transposed
formula. To add a loss, add an entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sncc.expressions.nodes import Number, Symbol, apply
from sncc.program.nodes import Assign, Reduce, Statement

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
            Assign("surprise", apply("sub", apply("log", Symbol("mass")), apply("sub", X, Symbol("peak")))),
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


def with_outputs(formula: LossFormula, outputs: int) -> tuple[Statement, ...]:
    """The statements with the number of outputs put in."""
    from sncc.expressions.algebra import fold_all
    from sncc.expressions.nodes import substitute

    values = {"outputs": Number(float(outputs))}
    result: list[Statement] = []
    for statement in formula.statements:
        match statement:
            case Assign(name, value):
                result.append(Assign(name, fold_all(substitute(value, values))))
            case Reduce(name, operation, value):
                result.append(Reduce(name, operation, fold_all(substitute(value, values))))
    return tuple(result)
