"""What of a group's update is transposed, and what of it enters: under `eventprop` with the times of events."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sncc.gradients.event_times import SHIFT, with_event_times
from sncc.gradients.rules import Adjoint
from sncc.program.groups import Connection
from sncc.program.nodes import Program
from sncc.program.operations import Readout, Update
from sncc.program.statements import REFRACTORY, SPIKE, SPIKED, Statement


def is_impulse(c: Connection) -> bool:
    """Whether what is delivered, by whole delays, counts when it arrives; else it is read there."""
    return c.rounded and c.input.endswith("!")


def is_late(c: Connection, learnt: Collection[str]) -> bool:
    """Whether a learnt delay moves what is delivered;
    what is read at spikes is that of their source's, whenever they arrive.
    """
    return c.moving_delays in learnt and not (c.values or "").startswith(SPIKED)


def learnt_into(program: Program, group: str) -> Iterable[Connection]:
    """Connections into a group whose weights or delays are learnt."""
    learnt = {p.key for p in program.parameters if p.learnt}
    into = (c for c in program.connections if c.target_group == group and not c.backwards)
    return (c for c in into if c.weight in learnt or c.moving_delays in learnt)


@dataclass(frozen=True, slots=True)
class Path:
    """What is transposed: statements, the local of each carried variable, what each readout reads, what credit is
    for: a spike and values. more: variables that are carried beside the group's states. ahead: what a readout of
    the largest value reads in the step after.
    """

    body: tuple[Statement, ...]
    carry: dict[str, str]
    seen: dict[int, str | None]
    spike: str
    told: Mapping[str, str]
    more: tuple[str, ...] = ()
    ahead: Mapping[int, str] = field(default_factory=dict)


def path_of(
    program: Program, update: Update, choice: Adjoint, readouts: Sequence[Readout], names: Mapping[str, str]
) -> Path:
    """What is transposed of a group's update. names: other locals that stand for those of the update."""
    own = {k: readouts[k] for k in choice.readouts}
    if choice.timed:
        told, sent = _delivered(program, choice)
        learnt = {p.key for p in program.parameters if p.learnt}
        late = {c.input for c in learnt_into(program, choice.group) if is_late(c, learnt)}
        timed = with_event_times(update, program.step, own, told, sent, late)
        carry = {variable: local for variable, local in timed.carry.items() if variable != REFRACTORY}
        states = program.group(choice.group).states
        more = tuple(v for v in carry if v not in states)
        return Path(timed.body, carry, timed.seen, SHIFT, timed.told, more, timed.ahead)
    carry = {variable: names.get(local, local) for variable, local in update.carry if variable != REFRACTORY}
    seen = {k: r.variable if r.variable == SPIKE else carry.get(r.variable) for k, r in own.items()}
    return Path(update.body, carry, seen, SPIKE, carry)


def _delivered(program: Program, choice: Adjoint) -> tuple[list[str], list[str]]:
    """Variables that are delivered all the time, and those that are as impulses."""
    carried = {v for o in program.forward if isinstance(o, Update) and o.group == choice.group for v, _ in o.carry}
    crossed = [program.connection(edge.connection) for edge in choice.edges]
    told = {c.values for c in crossed if c.values is not None and not is_impulse(c)}
    sent = {c.values for c in crossed if c.values is not None and is_impulse(c)}
    return sorted(told & carried), sorted(sent & carried)
