"""Jumps of states at spikes that arrive: in the order of a step's blocks, each spike's after the other's where they do not add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sncc.expressions.algebra import add, mul, sub
from sncc.expressions.nodes import Expression, Number, Symbol, apply, substitute, symbols
from sncc.lower.arrival_times import at_arrival, behind_arrival, met_at_arrival, moving, passing
from sncc.lower.body import Body
from sncc.lower.traces import amounts
from sncc.model.nodes import Assignment, Dynamics
from sncc.program.statements import MADE_UP, Assign
from sncc.program.windows import begins


def jump_at_arrivals(dynamics: Dynamics, body: Body, early: bool, step: float) -> None:
    """Jumps at spikes that arrive, with marks around all those of an input where times of arrivals are followed."""
    for name in dict.fromkeys(name for name, _ in dynamics.arrivals if (name in dynamics.early) is early):
        if body.timed:
            _mark(dynamics, body, at_arrival(name))
        blocks: list[Sequence[Assignment]] = [jumps for other, jumps in dynamics.arrivals if other == name]
        if early:  # of the step before
            blocks = [_at_time(jumps, sub(Symbol("t"), Number(step))) for jumps in blocks]
        if body.timed:
            blocks = _meet(blocks, body, met_at_arrival(name))
        for jumps in blocks:
            _jump_at(dynamics, body, name, jumps, step)
        if body.timed:
            _mark(dynamics, body, behind_arrival(name))


def _mark(dynamics: Dynamics, body: Body, moment: str) -> None:
    """Every state that flows or jumps gets a local of its own at that moment, by which it can be moved."""
    for state in moving(dynamics):
        body.statements.append(Assign(f"{moment}.{state}", body.now[state]))
        body.now[state] = Symbol(f"{moment}.{state}")


def _at_time(jumps: Sequence[Assignment], time: Expression) -> Sequence[Assignment]:
    return tuple(replace(jump, value=substitute(jump.value, {"t": time})) for jump in jumps)


def _meet(blocks: Sequence[Sequence[Assignment]], body: Body, moment: str) -> list[Sequence[Assignment]]:
    """What jumps read that has a course of its own gets a local, by which it can be moved."""
    read = passing(jump for jumps in blocks for jump in jumps)
    body.statements += [Assign(f"{moment}.{x}", Symbol(x)) for x in read]
    marks: dict[str, Expression] = {x: Symbol(f"{moment}.{x}") for x in read}
    return [tuple(replace(jump, value=substitute(jump.value, marks)) for jump in jumps) for jumps in blocks]


def _jump_at(dynamics: Dynamics, body: Body, name: str, jumps: Sequence[Assignment], step: float) -> None:
    """All spikes of a step at once where no amount depends on what they move, else one after the other.

    Those that are made up for belong to the step before: where that one was the last of a window, they are constants.
    """
    made_up = name in body.now
    count = body.now.get(name, Symbol(f"{name}!"))  # of a state: those that have been kept for this step
    count = apply("stop", count) if made_up and body.timed else count  # what moves is when they come
    most = 1 if name in dynamics.once else dynamics.most
    if (added := amounts(jumps)) is not None:
        added = [body.read(amount) for amount in added]
        for jump, amount in zip(jumps, added, strict=True):
            body.assign(jump.state, add(body.now[jump.state], mul(count, amount)))
    elif most == 0:
        body.repeat(count, jumps)
    elif most == 1:
        for state, after in _jumped(jumps, body, "").items():
            now = body.now[state]
            by_parts = dynamics.parts and name not in dynamics.once
            moved = add(now, mul(count, sub(after, now))) if by_parts else apply("jump", count, after, now)
            body.assign(state, moved)
    else:
        _jump_one_by_one(most, count, jumps, body, dynamics.parts and name not in dynamics.once)
    for state in dict.fromkeys(jump.state for jump in jumps) if made_up else ():
        now = body.now[state]
        if dynamics.window is not None:
            now = apply("select", begins(step, dynamics.window), apply("stop", now), now)
        body.statements.append(Assign(f"{state}{MADE_UP}", now))
        body.now[state] = Symbol(f"{state}{MADE_UP}")


def _jump_one_by_one(most: int, count: Expression, jumps: Sequence[Assignment], body: Body, by_parts: bool) -> None:
    """The jumps of each spike of a step that there is, up to `most`; `by_parts`: of what is left of a whole one as well."""
    for number in range(most):
        part = apply("min", apply("sub", count, float(number)), 1.0) if number else apply("min", count, 1.0)
        part = apply("select", apply("gt", count, float(number)), part, 0.0) if number else part
        for state, after in _jumped(jumps, body, f"{number + 1}.").items():
            now = body.now[state]
            moved = apply("select", apply("gt", count, number + 0.5), after, now)
            body.assign(state, add(now, mul(part, sub(after, now))) if by_parts else moved)
    # whoever hands over more than is followed gets no number, and so an error, rather than another one
    allowed, last = Number(most + (1e-3 if by_parts else 0.5)), jumps[-1].state
    none = apply("log", apply("sub", allowed, count))
    body.assign(last, apply("select", apply("gt", count, allowed), none, body.now[last]))


def _jumped(jumps: Sequence[Assignment], body: Body, tag: str) -> dict[str, Expression]:
    """States after the jumps of one spike, each seeing the former. What a spike moves, and so its gradient, is what they
    leave minus what was there.
    """
    jumped: dict[str, Expression] = {}
    for number, jump in enumerate(jumps, 1):
        value = substitute(jump.value, {**body.now, **jumped})
        if any(jump.state in symbols(later.value) for later in jumps[number:]):
            local = f"{jump.state}.jump{tag}{number}"
            body.statements.append(Assign(local, value))
            value = Symbol(local)
        jumped[jump.state] = value
    return jumped
