"""One network in several training libraries: its numbers,
what a side of the comparison shows and does, and sncc's side.

Libraries differ in their equations: when a reset acts, what of it has a gradient, when spikes arrive. So each brings
its own as a text of sncc (`equations`, and `late` where a spike reaches other neurons one step later), and sncc trains
just that.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

RATE_OF_LEARNING = 1e-6  # so low that rates, on which sncc's time depends, stay what they are; an update costs the same


@dataclass(frozen=True)
class Case:
    """The shape of a network and of its batch; `rate`: spikes of an input in a step; `layers` of hidden neurons."""

    title: str
    inputs: int
    hidden: int
    layers: int
    recurrent: bool
    outputs: int
    steps: int
    batch: int
    rate: float

    @property
    def connections(self) -> list[tuple[str, str]]:
        """Pairs of populations, in the order of the weights: from the inputs to the outputs, each then to itself."""
        chain = ["x", *(f"hidden{k}" for k in range(self.layers)), "output"]
        forwards = list(zip(chain, chain[1:]))
        return [*forwards, *((p, p) for p in chain[1:-1] if self.recurrent)]

    def size(self, population: str) -> int:
        return {"x": self.inputs, "output": self.outputs}.get(population, self.hidden)

    def weights(self, gain: float) -> list[np.ndarray]:
        """(pre, post) for each connection; `gain`: of what comes from below, in 1 / sqrt(pre)."""
        rng = np.random.default_rng(1)
        found = []
        for pre, post in self.connections:
            factor = 0.5 if pre == post else 1.0 if post == "output" else gain
            drawn = rng.normal(0, factor / np.sqrt(self.size(pre)), (self.size(pre), self.size(post)))
            found.append(drawn.astype(np.float32))
        return found

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Spikes (samples, steps, inputs) and labels."""
        rng = np.random.default_rng(0)
        shape = (self.batch, self.steps, self.inputs)
        return rng.random(shape, np.float32) < self.rate, rng.integers(0, self.outputs, self.batch)


@dataclass(frozen=True)
class Evidence:
    """What a batch does: spikes (samples, steps, neurons) of each hidden layer, loss, gradients, weights after Adam."""

    spikes: list[np.ndarray]
    loss: float
    gradients: list[np.ndarray]
    updated: list[np.ndarray]


@dataclass(frozen=True)
class Timed:
    """Samples a second, and seconds of processor time a sample."""

    rate: float
    cpu: float


@dataclass
class Side(ABC):
    """A network in one library. `gain` as in `Case.weights`; `precision`: float32 or float64."""

    case: Case
    gain: float
    threads: int
    precision: str = "float32"
    label = ""
    module = ""  # that must be installed
    modes: ClassVar[tuple[str, ...]] = ()  # ways to run it, of which users take the fastest

    @cached_property
    def data(self) -> tuple[np.ndarray, np.ndarray]:
        return self.case.data()

    def start(self) -> str:
        """Keeps the process to as many processors as threads, builds the network, and gives the library's version."""
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: self.threads])
        return self.build()

    @abstractmethod
    def build(self) -> str:
        """Builds the network with the case's weights; gives the library's version."""

    @abstractmethod
    def evidence(self, samples: np.ndarray) -> Evidence:
        """What these samples of the batch do. Changes the weights."""

    @abstractmethod
    def job(self, name: str, mode: str) -> Callable[[], object]:
        """A function that trains on the batch once ("train", "e-prop"), or infers ("inference")."""

    def timed(self, name: str, mode: str, seconds: float) -> Timed:
        """Runs a job for about so long; its first calls, in which something may be compiled, are not counted."""
        if (name, mode) not in self.jobs:
            self.jobs[name, mode] = self.job(name, mode)
            for _ in range(3):
                self.jobs[name, mode]()
        function = self.jobs[name, mode]
        start, cpu, calls = time.perf_counter(), time.process_time(), 0
        while calls < 1 or time.perf_counter() - start < seconds:
            function()
            calls += 1
        samples = calls * self.case.batch
        return Timed(samples / (time.perf_counter() - start), (time.process_time() - cpu) / samples)

    @cached_property
    def jobs(self) -> dict[tuple[str, str], Callable[[], object]]:
        return {}


@dataclass
class Sncc(Side):
    """sncc, with the equations of another library."""

    equations: str = ""
    late: bool = False
    label = "sncc"
    module = "sncc"
    modes = ("",)

    @property
    def eprop(self) -> str:
        """The rule; layers that no connection joins to the readout take their learning signal from random numbers."""
        return f"eprop(feedback = {'symmetric' if self.case.layers == 1 else 'random'})"

    def text(self, rule: str) -> str:
        """The network as a text of sncc."""
        case = self.case
        lines = [
            self.equations.strip(),
            "",
            "network Compared:",
            "    step = 1 ms",
            f"    population x: input[{case.inputs}]",
            *(f"    population hidden{k}: Hidden[{case.hidden}]" for k in range(case.layers)),
            f"    population output: Readout[{case.outputs}]",
        ]
        for pre, post in case.connections:
            delay = ", delay = 1 ms" if pre == post or (self.late and pre != "x") else ""
            lines.append(f"    connect {pre} -> {post}: dense, weight = normal(0, 1){delay}")
        lines += [
            "",
            "train:",
            f"    rule = {rule}",
            "    loss = cross_entropy(mean(output.v))",
            f"    optimiser = adam(learning_rate = {RATE_OF_LEARNING})",
            f"    batch = {case.batch}",
        ]
        return "\n".join(lines) + "\n"

    def network(self, rule: str):  # noqa: ANN201
        """A network of its own with the case's weights."""
        import sncc

        project = sncc.build(self.text(rule), backend="cpu", precision=self.precision)
        network = sncc.load(project, threads=self.threads)
        for (pre, post), weights in zip(self.case.connections, self.case.weights(self.gain)):
            network.parameters[f"{pre}_{post}.weight"] = weights
        return network

    def build(self) -> str:
        import sncc

        spikes, self.labels = self.data
        self.events = sncc.Events.from_dense(spikes)
        return sncc.__version__

    def evidence(self, samples: np.ndarray) -> Evidence:
        network = self.network("bptt")
        events, labels = self.events[samples], self.labels[samples]
        keys = [f"{pre}_{post}.weight" for pre, post in self.case.connections]
        loss, gradients = network.gradients(events, labels)
        run = network.simulate(inputs={"x": events})
        spikes = []
        for k in range(self.case.layers):
            found = run.spikes[f"hidden{k}"]
            spikes.append(np.zeros((len(samples), self.case.steps, self.case.hidden), bool))
            spikes[-1][found.samples, np.rint(found.times / 1e-3).astype(int) - 1, found.neurons] = True
            if self.late:
                spikes[-1][:, -1] = False  # the other library has no step in which it would see them
        network.fit(events, labels, batch=len(samples), verbose=False)
        return Evidence(spikes, loss, [gradients[k] for k in keys], [network.parameters[k] for k in keys])

    def job(self, name: str, mode: str) -> Callable[[], object]:
        network = self.network(self.eprop if name == "e-prop" else "bptt")
        if name == "inference":
            return lambda: network.predict(self.events)
        return lambda: network.fit(self.events, self.labels, verbose=False)


class Peer(Side):
    """Another library, with its equations in sncc's language."""

    equations = ""
    late = False  # a spike reaches other neurons in the next step
    gains: ClassVar[dict[str, float]]  # by case, so that rates are what its title says
    exactness = 1e-9  # of gradients in float64, of their largest

    def sncc(self) -> Sncc:
        """sncc with the same equations."""
        return Sncc(self.case, self.gain, self.threads, self.precision, self.equations, self.late)
