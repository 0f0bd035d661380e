"""The order of operations within a step: deliveries, update and readout, group by group along the undelayed
connections.

What follows a population for the sake of synapses comes first, then synapses that move every step, since they read the
neurons of the step before. Then, for each group: what arrives, connection by connection, each followed by its own jumps
at arriving spikes; the group's update; its synapses' jumps at the spikes it has just fired; its readout. A group with
two updates flows in the first, before impulses arrive, so that jumps at arriving spikes read it in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush

from sncc.program.groups import Connection, Group
from sncc.program.learning import Feedback, PenaltyAdjoint, ReadoutAdjoint, ReverseOperation, Transpose
from sncc.program.operations import Deliver, ForwardOperation, Readout, SynapseUpdate, Update


def before(
    groups: Sequence[Group], connections: Sequence[Connection], operations: Iterable[object] = ()
) -> dict[str, set[str]]:
    """For each group those whose update of the step must come before its own deliveries."""
    needed: dict[str, set[str]] = {g.name: set() for g in groups}
    place = {row.population: (g.name, row.holds) for g in groups for row in g.rows}
    by_name = {c.name: c for c in connections}
    for c in connections:
        if c.source_group is not None and c.delay == 0:
            needed[c.target_group].add(c.source_group)
        if c.gain is not None and not _reads_earlier(c):
            needed[c.target_group].add(place[c.gain[0]][0])
    for o in operations:
        if isinstance(o, SynapseUpdate) and o.when != "step":
            c = by_name[o.connection]
            of_source = () if _reads_earlier(c) else o.pre
            read = (place[population] for _, population, _ in (*of_source, *o.post))
            # traces: moved before their synapses jump
            needed[c.target_group] |= {group for group, holds in read if holds != "neurons"}
    return needed


def _reads_earlier(c: Connection) -> bool:
    """Whether each synapse reads its source's traces of an earlier step."""
    return c.delays is not None and c.delay > 0


def topological(
    groups: Sequence[Group], connections: Sequence[Connection], operations: Iterable[object] = ()
) -> list[str]:
    """Names of groups, sorted so that what arrives within the step is there; ties keep the given order."""
    needed = before(groups, connections, operations)
    ordered = _first_ready(list(needed), needed)
    if len(ordered) < len(groups):
        raise ValueError("a cycle of connections without a delay")
    return ordered


def _first_ready(names: Sequence[str], waits: Mapping[str, set[str]]) -> list[str]:
    """Names behind all that they wait for, of several always the first one; none of those that wait in a circle."""
    place = {name: k for k, name in enumerate(names)}
    left = {name: len(waits[name]) for name in names}
    behind: dict[str, list[str]] = {}
    for name in names:
        for awaited in waits[name]:
            behind.setdefault(awaited, []).append(name)
    ready = [place[name] for name in names if not left[name]]
    ordered: list[str] = []
    while ready:
        ordered.append(names[heappop(ready)])
        for name in behind.get(ordered[-1], ()):
            left[name] -= 1
            if not left[name]:
                heappush(ready, place[name])
    return ordered


def forward_order(
    groups: Sequence[Group], connections: Sequence[Connection], operations: Sequence[ForwardOperation]
) -> tuple[ForwardOperation, ...]:
    """Operations of one step, in order; see above."""
    into: dict[str, list[Connection]] = {}
    for c in connections:
        into.setdefault(c.target_group, []).append(c)
    found: dict[tuple[type, str, str], list[ForwardOperation]] = {}
    for o in operations:
        owner = o.connection if isinstance(o, (Deliver, SynapseUpdate)) else o.group
        found.setdefault((type(o), owner, o.when if isinstance(o, SynapseUpdate) else ""), []).append(o)

    def of(kind: type, owner: str, when: str = "") -> list[ForwardOperation]:
        return found.get((kind, owner, when), [])

    def of_group(group: str) -> list[ForwardOperation]:
        arriving = into.get(group, [])
        *flow, update = of(Update, group)
        first = [c for c in arriving if not c.input.endswith("!")] if flow else []
        result = [o for c in first for o in of(Deliver, c.name)]
        result += flow
        for c in arriving:
            if not flow or c.input.endswith("!"):
                result += of(Deliver, c.name)
            result += of(SynapseUpdate, c.name, "pre")
        result.append(update)
        result += [o for c in arriving for o in of(SynapseUpdate, c.name, "post")]
        result += of(Readout, group)
        return result

    order = topological(groups, connections, operations)
    following = {g.name for g in groups if all(row.holds == "modulators" for row in g.rows)}
    return (
        *(o for group in order if group in following for o in of_group(group)),
        *(o for c in connections for o in of(SynapseUpdate, c.name, "step")),
        *(o for group in order if group not in following for o in of_group(group)),
    )


def reverse_order(
    groups: Sequence[Group],
    connections: Sequence[Connection],
    operations: Sequence[ReverseOperation],
    readout_groups: Sequence[str],
    penalised_groups: Sequence[str] = (),
) -> tuple[ReverseOperation, ...]:
    """Operations of one step of the reverse phase: a group's adjoint after those of all groups from which it gets
    credit.

    `readout_groups` and `penalised_groups` are those of the readouts and penalties, by index.
    """
    by_name = {c.name: c for c in connections}
    result: list[ReverseOperation] = []
    for group in _reverse_topological(groups, by_name, operations):
        result += [o for o in operations if isinstance(o, ReadoutAdjoint) and readout_groups[o.readout] == group]
        result += [o for o in operations if isinstance(o, PenaltyAdjoint) and penalised_groups[o.penalty] == group]
        # the adjoint that feeds transposes into the same group comes before them
        updates = [o for o in operations if isinstance(o, Update) and o.group == group]
        transposes = [o for o in operations if isinstance(o, Transpose) and by_name[o.connection].source_group == group]
        feedbacks = [o for o in operations if isinstance(o, Feedback) and o.target[0] == group]
        result += [*transposes, *feedbacks, *updates]
    return tuple(result)


def _reverse_topological(
    groups: Sequence[Group], connections: dict[str, Connection], operations: Sequence[ReverseOperation]
) -> list[str]:
    """Groups such that credit without a delay travels to later ones; ties turn the given order round."""
    names = [group.name for group in groups]
    waits: dict[str, set[str]] = {name: set() for name in names}
    for operation in operations:
        if isinstance(operation, Feedback) and operation.delay == 0:
            waits[operation.target[0]].add(operation.source[0])
        if isinstance(operation, Transpose):
            c = connections[operation.connection]
            if c.delay == 0 and c.source_group is not None:
                waits[c.source_group].add(c.target_group)
    ordered = _first_ready(names[::-1], waits)
    if len(ordered) < len(names):
        raise ValueError("credit that runs in a circle within a step")
    return ordered
