"""Largest values of variables that jump at events, or whose slope does, for `eventprop`.

An event ends the rise of a variable x where x jumps down there, or where the slope of x does, from f- to f+. The
largest value is then that of right before the event, and moves with the event by f-. The grid finds it in the step
before: the derivative of the loss by it comes to the update of the step after as well, which knows the event. Where x
jumps down, that is

    rise.x                (x behind the flow - x) / step: f-
    spike.ahead.x         f- where x jumps down at a spike that comes later, else 0
    arrival.ahead.I.x     the same at an arrival of weight 1, over the sum of the weights

Where an input of values that jump bends x, it comes too late, in what it does to x over that step, for f-, but for the
part

    drive.ahead.x         f- / (f- - f+)
    drive.x               x behind the flow, as the step's input moves it

of it. f- is then that of the step before (`x.rise`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sncc.expressions.algebra import ZERO, add, div, mul, neg, sub
from sncc.expressions.nodes import Expression, Number, Symbol, apply, substitute, symbols
from sncc.gradients.event_times import impulses, jumps, reads_curved
from sncc.program.groups import Connection
from sncc.program.nodes import Program
from sncc.program.operations import Readout, Update
from sncc.program.rewrite import rewritten
from sncc.program.statements import SLOPED, SPIKE, SPIKED, Assign, Statement

TINY = 1e-30  # a slope below it counts as none


def with_rises(program: Program, readouts: Sequence[Readout]) -> Program:
    """The Program whose updates have the locals listed above,
    for the variables of which a readout sees the largest value.
    """
    seen = dict.fromkeys((r.group, r.variable) for r in readouts if r.reduction == "max" and r.variable != SPIKE)
    for group, variable in seen:
        program = _with_rise(program, group, variable)
    return program


def _with_rise(program: Program, name: str, x: str) -> Program:
    update, group = _update(program, name), program.group(name)
    locals_ = {s.name for s in update.body}
    if f"before.{x}" not in locals_:
        return program
    body: list[Statement] = []
    rise = Symbol(f"rise.{x}")
    rising = apply("max", rise, 0.0)
    if (gap := f"spike.gap.{x}") in locals_:
        body.append(Assign(f"spike.ahead.{x}", apply("select", apply("gt", Symbol(gap), 0.0), rising, 0.0)))
    for i in impulses(update):
        if (gap := f"arrival.gap.{i}.{x}") in locals_:
            own = Symbol(f"{i}!+" if f"{i}!+" in locals_ else f"{i}!")
            down = apply("gt", mul(Symbol(gap), own), 0.0)
            value = apply("select", down, div(rising, apply("select", down, own, 1.0)), 0.0)
            body.append(Assign(f"arrival.ahead.{i}.{x}", value))
    bending = _bending(program, name, update)
    carry, rows = update.carry, group.rows
    if bending:
        before, falling = Symbol(f"{x}.rise"), apply("max", neg(rise), 0.0)
        before_rising = apply("max", before, 0.0)
        body += _driven(update, x, {i for i in bending if not reads_curved(update, i)})
        share = div(before_rising, apply("max", add(before_rising, falling), TINY))
        body.append(Assign(f"drive.ahead.{x}", share))
        carry = (*carry, (before.name, rise.name))
        rows = tuple(replace(row, initial=(*row.initial, (before.name, ZERO))) for row in rows)
    if not body:
        return program
    flow = div(sub(Symbol(f"before.{x}"), Symbol(x)), Number(program.step))
    timed = replace(update, body=(*update.body, Assign(rise.name, flow), *body), carry=carry)
    states = (*group.states, f"{x}.rise") if bending else group.states
    return replace(
        program,
        groups=tuple(replace(g, states=states, rows=rows) if g is group else g for g in program.groups),
        forward=tuple(timed if o is update else o for o in program.forward),
    )


def _update(program: Program, name: str) -> Update:
    return next(o for o in program.forward if isinstance(o, Update) and o.group == name)


def _bending(program: Program, name: str, update: Update) -> set[str]:
    """Inputs of a group that bring values which jump at events."""
    return {
        c.input
        for c in program.connections
        if c.target_group == name and c.input in update.inputs and not c.input.endswith("!") and _jumps(program, c)
    }


def _jumps(program: Program, c: Connection) -> bool:
    """Whether what a connection delivers all the time jumps at events."""
    if c.values is None or c.source_group is None or c.values.startswith((SLOPED, SPIKED)):
        return False
    source = _update(program, c.source_group)
    return jumps(source, c.values) or any(
        s.name.startswith("read.") and s.name.endswith(f".{c.values}") for s in source.body
    )


def _driven(update: Update, x: str, inputs: Iterable[str]) -> list[Statement]:
    """`drive.x`: x behind the flow as a function of inputs alone, all else being constant."""
    moved = set(inputs)
    for s in update.body:
        if isinstance(s, Assign) and s.reads & moved:
            moved.add(s.name)
    if f"before.{x}" not in moved:
        return []
    wanted, found = {f"before.{x}"}, list[Statement]()
    for s in reversed(update.body):
        if s.name in wanted and s.name in moved and isinstance(s, Assign):
            wanted |= symbols(s.value)
            found.append(s)
    own = {s.name: Symbol(f"drive.{x}.{s.name}") for s in found}

    def named(value: Expression) -> Expression:
        still = {n: apply("stop", Symbol(n)) for n in symbols(value) - moved}
        return substitute(value, {**still, **own})

    result = [replace(rewritten(s, named), name=own[s.name].name) for s in reversed(found)]
    return [*result, Assign(f"drive.{x}", own[f"before.{x}"])]
