"""What is repeated, differentiated: its derivative by a name moves along with the numbers themselves,
as often as they do.

A `Repeat` takes numbers s through s ← J(s, x) as often as its count says. Beside them go their derivatives by one name
x, ds/dx ← (∂J/∂s) ds/dx + ∂J/∂x, taken before the numbers move, so the derivative of what is wanted is a `Repeat`
again. How often it runs is a constant, and so is what is drawn.
"""

from __future__ import annotations

from dataclasses import replace

from sncc.expressions.algebra import ZERO, add, mul
from sncc.expressions.calculus import derivative, without_stop
from sncc.expressions.nodes import Expression, Symbol
from sncc.program.statements import Assign, Draw, Repeat


def by(name: str, of: str) -> str:
    """Name of the derivative of a number by a name."""
    return f"{of}.by.{name}"


def differentiated(repeat: Repeat, name: str) -> Repeat | None:
    """The derivative of what a `Repeat` gives by a name; None where it does not depend on it."""
    moved = _following(repeat, name)
    if repeat.result not in moved:
        return None
    start = [(by(name, s), _partial(value, name)) for s, value in repeat.start if s in moved]
    body: list[Assign | Draw] = []
    for s in repeat.body:
        if isinstance(s, Assign) and s.name in moved:
            change = _partial(s.value, name)
            for other in sorted(moved & s.reads):
                change = add(change, mul(_partial(s.value, other), Symbol(by(name, other))))
            body.append(Assign(by(name, s.name), change))
        body.append(s)
    return replace(
        repeat, name=by(name, repeat.name), start=(*repeat.start, *start), body=tuple(body),
        result=by(name, repeat.result),
    )  # fmt: skip


def _following(repeat: Repeat, name: str) -> set[str]:
    """The numbers that depend on a name, at first or after some time."""
    moved = {s for s, value in repeat.start if _partial(value, name) != ZERO}
    while more := {
        s.name for s in repeat.body
        if isinstance(s, Assign) and s.name not in moved
        and any(_partial(s.value, other) != ZERO for other in s.reads & (moved | {name}))
    }:  # fmt: skip
        moved |= more
    return moved


def _partial(value: Expression, name: str) -> Expression:
    return without_stop(derivative(value, name))
