"""The order of operations within a step: deliveries, update and readout, group by group along the undelayed connections."""

from __future__ import annotations

from collections.abc import Sequence

from sncc.program.nodes import (
    Connection,
    Deliver,
    ForwardOperation,
    Readout,
    ReadoutAdjoint,
    ReverseOperation,
    Transpose,
    Update,
)


def topological(groups: Sequence[str], connections: Sequence[Connection]) -> list[str]:
    """Groups sorted so that spikes without a delay travel forwards only; ties keep the given order."""
    before = {g: {c.source_group for c in connections if c.target_group == g and c.delay == 0} for g in groups}
    ordered: list[str] = []
    while len(ordered) < len(groups):
        ready = [g for g in groups if g not in ordered and not (before[g] - {None} - set(ordered))]
        if not ready:
            raise ValueError("a cycle of connections without a delay")
        ordered.append(ready[0])
    return ordered


def forward_order(
    groups: Sequence[str], connections: Sequence[Connection], operations: Sequence[ForwardOperation]
) -> tuple[ForwardOperation, ...]:
    """Operations of one step: for each group its deliveries (in the order of the connections), its update, its readout."""
    by_name = {c.name: c for c in connections}
    result: list[ForwardOperation] = []
    for group in topological(groups, connections):
        deliveries = {
            o.connection: o
            for o in operations
            if isinstance(o, Deliver) and by_name[o.connection].target_group == group
        }
        result += [deliveries[c.name] for c in connections if c.name in deliveries]
        result += [o for o in operations if isinstance(o, Update) and o.group == group]
        result += [o for o in operations if isinstance(o, Readout) and o.group == group]
    return tuple(result)


def reverse_order(
    groups: Sequence[str],
    connections: Sequence[Connection],
    operations: Sequence[ReverseOperation],
    readout_group: str | None,
) -> tuple[ReverseOperation, ...]:
    """Operations of one step of the reverse phase: a group's adjoint after those of all groups that it drives."""
    by_name = {c.name: c for c in connections}
    result: list[ReverseOperation] = []
    for group in reversed(topological(groups, connections)):
        if group == readout_group:
            result += [o for o in operations if isinstance(o, ReadoutAdjoint)]
        # the adjoint that feeds transposes into the same group comes before them
        updates = [o for o in operations if isinstance(o, Update) and o.group == group]
        transposes = [o for o in operations if isinstance(o, Transpose) and by_name[o.connection].source_group == group]
        result += [*transposes, *updates]
    return tuple(result)
