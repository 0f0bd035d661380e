"""Make one group of populations whose updates are equal up to numbers, so that they share one loop."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from sncc.program.groups import Connection, Group, Row, TapeSlot
from sncc.program.learning import DeriveAdjoint, Feedback, ReverseOperation, Transpose
from sncc.program.nodes import Program, Simulation
from sncc.program.operations import Derive, Update
from sncc.program.order import before, forward_order, reverse_order

Credit = TypeVar("Credit", ReverseOperation, Transpose | Feedback)


def merge_populations(program: Program) -> Program:
    """Make one group of populations whose updates are equal up to numbers, so that they share one loop."""
    merged = not program.traces  # traces are of one population each
    while merged:
        merged = False
        for k, first in enumerate(program.groups):
            for second in program.groups[k + 1 :]:
                if _alike(program, first, second):
                    program, merged = _merge(program, first, second), True
                    break
            if merged:
                break
    return program


def _signature(program: Program, group: Group) -> tuple[object, ...]:
    """What must be equal: everything a group computes, its own name and numbers apart."""
    phases = (*program.forward, *program.reverse, *program.gradient)
    own = tuple(replace(o, group="") for o in phases if isinstance(o, Update | DeriveAdjoint) and o.group == group.name)
    derive = tuple(replace(d, group="") for d in program.derive if d.group == group.name)
    slots = tuple(sorted(s.name for s in program.tape if s.group == group.name))
    symbols = tuple(symbol for symbol, _ in group.rows[0].values)
    kinds = group.declared, group.spiking, group.only_recorded
    return own, derive, slots, symbols, group.states, group.inputs, group.arrays, kinds


def _alike(program: Program, first: Group, second: Group) -> bool:
    if any(readout.group in (first.name, second.name) for readout in program.readouts):
        return False  # the loss reads one population, the merged adjoint would serve both
    if _signature(program, first) != _signature(program, second):
        return False
    return not _undelayed_path(program, first.name, second.name) and not _undelayed_path(
        program, second.name, first.name
    )


def _undelayed_path(program: Program, start: str, end: str) -> bool:
    """Whether `end` must be updated after `start` within the step."""
    edges = before(program.groups, program.connections, program.forward)
    reached = {start}
    while more := {g for g, needed in edges.items() if needed & reached} - reached:
        reached |= more
    return end in reached


def _merge(program: Program, first: Group, second: Group) -> Program:
    offset = first.size
    moved: tuple[Row, ...] = tuple(replace(row, offset=row.offset + offset) for row in second.rows)
    group = replace(first, size=first.size + second.size, rows=(*first.rows, *moved))
    groups = tuple(group if g.name == first.name else g for g in program.groups if g.name != second.name)
    connections = tuple(_moved(c, first.name, second.name, offset) for c in program.connections)

    def gone(node: object) -> bool:
        return isinstance(node, Update | DeriveAdjoint | Derive | TapeSlot) and node.group == second.name

    penalties = tuple(
        replace(p, group=first.name, offset=p.offset + offset) if p.group == second.name else p
        for p in program.penalties
    )
    reverse = [_feedback_moved(o, first.name, second.name, offset) for o in program.reverse if not gone(o)]
    return replace(
        program,
        groups=groups,
        connections=connections,
        derive=tuple(d for d in program.derive if not gone(d)),
        forward=forward_order(groups, connections, [o for o in program.forward if not gone(o)]),
        reverse=reverse_order(
            groups, connections, reverse, [r.group for r in program.readouts], [p.group for p in penalties]
        ),
        before=tuple(_feedback_moved(o, first.name, second.name, offset) for o in program.before),
        penalties=penalties,
        simulation=_stimuli_moved(program.simulation, first.name, second.name),
        gradient=tuple(o for o in program.gradient if not gone(o)),
        tape=tuple(s for s in program.tape if not gone(s)),
    )


def _stimuli_moved(simulation: Simulation | None, first: str, second: str) -> Simulation | None:
    if simulation is None:
        return None
    stimuli = tuple(replace(s, group=first) if s.group == second else s for s in simulation.stimuli)
    return replace(simulation, stimuli=stimuli)


def _feedback_moved(operation: Credit, first: str, second: str, offset: int) -> Credit:
    """A learning signal into the second group goes to its place in the first (what a loss reads is never merged)."""
    if isinstance(operation, Feedback) and operation.target[0] == second:
        _, start, size = operation.target
        return replace(operation, target=(first, start + offset, size))
    return operation


def _moved(connection: Connection, first: str, second: str, offset: int) -> Connection:
    if connection.source_group == second:
        connection = replace(connection, source_group=first, source_offset=connection.source_offset + offset)
    if connection.target_group == second:
        connection = replace(connection, target_group=first, target_offset=connection.target_offset + offset)
    return connection
