"""A network under eventprop at some weights, and what the event-driven simulation says of it;
shared by tests and benchmarks.
"""

from __future__ import annotations

from functools import cached_property, partial

import numpy as np
from event_driven import EventDriven, gradient
from networks import model_of, program_of

from sncc.backends.reference.interpreter import Reference

FIRST = "cross_entropy(-first_spike(output) / (5 ms))"
DURATION, CHANNELS = 18.0, 4
ZERO = 1e-8  # of the largest of all: what central differences leave of a sum to zero is less


def network(
    hidden: str = "CubaLIF", definition: str = "", output: str = "CubaLIF", loss: str = FIRST, recurrent: bool = True,
    learn: str = "weights, hidden.tau_m, hidden.theta",
) -> str:  # fmt: skip
    back = "connect hidden -> hidden: dense, weight = normal(0, 1), delay = 1 ms" if recurrent else ""
    return f"""{definition}
network Events:
    step = 0.1 ms
    population x: input[{CHANNELS}]
    population hidden: {hidden}[3]
    population output: {output}[2]
    connect x -> hidden: dense, weight = normal(0, 1), delay = 0.5 ms
    {back}
    connect hidden -> output: dense, weight = normal(0, 1), delay = 0 ms

train:
    rule = eventprop
    loss = {loss}
    learn = {learn}
    optimiser = adam()
"""


class OtherSpikes(Exception):
    """The grid and the event-driven simulation do not have the same spikes."""


class Case:
    """A network at some weights, input events, and what the event-driven simulation says of it."""

    def __init__(
        self,
        text: str,
        seed: int,
        gain: float,
        entries: int = 2,
        simulate=EventDriven,
        by: float = 1e-5,
        least: float = 0.1,
        quiet: float = 0.0,
    ) -> None:
        """least: the step in ms, and so the smallest delay, of what is simulated by events.

        quiet: the time in ms before its end in which a sample should have no spike: it ends earlier if one has just
        come, which may come behind the end on a grid.
        """
        self.text = text
        rng = np.random.default_rng(seed)
        slots = rng.choice(np.arange(1, round(0.7 * DURATION / 0.1)), 4 * CHANNELS, replace=False) * 0.1
        self.events = sorted(zip(slots.tolist(), rng.integers(0, CHANNELS, len(slots)).tolist()))
        self.label = 1
        model = model_of(text.replace("step = 0.1 ms", f"step = {least} ms"))
        self.values = {}
        program = program_of(text)
        drawn = Reference(program).parameters
        for p in program.parameters:
            mean = {"x_hidden.weight": 1.0, "hidden_hidden.weight": 0.0}.get(p.key, 0.9)
            scale = 1.0 if p.key == "hidden_hidden.weight" else gain
            if p.storage == "compiled":
                continue
            if p.key.endswith(".weight"):
                self.values[p.key] = scale * rng.normal(mean, 0.7, p.shape)
            elif p.key.endswith(".delay") and p.learnt:
                self.values[p.key] = np.round(rng.uniform(0.3, 1.9, p.shape), 1)  # whole steps of every size
            else:
                first = drawn[p.key]
                self.values[p.key] = first + rng.normal(0, 0.02, np.shape(first))
        self.inputs = {"x": self.events}
        self._simulate = partial(simulate, model)
        self.run, self.duration = self._simulate(self.values, self.inputs, DURATION), DURATION
        if quiet and (end := _quiet_end(self.run.spikes, quiet)) < DURATION:
            self.run, self.duration = self._simulate(self.values, self.inputs, end), end
        self.loss = self.run.loss(self.label)
        self.learnt = [p.key for p in program.parameters if p.learnt]
        self._gradient = partial(
            gradient, model, self.values, inputs=[self.inputs], labels=[self.label], duration=self.duration,
            entries=entries, by=by, simulate=simulate,
        )  # fmt: skip

    @cached_property
    def exact(self) -> dict[str, tuple[list, np.ndarray]]:
        """By array, some entries' indices and the derivatives by them."""
        return {key: self._gradient(key=key) for key in self.learnt}

    def closest(self) -> float:
        """The shortest time in ms between a neuron's spike and a spike's arrival there that did not make it.

        On a grid of longer steps both may be in one step, and then what arrives is there when the neuron fires: another
        slope, by as much as it moves. How late a neuron's own spike comes back to it is no such time: the grid has that
        delay as well.
        """
        spikes = self.run.spikes
        gaps = [
            abs(time - fired)
            for time, name, k, left in self.run.arrivals
            for fired in spikes[name][k]
            if left is None or abs(left - fired) > 1e-9
        ]
        return min((gap for gap in gaps if gap > 1e-9), default=np.inf)

    def is_steady(self, by: float) -> bool:
        """Whether there are as many spikes where all weights are that much, as a share, smaller or larger."""
        weights = {key: x for key, x in self.values.items() if key.endswith(".weight")}
        moved = [self.values | {key: x * (1 + sign * by) for key, x in weights.items()} for sign in (-1, 1)]
        runs = [self._simulate(values, self.inputs, self.duration) for values in moved]
        return all(run.counts(name) == self.run.counts(name) for run in runs for name in run.spikes)

    def dense(self, step: float) -> np.ndarray:
        x = np.zeros((round(self.duration / step), CHANNELS))
        for time, channel in self.events:
            x[round(time / step) - 1, channel] += 1
        return x

    def errors(self, gradients) -> dict[str, float]:
        """The largest deviation of each array, of its largest entry; of one that is zero, of the largest of all."""
        result = {}
        whole = max(np.max(np.abs(exact)) for _, exact in self.exact.values())
        for key, (indices, exact) in self.exact.items():
            got = np.array([gradients[key][index] for index in indices])
            largest = max(np.max(np.abs(exact)), np.max(np.abs(gradients[key])))
            # its parts cancel each other; on a grid they do so as the step shrinks
            if np.max(np.abs(exact)) < ZERO * whole:
                largest = max(whole, largest)
            result[key] = float(np.max(np.abs(got - exact)) / largest) if largest else 0.0
        return result

    def errors_at(self, step: float) -> dict[str, float]:
        program = program_of(self.text.replace("step = 0.1 ms", f"step = {step} ms"))
        run = Reference(program, self.values).run([{"x": self.dense(step)}], [self.label])
        spikes = {name: z.sum(0).tolist() for name, z in run.spikes[0].items()}
        expected = {name: self.run.counts(name) for name in spikes}
        if spikes != expected:
            raise OtherSpikes(f"not the same spikes at {step} ms, {spikes} for {expected}: no gradients to compare")
        assert abs(run.loss - self.loss) < 3 * step * max(1.0, self.loss), f"another loss: {run.loss}, not {self.loss}"
        return self.errors(run.gradients)


def _quiet_end(spikes: dict[str, list[list[float]]], quiet: float) -> float:
    """The latest end of a sample, in its last sixth, behind so long a time without spikes,
    or behind the longest that there is.
    """
    times = [time for neurons in spikes.values() for neuron in neurons for time in neuron]
    ends = [round(DURATION - 0.1 * k, 1) for k in range(round(DURATION / 0.6))]
    return max(ends, key=lambda end: (min([quiet, *(end - time for time in times if time <= end)]), end))
