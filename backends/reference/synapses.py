"""Synapses of a Program's connections as index arrays:
what is delivered, transposed, gathered and learnt, synapse by synapse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from sncc.backends.reference.draws import OF_A_FLOAT, Counter, drawn_within
from sncc.connectivity.build import Synapses, build, joined, stood_for
from sncc.connectivity.patterns import Dense, OfSynapses, Part
from sncc.program.groups import Connection
from sncc.program.nodes import Program
from sncc.program.operations import SynapseUpdate
from sncc.program.statements import Statement
from sncc.program.streams import GOLDEN, stream

Array = Any
RAISED = 1e-3  # steps that a delay is below the smallest legal one, other than by rounding
Arrival = tuple[np.ndarray, np.ndarray]
# what the whole source emitted at a step; None outside the run
Emitted = Callable[[Connection, int], "np.ndarray | None"]

Pairs = Mapping[str, tuple[np.ndarray, np.ndarray]]  # what is handed over for `sparse` connections


class Run(Protocol):
    """What a sample in flight offers its synapses."""

    def emitted(self, c: Connection, n: int) -> np.ndarray | None:
        """What the connection's source, or its whole group, emitted at step n; None outside the run."""

    def fired(self, group: str, n: int) -> np.ndarray | None:
        """Spikes of a group at step n; None outside the run."""

    def now(self, population: str, variable: str) -> np.ndarray:
        """A variable of a population's neurons."""

    def past(self, population: str, variable: str, n: int, ago: np.ndarray, neuron: np.ndarray) -> np.ndarray:
        """The variable of given neurons as it is at step n, or at the end of the step so many steps ago."""

    def scatter(self, group: str, accumulator: str, index: np.ndarray, values: Array) -> None:
        """Add values to an accumulator, one after the other."""

    def stimulation(self, owner: str, name: str, n: int) -> float:
        """What stimuli add to a modulator of a connection at step n."""

    def statement(self, s: Statement, values: Mapping[str, Array], number: int, element: np.ndarray, n: int) -> Array:
        """The value of a statement for some elements, of what is drawn in the stream of that number."""


@dataclass(frozen=True)
class Table:
    """The synapses of a connection: places in the source's and the target's arrays, and the weight's element of each.

    `source`, `target` are indices within the populations, for variables that SynapseUpdates name by population.
    """

    pre: np.ndarray
    post: np.ndarray
    element: np.ndarray
    source: np.ndarray
    target: np.ndarray


class Tables(Mapping[str, Table]):
    """The synapses of all connections, each built when it is first asked for."""

    def __init__(self, program: Program, seed: int, pairs: Pairs) -> None:
        self._program, self._seed, self._pairs = program, seed, pairs
        self._built: dict[str, Table] = {}

    def __getitem__(self, name: str) -> Table:
        if name not in self._built:
            self._built[name] = _table(self._program, self._program.connection(name), self._seed, self._pairs)
        return self._built[name]

    def move(self, owner: str, pre: np.ndarray, post: np.ndarray) -> None:
        """Gives a connection other synapses: flat indices in its populations, sorted by source, then target."""
        for c in self._program.connections:
            of, found = c.structure, Synapses(pre, post)
            if isinstance(of, OfSynapses) and of.connection == owner:
                ends = stood_for(of, found)
                table = _placed(self._program, c, ends.pre, ends.post, np.arange(len(pre)))
                self._built[c.name] = replace(table, source=pre, target=post) if of.end == "rows" else table
            elif c.owner == owner:
                self._built[c.name] = _placed(self._program, c, pre, post, np.arange(len(pre)))

    def __iter__(self) -> Iterator[str]:
        return (c.name for c in self._program.connections)

    def __len__(self) -> int:
        return len(self._program.connections)


def _table(program: Program, c: Connection, seed: int, pairs: Pairs) -> Table:
    of = c.structure
    owner = of.connection if isinstance(of, OfSynapses) else c.owner
    found = _synapses(c, owner, seed, pairs.get(owner))
    pre, post = found.pre, found.post
    if c.pattern == "dense":
        element = pre * c.target_size + post
    elif found.kernel is not None:
        element = found.kernel
    else:
        element = np.arange(len(found))
    table = _placed(program, c, pre, post, element)
    if isinstance(of, OfSynapses) and of.end == "rows":  # as Python sees them
        written = joined(of, stream(owner, "connectivity"), seed, pairs.get(owner))
        return replace(table, source=written.pre, target=written.post)
    return table


def _placed(program: Program, c: Connection, pre: np.ndarray, post: np.ndarray, element: np.ndarray) -> Table:
    first_source = program.place(c.source)[1].offset if c.source_group is not None else 0
    first_target = program.place(c.target)[1].offset
    pre, post = pre + c.source_offset, post + c.target_offset
    return Table(pre, post, element, pre - first_source, post - first_target)


def _synapses(c: Connection, owner: str, seed: int, pairs: tuple[np.ndarray, np.ndarray] | None) -> Synapses:
    if c.pattern == "one_to_one":
        return Synapses(np.arange(c.source_size), np.arange(c.source_size))
    source, target = c.source_part or Part.whole((c.source_size,)), c.target_part or Part.whole((c.target_size,))
    structure = Dense() if c.structure is None else c.structure
    return build(structure, source, target, stream(owner, "connectivity"), seed, pairs)


class SynapsesOfSample:
    """The synapses while a sample runs: weights that plasticity changes, states, and what arrives over them."""

    def __init__(
        self, program: Program, found: Mapping[str, Table], parameters: Mapping[str, np.ndarray],
        counter: tuple[int, int] = (0, 0),
    ) -> None:  # fmt: skip
        """`counter`: seed and trial of what is drawn."""
        self.program, self.tables, self.parameters = program, found, parameters
        # per synapse, by connection and key; only those that are used
        self.weights: dict[tuple[str, str], np.ndarray] = {}
        self.states: dict[tuple[str, str], np.ndarray] = {}
        for s in program.synapses:
            for state, expression in s.initial:
                table, number = found[s.connection], stream(f"{s.connection}.{state}", "initial")
                values = self.arrays(s.connection) | {"i": table.source, "j": table.target}
                draws = Counter(counter[0], number, np.arange(len(table.pre)), 0, counter[1])
                self.states[s.connection, state] = drawn_within(expression, values, draws, dict(s.clips).get(state))

    def arrays(self, connection: str) -> dict[str, Array]:
        """Parameters and modulators that a connection's updates read, one number or one per synapse."""
        values: dict[str, Array] = {}
        table = self.tables[connection]
        for s in self.program.synapses:
            if s.connection == connection:
                for symbol, value in s.arrays:
                    given = np.asarray(self.parameters[value] if isinstance(value, str) else value)
                    values[symbol] = given.reshape(-1)[table.element] if given.ndim == 2 else given.reshape(-1)
                for m in s.modulators:
                    values[m] = self.parameters.get(f"{connection}.plasticity.{m}", np.zeros(()))
        return {k: v[0] if np.shape(v) == (1,) else v for k, v in values.items()}

    def weight(self, c: Connection) -> np.ndarray:
        """The weight of every synapse now."""
        key = c.owner, c.weight
        if key not in self.weights:
            table = self.tables[c.name]
            value = np.asarray(self.parameters[c.weight])
            self.weights[key] = np.full(len(table.pre), value) if value.ndim == 0 else value.reshape(-1)[table.element]
        return self.weights[key]

    def delay_steps(self, c: Connection) -> np.ndarray:
        """The delay of every synapse, in steps: rounded, halves up, or cut, and raised to the smallest legal one."""
        delays = self._delays(c)
        steps: np.ndarray = np.floor(delays if c.whole else delays * (1 + OF_A_FLOAT) + 0.5).astype(int)
        return steps

    def _delays(self, c: Connection, least: float | None = None) -> np.ndarray:
        """The delay of every synapse, in steps that need not be whole, raised to the smallest legal one or another."""
        size = len(self.tables[c.name].pre)
        if c.delays is None:
            return np.full(size, float(c.delay))
        value = np.asarray(self.parameters[c.delays])
        value = value.reshape(-1)[self.delay_elements(c)] if value.ndim else value
        steps = np.broadcast_to(value, (size,)) / self.program.step
        whole = np.floor(steps + 0.5)
        steps = np.where(abs(steps - whole) <= OF_A_FLOAT * whole, whole, steps)
        return np.maximum(steps, c.delay if least is None else least)

    def steps_of_delays(self, c: Connection) -> np.ndarray:
        """The delay of every synapse, in steps: whole ones but where it is learnt."""
        return self._delays(c) if c.in_parts else self.delay_steps(c)

    def delay_elements(self, c: Connection) -> np.ndarray:
        """Where the delay of every synapse stands among those of its connection, flat."""
        if np.ndim(self.parameters[c.delays or ""]) == 0:
            return np.zeros(len(self.tables[c.name].pre), int)
        if -1 in self.program.parameter(c.delays or "").dimensions:  # each synapse has its own
            return np.arange(len(self.tables[c.name].pre))
        return self.tables[c.name].element

    def delay_parts(self, c: Connection) -> tuple[Arrival, ...]:
        """When what a source emits arrives over every synapse: (steps later, share of it) of each part, per synapse."""
        if not c.in_parts:
            return ((self.delay_steps(c), np.ones(1)),)
        steps = self._delays(c)
        whole = np.floor(steps).astype(int)
        rest = steps - whole
        return (whole, 1 - rest), (whole + 1, rest)

    def delay_slopes(self, c: Connection) -> tuple[Arrival, ...]:
        """The derivative of these shares by a learnt delay; of a rounded one, of what arrives times the arrival's time.

        None where a delay is raised: what is read of states one step ago at least.
        """
        parts = self.delay_parts(c)
        if c.rounded:
            return parts
        moves = self._delays(c, least=0.0) > c.delay - RAISED
        return tuple(
            (steps, moves * sign / self.program.step) for (steps, _), sign in zip(parts, (-1.0, 1.0), strict=True)
        )

    def arriving(self, c: Connection, n: int, emitted: Emitted, parts: tuple[Arrival, ...] | None = None) -> np.ndarray:
        """What arrives over each synapse at step n: counts or values, in the shares of its delay or other `parts`."""
        table = self.tables[c.name]
        result: np.ndarray = np.zeros(len(table.pre))
        for delays, share in self.delay_parts(c) if parts is None else parts:
            one = np.zeros(len(table.pre))
            for delay in np.unique(delays):
                given = emitted(c, n - int(delay))
                gone = c.window is not None and n > c.window and delay > (n - 1) % c.window
                if given is not None and not gone:
                    one = np.where(delays == delay, given[table.pre], one)
            result = result + share * one
        return result

    def update(self, update: SynapseUpdate, n: int, run: Run) -> None:
        """A `SynapseUpdate` of step n, over the synapses that it is for; with "pre" once per arriving spike."""
        c = self.program.connection(update.connection)
        table = self.tables[c.name]
        if update.when == "step":
            times = np.ones(len(table.pre))
        elif update.when == "pre":
            times = self.arriving(c, n, run.emitted)
        else:
            fired = run.fired(c.target_group, n - update.post_delay)
            times = np.zeros(len(table.pre)) if fired is None else fired[table.post]
        for repeat in range(int(times.max(initial=0.0))):
            self._move(update, c, np.flatnonzero(times > repeat), repeat, n, run)

    def _move(self, update: SynapseUpdate, c: Connection, chosen: np.ndarray, repeat: int, n: int, run: Run) -> None:
        table = self.tables[c.name]
        values = {k: v[chosen] if np.ndim(v) else v for k, v in self.arrays(c.name).items()}
        for m in (m for s in self.program.synapses if s.connection == c.name for m in s.modulators):
            values[m] = values[m] + run.stimulation(c.name, m, n)
        values |= {"t": (n - 1) * self.program.step, "weight": self.weight(c)[chosen]}
        values |= {s: v[chosen] for (name, s), v in self.states.items() if name == c.name}
        for symbol, population, variable in update.pre:
            ago = np.full(len(chosen), dict(update.ago).get(symbol, 0))
            ago = self.delay_steps(c)[chosen] if c.delays is not None else ago
            values[symbol] = run.past(population, variable, n, ago, table.source[chosen])
        for symbol, population, variable in update.post:
            variables = run.now(population, variable)
            values[symbol] = variables[table.target[chosen]] if len(variables) > 1 else variables[0]
        for statement in update.body:
            number = (dict(update.streams).get(statement.name, 0) + repeat * GOLDEN) & 0xFFFFFFFF
            values[statement.name] = run.statement(statement, values, number, chosen, n)
        for variable, local in update.carry:
            moved = np.array(self.weight(c) if variable == "weight" else self.states[c.name, variable])
            moved[chosen] = values[local]
            if variable == "weight":
                self.weights[c.owner, c.weight] = moved
            else:
                self.states[c.name, variable] = moved
        for accumulator, local in update.deliver:
            run.scatter(c.target_group, accumulator, table.post[chosen], values[local])
