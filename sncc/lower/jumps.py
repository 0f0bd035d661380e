"""Jumps of states at spikes that arrive: in the order of a step's blocks,
each spike's after the other's where they do not add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sncc.expressions.algebra import ONE, ZERO, add, mul, sub
from sncc.expressions.nodes import Expression, Number, Symbol, apply, substitute, symbols
from sncc.lower.arrival_times import at_arrival, behind_arrival, met_at_arrival, moving, passing
from sncc.lower.body import Body
from sncc.lower.shared_draws import of_step_before
from sncc.lower.traces import amounts
from sncc.model.nodes import Assignment, Dynamics, Parts
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
    by_parts = dynamics.parts and name not in dynamics.once
    if dynamics.drawing is not None and name == dynamics.drawing.now:
        _jump_in_parts(dynamics.drawing, jumps, most, body)
    elif (added := amounts(jumps)) is not None:
        moves = [mul(count, body.read(amount)) for amount in added]
        for jump, move in zip(jumps, moves, strict=True):
            body.assign(jump.state, add(body.now[jump.state], move))
    elif most == 0:
        whole = apply("max", sub(apply("neg", apply("floor", apply("neg", count))), ONE), ZERO) if by_parts else count
        body.repeat(whole, jumps)
        if by_parts:  # the last one of those that have come, or the part of it that has
            _jump(jumps, sub(count, whole), body, by_parts)
    else:
        _jump(jumps, count, body, by_parts)
    for state in dict.fromkeys(jump.state for jump in jumps) if made_up else ():
        now = body.now[state]
        if dynamics.window is not None:
            now = apply("select", begins(step, dynamics.window), apply("stop", now), now)
        body.statements.append(Assign(f"{state}{MADE_UP}", now))
        body.now[state] = Symbol(f"{state}{MADE_UP}")


def _jump_in_parts(parts: Parts, jumps: Sequence[Assignment], most: int, body: Body) -> None:
    """Both parts of spikes, from one start: each moves by its share of what all its spikes move,
    with what they have drawn.
    """
    start, moves = dict(body.now), dict[str, Expression]()
    earlier = [replace(jump, value=of_step_before(jump.value)) for jump in jumps]
    rest = body.read(parts.rest)
    for name, share, own, tail in ((parts.now, sub(ONE, rest), jumps, ""), (parts.before, rest, earlier, ".before")):
        body.now = dict(start)
        count = body.now.get(name, Symbol(f"{name}!"))
        if most == 0:
            body.repeat(count, own)
        else:
            _jump(own, count, body, False, tail)
        for state in dict.fromkeys(jump.state for jump in own):
            moves[state] = add(moves.get(state, ZERO), mul(share, sub(body.now[state], start[state])))
    body.now = start
    for state, move in moves.items():
        body.assign(state, add(start[state], move))


def _jump(jumps: Sequence[Assignment], count: Expression, body: Body, by_parts: bool, tail: str = "") -> None:
    """The jumps of one spike, or of a part of one; `tail`: behind names of locals."""
    for state, after in _jumped(jumps, body, tail).items():
        now = body.now[state]
        body.assign(state, add(now, mul(count, sub(after, now))) if by_parts else apply("jump", count, after, now))


def _jumped(jumps: Sequence[Assignment], body: Body, tail: str) -> dict[str, Expression]:
    """States after the jumps of one spike, each seeing the former.

    What a spike moves, and so its gradient, is what they leave minus what was there.
    """
    jumped: dict[str, Expression] = {}
    for number, jump in enumerate(jumps, 1):
        value = substitute(jump.value, {**body.now, **jumped})
        if any(jump.state in symbols(later.value) for later in jumps[number:]):
            local = f"{jump.state}.jump{number}{tail}"
            body.statements.append(Assign(local, value))
            value = Symbol(local)
        jumped[jump.state] = value
    return jumped
