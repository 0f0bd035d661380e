"""Numbers of each synapse that a run records: where an engine has them, for the library's tables and the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sncc.backends.cxx.expressions import literal
from sncc.connectivity.patterns import Convolution
from sncc.program.nodes import Program

WEIGHTS = -1  # in place of the number of a state


@dataclass(frozen=True, slots=True)
class SynapseState:
    """`name` of the connection `owner`, the engine's `state` of it;
    its synapses are those of the connection `counted`, or so many.

    population: where neurons stand for synapses, else -1. `ahead`: what it is after a step stands there in the next
    one.
    """

    owner: str
    name: str
    unit: str
    si: float
    state: int
    counted: int
    size: int = -1
    population: int = -1
    ahead: bool = False

    @property
    def line(self) -> str:
        """SynapseStateDescription in C++."""
        ahead = "true" if self.ahead else "false"
        numbers = f"{self.counted}, {self.state}, {literal(self.si, 'double')}, {self.population}, {self.size}, {ahead}"
        return f'{{"{self.owner}.{self.name}", {numbers}}},'


def synapse_states(program: Program) -> list[SynapseState]:
    """All that there are, in the library's order."""
    return list(_by_neurons(program) if program.schedule == "sample_parallel" else _by_synapses(program))


def _by_synapses(program: Program) -> Iterator[SynapseState]:
    for s in program.synapses:
        c = program.connection(s.connection)
        for name, state, unit, si in s.declared:
            yield SynapseState(c.owner, name, unit, si, s.states.index(state), program.connections.index(c))
    for k, c in enumerate(program.connections):
        if c.plastic and c.synapses_of is None and isinstance(c.structure, Convolution):  # they begin at the kernel's
            weight = program.parameter(c.weight)
            yield SynapseState(c.name, "weight", weight.unit, weight.si, WEIGHTS, k)


def _by_neurons(program: Program) -> Iterator[SynapseState]:
    numbers = {c.name: k for k, c in enumerate(program.connections)}
    for population, (group, row) in enumerate((g, r) for g in program.groups for r in g.rows):
        counted = numbers.get(row.population.removesuffix(".synapses"), -1)
        size = row.size if counted < 0 else -1
        for k, r in enumerate(row.recordable, len(group.declared)):
            yield SynapseState(row.joins[0], r.name, r.unit, r.si, k, counted, size, population, r.ahead)


def stood_for(program: Program) -> list[tuple[str, ...]]:
    """(connection, source, target) of connections of which only populations that stand for synapses are left."""
    left = {c.name for c in program.connections}
    found = (r.joins for g in program.groups for r in g.rows if r.joins and r.joins[0] not in left)
    return list(dict.fromkeys(found))
