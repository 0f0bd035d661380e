"""Losses at every step of a variable that jumps at events, for `eventprop`.

Such a loss stands for an integral over time: where the variable jumps from x- to x+, an event that comes dt later costs
(l(x-) - l(x+)) dt. All outputs may jump at once, so this is no sum over them; but with g the mean derivative of l along
the jump, g · (x+ - x-) = l(x+) - l(x-) to the letter, and each output's part is g times its own gap. g is l's
derivative in the middle plus, along the jump, what is then still missing: the discrete gradient of Gonzalez (Journal of
Nonlinear Science 6, 1996).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sncc.expressions.algebra import ZERO, add
from sncc.expressions.nodes import Expression, Number, Symbol, apply, substitute
from sncc.gradients.event_times import jumps
from sncc.program.nodes import Program
from sncc.program.operations import Readout, Update
from sncc.program.statements import Assign, Reduce, Statement

BEFORE, JUMP = Symbol("before"), Symbol("jump")
MISSING = {"float32": 1e-6, "float64": 1e-12}  # of the losses: a difference below is one of their rounding
SMALLEST = 1e-30  # a jump's square, so that nothing is divided by zero


def with_jumps(program: Program, readouts: Sequence[Readout]) -> tuple[Program, tuple[Readout, ...]]:
    """The Program with what jumping losses read from before the events of a step,
    and the readouts with one more for each of these.

    The one more adds nothing to the loss; its derivative is the mean one along the jumps of a step.
    """
    more: list[Readout] = []
    for readout in readouts:
        if readout.reduction is None and _jumps(program, readout):
            program = _remembering(program, readout.group, readout.variable)
            more.append(_along_jumps(readout, len(readouts) + len(more), MISSING[program.precision]))
    return program, (*readouts, *more)


def _jumps(program: Program, readout: Readout) -> bool:
    update = next(o for o in program.forward if isinstance(o, Update) and o.group == readout.group)
    return jumps(update, readout.variable)


def _remembering(program: Program, name: str, variable: str) -> Program:
    """The Program where a group has its variable's value from before the events of the step as one more state."""
    group, state = program.group(name), _before(variable)
    if state in group.states:
        return program
    rows = tuple(replace(row, initial=(*row.initial, (state, ZERO))) for row in group.rows)
    remembering = replace(group, states=(*group.states, state), rows=rows)
    forward = tuple(
        replace(o, carry=(*o.carry, (state, f"before.{variable}"))) if isinstance(o, Update) and o.group == name else o
        for o in program.forward
    )
    return replace(program, groups=tuple(remembering if g is group else g for g in program.groups), forward=forward)


def _before(variable: str) -> str:
    return f"{variable}.before"


def _along_jumps(readout: Readout, index: int, missing: float) -> Readout:
    """A readout without a loss, whose `x~` is the mean derivative from `before` to `x`."""
    middle = Symbol("middle")
    loss_before, loss_behind = Symbol(f"before.{readout.loss}"), Symbol(f"behind.{readout.loss}")
    rest, derivative = Symbol("rest"), Symbol("middle.x~")
    size = apply("add", add(apply("abs", loss_before), apply("abs", loss_behind)), 1.0)
    is_missing = apply("gt", apply("abs", rest), apply("mul", missing, size))
    along = apply("div", apply("mul", rest, JUMP), apply("max", Symbol("length"), SMALLEST))
    slope = [s for s in (*readout.body, *readout.gradient) if s.name != readout.loss]
    gradient: tuple[Statement, ...] = (
        *_renamed(readout.body, BEFORE, "before"),
        *_renamed(readout.body, Symbol("x"), "behind"),
        Assign(JUMP.name, apply("sub", Symbol("x"), BEFORE)),
        Assign(middle.name, add(BEFORE, apply("mul", 0.5, JUMP))),
        *_renamed(slope, middle, "middle"),
        Reduce("length", "sum", apply("mul", JUMP, JUMP)),
        Reduce("change", "sum", apply("mul", derivative, JUMP)),
        Assign(rest.name, apply("sub", apply("sub", loss_behind, loss_before), Symbol("change"))),
        Assign("x~", add(derivative, apply("select", is_missing, along, 0.0))),
    )
    return replace(
        readout, body=(Reduce("nothing", "sum", Number(0.0)),), loss="nothing", gradient=gradient, index=index,
        before=_before(readout.variable),
    )  # fmt: skip


def _renamed(statements: Sequence[Statement], x: Expression, prefix: str) -> list[Statement]:
    """The statements at another point, their names with a prefix."""
    names: dict[str, Expression] = {s.name: Symbol(f"{prefix}.{s.name}") for s in statements}
    result: list[Statement] = []
    for s in statements:
        assert isinstance(s, Assign | Reduce)
        result.append(replace(s, name=f"{prefix}.{s.name}", value=substitute(s.value, {**names, "x": x})))
    return result
