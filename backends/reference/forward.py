"""A sample's forward phase: deliveries, synapses and updates, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from itertools import product
from typing import Any

import numpy as np

from sncc.backends.reference.draws import DISTRIBUTIONS, Counter, drawn_within
from sncc.backends.reference.statements import statement_value
from sncc.backends.reference.synapses import SynapsesOfSample
from sncc.connectivity.build import indices
from sncc.connectivity.patterns import Part
from sncc.expressions.evaluate import evaluate
from sncc.program.groups import Connection, Group
from sncc.program.nodes import Program, Stimulus
from sncc.program.operations import Deliver, Readout, SynapseUpdate, Update
from sncc.program.statements import LEARNS, Draw, Statement
from sncc.program.streams import GOLDEN

Array = Any


class ForwardRun:
    """One sample on its way through the forward phase, `run`."""

    def __init__(
        self, program: Program, parameters: Mapping[str, np.ndarray], arrays: Mapping[str, dict[str, Array]],
        inputs: Mapping[str, Array], synapses: SynapsesOfSample, steps: int | None,
        seed: tuple[int, int], stimulated: bool = False, learns: bool = False,
    ) -> None:  # fmt: skip
        self.program, self.parameters, self.arrays = program, parameters, arrays
        self.synapses, (self.seed, self.trial) = synapses, seed
        self.stimulated, self.learns = stimulated, learns
        self._kept: dict[str, np.ndarray] = {}  # by connection with dropout
        self.inputs = {name: np.asarray(value, float).reshape(len(value), -1) for name, value in inputs.items()}
        self.steps = max((len(value) for value in self.inputs.values()), default=0) if steps is None else steps
        self._last = {o.group: o for o in program.forward if isinstance(o, Update)}  # update of each group in a step
        self.variables = {(g.name, s): v for g in program.groups for s, v in self._initial(g).items()}
        self.accumulators: dict[tuple[str, str], np.ndarray] = {}
        self.tape: dict[tuple[str, str, int], Array] = {}
        self.spikes: dict[tuple[str, int], np.ndarray] = {}
        self.sums: dict[tuple[str, str], np.ndarray] = {}
        self.traces: dict[tuple[str, str], np.ndarray] = {}
        for g in program.groups:
            for row in g.rows:
                for state, _, _ in g.declared:
                    self.traces[row.population, state] = np.zeros((self.steps, row.size))
                for r in row.recordable:
                    self.traces[row.joins[0], r.name] = np.zeros((self.steps, row.size))
        for s in program.synapses:
            for name, state, _, _ in s.declared:
                own = program.connection(s.connection).owner, name
                self.traces[own] = np.zeros((self.steps, len(synapses.states[s.connection, state])))
        self.history: dict[tuple[str, str], list[np.ndarray]] = {w: [self.now(*w)] for w in _looked_back_at(program)}

    def check_states(self) -> None:
        """Raises FloatingPointError for a state that ends infinite or as no number; one that began infinite may."""
        for group in self.program.groups:
            first = self._initial(group)
            for row, (state, _, _) in product(group.rows, group.declared):
                part = slice(row.offset, row.offset + row.size)
                last = self.variables[group.name, state][part]
                wrong = np.isnan(last) if np.isinf(first[state][part]).any() else ~np.isfinite(last)
                if wrong.any():
                    neuron, seconds = int(np.argmax(wrong)), self.steps * self.program.step / 1000
                    raise FloatingPointError(
                        f"the state `{state}` of `{row.population}` is not finite: it is {last[neuron]} in neuron "
                        f"{neuron} after steps 1 to {self.steps} (0 s to {seconds:g} s)"
                    )

    def _initial(self, group: Group) -> dict[str, np.ndarray]:
        values = {state: np.zeros(group.size) for state in group.states}
        for row in group.rows:
            part = slice(row.offset, row.offset + row.size)
            own = {
                symbol: np.broadcast_to(array, (group.size,))[part] for symbol, array in self.arrays[group.name].items()
            }
            own["i"] = np.arange(row.size)
            for state, expression in row.initial:
                counter = Counter(self.seed, row.stream_of_start(state), np.arange(row.size), 0, self.trial)
                values[state][part] = drawn_within(expression, own, counter, dict(row.clips).get(state))
        return values

    def _weight(self, connection: Connection) -> np.ndarray:
        parameter = self.program.parameter(connection.weight)
        weight = np.broadcast_to(self.parameters[connection.weight], parameter.dimensions)
        return weight if connection.structure is None else weight * (1 - np.eye(len(weight)))  # none to itself

    def source(self, connection: Connection, n: int) -> np.ndarray | None:
        """What the source emitted at step n: counts, values or zeros and ones; None outside the sample."""
        whole = self.emitted(connection, n)
        return None if whole is None else whole[connection.source_offset :][: connection.source_size]

    def _add(self, group: str, name: str, offset: int, values: np.ndarray) -> None:
        whole = self.accumulators.setdefault((group, name), np.zeros(self.program.group(group).size))
        whole[offset : offset + len(values)] += values

    def scatter(self, group: str, accumulator: str, index: np.ndarray, values: Array) -> None:
        """Add values to an accumulator, one after the other."""
        whole = self.accumulators.setdefault((group, accumulator), np.zeros(self.program.group(group).size))
        np.add.at(whole, index, values)

    def emitted(self, c: Connection, n: int) -> np.ndarray | None:
        """What the whole source, or its group, emitted at step n: counts or values; None outside the run."""
        if c.values is not None:
            group, row = self.program.place(c.source)
            whole = np.zeros(group.size)
            past = self.history[c.source, c.values]
            whole[row.offset : row.offset + row.size] = past[min(max(n, 0), len(past) - 1)]
            return whole * self.kept(c) if c.dropout and self.learns else whole
        if not 1 <= n <= self.steps:
            return None
        given = np.asarray(self.inputs[c.source][n - 1]) if c.source_group is None else self.spikes[c.source_group, n]
        return given * self.kept(c) if c.dropout and self.learns else given

    def kept(self, c: Connection) -> np.ndarray:
        """1 where a neuron of a connection's whole source, or of its group, is not left out of this sample, else 0."""
        if c.name not in self._kept:
            row = self.program.place(c.source)[1] if c.source_group is not None else None
            size = row.size if row is not None else next(s.size for s in self.program.sources if s.name == c.source)
            word = Counter(self.seed, c.dropout_stream, np.arange(size), 0, self.trial).words(0)[0]
            kept = (word >= c.dropout_threshold).astype(float)
            if row is not None:
                whole = np.ones(self.program.group(c.source_group or "").size)
                whole[row.offset : row.offset + row.size] = kept
                kept = whole
            self._kept[c.name] = kept if self.learns else np.ones(len(kept))
        return self._kept[c.name]

    def fired(self, group: str, n: int) -> np.ndarray | None:
        """Spikes of a group at step n; None outside the run."""
        return self.spikes[group, n] if 1 <= n <= self.steps else None

    def now(self, population: str, variable: str) -> np.ndarray:
        """A variable, or a number, of a population's neurons."""
        group, row = self.program.place(population)
        found = self.variables.get((group.name, variable))
        found = np.broadcast_to(self.arrays[group.name][variable], group.size) if found is None else found
        return np.array(found[row.offset : row.offset + row.size])

    def past(self, population: str, variable: str, n: int, ago: np.ndarray, neuron: np.ndarray) -> np.ndarray:
        """The variable of given neurons as it is at step n, or at the end of the step so many steps ago."""
        result: np.ndarray = self.now(population, variable)[neuron]
        if ago.any() and (population, variable) in self.history:
            past = np.array(self.history[population, variable])
            result = np.where(ago > 0, past[np.clip(n - ago, 0, len(past) - 1), neuron], result)
        return result

    def stimulation(self, owner: str, name: str, n: int) -> float:
        """What stimuli add to a modulator of a connection at step n."""
        return sum(
            float(evaluate(s.value, {"t": (n - 1) * self.program.step}))
            for s in self._stimuli(n)
            if not s.group and (s.population, s.input) == (owner, name)
        )

    def _stimuli(self, n: int) -> list[Stimulus]:
        """Stimuli of step n."""
        given = self.program.simulation.stimuli if self.program.simulation is not None and self.stimulated else ()
        return [s for s in given if s.first < n and (s.last is None or n <= s.last)]

    def statement(self, s: Statement, values: Mapping[str, Array], number: int, element: np.ndarray, n: int) -> Array:
        """The value of a statement for some elements, of what is drawn in the stream of that number."""
        if isinstance(s, Draw):
            element = element if s.whose is None else np.asarray(evaluate(s.whose, values)).astype(int)
            step = n if s.at is None else np.asarray(evaluate(s.at, values)).astype(int)
            counter = Counter(self.seed, number, element, step + s.later, self.trial)
            return DISTRIBUTIONS[s.distribution](counter, 0, *(evaluate(a, values) for a in s.arguments))
        return statement_value(s, values)

    # -------------------------------------------------------------------------------------------- forward
    def forward(self) -> None:
        """All steps."""
        for n in range(1, self.steps + 1):
            self.step(n)
        self._look_ahead()

    def _look_ahead(self) -> None:
        """What stands in the step after the last one of the recorded, in a run of its own."""
        if not any(r.ahead for g in self.program.groups for row in g.rows for r in row.recordable):
            return
        after = copy(self)
        after.variables, after.tape, after.spikes = dict(self.variables), dict(self.tape), dict(self.spikes)
        after.sums, after.history = dict(self.sums), {key: list(past) for key, past in self.history.items()}
        after.accumulators = {key: np.array(value) for key, value in self.accumulators.items()}
        after.traces = {key: np.zeros((self.steps + 1, trace.shape[1])) for key, trace in self.traces.items()}
        ForwardRun.step(after, self.steps + 1, observes=False)
        for row in (row for g in self.program.groups for row in g.rows):
            for r in (r for r in row.recordable if r.ahead and self.steps):
                self.traces[row.joins[0], r.name][-1] = after.traces[row.joins[0], r.name][self.steps - 1]

    def step(self, n: int, observes: bool = True) -> None:
        """The operations of step n; `observes`: with the losses."""
        for operation in self.program.forward:
            match operation:
                case Deliver(connection):
                    c = self.program.connection(connection)
                    if self._moves(c.target_group):
                        self._deliver(c, n)
                case SynapseUpdate():
                    self.synapses.update(operation, n, self)
                case Update():
                    if self._moves(operation.group):
                        self._update(operation, n)
                    if operation is self._last[operation.group]:
                        self._record(operation.group, n)
                case Readout() if observes:
                    self.observe(operation, n)
        for s in self.program.synapses:
            for name, state, _, _ in s.declared:
                own = self.program.connection(s.connection).owner, name
                self.traces[own][n - 1] = self.synapses.states[s.connection, state]

    def _moves(self, group: str) -> bool:
        """Whether a group moves: always, or in simulations alone."""
        return self.stimulated or not self.program.group(group).only_recorded

    def observe(self, readout: Readout, n: int) -> None:
        """What a run that computes losses does with a readout."""

    def _deliver(self, c: Connection, n: int) -> None:
        if not _plain(c):
            table = self.synapses.tables[c.name]
            arriving = self.synapses.arriving(c, n, self.emitted) * self._gain(c, n)
            self.scatter(c.target_group, c.input, table.post, arriving * self.synapses.weight(c))
            return
        emitted = self.source(c, n - c.delay)
        if emitted is not None and c.gain is not None:
            first = c.source_offset - (self.program.place(c.source)[1].offset if c.source_group is not None else 0)
            emitted = emitted * self.now(*c.gain)[first : first + c.source_size]
        if emitted is not None:
            weight = self._weight(c)
            self._add(
                c.target_group, c.input, c.target_offset, emitted @ weight if c.pattern == "dense" else emitted * weight
            )

    def _gain(self, c: Connection, n: int) -> Array:
        """What multiplies a spike on each synapse."""
        if c.gain is None:
            return 1.0
        ago = (
            self.synapses.delay_steps(c)
            if c.delays is not None
            else np.zeros(len(self.synapses.tables[c.name].pre), int)
        )
        return self.past(*c.gain, n, ago, self.synapses.tables[c.name].source)

    def _update(self, update: Update, n: int) -> None:
        name = update.group
        for s in self._stimuli(n):
            if s.group == name and s.input in update.inputs:
                row = self.program.place(s.population)[1]
                neurons = row.offset + indices(s.part or Part.whole(row.shape))
                value = evaluate(s.value, {"t": (n - 1) * self.program.step})
                self.scatter(name, s.input, neurons, np.broadcast_to(value, neurons.shape))
        zeros = np.zeros(self.program.group(name).size)
        values: dict[str, Array] = {"t": (n - 1) * self.program.step, LEARNS: float(self.learns), **self.arrays[name]}
        carried = {v for g, v in self.variables if g == name} | {v for v, _ in (*update.carry, *update.sums)}
        values |= {v: self.variables.get((name, v), zeros) for v in carried}
        values |= {i: self.accumulators.pop((name, i), zeros) for i in update.inputs}
        values |= {local: self.tape[name, slot, n] for local, slot in update.loads}
        for statement in update.body:
            values[statement.name] = statement_value(statement, values, lambda *drawn: self._draw(name, n, *drawn))
        for variable, local in update.carry:
            self.variables[name, variable] = np.broadcast_to(values[local], zeros.shape)
        for slot, local in update.stores:
            self.tape[name, slot, n] = np.broadcast_to(values[local], zeros.shape)
        for variable, local in update.sums:
            self.sums[name, variable] = self.sums.get((name, variable), zeros) + values[local]
        if update.spikes is not None:
            self.spikes[name, n] = np.broadcast_to(values[update.spikes], zeros.shape)

    def _draw(self, group: str, n: int, draw: Draw, values: Mapping[str, Array], repeat: int) -> Array:
        """A draw of every neuron of a group, each row with its own stream."""
        whole = np.zeros(self.program.group(group).size)
        for row in self.program.group(group).rows:
            part = slice(row.offset, row.offset + row.size)
            own = {k: v[part] if np.ndim(v) else v for k, v in values.items()}
            element = np.arange(row.size) if draw.whose is None else evaluate(draw.whose, own).astype(int)
            number = (dict(row.streams)[draw.name] + repeat * GOLDEN) & 0xFFFFFFFF
            step = n if draw.at is None else evaluate(draw.at, own).astype(int)
            counter = Counter(self.seed, number, element, step, self.trial)
            arguments = (evaluate(a, own) for a in draw.arguments)
            whole[part] = DISTRIBUTIONS[draw.distribution](counter, 0, *arguments)
        return whole

    def _record(self, group: str, n: int) -> None:
        for population, variable in self.history:
            if self.program.place(population)[0].name == group:
                self.history[population, variable].append(self.now(population, variable))
        for row in self.program.group(group).rows:
            for state, _, _ in self.program.group(group).declared:
                part = self.variables[group, state][row.offset : row.offset + row.size]
                self.traces[row.population, state][n - 1] = part
            for r in row.recordable:
                part = self.variables[group, r.state][row.offset : row.offset + row.size]
                if n > r.ahead:
                    self.traces[row.joins[0], r.name][n - 1 - r.ahead] = part

    def spikes_by_population(self) -> dict[str, np.ndarray]:
        """{population: (steps, neurons)}."""
        result = {}
        for group in self.program.groups:
            for row in group.rows:
                if row.spiking:
                    steps = [
                        self.spikes[group.name, n][row.offset : row.offset + row.size] for n in range(1, self.steps + 1)
                    ]
                    result[row.population] = np.array(steps).reshape(self.steps, row.size)
        return result


def _plain(c: Connection) -> bool:
    """Whether a product of matrices delivers all of a connection."""
    return c.pattern != "sparse" and not (c.plastic or c.delays)


def _looked_back_at(program: Program) -> set[tuple[str, str]]:
    """Variables whose values at earlier steps something reads."""
    found = {(c.source, c.values) for c in program.connections if c.values is not None}
    delayed = {c.name for c in program.connections if c.delays is not None}
    found |= {c.gain for c in program.connections if c.gain is not None and c.name in delayed}
    updates = [o for o in program.forward if isinstance(o, SynapseUpdate)]
    return found | {
        (population, variable)
        for o in updates
        for symbol, population, variable in o.pre
        if (o.connection in delayed or symbol in dict(o.ago)) and variable in program.place(population)[0].states
    }
