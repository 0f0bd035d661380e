"""Stages of a step: parts of a network from which credit alone comes back,
so that one may go many steps ahead of the next.

What such steps bring to a later stage is known before its first: it is summed for all of them at once (`ahead.h`).
"""

from __future__ import annotations

from dataclasses import dataclass

from sncc.backends.cxx.layout import Layout, padded
from sncc.program.groups import Connection
from sncc.program.nodes import Program
from sncc.program.operations import Deliver, ForwardOperation, Readout, Update

LEAST_COLUMNS = 128  # of weights that are worth it: below, `pays_in_strips` (strips.h) says no


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What a population gets ahead of its stage: over these connections, the first that deliver to it in a step."""

    stage: int
    connections: tuple[Connection, ...]


@dataclass(frozen=True, slots=True)
class Stages:
    """The operations of a step by stage, and what arrives ahead of one."""

    operations: tuple[tuple[ForwardOperation, ...], ...]
    arrivals: tuple[Arrivals, ...]

    def place(self, c: Connection) -> tuple[int, bool] | None:
        """Which arrivals a connection is one of, and whether it is their first; None: it delivers step by step."""
        found = ((k, c == a.connections[0]) for k, a in enumerate(self.arrivals) if c in a.connections)
        return next(found, None)

    @property
    def columns(self) -> int:
        """Numbers of a step that all arrivals take."""
        return sum(padded(a.connections[0].target_size) for a in self.arrivals)


def stages(layout: Layout) -> Stages:
    """The stages of a program that is trained or run sample by sample; where traces go forwards there is one."""
    program = layout.program
    if program.traces or not all(isinstance(o, Deliver | Update | Readout) for o in program.forward):
        return Stages((tuple(program.forward),), ())
    stage = _stage_of_groups(layout)
    parts: list[list[ForwardOperation]] = [[] for _ in range(max(stage.values(), default=0) + 1)]
    for o in program.forward:
        parts[stage[_group(program, o)]].append(o)
    return Stages(tuple(tuple(part) for part in parts), _arrivals(layout, stage))


def _group(program: Program, o: ForwardOperation) -> str:
    return o.group if isinstance(o, Update | Readout) else program.connection(o.connection).target_group


def _is_worth_it(layout: Layout, c: Connection) -> bool:
    """Whether spikes add rows of a matrix of the network's precision, and not few numbers each."""
    plain = c.pattern == "dense" and not c.signal and c not in layout.rows_of_synapses and c.weight not in layout.halves
    return plain and c.target_size >= LEAST_COLUMNS and not layout.program.group(c.target_group).only_recorded


def _stage_of_groups(layout: Layout) -> dict[str, int]:
    """A stage for each group: behind those of its sources where that is worth it, the same in a circle.

    The last one has all readouts.
    """
    program = layout.program
    behind: dict[str, dict[str, bool]] = {
        g.name: {} for g in program.groups
    }  # its sources, and whether a stage before it is worth it
    for c in program.connections:
        sources = [(c.source_group, _is_worth_it(layout, c))]
        sources += [(program.place(c.gain[0])[0].name, False)] if c.gain is not None else []
        for source, worth in sources:
            if source is not None:
                behind[c.target_group][source] = behind[c.target_group].get(source, False) or worth
    reached = {g: _reached(g, behind) for g in behind}
    stage: dict[str, int] = {}

    def stage_of(g: str) -> int:
        if g not in stage:
            circle = [h for h in behind if h == g or (h in reached[g] and g in reached[h])]
            before = [(s, worth) for h in circle for s, worth in behind[h].items() if s not in circle]
            stage.update(dict.fromkeys(circle, max((stage_of(s) + worth for s, worth in before), default=0)))
        return stage[g]

    last = max((stage_of(g) for g in behind), default=0)
    seen = {r.group for r in program.readouts}
    stage = {g: last if g in seen or seen & reached[g] else stage[g] for g in behind}
    return {g: sorted(set(stage.values())).index(k) for g, k in stage.items()}


def _reached(group: str, behind: dict[str, dict[str, bool]]) -> set[str]:
    """All groups whose spikes or values reach this one, over any number of connections."""
    found: set[str] = set()
    waiting = list(behind[group])
    while waiting:
        source = waiting.pop()
        if source not in found:
            found.add(source)
            waiting += behind[source]
    return found


def _arrivals(layout: Layout, stage: dict[str, int]) -> tuple[Arrivals, ...]:
    """Connections from earlier stages and from outside that come before all others of their target,
    so that no sum changes its order.
    """
    found: dict[tuple[str, str, int], list[Connection]] = {}
    others: set[tuple[str, str, int]] = set()
    for o in layout.program.forward:
        if isinstance(o, Update):
            others |= {(o.group, name, row.offset) for name in o.inputs for row in layout.program.group(o.group).rows}
        if not isinstance(o, Deliver):
            continue
        c = layout.program.connection(o.connection)
        target = (c.target_group, c.input, layout.program.place(c.target)[1].offset)
        early = c.source_group is None or stage[c.source_group] < stage[c.target_group]
        whole = c.target_size == layout.program.place(c.target)[1].size
        if early and whole and _is_worth_it(layout, c) and target not in others:
            found.setdefault(target, []).append(c)
        else:
            others.add(target)
    return tuple(Arrivals(stage[connections[0].target_group], tuple(connections)) for connections in found.values())
