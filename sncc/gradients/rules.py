"""Learning rules as choices on one graph: which adjoints there are, and across which connections credit flows.

bptt: every group has one adjoint; credit crosses every connection. eprop (Bellec et al. 2020): a group's own adjoint,
plus the learning signal, credit across exactly one connection, into a population that the loss reads, from that
population's own adjoint. With random or adaptive feedback a matrix B, or a number per synapse, stands for that
connection's weights. States that a connection's synapses share per source neuron are a group of their own, and a part
of the connection: credit goes through them, and their learnt numbers get the credit of all their targets. eventprop
(Wunderlich and Pehle 2021): the graph of bptt, with credit for the times of spikes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sncc.model.training_nodes import Rule
from sncc.program.groups import Connection
from sncc.program.learning import Penalty
from sncc.program.nodes import Program
from sncc.program.operations import Readout


@dataclass(frozen=True, slots=True)
class Edge:
    """Credit across a connection, from the adjoint `label` of its target;
    by the weights or by the matrix `feedback`.
    """

    connection: str
    label: str
    feedback: str | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """A learning signal without a connection: the matrix `feedback` times an adjoint of what the loss reads."""

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
    instead: str | None = None  # numbers that stand for the weights that a group of synapses reads


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
    into = {c.target_group for c in program.connections if c.weight in learnt or c.moving_delays in learnt}
    return frozenset(own | into)


def _of(group: str, nodes: Sequence[Readout | Penalty]) -> tuple[int, ...]:
    return tuple(k for k, node in enumerate(nodes) if node.group == group)


def _between(program: Program) -> list[Connection]:
    return [c for c in program.connections if c.source_group is not None]


def _synaptic(program: Program) -> frozenset[str]:
    """Groups that hold states of synapses, shared per source neuron or of each."""
    return frozenset(g.name for g in program.groups if all(row.holds != "neurons" for row in g.rows))


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
SIGNAL = "signal"  # the adjoint of states of synapses by which a learning signal goes back
FED_BACK = "feedback"  # the same by other weights than those of the synapses


def _eprop(
    program: Program, rule: Rule, readouts: Sequence[Readout], penalties: Sequence[Penalty]
) -> tuple[Adjoint, ...]:
    return _Eprop(program, rule, readouts, penalties).adjoints()


class _Eprop:
    def __init__(self, program: Program, rule: Rule, readouts: Sequence[Readout], penalties: Sequence[Penalty]) -> None:
        self.program, self.rule, self.readouts, self.penalties = program, rule, readouts, penalties
        self.synaptic = _synaptic(program)
        self.of_each = {g.name for g in program.groups if all(row.holds == "synapses" for row in g.rows)}
        # numbers of neurons that the synapses behind them read: what a neuron sends is cut, these are not
        self.read_numbers = [c for c in _between(program) if c.of_numbers and not c.of_target]
        self.learning = learning_groups(program)
        self.learning |= {c.target_group for c in self.read_numbers if c.source_group in self.learning}
        while (
            more := {  # states of a source for its synapses may be told to states that each of these has
                c.target_group for c in program.connections if c.source_group in self.learning & self.synaptic
            }
            - self.learning
        ):
            self.learning |= more
        self.read = {readout.group for readout in readouts}
        self.into_loss = [c for c in _between(program) if c.target_group in self.read]
        on_the_way = {c.source_group for c in self.into_loss} & self.synaptic
        shared = {g.name for g in program.groups if all(row.holds == "traces" for row in g.rows)}
        # states of sources that are told to states of each synapse, which are on that way
        self.told = [c for c in _between(program) if c.source_group in shared and c.target_group in on_the_way]
        on_the_way |= {c.source_group for c in self.told}
        # the connections by which neurons reach the loss: into it, or into the states of synapses that go into it
        self.leaving = [c for c in self.into_loss if c.source_group not in self.synaptic]
        self.leaving += [
            c for c in _between(program)
            if c.target_group in on_the_way and not c.of_target and c.source_group not in self.synaptic
            and c not in self.read_numbers
        ]  # fmt: skip
        # a group that the loss reads and that gets credit besides has an adjoint of its own without that credit
        besides = {c.source_group for c in self.leaving} | {p.group for p in penalties}
        self.direct = {group: "direct" if group in besides else "" for group in self.read}

    def adjoints(self) -> tuple[Adjoint, ...]:
        result: list[Adjoint] = []
        for group in self.program.groups:
            name = group.name
            if name in self.synaptic:
                result += self._of_synapses(name)
                continue
            own, rates = _of(name, self.readouts), _of(name, self.penalties)
            edges, signals = self._learning_signal(name)
            if self._has_direct(name):
                result.append(Adjoint(name, "direct", own, (), False, self._through_synapses(name, SIGNAL)))
            if self._has_own(name):
                through = (*self._through_synapses(name, ""), *self._to_numbers(name))
                result.append(Adjoint(name, "", own, rates, True, (*edges, *through), signals))
        return tuple(result)

    def _has_direct(self, group: str) -> bool:
        """Whether a population that the loss reads has a second adjoint, without credit from others."""
        return group in self.read and bool(self.direct[group]) and self._is_signalled(group)

    def _has_own(self, group: str) -> bool:
        """Whether a population has an adjoint from which gradients are taken."""
        if group in self.read:
            return group in self.learning or self._is_signalled(group) and not self.direct[group]
        edges, signals = self._learning_signal(group)
        return group in self.learning and bool(
            edges or signals or _of(group, self.penalties) or self._to_numbers(group)
        )

    def _through_synapses(self, group: str, label: str) -> tuple[Edge, ...]:
        """The credit of a population's states that its own synapses read:
        no other neuron is on that way, and no spike.
        """
        own = (c for c in _between(self.program) if c.of_target and c.values is not None)
        return tuple(Edge(c.name, label) for c in own if c.source_group == group)

    def _to_numbers(self, group: str) -> tuple[Edge, ...]:
        """The credit of numbers that a population's neurons have for themselves and the synapses behind them read."""
        own = (c for c in self.read_numbers if c.source_group == group and self._is_credited(c.target_group))
        return tuple(Edge(c.name, "") for c in own)

    def _learning_signal(self, group: str) -> tuple[tuple[Edge, ...], tuple[Signal, ...]]:
        """Where a group's learning signal comes from."""
        paths = [c for c in self.leaving if c.source_group == group]
        if paths or self.rule.feedback == "symmetric" or group in self.read:
            return tuple(self._edge(c, group) for c in paths), ()
        population = self.program.group(group).rows[0].population
        return (), tuple(Signal(read, label, f"{population}.feedback") for read, label in self.direct.items())

    def _keeps_weights(self, origin: str | None) -> bool:
        """Whether credit for what the neurons of `origin` send goes back by the weights.

        That of a population which the loss reads does.
        """
        return self.rule.feedback == "symmetric" or origin in self.read

    def _edge(self, c: Connection, origin: str | None) -> Edge:
        """Credit for what the neurons of `origin` send."""
        kept = self._keeps_weights(origin)
        if c.target_group in self.synaptic:
            return Edge(c.name, SIGNAL if kept or c.target_group not in self.of_each else FED_BACK)
        return Edge(c.name, self.direct[c.target_group], None if kept else f"{c.owner}.feedback")

    def _of_synapses(self, group: str) -> list[Adjoint]:
        """Adjoints of states of synapses: for their own numbers and their target's states,
        and for the neurons whose spikes move them.

        The latter in two where each synapse has states, and numbers of their own stand for the weights on the way to
        the neurons.
        """
        program, result = self.program, []
        onto = [c for c in program.connections if c.source_group == group]
        reads_target = any(c.of_target and c.target_group == group for c in program.connections)
        credited = [c for c in onto if self._is_credited(c.target_group)]
        if credited and (group in self.learning or reads_target):
            result.append(Adjoint(group, "", (), (), True, tuple(Edge(c.name, "") for c in credited)))
        origin = self._origin(group)
        into_read = [c for c in onto if c.target_group in self.read or c in self.told]
        told = reads_target and any(self._has_direct(c.target_group) for c in onto)
        if group in self.of_each:
            edges = tuple(Edge(c.name, self.direct[c.target_group]) for c in into_read)
            kept = self._keeps_weights(origin)
            if told or origin in self.learning and kept:
                result.append(Adjoint(group, SIGNAL, (), (), False, edges))
            if origin in self.learning and not kept:
                name = program.group(group).rows[0].population.partition(".")[0]
                result.append(Adjoint(group, FED_BACK, (), (), False, edges, instead=f"{name}.feedback"))
        elif told or origin in self.learning:
            result.append(Adjoint(group, SIGNAL, (), (), False, tuple(self._edge(c, origin) for c in into_read)))
        return result

    def _origin(self, group: str) -> str | None:
        """The population by whose spikes states of synapses on the way to the loss are moved: they have one."""
        moved = next((c.source_group for c in self.leaving if c.target_group == group), None)
        return moved or next((self._origin(c.source_group or "") for c in self.told if c.target_group == group), None)

    def _is_credited(self, group: str) -> bool:
        """Whether a population, or states of synapses, have an adjoint from which gradients are taken."""
        if group not in self.synaptic:
            return self._has_own(group)
        onto = (c for c in self.program.connections if c.source_group == group)
        return group in self.learning and any(self._is_credited(c.target_group) for c in onto)

    def _is_signalled(self, read: str) -> bool:
        """Whether the adjoint of a population that the loss reads is a learning signal of another one."""
        through = {c.source_group for c in self.into_loss if c.target_group == read}
        if any(
            c.source_group in self.learning and (c.target_group == read or c.target_group in through)
            for c in self.leaving
        ):
            return True
        connected = {c.source_group for c in self.leaving}
        lonely = self.learning - connected - self.read - self.synaptic
        return self.rule.feedback != "symmetric" and bool(lonely)
