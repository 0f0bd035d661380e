"""Drop states that nobody declared and nothing reads, such as a trace's value before its jump."""

from __future__ import annotations

from dataclasses import replace

from sncc.passes.remove_dead_values import without_dead
from sncc.program.groups import Group
from sncc.program.learning import LearningSignal, PenaltySignal, Picked, SignalBack
from sncc.program.nodes import Program
from sncc.program.operations import Deliver, SynapseUpdate, Update
from sncc.program.statements import REFRACTORY


def remove_dead_states(program: Program) -> Program:
    """Drop states that nobody declared and nothing reads, such as a trace's value before its jump."""
    read_elsewhere = _read_elsewhere(program)
    for group in program.groups:
        live = _live(program, group, read_elsewhere)
        if len(live) < len(group.states):
            program = _without(program, group, live)
    return program


def _read_elsewhere(program: Program) -> set[tuple[str, str]]:
    """(population, variable) that connections and synapses read."""
    found = {(c.source, c.values) for c in program.connections if c.values is not None}
    found |= {c.gain for c in program.connections if c.gain is not None}
    found |= _read_by_traces(program)
    updates = (o for o in program.forward if isinstance(o, SynapseUpdate))
    return found | {(population, variable) for o in updates for _, population, variable in (*o.pre, *o.post)}


def _read_by_traces(program: Program) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for operation in program.traces:
        if isinstance(operation, LearningSignal | PenaltySignal):
            found.add((program.group(operation.target[0]).rows[0].population, operation.variable))
            continue
        if isinstance(operation, SignalBack | Picked):
            found.add((program.group(operation.group).rows[0].population, operation.variable))
            if isinstance(operation, Picked) and operation.what != "delay":
                found.add((program.group(operation.of[0]).rows[0].population, operation.of[1]))
            continue
        delays = {name for _, name in operation.delays}
        for name in delays.union(*(statement.reads for statement in operation.body)):
            if (seen := program.seen_by(operation, name)) is not None:
                group, variable, _ = seen
                found.add((program.group(group).rows[0].population, variable))
    return found


def _live(program: Program, group: Group, read_elsewhere: set[tuple[str, str]]) -> tuple[str, ...]:
    populations = {row.population for row in group.rows}
    live = {state for state, _, _ in group.declared} | {REFRACTORY}
    live |= {r.state for row in group.rows for r in row.recordable}
    live |= {variable for population, variable in read_elsewhere if population in populations}
    own = [readout for readout in program.readouts if readout.group == group.name]
    live |= {readout.variable for readout in own} | {r.before for r in own if r.before is not None}
    updates = [o for o in program.forward if isinstance(o, Update) and o.group == group.name]
    while True:
        needed = set(live)
        for update in updates:
            wanted = {local for state, local in update.carry if state in live}
            wanted |= {local for _, local in (*update.stores, *update.sums)} | {update.spikes or ""}
            for statement in reversed(update.body):
                if statement.name in wanted:
                    wanted |= statement.reads
            needed |= wanted & set(group.states)
        if needed == live:
            return tuple(state for state in group.states if state in live)
        live = needed


def _without(program: Program, group: Group, live: tuple[str, ...]) -> Program:
    if not live and not group.spiking:
        return _without_group(program, group)
    rows = tuple(replace(row, initial=tuple((s, v) for s, v in row.initial if s in live)) for row in group.rows)
    forward = tuple(
        without_dead(replace(o, carry=tuple((s, local) for s, local in o.carry if s in live)))
        if isinstance(o, Update) and o.group == group.name
        else o
        for o in program.forward
    )
    groups = tuple(replace(g, states=live, rows=rows) if g is group else g for g in program.groups)
    return replace(program, groups=groups, forward=forward)


def _without_group(program: Program, group: Group) -> Program:
    """The program without traces that move for nothing, and without what moves them."""
    into = {c.name for c in program.connections if c.target_group == group.name}
    gone = (Deliver, Update)
    return replace(
        program,
        groups=tuple(g for g in program.groups if g is not group),
        connections=tuple(c for c in program.connections if c.name not in into),
        derive=tuple(d for d in program.derive if d.group != group.name),
        forward=tuple(
            o
            for o in program.forward
            if not (isinstance(o, gone) and (o.connection in into if isinstance(o, Deliver) else o.group == group.name))
        ),
    )
