"""Learning rules as choices on one graph: which adjoints there are, and across which connections credit flows.

bptt: every group has one adjoint; credit crosses every connection. eprop (Bellec et al. 2020): a group's own adjoint,
plus the learning signal, credit across exactly one connection, into a population that the loss reads, from that
population's own adjoint. With random or adaptive feedback a matrix B stands for that connection's weights.
eventprop (Wunderlich and Pehle 2021): the graph of bptt, with credit for the times of spikes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sncc.model.nodes import Rule
from sncc.program.nodes import Connection, Penalty, Program, Readout


@dataclass(frozen=True, slots=True)
class Edge:
    """Credit across a connection, from the adjoint `label` of its target; by the weights or by the matrix `feedback`."""

    connection: str
    label: str
    feedback: str | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """A learning signal without a connection: the matrix `feedback` times an adjoint of the group that the loss reads."""

    group: str
    label: str
    feedback: str


@dataclass(frozen=True, slots=True)
class Adjoint:
    """One adjoint of a group: what enters it. `readouts` and `penalties` are indices."""

    group: str
    label: str  # "" or what tells a second adjoint of the same group
    readouts: tuple[int, ...]
    penalties: tuple[int, ...]
    learns: bool  # whether gradients of parameters are taken from it
    edges: tuple[Edge, ...]
    signals: tuple[Signal, ...] = ()
    timed: bool = False  # credit is for the times of spikes, not for their being there

    @property
    def has_credit(self) -> bool:
        """Whether anything reaches the group's spikes."""
        return bool(self.edges or self.signals or self.penalties)


def adjoints(
    program: Program, rule: Rule, readouts: Sequence[Readout], penalties: Sequence[Penalty]
) -> tuple[Adjoint, ...]:
    """The adjoints that a rule needs, for the groups in which something is learnt or through which credit must pass."""
    if rule.name == "bptt":
        return _bptt(program, readouts, penalties)
    if rule.name == "eprop":
        return _eprop(program, rule, readouts, penalties)
    if rule.name == "eventprop":  # a number of spikes has no gradient, so neither have penalties on rates
        return tuple(replace(choice, penalties=(), timed=True) for choice in _bptt(program, readouts, ()))
    raise ValueError(f"no learning rule {rule.name}")


def learning_groups(program: Program) -> frozenset[str]:
    """Groups with a learnt parameter of their own or a learnt connection into them."""
    learnt = {p.key for p in program.parameters if p.learnt}
    own = {g.name for g in program.groups for row in g.rows for _, value in row.values if value in learnt}
    into = {c.target_group for c in program.connections if c.weight in learnt or c.delays in learnt}
    return frozenset(own | into)


def _of(group: str, nodes: Sequence[Readout | Penalty]) -> tuple[int, ...]:
    return tuple(k for k, node in enumerate(nodes) if node.group == group)


def _between(program: Program) -> list[Connection]:
    return [c for c in program.connections if c.source_group is not None]


# ------------------------------------------------------------------------------------------------ bptt
def _bptt(program: Program, readouts: Sequence[Readout], penalties: Sequence[Penalty]) -> tuple[Adjoint, ...]:
    between = _between(program)
    reaching = {r.group for r in readouts} | {p.group for p in penalties}  # groups from which credit can come
    while more := {c.source_group for c in between if c.source_group and c.target_group in reaching} - reaching:
        reaching |= more
    needed = set(learning_groups(program)) & reaching
    while more := {c.target_group for c in between if c.source_group in needed and c.target_group in reaching} - needed:
        needed |= more
    return tuple(
        Adjoint(
            group.name, "", _of(group.name, readouts), _of(group.name, penalties), True,
            tuple(Edge(c.name, "") for c in between if c.source_group == group.name and c.target_group in needed),
        )
        for group in program.groups if group.name in needed
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ e-prop
def _eprop(
    program: Program, rule: Rule, readouts: Sequence[Readout], penalties: Sequence[Penalty]
) -> tuple[Adjoint, ...]:
    learning = learning_groups(program)
    read = {readout.group for readout in readouts}
    into_loss = [c for c in _between(program) if c.target_group in read]
    # a group that the loss reads and that gets credit besides has an adjoint of its own without that credit
    besides = {c.source_group for c in into_loss} | {p.group for p in penalties}
    direct = {group: "direct" if group in besides else "" for group in read}
    result: list[Adjoint] = []
    for group in program.groups:
        name, own, rates = group.name, _of(group.name, readouts), _of(group.name, penalties)
        edges, signals = _learning_signal(program, rule, name, into_loss, direct)
        if name in read:
            signalled = _is_signalled(program, rule, name, into_loss, learning, read)
            if direct[name] and signalled:
                result.append(Adjoint(name, "direct", own, (), False, ()))
            if name in learning or signalled and not direct[name]:
                result.append(Adjoint(name, "", own, rates, True, edges))
        elif name in learning and (edges or signals or rates):
            result.append(Adjoint(name, "", (), rates, True, edges, signals))
    return tuple(result)


def _learning_signal(
    program: Program, rule: Rule, group: str, into_loss: Sequence[Connection], direct: dict[str, str]
) -> tuple[tuple[Edge, ...], tuple[Signal, ...]]:
    """Where a group's learning signal comes from. A population that the loss reads keeps the weights themselves."""
    paths = [c for c in into_loss if c.source_group == group]
    if rule.feedback == "symmetric" or group in direct:
        return tuple(Edge(c.name, direct[c.target_group]) for c in paths), ()
    if paths:
        return tuple(Edge(c.name, direct[c.target_group], f"{c.name}.feedback") for c in paths), ()
    population = program.group(group).rows[0].population
    return (), tuple(Signal(read, label, f"{population}.feedback") for read, label in direct.items())


def _is_signalled(
    program: Program,
    rule: Rule,
    read: str,
    into_loss: Sequence[Connection],
    learning: frozenset[str],
    all_read: set[str],
) -> bool:
    """Whether the adjoint of a population that the loss reads is a learning signal of another one."""
    if any(c.source_group in learning and c.target_group == read for c in into_loss):
        return True
    connected = {c.source_group for c in into_loss}
    return rule.feedback != "symmetric" and bool(learning - connected - all_read)
