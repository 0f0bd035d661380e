"""Interprets a Program, sample by sample, in NumPy float64: a loop over phases, one short method per operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sncc.backends.reference.draws import initial_parameters
from sncc.backends.reference.rewiring import move_synapses, step_weights
from sncc.backends.reference.sample import Sample
from sncc.backends.reference.synapses import Pairs, SynapsesOfSample, Tables
from sncc.expressions.evaluate import evaluate
from sncc.program.groups import Connection, Group, Parameter
from sncc.program.learning import DeriveAdjoint, Gather, GatherDelay, Penalty
from sncc.program.nodes import Program

Array = Any


@dataclass
class Result:
    """What a batch gives: mean loss, gradients by key (of the values in the consistent system), outputs, spikes,
    traces.

    `penalty` is the mean penalty, which `loss` does not hold. outputs: (samples, outputs), of the first readout.
    spikes: per sample {population: (steps, neurons)}. traces: per sample {(population, state):
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

    Parameters that are not given are drawn as the library draws them. `seed` fixes those and the connectivity; `pairs`
    are the index arrays of `sparse` connections.
    """

    def __init__(
        self, program: Program, parameters: Mapping[str, Array] | None = None, seed: int = 0, pairs: Pairs | None = None
    ) -> None:
        self.program, self.seed = program, seed
        self.tables = Tables(program, seed, pairs or {})
        owners = {p.connection for p in program.parameters}
        tables = {c.name: self.tables[c.name] for c in program.connections if c.name in owners}
        ends = {name: (table.source, table.target) for name, table in tables.items()}
        given = {key: np.array(value, float) for key, value in (parameters or {}).items()}
        self.parameters = initial_parameters(program, given, ends, seed)
        self.optimiser_states: dict[tuple[str, str], np.ndarray] = {}
        self.optimiser_step = 0
        self.dormant: dict[str, np.ndarray] = {}

    def run(
        self, inputs: Sequence[Mapping[str, Array]], labels: Sequence[Array] | None = None, *, steps: int | None = None,
        seed: int = 0, learns: bool | None = None,
    ) -> Result:  # fmt: skip
        """Forward and, with labels and a rule, reverse and gradient phases of a batch.

        inputs: per sample {source: (steps, neurons) counts or values}; labels: per sample a class, a class per step
        (-1:
        none), or target values (outputs,) or (steps, outputs). `steps` where nothing is handed over; `seed` of noise,
        sources and drawn first values, a sample's number being its trial. `learns`: with dropout, as where there are
        labels and a rule. Raises FloatingPointError where states end that are not finite, but
        for a network with a loss, where they are told by that.
        """
        arrays = {g.name: self._arrays(g) for g in self.program.groups}
        learns = labels is not None and self.program.optimise is not None if learns is None else learns
        runs = [
            self._sample(arrays, sample, None if labels is None else labels[k], len(inputs), (seed, k), learns, steps)
            for k, sample in enumerate(inputs)
        ]
        for run in runs:
            run.forward()
            if not self.program.readouts:
                run.check_states()
        penalty = sum(_penalise(p, runs) for p in self.program.penalties)
        for run in runs:
            run.eligibility.penalise(run)
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

    def train_online(self, inputs: Sequence[Mapping[str, Array]], labels: Sequence[Array]) -> float:
        """One batch of e-prop forwards, the samples in lockstep; the mean loss with penalties.

        An optimiser step after every step where all losses are of every step, else one at the end. Penalties, whose
        rates are known at the end, come with the last; with it synapses move.
        """
        arrays = {g.name: self._arrays(g) for g in self.program.groups}
        runs = [self._sample(arrays, sample, labels[k], len(inputs), (0, k), True) for k, sample in enumerate(inputs)]
        every_step = all(r.reduction is None for r in self.program.readouts)
        longest, penalty = max(run.steps for run in runs), 0.0
        for n in range(1, longest + 1):
            for run in runs:
                if n <= run.steps:
                    run.step(n)
            if n == longest:  # rates are known
                penalty = sum(_penalise(p, runs) for p in self.program.penalties)
                for run in runs:
                    run.eligibility.penalise(run)
            if every_step:
                self.optimise(self._gradients(runs, arrays), moves=n == longest)
                arrays |= {g.name: self._arrays(g) for g in self.program.groups}
                for run in runs:
                    run.eligibility.forget_gradients()
                    run.synapses.weights.clear()  # they are others now
        for run in runs:
            run.finish()
        if not every_step:
            self.optimise(self._gradients(runs, arrays))
        return float(np.mean([run.loss for run in runs])) + penalty

    def _sample(
        self, arrays: Mapping[str, dict[str, Array]], inputs: Mapping[str, Array], label: Array, samples: int,
        counter: tuple[int, int], learns: bool, steps: int | None = None,
    ) -> Sample:  # fmt: skip
        synapses = SynapsesOfSample(self.program, self.tables, self.parameters, counter)
        return Sample(self.program, self.parameters, arrays, inputs, synapses, steps, counter, label, samples, learns)

    def optimise(
        self, gradients: Mapping[str, np.ndarray], learning_rate_factor: float = 1.0, moves: bool = True
    ) -> None:
        """One optimiser step on every learnt parameter; `moves`: not in the midst of sequences, whose synapses stay."""
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
        of_synapses: list[tuple[Connection, Parameter, Array]] = []
        for p in learnt:
            states = {
                s: self.optimiser_states.get((p.key, s), np.zeros(np.shape(self.parameters[p.key])))
                for s in optimiser.states
            }
            values = {
                **scalars,
                "rate": rate * p.rate,
                "w": self.parameters[p.key] / p.scale,
                "g": scaled[p.key],
                **states,
            }
            for assign in optimiser.body:
                values[assign.name] = evaluate(assign.value, values)
            carried = {name: values[local] for name, local in optimiser.carry}
            self.optimiser_states |= {(p.key, s): carried[s] for s in optimiser.states}
            rewired = [c for c in self.program.connections if c.rewiring is not None and c.weight == p.key]
            of_synapses += [(c, p, carried["w"]) for c in rewired]
            if not rewired:
                self._step(p, carried["w"] * p.scale)
        for c, p, stepped in of_synapses:  # after all steps: gradients are those of the synapses that there were
            step_weights(self, c, p, stepped, rate * p.rate)
            if moves:
                move_synapses(self, c, p)

    def _step(self, p: Parameter, value: Array) -> None:
        """Gives a parameter its value after an optimiser step, within its bounds and signs."""
        before = self.parameters[p.key]
        value = np.clip(value, *p.bounds) if p.bounds else np.asarray(value)
        if p.keeps_sign:
            value = np.where(np.signbit(value) == np.signbit(before), value, np.copysign(0.0, before))
        self.parameters[p.key] = value
        assert self.program.optimise is not None
        for matrix, followed, transposed in self.program.optimise.follows:
            if followed == p.key:
                self.parameters[matrix] = self.parameters[matrix] + (
                    (value - before).T if transposed else value - before
                )

    # -------------------------------------------------------------------------------------------- derive
    def _bound(self, group: Group) -> dict[str, Array]:
        """Values per neuron of the symbols bound in the rows; padding repeats a row's last neuron."""
        values: dict[str, Array] = {}
        for symbol, _ in group.rows[0].values:
            array = np.zeros(group.size)
            for row, end in zip(group.rows, [*(r.offset for r in group.rows[1:]), group.size], strict=True):
                value = dict(row.values)[symbol]
                given = np.asarray(self.parameters[value] if isinstance(value, str) else value)
                if given.ndim:  # of neurons that stand for synapses some may stand for none
                    given = np.pad(given.reshape(-1), (0, row.size - given.size), constant_values=1.0)
                numbers = np.broadcast_to(given, (row.size,))
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
    def _gradients(self, runs: Sequence[Sample], arrays: Mapping[str, dict[str, Array]]) -> dict[str, np.ndarray]:
        full = {
            p.key: np.zeros(np.shape(self.parameters[p.key]) if -1 in p.dimensions else p.dimensions)
            for p in self.program.parameters
            if p.learnt
        }
        for run in runs:
            for key, gradient in run.eligibility.weights.items():
                full[key] = full[key] + gradient.reshape(full[key].shape)
        for operation in self.program.gradient:
            match operation:
                case Gather(connection, slot):
                    c = self.program.connection(connection)
                    for run in runs:
                        full[c.weight] += run.gather(c, slot).reshape(full[c.weight].shape)
                case GatherDelay(connection, slot):
                    c = self.program.connection(connection)
                    for run in runs:
                        full[c.delays or ""] += run.gather_delays(c, slot)
                case DeriveAdjoint():
                    self._derive_adjoint(operation, runs, arrays[operation.group], full)
        shapes = {key: np.shape(self.parameters[key]) for key in full}
        return {
            key: g.reshape(-1)[: np.prod(shape, dtype=int)].reshape(shape)
            if (shape := shapes[key])
            else np.array(g.sum())
            for key, g in full.items()
        }

    def _derive_adjoint(
        self, operation: DeriveAdjoint, runs: Sequence[Sample], arrays: dict[str, Array], full: dict[str, np.ndarray]
    ) -> None:
        group = self.program.group(operation.group)
        values = dict(arrays)
        for variable in operation.sums:
            values[variable] = sum(run.total(group.name, variable) for run in runs)
        for one in operation.first:
            values[one.name] = sum(run.first_sum(group, one) for run in runs)
        for name, connection, (of, variable) in operation.told:
            table, told = self.tables[connection], np.zeros(group.size)
            np.add.at(told, table.pre, sum(run.total(of, variable) for run in runs)[table.post])
            values[name] = told
        for assign in operation.body:
            values[assign.name] = evaluate(assign.value, values)
        for symbol, local in operation.results:
            per_neuron = np.broadcast_to(values[local], (group.size,))
            for row in group.rows:
                key = dict(row.values)[symbol]
                if key in full:
                    own = per_neuron[row.offset : row.offset + row.size]
                    if self.program.parameter(str(key)).shape:
                        full[key] += own
                    else:  # one number, perhaps of several populations
                        full[key].flat[0] += own.sum()


def _penalise(penalty: Penalty, runs: Sequence[Sample]) -> float:
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
