"""Eligibility traces of a sample: e-prop forwards in time, in place of the reverse phase."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from sncc.backends.reference.draws import of_first_values
from sncc.expressions.evaluate import evaluate
from sncc.program.groups import Connection
from sncc.program.learning import Each, LearningSignal, PenaltySignal, Picked, SignalBack, TraceOperation, TraceUpdate
from sncc.program.nodes import Program
from sncc.program.operations import Readout

if TYPE_CHECKING:
    from sncc.backends.reference.sample import Sample
    from sncc.backends.reference.synapses import SynapsesOfSample, Table

Array = Any


class Traces:
    """The traces of one sample and the gradients that they have given so far.

    Those of a connection that is a whole matrix are one; of any other there is one for each of its synapses, in their
    order. `weights`: by key, flat; `sums`: by (group, adjoint of a number), per neuron; `counter`: seed and trial of
    what is drawn.
    """

    def __init__(
        self, program: Program, arrays: Mapping[str, dict[str, Array]], synapses: SynapsesOfSample,
        counter: tuple[int, int],
    ) -> None:  # fmt: skip
        self.program, self.synapses = program, synapses
        self.values: dict[tuple[int, int, str], Array] = {  # by place in `Program.traces`, output of a loop, name
            (k, 0, trace): of_first_values(program.group(o.group), value, arrays[o.group], *counter)
            for k, o in enumerate(program.traces)
            if isinstance(o, TraceUpdate)
            for trace, value in o.start
        }
        self.first = {(k, trace): value for (k, _, trace), value in self.values.items()}
        self.past: dict[tuple[int, str, int], Array] = {}  # by place, name and step, of what is kept for delays
        self.signals: dict[tuple[str, str], np.ndarray] = {}
        self.weights = {
            (key := program.learnt_by(o)): np.zeros(self._elements(key))
            for o in program.traces
            if isinstance(o, TraceUpdate) and o.connection is not None
        }
        self.sums: dict[tuple[str, str], np.ndarray] = {}

    def step(self, sample: Sample, n: int) -> None:
        """All traces after step n, and the gradients of losses at every step."""
        for k, operation, output in self._in_order():
            match operation:
                case LearningSignal():
                    self._signal(operation, sample, n, output)
                case SignalBack():
                    self._back(operation)
                case Picked():
                    self._pick(operation, sample, output)
                case TraceUpdate():
                    self._update(k, operation, sample, n, output)
                    self._gather(k, operation, lambda readout: readout.reduction is None, output)

    def finish(self, sample: Sample) -> None:
        """The gradients of losses at the sample's end."""
        for k, operation, output in self._in_order():
            match operation:
                case LearningSignal():
                    self._signal(operation, sample, 0, output)
                case SignalBack():
                    self._back(operation)
                case TraceUpdate():
                    self._gather(k, operation, lambda readout: readout.reduction is not None, output)

    def _in_order(self) -> Iterator[tuple[int, TraceOperation, int]]:
        """Operations with their places: those of a loop for each output, whose number is the last,
        one output after the other.
        """
        for each, found in groupby(enumerate(self.program.traces), lambda o: getattr(o[1], "each", None)):
            operations = list(found)
            for output in range(self._count(each) if each is not None else 1):
                yield from ((k, operation, output) for k, operation in operations)

    def _count(self, each: Each) -> int:
        """How often a loop goes round, in all turns of the one around it."""
        return self._turns(each) * (self._count(each.inside) if each.inside is not None else 1)

    def _turns(self, each: Each) -> int:
        if not each.along:
            return self.program.readouts[each.readout or 0].size
        return int(np.bincount(self.synapses.tables[each.along[0]].pre).max(initial=0))

    def _turn(self, each: Each | None, number: int) -> int:
        """The turn of the loop around, by the number among the rounds of all turns; without one there is one turn."""
        return number // self._turns(each) if each is not None and each.inside is not None else 0

    def _reached(self, each: Each, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`_come_to` for a loop inside of another one: neurons, and the synapse of what each of them reaches."""
        assert each.inside is not None
        outer, inner = divmod(number, self._turns(each))
        if each.inside.along:
            neurons, _, reached = self._come_to(each.inside, outer)
        else:
            neurons = np.arange(self.program.group(each.places).rows[0].size)
            reached = np.full(len(neurons), self.program.readouts[each.inside.readout or 0].offset + outer)
        having, synapses, targets = self._come_to(replace(each, inside=None), inner)
        order = np.searchsorted(having, reached)
        there = np.append(having, -1)[order] == reached
        return neurons[there], synapses[order[there]], targets[order[there]]

    def _come_to(self, each: Each, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Neurons, places in their group; the synapse of each that is number so many, and the target of that;
        those that have one.
        """
        if each.inside is not None:
            return self._reached(each, number)
        first = self.synapses.tables[each.along[0]]
        order = np.argsort(first.pre, kind="stable")
        neurons, starts = np.unique(first.pre[order], return_index=True)
        counts = np.diff(np.append(starts, len(order)))
        there = counts > number
        chosen = order[starts[there] + number]
        if len(each.along) == 1:
            return neurons[there], chosen, first.post[chosen]
        synapses, onto = first.post[chosen], self.synapses.tables[each.along[1]]
        ends = np.zeros(self.program.group(self.program.connection(each.along[0]).target_group).size, int)
        ends[onto.pre] = onto.post
        return neurons[there], synapses, ends[synapses]

    def penalise(self, sample: Sample) -> None:
        """The gradients of penalties, after all samples of the batch have ended and left each its rates."""
        for operation in self.program.traces:
            if isinstance(operation, PenaltySignal):
                group, offset, size = operation.target
                whole = np.zeros(self.program.group(group).size)
                whole[offset : offset + size] = sample.signals[operation.penalty]
                self.signals[group, operation.variable] = whole
            if isinstance(operation, SignalBack) and operation.each is None:
                self._back(operation)
        for k, operation in enumerate(self.program.traces):
            if isinstance(operation, TraceUpdate):
                for signal, trace in operation.penalised:
                    self._add(
                        operation,
                        self._post(operation, self.signals[operation.group, signal]) * self.values[k, 0, trace],
                    )

    def forget_gradients(self) -> None:
        """Start anew after an optimiser step."""
        self.weights = {key: np.zeros_like(g) for key, g in self.weights.items()}
        self.sums = {}

    def _signal(self, o: LearningSignal, sample: Sample, n: int, output: int) -> None:
        reading = sample.readings[o.readout]
        error = reading.errors.get(n, np.zeros(reading.readout.size))
        if reading.readout.over_steps == "mean":
            error = error / max(sample.labelled_steps(reading.readout), 1)
        error = error * reading.readout.factor / sample.samples
        if o.each is not None and not o.each.along:
            error = np.where(np.arange(len(error)) == output, error, 0.0)
        group, offset, size = o.target
        if o.each is not None and o.each.along:
            neurons, chosen, targets = self._come_to(o.each, output)
            errors, error = error, np.zeros(size)
            error[neurons - offset] = errors[targets - reading.readout.offset]
            if o.weight is not None:
                error[neurons - offset] *= self.synapses.weight(self.program.connection(o.each.along[0]))[chosen]
        left = sample.left(o.across, o.target)
        whole = np.zeros(self.program.group(group).size)
        across = self.program.connection(o.across) if o.across is not None else None
        if o.each is not None and o.each.along:
            pass
        elif across is not None and not self.program.is_matrix(across):
            table = self.synapses.tables[across.name]
            np.add.at(whole, table.pre, self.synapses.weight(across) * error[table.target])
            error = whole[offset : offset + size]
        elif o.weight is not None:
            weight = np.asarray(sample.parameters[o.weight])
            if not o.one_to_one and weight.ndim == 0:
                weight = np.broadcast_to(weight, (size, len(error)))
            error = weight * error if o.one_to_one else error @ weight if o.transposed else weight @ error
        whole[offset : offset + size] = error * left
        self.signals[group, o.variable] = whole

    def _back(self, o: SignalBack) -> None:
        """What the target of each synapse is told, to what stands for the synapse."""
        told = self.signals.get((o.told or self.program.connection(o.connection or "").target_group, o.variable))
        if told is not None:
            self.signals[o.group, o.variable] = (
                told if o.connection is None else self._over(o.connection, o.group, told)
            )

    def _over(self, connection: str, group: str, of_targets: np.ndarray) -> np.ndarray:
        """What each source of a connection, an element of a group, sees at its target."""
        table = self.synapses.tables[connection]
        whole = np.zeros(self.program.group(group).size)
        whole[table.pre] = of_targets[table.post]
        return whole

    def _pick(self, o: Picked, sample: Sample, output: int) -> None:
        """What the synapse of each neuron onto an output is like."""
        if o.what == "delay":
            c = self.program.connection(o.of[0])
            sample.variables[o.group, o.variable] = self._delays(o, c, output)
            return
        found = sample.variables[o.of]
        if o.over is not None:
            sample.variables[o.group, o.variable] = self._over(o.over, o.group, found)
            return
        neurons, synapses, targets = self._come_to(o.each, output)
        whole = np.zeros(self.program.group(o.group).size)
        whole[neurons] = found[synapses if o.what == "synapse" else targets]
        sample.variables[o.group, o.variable] = whole

    def _delays(self, o: Picked, c: Connection, output: int) -> np.ndarray:
        """The delay, in steps, of each neuron's synapse that a loop has come to."""
        whole, table = np.zeros(self.program.group(o.group).size), self.synapses.tables[c.name]
        for neuron in np.unique(table.pre):
            mine = np.flatnonzero(table.pre == neuron)
            if output < len(mine):
                whole[neuron] = self.synapses.steps_of_delays(c)[mine[output]]
        return whole

    def _elements(self, key: str) -> int:
        """Numbers in a weight's gradient; one number that stands in a matrix has them all, and is their sum."""
        dimensions = self.program.parameter(key).dimensions
        return int(np.prod(np.shape(self.synapses.parameters[key]) if -1 in dimensions else dimensions))

    def _table(self, o: TraceUpdate) -> Table | None:
        """The synapses of a connection that is no whole matrix."""
        whole = o.connection is None or self.program.is_matrix(self.program.connection(o.connection))
        return None if whole else self.synapses.tables[o.connection or ""]

    def _shape(self, o: TraceUpdate) -> tuple[int, ...]:
        if o.connection is None:
            return (self.program.group(o.group).size,)
        if (table := self._table(o)) is not None:
            return table.pre.shape
        c = self.program.connection(o.connection)
        return (c.source_size, c.target_size) if c.pattern == "dense" else (c.source_size,)

    def _post(self, o: TraceUpdate, whole: np.ndarray) -> np.ndarray:
        if o.connection is None:
            return whole
        if (table := self._table(o)) is not None:
            return np.asarray(whole[table.post])
        c = self.program.connection(o.connection)
        return whole[c.target_offset : c.target_offset + c.target_size]

    def _update(self, k: int, o: TraceUpdate, sample: Sample, n: int, output: int) -> None:
        zeros = np.zeros(self._shape(o))
        values: dict[str, Array] = {trace: self.values.get((k, output, trace), zeros) for trace in o.traces}
        values["pre"] = self._pre(o, sample, n)
        for name in {name for assign in o.body for name in assign.reads}:
            if (seen := self.program.seen_by(o, name)) is not None:
                group, variable, neuron = seen
                whole = sample.variables[group, variable]
                neuron = neuron + output if neuron is not None and o.each is not None else neuron
                values[name] = self._post(o, whole) if neuron is None else whole[neuron]
            elif name.startswith("shared."):
                beside = self.program.beside(o)[0], self._turn(o.each, output)
                values[name] = self.values.get((*beside, name.removeprefix("shared.")), zeros)
            elif name.startswith("past."):
                values[name] = self._past(o, name.removeprefix("past."), sample, n)
            elif name == "within":
                window = self.program.truncate
                values[name] = float(not (window and n > 1 and (n - 1) % window == 0))
            elif name.startswith("reads."):
                values[name] = self._reads(self.program.readouts[int(name.removeprefix("reads."))], sample, n)
        for assign in o.body:
            values[assign.name] = evaluate(assign.value, values)
        for trace, local in o.carry:
            self.values[k, output, trace] = np.broadcast_to(values[local], zeros.shape)
            if trace in dict(o.kept):
                self.past[k, trace, n] = self.values[k, output, trace]
        for trace, local in o.adds:
            to = self.program.beside(o)[0], self._turn(o.each, output), trace
            self.values[to] = self.values.get(to, zeros) + values[local]

    def _past(self, o: TraceUpdate, trace: str, sample: Sample, n: int) -> Array:
        """A trace as many steps ago as the synapse's delay is; before the first step, as it started."""
        shared, _ = self.program.beside(o)
        group, variable, _ = self.program.seen_by(o, dict(o.delays)[trace]) or ("", "", None)
        delays = self._post(o, sample.variables[group, variable])
        window, zeros = self.program.truncate, np.zeros(self._shape(o))
        result = zeros
        delays = np.broadcast_to(delays, zeros.shape)
        whole = np.floor(delays)
        for late, share in ((whole, 1.0 - (delays - whole)), (whole + 1, delays - whole)):
            for delay in np.unique(late[share > 0]):
                before = self.past.get((shared, trace, max(n - int(delay), 0)), self.first.get((shared, trace), zeros))
                gone = bool(window and n > window and delay > (n - 1) % window)
                result = result + np.where((late == delay) & (share > 0), share * (0.0 if gone else before), 0.0)
        return result

    def _pre(self, o: TraceUpdate, sample: Sample, n: int) -> Array:
        if o.connection is None:
            return 1.0
        c = self.program.connection(o.connection)
        if o.of_delays:
            slopes = self.synapses.delay_slopes(c)
            return self.synapses.arriving(c, n, sample.emitted, slopes) * self.synapses.weight(c)
        if self._table(o) is not None:
            return self.synapses.arriving(c, n, sample.emitted)
        emitted = sample.source(c, n - c.delay)
        if emitted is None:
            return 0.0
        return emitted[:, None] if c.pattern == "dense" else emitted

    def _reads(self, readout: Readout, sample: Sample, n: int) -> float:
        last = sample.steps if readout.last is None else min(readout.last, sample.steps)
        inside = readout.first < n <= last
        return inside / (last - readout.first) if readout.reduction == "mean" and inside else float(inside)

    def _gather(self, k: int, o: TraceUpdate, wanted: Callable[[Readout], bool], output: int) -> None:
        for signal, trace, readout in o.gradient:
            if not wanted(self.program.readouts[readout]):
                continue
            self._add(o, self._post(o, self.signals[o.group, signal]) * self.values[k, output, trace])

    def _add(self, o: TraceUpdate, product: np.ndarray) -> None:
        if o.connection is None:
            key = o.group, f"{o.array}~"
            self.sums[key] = self.sums.get(key, 0.0) + product
            return
        weights = self.weights[self.program.learnt_by(o)]
        if o.of_delays:
            np.add.at(weights, self.synapses.delay_elements(self.program.connection(o.connection)), product)
        elif (table := self._table(o)) is not None:
            np.add.at(weights, table.element if len(weights) > 1 else np.zeros(len(product), int), product)
        else:
            weights += product.reshape(-1)
