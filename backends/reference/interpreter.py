"""Interprets a Program, one sample after the other, in NumPy float64: a loop over phases, one short method per operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sncc.backends.reference.draws import DISTRIBUTIONS, Counter, drawn, initial_parameters
from sncc.backends.reference.synapses import Pairs, SynapsesOfSample, tables
from sncc.expressions.evaluate import evaluate
from sncc.expressions.nodes import Expression
from sncc.program.nodes import (
    Assign,
    Connection,
    Deliver,
    DeriveAdjoint,
    Draw,
    Feedback,
    Fire,
    Gather,
    Group,
    Parameter,
    Penalty,
    PenaltyAdjoint,
    Program,
    Readout,
    ReadoutAdjoint,
    Reduce,
    Statement,
    SynapseUpdate,
    Transpose,
    Update,
)
from sncc.program.streams import stream

Array = Any


@dataclass
class Result:
    """What a batch gives: mean loss, gradients by key (of the values in the consistent system), outputs, spikes, traces.

    `penalty` is the mean penalty, which `loss` does not hold. outputs: (samples, outputs), of the first readout. spikes: per sample {population: (steps, neurons)}. traces: per sample {(population, state):
    (steps, neurons)}.
    """

    loss: float
    gradients: dict[str, np.ndarray]
    outputs: np.ndarray
    spikes: list[dict[str, np.ndarray]] = field(default_factory=list)
    traces: list[dict[tuple[str, str], np.ndarray]] = field(default_factory=list)
    weights: list[dict[str, np.ndarray]] = field(default_factory=list)  # of plastic connections in the end, per synapse
    penalty: float = 0.0


class Reference:
    """A Program with its parameters, float64. `parameters` are in the consistent system, in the user's shapes.

    Parameters that are not given are drawn as the library draws them. `seed` fixes those and the connectivity; `pairs` are the index
    arrays of `sparse` connections.
    """

    def __init__(
        self, program: Program, parameters: Mapping[str, Array] | None = None, seed: int = 0, pairs: Pairs | None = None
    ) -> None:
        self.program = program
        self.tables = tables(program, seed, pairs or {})
        sizes = {name: len(table.pre) for name, table in self.tables.items()}
        given = {key: np.array(value, float) for key, value in (parameters or {}).items()}
        self.parameters = initial_parameters(program, given, sizes, seed)
        self.optimiser_states: dict[tuple[str, str], np.ndarray] = {}
        self.optimiser_step = 0

    def run(
        self, inputs: Sequence[Mapping[str, Array]], labels: Sequence[Array] | None = None, *, steps: int | None = None,
        seed: int = 0,
    ) -> Result:  # fmt: skip
        """Forward and, with labels and a rule, reverse and gradient phases of a batch.

        inputs: per sample {source: (steps, neurons) counts or values}; labels: per sample a class, a class per step (-1:
        none), or target values (outputs,) or (steps, outputs). `steps` where nothing is handed over; `seed` of noise, sources
        and drawn first values, a sample's number being its trial.
        """
        arrays = {g.name: self._arrays(g) for g in self.program.groups}
        runs = [
            _Sample(
                self.program,
                self.parameters,
                arrays,
                sample,
                None if labels is None else labels[k],
                len(inputs),
                SynapsesOfSample(self.program, self.tables, self.parameters),
                steps,
                (seed, k),
            )
            for k, sample in enumerate(inputs)
        ]
        for run in runs:
            run.forward()
        penalty = sum(_penalise(p, runs) for p in self.program.penalties)
        if labels is not None and self.program.reverse:
            for run in runs:
                run.reverse()
        gradients = self._gradients(runs, arrays) if labels is not None and self.program.optimise else {}
        return Result(
            float(np.mean([run.loss for run in runs])),
            gradients,
            np.array([run.output for run in runs]) if self.program.readout else np.zeros((len(runs), 0)),
            [run.spikes_by_population() for run in runs],
            [run.traces for run in runs],
            weights=[{c.weight: run.synapses.weight(c) for c in self.program.connections if c.plastic} for run in runs],
            penalty=float(penalty),
        )

    def optimise(self, gradients: Mapping[str, np.ndarray], learning_rate_factor: float = 1.0) -> None:
        """One optimiser step on every learnt parameter."""
        optimiser = self.program.optimise
        assert optimiser is not None
        self.optimiser_step += 1
        learnt = [p for p in self.program.parameters if p.learnt]
        scaled = {p.key: np.asarray(gradients[p.key]) * p.scale for p in learnt}
        if optimiser.clip:
            kind, limit = optimiser.clip
            norm = np.sqrt(sum(float(np.sum(g**2)) for g in scaled.values()))
            for key, g in scaled.items():
                scaled[key] = np.clip(g, -limit, limit) if kind == "value" else g * min(1.0, limit / max(norm, 1e-300))
        rate = optimiser.learning_rate * learning_rate_factor
        scalars: dict[str, Array] = {"k": float(self.optimiser_step), "learning_rate": rate}
        for assign in optimiser.scalars:
            scalars[assign.name] = evaluate(assign.value, scalars)
        for p in learnt:
            states = {s: self.optimiser_states.get((p.key, s), np.zeros(p.shape)) for s in optimiser.states}
            values = {
                **scalars,
                "rate": rate * p.rate,
                "w": self.parameters[p.key] / p.scale,
                "g": scaled[p.key],
                **states,
            }
            for assign in optimiser.body:
                values[assign.name] = evaluate(assign.value, values)
            for name, local in optimiser.carry:
                if name == "w":
                    self._step(p, values[local] * p.scale)
                else:
                    self.optimiser_states[p.key, name] = values[local]

    def _step(self, p: Parameter, value: Array) -> None:
        """Gives a parameter its value after an optimiser step, within its bounds and signs."""
        before = self.parameters[p.key]
        value = np.clip(value, *p.bounds) if p.bounds else np.asarray(value)
        if p.keeps_sign:
            value = np.where(np.signbit(value) == np.signbit(before), value, np.copysign(0.0, before))
        self.parameters[p.key] = value
        assert self.program.optimise is not None
        for matrix, followed in self.program.optimise.follows:
            if followed == p.key:
                self.parameters[matrix] = self.parameters[matrix] + (value - before).T

    # -------------------------------------------------------------------------------------------- derive
    def _bound(self, group: Group) -> dict[str, Array]:
        """Values per neuron of the symbols bound in the rows; padding repeats a row's last neuron."""
        values: dict[str, Array] = {}
        for symbol, _ in group.rows[0].values:
            array = np.zeros(group.size)
            for row, end in zip(group.rows, [*(r.offset for r in group.rows[1:]), group.size], strict=True):
                value = dict(row.values)[symbol]
                numbers = np.broadcast_to(self.parameters[value] if isinstance(value, str) else value, (row.size,))
                array[row.offset : row.offset + row.size] = numbers
                array[row.offset + row.size : end] = numbers[-1]
            values[symbol] = array
        return values

    def _arrays(self, group: Group) -> dict[str, Array]:
        values = self._bound(group)
        for derive in self.program.derive:
            if derive.group == group.name:
                for assign in derive.body:
                    values[assign.name] = evaluate(assign.value, values)
        return values

    # -------------------------------------------------------------------------------------------- gradient
    def _gradients(self, runs: Sequence[_Sample], arrays: Mapping[str, dict[str, Array]]) -> dict[str, np.ndarray]:
        full = {
            p.key: np.zeros(np.shape(self.parameters[p.key]) if -1 in p.dimensions else p.dimensions)
            for p in self.program.parameters
            if p.learnt
        }
        for operation in self.program.gradient:
            match operation:
                case Gather(connection, slot):
                    c = self.program.connection(connection)
                    for run in runs:
                        full[c.weight] += run.gather(c, slot).reshape(full[c.weight].shape)
                case DeriveAdjoint():
                    self._derive_adjoint(operation, runs, arrays[operation.group], full)
        shapes = {p.key: p.shape for p in self.program.parameters}
        return {key: g if shapes[key] else np.array(g.sum()) for key, g in full.items()}

    def _derive_adjoint(
        self, operation: DeriveAdjoint, runs: Sequence[_Sample], arrays: dict[str, Array], full: dict[str, np.ndarray]
    ) -> None:
        group = self.program.group(operation.group)
        values = dict(arrays)
        for variable in operation.sums:
            values[variable] = sum(run.total(group.name, variable) for run in runs)
        for assign in operation.body:
            values[assign.name] = evaluate(assign.value, values)
        for symbol, local in operation.results:
            per_neuron = np.broadcast_to(values[local], (group.size,))
            for row in group.rows:
                key = dict(row.values)[symbol]
                if key in full:
                    full[key] += per_neuron[row.offset : row.offset + row.size]


@dataclass
class _Reading:
    """What a readout saw of a sample: its variable at every step of the window, and the loss with its derivatives."""

    readout: Readout
    seen: list[np.ndarray] = field(default_factory=list)
    errors: dict[int, np.ndarray] = field(default_factory=dict)  # by x, per step or, at 0, of the end
    loss: float = 0.0
    output: np.ndarray = field(default_factory=lambda: np.zeros(0))


def _penalise(penalty: Penalty, runs: Sequence[_Sample]) -> float:
    """The mean penalty; leaves each sample the derivative by a spike."""
    hertz, part = 1e-3, slice(penalty.offset, penalty.offset + penalty.size)
    times = np.array([run.steps * run.program.step for run in runs])
    counts = [sum(run.spikes[penalty.group, n][part] for n in range(1, run.steps + 1)) for run in runs]
    rates = np.array(counts) / times[:, None]
    if penalty.over == "batch":
        rates = np.broadcast_to(rates.mean(0), rates.shape)
    error = (rates - penalty.target) / hertz
    for run, e, time in zip(runs, error, times, strict=True):
        run.signals.append(penalty.strength * 2 * e / hertz / (penalty.size * time * len(runs)))
    return penalty.strength * float(np.mean(error**2))


class _Sample:
    """One sample on its way through the phases."""

    def __init__(
        self, program: Program, parameters: Mapping[str, np.ndarray], arrays: Mapping[str, dict[str, Array]],
        inputs: Mapping[str, Array], label: Array, samples: int, synapses: SynapsesOfSample, steps: int | None,
        seed: tuple[int, int],
    ) -> None:  # fmt: skip
        self.program, self.parameters, self.arrays, self.samples = program, parameters, arrays, samples
        self.synapses, (self.seed, self.trial) = synapses, seed
        self.inputs = {name: np.asarray(value, float).reshape(len(value), -1) for name, value in inputs.items()}
        self.steps = max((len(value) for value in self.inputs.values()), default=0) if steps is None else steps
        self.label = label
        self.variables = {(g.name, s): v for g in program.groups for s, v in self._initial(g).items()}
        self.accumulators: dict[tuple[str, str], np.ndarray] = {}
        self.tape: dict[tuple[str, str, int], Array] = {}
        self.spikes: dict[tuple[str, int], np.ndarray] = {}
        self.sums: dict[tuple[str, str], np.ndarray] = {}
        self.readings = [_Reading(readout) for readout in program.readouts]
        self.signals: list[np.ndarray] = []  # derivative of each penalty by a spike, per neuron
        self.loss = 0.0
        self.traces: dict[tuple[str, str], np.ndarray] = {}
        for g in program.groups:
            for row in g.rows:
                for state, _, _ in g.declared:
                    self.traces[row.population, state] = np.zeros((self.steps, row.size))
        self.history: dict[tuple[str, str], list[np.ndarray]] = {w: [self.now(*w)] for w in _looked_back_at(program)}

    def _initial(self, group: Group) -> dict[str, np.ndarray]:
        values = {state: np.zeros(group.size) for state in group.states}
        for row in group.rows:
            part = slice(row.offset, row.offset + row.size)
            own = {symbol: array[part] for symbol, array in self.arrays[group.name].items()}
            for state, expression in row.initial:
                number = stream(f"{row.population}.{state}", "initial")
                counter = Counter(self.seed, number, np.arange(row.size), 0, self.trial)
                values[state][part] = drawn(expression, own, counter)
        return values

    def _weight(self, connection: Connection) -> np.ndarray:
        parameter = self.program.parameter(connection.weight)
        return np.broadcast_to(self.parameters[connection.weight], parameter.dimensions)

    def _source(self, connection: Connection, n: int) -> np.ndarray | None:
        """What the source emitted at step n: counts, values or zeros and ones; None outside the sample."""
        if not 1 <= n <= self.steps:
            return None
        part = slice(connection.source_offset, connection.source_offset + connection.source_size)
        if connection.source_group is None:
            return np.asarray(self.inputs[connection.source][n - 1][part])
        return self.spikes[connection.source_group, n][part]

    def _add(self, group: str, name: str, offset: int, values: np.ndarray) -> None:
        whole = self.accumulators.setdefault((group, name), np.zeros(self.program.group(group).size))
        whole[offset : offset + len(values)] += values

    def scatter(self, group: str, accumulator: str, index: np.ndarray, values: Array) -> None:
        whole = self.accumulators.setdefault((group, accumulator), np.zeros(self.program.group(group).size))
        np.add.at(whole, index, values)

    def emitted(self, c: Connection, n: int) -> np.ndarray | None:
        if c.values is not None:
            group, row = self.program.place(c.source)
            whole = np.zeros(group.size)
            past = self.history[c.source, c.values]
            whole[row.offset : row.offset + row.size] = past[min(max(n, 0), len(past) - 1)]
            return whole
        if not 1 <= n <= self.steps:
            return None
        return np.asarray(self.inputs[c.source][n - 1]) if c.source_group is None else self.spikes[c.source_group, n]

    def fired(self, group: str, n: int) -> np.ndarray | None:
        return self.spikes[group, n] if 1 <= n <= self.steps else None

    def now(self, population: str, variable: str) -> np.ndarray:
        group, row = self.program.place(population)
        return np.array(self.variables[group.name, variable][row.offset : row.offset + row.size])

    def past(self, population: str, variable: str, n: int, ago: np.ndarray, neuron: np.ndarray) -> np.ndarray:
        result: np.ndarray = self.now(population, variable)[neuron]
        if ago.any():
            past = np.array(self.history[population, variable])
            result = np.where(ago > 0, past[np.clip(n - ago, 0, len(past) - 1), neuron], result)
        return result

    def statement(self, s: Statement, values: Mapping[str, Array], owner: str, element: np.ndarray, n: int) -> Array:
        if isinstance(s, Draw):
            counter = Counter(self.seed, stream(owner, s.name), element, n, self.trial)
            return DISTRIBUTIONS[s.distribution](counter, 0, *(evaluate(a, values) for a in s.arguments))
        return _statement(s, values)

    # -------------------------------------------------------------------------------------------- forward
    def forward(self) -> None:
        for n in range(1, self.steps + 1):
            for operation in self.program.forward:
                match operation:
                    case Deliver(connection):
                        self._deliver(self.program.connection(connection), n)
                    case SynapseUpdate():
                        self.synapses.update(operation, n, self)
                    case Update():
                        self._update(operation, n)
                        self._record(operation.group, n)
                    case Readout():
                        self._observe(self.readings[operation.index], n)
        self.loss = sum(self._finish(reading) for reading in self.readings)

    def _deliver(self, c: Connection, n: int) -> None:
        if not _plain(c):
            table = self.synapses.tables[c.name]
            arriving = self.synapses.arriving(c, n, self.emitted) * self._gain(c, n)
            self.scatter(c.target_group, c.input, table.post, arriving * self.synapses.weight(c))
            return
        emitted = self._source(c, n - c.delay)
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
        zeros = np.zeros(self.program.group(name).size)
        values: dict[str, Array] = {"t": (n - 1) * self.program.step, **self.arrays[name]}
        carried = {v for g, v in self.variables if g == name} | {v for v, _ in (*update.carry, *update.sums)}
        values |= {v: self.variables.get((name, v), zeros) for v in carried}
        values |= {i: self.accumulators.pop((name, i), zeros) for i in update.inputs}
        values |= {local: self.tape[name, slot, n] for local, slot in update.loads}
        for statement in update.body:
            is_draw = isinstance(statement, Draw)
            value = self._draw(name, statement, values, n) if is_draw else _statement(statement, values)
            values[statement.name] = value
        for variable, local in update.carry:
            self.variables[name, variable] = np.broadcast_to(values[local], zeros.shape)
        for slot, local in update.stores:
            self.tape[name, slot, n] = np.broadcast_to(values[local], zeros.shape)
        for variable, local in update.sums:
            self.sums[name, variable] = self.sums.get((name, variable), zeros) + values[local]
        if update.spikes is not None:
            self.spikes[name, n] = np.broadcast_to(values[update.spikes], zeros.shape)

    def _draw(self, group: str, draw: Statement, values: Mapping[str, Array], n: int) -> Array:
        """A draw of every neuron of a group, each row with its own stream."""
        assert isinstance(draw, Draw)
        whole = np.zeros(self.program.group(group).size)
        for row in self.program.group(group).rows:
            part = slice(row.offset, row.offset + row.size)
            own = {k: v[part] if np.ndim(v) else v for k, v in values.items()}
            counter = Counter(self.seed, dict(row.streams)[draw.name], np.arange(row.size), n, self.trial)
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

    # -------------------------------------------------------------------------------------------- loss
    def _variable(self, readout: Readout, n: int) -> np.ndarray:
        whole = (
            self.spikes[readout.group, n]
            if readout.variable == "spike"
            else self.variables[readout.group, readout.variable]
        )
        return np.array(whole[readout.offset : readout.offset + readout.size])

    def _in_window(self, readout: Readout, n: int) -> bool:
        return readout.first < n and (readout.last is None or n <= readout.last)

    @property
    def output(self) -> np.ndarray:
        """What the first readout saw."""
        return self.readings[0].output

    def _observe(self, reading: _Reading, n: int) -> None:
        readout = reading.readout
        if not self._in_window(readout, n):
            return
        x = self._variable(readout, n)
        reading.seen.append(x)
        target = self._target(readout, n) if readout.reduction is None else None
        if target is not None:
            loss, reading.errors[n] = self._evaluate_loss(readout, x, target)
            reading.loss += loss

    def _target(self, readout: Readout, n: int) -> np.ndarray | None:
        """One-hot class or target values of step n (or of the sample); None where there is no label."""
        if self.label is None:
            return None
        label = np.asarray(self.label)
        if label.ndim == (1 if readout.labels == "class" else 2):
            label = label[n - 1]
        if readout.labels == "value":
            return np.array(label, float)
        return np.eye(readout.size)[int(label)] if label >= 0 else None

    def _evaluate_loss(self, readout: Readout, x: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray]:
        values: dict[str, Array] = {"x": x, "target": target}
        for statement in (*readout.body, *readout.gradient):
            values[statement.name] = _statement(statement, values)
        return float(values[readout.loss]), np.broadcast_to(values["x~"], x.shape)

    def _finish(self, reading: _Reading) -> float:
        readout = reading.readout
        seen = np.array(reading.seen) if reading.seen else np.zeros((1, readout.size))
        reduce = {"mean": seen.mean(0), "sum": seen.sum(0), "max": seen.max(0), "last": seen[-1]}
        reading.output = reduce[readout.reduction or "mean"]
        if readout.reduction is not None:
            target = self._target(readout, self.steps)
            if target is not None:
                reading.loss, reading.errors[0] = self._evaluate_loss(readout, reading.output, target)
        elif readout.over_steps == "mean":
            reading.loss /= max(len(reading.errors), 1)
        return reading.loss * readout.factor

    # -------------------------------------------------------------------------------------------- reverse
    def reverse(self) -> None:
        for n in range(self.steps, 0, -1):
            if self.program.truncate and n % self.program.truncate == 0:
                self._forget_adjoints()
            for operation in self.program.reverse:
                match operation:
                    case ReadoutAdjoint(into, index):
                        self._readout_adjoint(self.readings[index], into, n)
                    case PenaltyAdjoint(penalty, into):
                        p = self.program.penalties[penalty]
                        self._add(p.group, into, p.offset, self.signals[penalty])
                    case Feedback():
                        self._feedback(operation, n)
                    case Transpose(connection, slot, into):
                        self._transpose(self.program.connection(connection), slot, into, n)
                    case Update():
                        self._update(operation, n)

    def _forget_adjoints(self) -> None:
        """No credit comes from later steps."""
        for operation in self.program.reverse:
            if isinstance(operation, Update):
                for variable, _ in operation.carry:
                    self.variables.pop((operation.group, variable), None)

    def _reaches(self, n: int, delay: int) -> bool:
        """Whether credit of step n + delay comes back to step n."""
        window = self.program.truncate or self.steps
        return n + delay <= self.steps and (n - 1) // window == (n + delay - 1) // window

    def _readout_adjoint(self, reading: _Reading, into: str, n: int) -> None:
        readout = reading.readout
        if not self._in_window(readout, n):
            return
        k = n - readout.first - 1  # index among the steps seen
        if readout.reduction is None:
            error = reading.errors.get(n, np.zeros(readout.size)) / (
                max(len(reading.errors), 1) if readout.over_steps == "mean" else 1
            )
        else:
            error = reading.errors.get(0, np.zeros(readout.size))
            seen = np.array(reading.seen)
            if readout.reduction == "mean":
                error = error / len(seen)
            elif readout.reduction == "last":
                error = error * (k == len(seen) - 1)
            elif readout.reduction == "max":
                error = error * (seen.argmax(0) == k)
        self._add(readout.group, into, readout.offset, error * readout.factor / self.samples)

    def _transpose(self, c: Connection, slot: str, into: str, n: int) -> None:
        if self._reaches(n, c.delay) and c.source_group is not None:
            if c.pattern == "sparse":
                table, mu = self.synapses.tables[c.name], self.tape[c.target_group, slot, n + c.delay]
                self.scatter(c.source_group, into, table.pre, self.synapses.weight(c) * mu[table.post])
                return
            mu = self.tape[c.target_group, slot, n + c.delay][c.target_offset : c.target_offset + c.target_size]
            weight = self._weight(c)
            self._add(c.source_group, into, c.source_offset, weight @ mu if c.pattern == "dense" else weight * mu)

    def _feedback(self, o: Feedback, n: int) -> None:
        if self._reaches(n, o.delay):
            group, offset, size = o.source
            mu = self.tape[group, o.slot, n + o.delay][offset : offset + size]
            b = self.parameters[o.weight]
            self._add(o.target[0], o.into, o.target[1], b * mu if o.one_to_one else mu @ b)

    def total(self, group: str, variable: str) -> Array:
        """A sum over the steps, or a carried adjoint: the derivative by a state before the first step."""
        zeros = np.zeros(self.program.group(group).size)
        return self.sums.get((group, variable), self.variables.get((group, variable), zeros))

    def gather(self, c: Connection, slot: str) -> np.ndarray:
        if c.pattern == "sparse":
            return self._gather_sparse(c, slot)
        result = np.zeros(self.program.parameter(c.weight).dimensions)
        for n in range(1, self.steps - c.delay + 1):
            mu = self.tape[c.target_group, slot, n + c.delay][c.target_offset : c.target_offset + c.target_size]
            emitted = self._source(c, n)
            assert emitted is not None
            result += np.outer(emitted, mu) if c.pattern == "dense" else emitted * mu
        return result

    def _gather_sparse(self, c: Connection, slot: str) -> np.ndarray:
        """Gradient of the weights of a sparse connection, per element of its weight."""
        table, shape = self.synapses.tables[c.name], np.shape(self.parameters[c.weight])
        result = np.zeros(int(np.prod(shape)))
        element = table.element if shape else np.zeros(len(table.pre), int)
        for n in range(1, self.steps - c.delay + 1):
            emitted = self.emitted(c, n)
            assert emitted is not None
            np.add.at(result, element, emitted[table.pre] * self.tape[c.target_group, slot, n + c.delay][table.post])
        return result.reshape(shape)

    def spikes_by_population(self) -> dict[str, np.ndarray]:
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
    return c.pattern != "sparse" and not (c.values or c.gain or c.plastic or c.delays or c.structure)


def _looked_back_at(program: Program) -> set[tuple[str, str]]:
    """Variables whose values at earlier steps something reads."""
    found = {(c.source, c.values) for c in program.connections if c.values is not None}
    delayed = {c.name for c in program.connections if c.delays is not None}
    found |= {c.gain for c in program.connections if c.gain is not None and c.name in delayed}
    updates = [o for o in program.forward if isinstance(o, SynapseUpdate) and o.connection in delayed]
    return found | {(population, variable) for o in updates for _, population, variable in o.pre}


def _statement(statement: Statement, values: Mapping[str, Array]) -> Array:
    match statement:
        case Assign(_, value):
            return evaluate(value, values)
        case Fire(_, distance, strict, gate):
            u = np.asarray(evaluate(distance, values))
            fired = u > 0 if strict else u >= 0
            return np.asarray(fired & (np.asarray(_gate(gate, values)) != 0), float)
        case Reduce(_, operation, value):
            x = evaluate(value, values)
            return np.sum(x) if operation == "sum" else np.max(x)
    raise TypeError(f"not a statement: {statement!r}")


def _gate(gate: Expression | None, values: Mapping[str, Array]) -> Array:
    return 1.0 if gate is None else evaluate(gate, values)
