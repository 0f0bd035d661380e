"""A sample's losses, reverse phase and weight gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sncc.backends.reference.draws import of_first_values
from sncc.backends.reference.forward import ForwardRun
from sncc.backends.reference.statements import statement_value
from sncc.backends.reference.synapses import SynapsesOfSample
from sncc.backends.reference.traces import Traces
from sncc.program.groups import Connection, Group
from sncc.program.learning import Feedback, FirstSum, PenaltyAdjoint, ReadoutAdjoint, Transpose
from sncc.program.nodes import Program
from sncc.program.operations import Readout, Update
from sncc.program.statements import SPIKE

Array = Any


@dataclass
class Reading:
    """What a readout saw of a sample: its variable at every step of the window, and the loss with its derivatives."""

    readout: Readout
    seen: list[np.ndarray] = field(default_factory=list)
    errors: dict[int, np.ndarray] = field(default_factory=dict)  # by x, per step or, at 0, of the end
    loss: float = 0.0
    output: np.ndarray = field(default_factory=lambda: np.zeros(0))


class Sample(ForwardRun):
    """One sample on its way through all phases."""

    def __init__(
        self, program: Program, parameters: Mapping[str, np.ndarray], arrays: Mapping[str, dict[str, Array]],
        inputs: Mapping[str, Array], synapses: SynapsesOfSample, steps: int | None, seed: tuple[int, int], label: Array,
        samples: int, learns: bool,
    ) -> None:  # fmt: skip
        super().__init__(program, parameters, arrays, inputs, synapses, steps, seed, label is None, learns)
        self.label, self.samples = label, samples
        self.readings = [Reading(readout) for readout in program.readouts]
        self.signals: list[np.ndarray] = []  # derivative of each penalty by a spike, per neuron
        self.loss = 0.0
        self.eligibility = Traces(program, arrays, synapses, seed)

    def forward(self) -> None:
        """All steps, and the losses."""
        super().forward()
        self.finish()

    def step(self, n: int, observes: bool = True) -> None:
        """The operations of step n, and the traces."""
        super().step(n, observes)
        self.eligibility.step(self, n)

    def finish(self) -> None:
        """The losses at the sample's end."""
        self.loss = sum(self._finish(reading) for reading in self.readings)
        self.eligibility.finish(self)

    def labelled_steps(self, readout: Readout) -> int:
        """How many steps of a readout's window have a label."""
        steps = range(1, self.steps + 1)
        return sum(self._in_window(readout, n) and self._target(readout, n) is not None for n in steps)

    def _variable(self, readout: Readout, n: int) -> np.ndarray:
        if readout.variable == SPIKE:
            return np.array(self.spikes[readout.group, n][readout.offset : readout.offset + readout.size])
        return self._own(readout, readout.variable)

    def _own(self, readout: Readout, variable: str) -> np.ndarray:
        return np.array(self.variables[readout.group, variable][readout.offset : readout.offset + readout.size])

    def _in_window(self, readout: Readout, n: int) -> bool:
        return readout.first < n and (readout.last is None or n <= readout.last)

    @property
    def output(self) -> np.ndarray:
        """What the first readout saw."""
        return self.readings[0].output

    def observe(self, readout: Readout, n: int) -> None:
        """What a readout sees at step n."""
        reading = self.readings[readout.index]
        readout = reading.readout
        if not self._in_window(readout, n):
            return
        x = self._variable(readout, n)
        reading.seen.append(x)
        target = self._target(readout, n) if readout.reduction is None else None
        if target is not None:
            before = self._own(readout, readout.before) if readout.before is not None else x
            loss, reading.errors[n] = self._evaluate_loss(readout, x, target, before)
            reading.loss += loss

    def _target(self, readout: Readout, n: int) -> np.ndarray | None:
        """One-hot class or target values of step n (or of the sample); None where there is no label."""
        if self.label is None:
            return None
        if readout.labels == "none":
            return np.zeros(readout.size)
        label = np.asarray(self.label)
        if label.ndim == (1 if readout.labels == "class" else 2):
            label = label[n - 1]
        if readout.labels == "value":
            return np.array(label, float)
        return np.diag(readout.class_weights or np.ones(readout.size))[int(label)] if label >= 0 else None

    def _evaluate_loss(
        self, readout: Readout, x: np.ndarray, target: np.ndarray, before: Array = None
    ) -> tuple[float, np.ndarray]:
        values: dict[str, Array] = {"x": x, "target": target, "before": before}
        for statement in (*readout.body, *readout.gradient):
            values[statement.name] = statement_value(statement, values)
        return float(values[readout.loss]), np.broadcast_to(values["x~"], x.shape)

    def _finish(self, reading: Reading) -> float:
        readout = reading.readout
        seen = np.array(reading.seen) if reading.seen else np.zeros((1, readout.size))
        reduce = {"mean": seen.mean(0), "sum": seen.sum(0), "max": seen.max(0), "last": seen[-1]}
        if readout.reduction == "first_spike":
            steps = np.where(seen.any(0), seen.argmax(0) + 1, len(reading.seen)) + readout.first
            reduce["first_spike"] = steps * self.program.step
        x = reduce[readout.reduction or "mean"]
        reading.output = readout.scale * x
        if readout.reduction is not None:
            target = self._target(readout, self.steps)
            if target is not None:
                reading.loss, reading.errors[0] = self._evaluate_loss(readout, x, target)
        elif readout.over_steps == "mean":
            reading.loss /= max(len(reading.errors), 1)
        return reading.loss * readout.factor

    # -------------------------------------------------------------------------------------------- reverse
    def reverse(self) -> None:
        """All steps, backwards."""
        for n in range(self.steps, 0, -1):
            if self.program.truncate and n % self.program.truncate == 0:
                self._forget_adjoints()
            self._step_back(n)
        self._go_before_the_first()

    def _step_back(self, n: int) -> None:
        for operation in self.program.reverse:
            match operation:
                case ReadoutAdjoint(into, index, after):
                    self._readout_adjoint(self.readings[index], into, n, after)
                case PenaltyAdjoint(penalty, into):
                    p = self.program.penalties[penalty]
                    self._add(p.group, into, p.offset, self.signals[penalty])
                case Feedback():
                    self._feedback(operation, n)
                case Transpose():
                    self._transpose(operation, n)
                case Update():
                    self._update(operation, n)

    def _go_before_the_first(self) -> None:
        """Steps n = 0, -1, ..., as far as something of them is delivered in the sample."""
        for first in self.program.before:
            if isinstance(first, Feedback):
                for n in range(0, -first.delay, -1):
                    self._feedback(first, n)
                continue
            c = self.program.connection(first.connection)
            most = max(int(steps.max(initial=0)) for steps, _ in self.synapses.delay_parts(c))
            for n in range(0, -most, -1):
                self._transpose(first, n)

    def _forget_adjoints(self) -> None:
        """No credit comes from later steps."""
        for operation in self.program.reverse:
            if isinstance(operation, Update):
                for variable, _ in operation.carry:
                    self.variables.pop((operation.group, variable), None)

    def _reaches(self, n: int, delay: int, cut: bool = True) -> bool:
        """Whether credit of step n + delay comes back to step n; `cut`: not from a later window."""
        if not cut:
            return 1 <= n + delay <= self.steps
        window, later = self.program.truncate or self.steps, n + delay
        return 1 <= later <= self.steps and (max(n, 1) - 1) // window == (later - 1) // window

    def _readout_adjoint(self, reading: Reading, into: str, n: int, after: bool) -> None:
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
                error = error * (seen.argmax(0) == k - after)
            elif readout.reduction == "first_spike":
                error = error * (seen.argmax(0) == k) * seen[k]
        self._add(readout.group, into, readout.offset, error * readout.factor / self.samples)

    def gather_delays(self, c: Connection, slot: str) -> np.ndarray:
        """Gradient of a connection's learnt delays, in their dimensions."""
        table, shape = self.synapses.tables[c.name], np.shape(self.parameters[c.delays or ""])
        whole = self.program.parameter(c.delays or "").dimensions
        whole = shape if -1 in whole else whole  # as of a weight: one number may stand in a matrix
        result = np.zeros(int(np.prod(whole)))
        slopes, elements = self.synapses.delay_slopes(c), self.synapses.delay_elements(c)
        for n in range(1, self.steps + 1):
            moved = self.synapses.arriving(c, n, self.emitted, slopes) * self.synapses.weight(c)
            np.add.at(result, elements, moved * self.tape[c.target_group, slot, n][table.post])
        return result.reshape(whole)

    def _transpose(self, o: Transpose, n: int) -> None:
        c = self.program.connection(o.connection)
        if c.source_group is None:
            return
        fired = self._crossed(o, c, n)
        if c.pattern == "sparse" or c.delays is not None:
            table = self.synapses.tables[c.name]
            credit = self.synapses.weight(c) * self._adjoint_over_synapses(
                c, o.slot, n, lambda n, delay: self._reaches(n, delay, not c.of_numbers)
            )
            self.scatter(c.source_group, o.into, table.pre, credit if fired is None else credit * fired[table.pre])
            return
        if not self._reaches(n, c.delay, not c.of_numbers):
            return
        mu = self.tape[c.target_group, o.slot, n + c.delay][c.target_offset : c.target_offset + c.target_size]
        weight = self._weight(c)
        credit = weight @ mu if c.pattern == "dense" else weight * mu
        if fired is not None:
            credit = credit * fired[c.source_offset : c.source_offset + c.source_size]
        self._add(c.source_group, o.into, c.source_offset, credit)

    def _crossed(self, o: Transpose, c: Connection, n: int) -> Array:
        """1 where credit reaches a neuron of the source's group, else 0; None where it reaches all."""
        if o.at_spikes:
            return np.asarray(self.emitted(c, n)) > 0
        return self.kept(c) if c.dropout else None

    def _feedback(self, o: Feedback, n: int) -> None:
        if self._reaches(n, o.delay):
            group, offset, size = o.source
            mu = self.tape[group, o.slot, n + o.delay][offset : offset + size]
            b = self.parameters[o.weight]
            credit = b * mu if o.one_to_one else mu @ b
            self._add(o.target[0], o.into, o.target[1], credit * self.left(o.instead, o.target))

    def left(self, connection: str | None, target: tuple[str, int, int]) -> Array:
        """1 for those of given neurons, the source of a connection, that its dropout leaves, else 0."""
        c = self.program.connection(connection) if connection is not None else None
        return self.kept(c)[target[1] :][: target[2]] if c is not None and c.dropout else 1.0

    def total(self, group: str, variable: str) -> Array:
        """A sum over the steps, what an accumulator has collected, or a carried adjoint:
        the derivative by a state before the first step.
        """
        zeros = np.zeros(self.program.group(group).size)
        if self.program.traces:
            return self.eligibility.sums.get((group, variable), zeros)
        found = (kept.get((group, variable)) for kept in (self.sums, self.accumulators, self.variables))
        return next((numbers for numbers in found if numbers is not None), zeros)

    def first_sum(self, group: Group, one: FirstSum) -> Array:
        """The adjoints of a state before its first step, times what this sample's own draws make of them."""
        factor = of_first_values(group, one.factor, self.arrays[group.name], self.seed, self.trial)
        return sum(self.total(group.name, adjoint) for adjoint in one.adjoints) * factor

    def gather(self, c: Connection, slot: str) -> np.ndarray:
        """Gradient of a connection's weight, in the weight's dimensions."""
        if c.pattern == "sparse" or c.delays is not None:
            return self._gather_sparse(c, slot)
        result = np.zeros(self.program.parameter(c.weight).dimensions)
        for n in range(1, self.steps + 1):
            mu = self.tape[c.target_group, slot, n][c.target_offset : c.target_offset + c.target_size]
            emitted = self.source(c, n - c.delay)
            if emitted is not None:
                result += np.outer(emitted, mu) if c.pattern == "dense" else emitted * mu
        return result if c.structure is None else result * (1 - np.eye(len(result)))  # none to itself

    def _gather_sparse(self, c: Connection, slot: str) -> np.ndarray:
        """Gradient of the weights of a sparse connection, or one with a delay per synapse, by element of its weight."""
        table, shape = self.synapses.tables[c.name], np.shape(self.parameters[c.weight])
        whole = self.program.parameter(c.weight).dimensions
        whole = shape if -1 in whole else whole  # one number may be a matrix's as well: its first element has the sum
        result = np.zeros(int(np.prod(whole)))
        element = table.element if shape else np.zeros(len(table.pre), int)
        for n in range(1, self.steps + 1):
            arriving = self.synapses.arriving(c, n, self.emitted)
            np.add.at(result, element, arriving * self.tape[c.target_group, slot, n][table.post])
        return result.reshape(whole)

    def _adjoint_over_synapses(
        self, c: Connection, slot: str, n: int, reaches: Callable[[int, int], bool]
    ) -> np.ndarray:
        """The adjoint of each synapse's target, its delay after step n; zero where nothing comes back from there."""
        table = self.synapses.tables[c.name]
        result: np.ndarray = np.zeros(len(table.pre))
        for delays, share in self.synapses.delay_parts(c):
            one = np.zeros(len(table.pre))
            for d in np.unique(delays):
                if reaches(n, int(d)):
                    one = np.where(delays == d, self.tape[c.target_group, slot, n + int(d)][table.post], one)
            result = result + share * one
        return result
