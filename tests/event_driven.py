"""An event-driven simulation of a Model in float64: spike times are roots, not multiples of a step.

The oracle of eventprop.

It reads the Model, never the Program. Between events a neuron's linear equations are solved exactly (by the
eigenvectors of their matrix), a spike's time is found by Brent's method, and gradients are central finite differences
of the whole. Losses on voltages are integrals over time, by Gauss and Legendre's rule between events.
"""

from __future__ import annotations

import heapq
from functools import partial

import numpy as np
from oracle import value
from scipy.optimize import brentq, minimize_scalar

NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)


class Linear:
    """ds/dt = A s + b, exactly."""

    def __init__(self, matrix: np.ndarray, constant: np.ndarray) -> None:
        self.rates, self.vectors = np.linalg.eig(matrix)
        if np.linalg.cond(self.vectors) > 1e7:  # equal rates, which have too few eigenvectors: apart by next to nothing
            apart = 1e-5 * np.abs(matrix).max() * np.arange(len(matrix))
            self.rates, self.vectors = np.linalg.eig(matrix + np.diag(apart))
        self.back = np.linalg.inv(self.vectors)
        self.driven = self.back @ constant

    def __call__(self, start: np.ndarray, times) -> np.ndarray:
        """The states after each of some times, (states, times)."""
        rates, t = self.rates[:, None], np.atleast_1d(times)[None, :]
        grown = np.exp(rates * t)
        still = np.abs(rates) < 1e-14
        driven = np.where(still, t, (grown - 1) / np.where(still, 1, rates))
        return np.real(self.vectors @ ((self.back @ start)[:, None] * grown + self.driven[:, None] * driven))


class Neuron:
    """One neuron with its numbers: flow, threshold, jumps, and its path as pieces (start, states, flow)."""

    def __init__(self, population, numbers: dict[str, float]) -> None:
        self.dynamics, self.numbers = population.dynamics, numbers
        self.names = [s.name for s in self.dynamics.states]
        self.held = self.dynamics.refractory.hold if self.dynamics.refractory else ()
        self.refractory = float(value(self.dynamics.refractory.duration, numbers)) if self.dynamics.refractory else 0.0
        silent = {i.name: 0.0 for i in self.dynamics.inputs}
        zero = dict.fromkeys(self.names, 0.0)

        def slopes(**states):
            named = self.numbers | silent | zero | states
            found = {e.state: float(value(e.derivative, named)) for e in self.dynamics.equations}
            return np.array([found.get(name, 0.0) for name in self.names])

        constant = slopes()
        matrix = np.stack([slopes(**{name: 1.0}) - constant for name in self.names], axis=1)
        self.entering = {}
        for i in silent:
            self.entering[i] = slopes(**{i: 1.0}) - constant
        self.free = Linear(matrix, constant)
        stands = np.array([name in self.held for name in self.names])
        self.stands = stands
        self.waiting = Linear(np.where(stands[:, None], 0.0, matrix), np.where(stands, 0.0, constant))
        if self.dynamics.spike is not None:  # the distance to the threshold is linear in the states
            of = self.dynamics.spike.distance
            self.level = float(value(of, numbers | zero))
            self.slope = np.array([float(value(of, numbers | zero | {k: 1.0})) - self.level for k in self.names])
        self.state = np.array([float(value(s.initial, numbers)) for s in self.dynamics.states])
        self.time, self.until = 0.0, -1.0
        self.pieces = [(0.0, self.state, self.free)]
        self.spikes: list[float] = []

    @property
    def flow(self) -> Linear:
        return self.waiting if self.time < self.until else self.free

    def at(self, time: float) -> np.ndarray:
        return self.flow(self.state, time - self.time)[:, 0]

    def distance(self, state: np.ndarray) -> float:
        return float(self.level + self.slope @ state)

    def arrive(self, name: str, weight: float) -> None:
        jump = self.entering[name] * weight
        self.state = self.state + (np.where(self.stands, 0.0, jump) if self.time < self.until else jump)

    def spike(self) -> None:
        now = dict(zip(self.names, self.state))
        for jump in self.dynamics.spike.jumps:
            now[jump.state] = float(value(jump.value, self.numbers | now))
        self.state = np.array([now[name] for name in self.names])
        self.spikes.append(self.time)
        self.until = self.time + self.refractory

    def next_spike(self, horizon: float) -> float:
        """When it will cross its threshold if nothing arrives; infinity for never."""
        if self.dynamics.spike is None or self.time < self.until:
            return np.inf
        along = self.slope @ self.free.vectors
        start, driven, rates = along * (self.free.back @ self.state), along * self.free.driven, self.free.rates
        still = np.abs(rates) < 1e-14
        inverse = 1 / np.where(still, 1, rates)

        def distance(t):  # of some times after now
            grown = np.exp(np.multiply.outer(t, rates))
            return self.level + np.real(
                grown @ start + np.where(still, np.multiply.outer(t, still), (grown - 1) * inverse) @ driven
            )

        times = np.linspace(0.0, horizon - self.time, max(3, int((horizon - self.time) / 0.2)))
        above = np.flatnonzero(distance(times)[1:] > 0)
        if len(above) == 0:
            return np.inf
        k = above[0]
        if distance(times[k]) > 0:
            return self.time + times[k]
        return self.time + brentq(distance, times[k], times[k + 1], xtol=1e-14, rtol=1e-14)


def _variable(flow: Linear, state: np.ndarray, row: int, times) -> np.ndarray:
    return flow(state, times)[row]


class EventDriven:
    """One sample; `parameters` by key, in the consistent system; `inputs`: {source: [(time in ms, neuron), ...]}."""

    def __init__(self, model, parameters, inputs, duration: float) -> None:
        self.model, self.parameters, self.duration = model, parameters, duration
        self.delays = {c.name: parameters.get(f"{c.name}.delay", c.delay_steps * model.step) for c in model.connections}
        self.neurons = {p.name: self._neurons(p) for p in model.populations if p.kind == "neuron"}
        self.arrivals: list[tuple[float, str, int, float | None]] = []  # the last: when it left, where that is its own
        self.queue: list = []
        for name, events in inputs.items():
            for time, index in events:
                self._emit(name, time, index)
        self._run()

    def _neurons(self, population):
        neurons = []
        for k in range(population.size):
            numbers = {"step": self.model.step, "t": 0.0}
            for p in population.parameters:
                key = f"{population.name}.{p.name}"
                given = self.parameters[key] if key in self.parameters else p.value.value
                numbers[p.name] = float(np.broadcast_to(given, (population.size,))[k])
            neurons.append(Neuron(population, numbers))
        return neurons

    def _emit(self, source: str, time: float, index: int) -> None:
        for order, c in enumerate(self.model.connections):
            if c.source != source:
                continue
            size = self.model.population(c.source).size, self.model.population(c.target).size
            weight = self.parameters.get(f"{c.name}.weight", getattr(c.weight.value, "value", None))
            if str(c.pattern) == "dense":
                row = np.broadcast_to(weight, size)[index]
                delay = np.broadcast_to(self.delays[c.name], size)[index]
                for j in range(size[1]):
                    heapq.heappush(self.queue, (time + delay[j], order, index, j, c, row[j], time))
            else:
                delay = np.broadcast_to(self.delays[c.name], size[:1])[index]
                weights = np.broadcast_to(weight, size[:1])
                heapq.heappush(self.queue, (time + delay, order, index, index, c, weights[index], time))

    def _run(self) -> None:
        everyone = [(name, k, n) for name, group in self.neurons.items() for k, n in enumerate(group)]
        self.due = {(name, k): n.next_spike(self.duration) for name, k, n in everyone}
        while True:
            (name, k), first = min(self.due.items(), key=lambda item: item[1])
            arrival = self.queue[0][0] if self.queue else np.inf
            if min(first, arrival) > self.duration:
                return
            if arrival <= first:
                time, _, i, k, c, weight, left = heapq.heappop(self.queue)
                name, neuron = c.target, self.neurons[c.target][k]
                self._go(neuron, time)
                neuron.arrive(c.input, weight)
                self.arrivals.append((time, name, k, left if (c.source, i) == (name, k) else None))
            else:
                neuron = self.neurons[name][k]
                crossing = neuron.time >= neuron.until
                self._go(neuron, first)
                if crossing:
                    self._fire(neuron, name, k)
            for _ in range(100):  # an arrival, or the end of a refractory time, may fire it, even several times
                ready = neuron.dynamics.spike is not None and neuron.time >= neuron.until
                if not ready or neuron.distance(neuron.state) <= 0:
                    break
                self._fire(neuron, name, k)
            neuron.pieces.append((neuron.time, neuron.state, neuron.flow))
            waits = neuron.time < neuron.until
            self.due[name, k] = neuron.until if waits else neuron.next_spike(self.duration)

    @staticmethod
    def _go(neuron: Neuron, time: float) -> None:
        if neuron.time < neuron.until <= time:  # the refractory time ends on the way
            neuron.state, neuron.time = neuron.at(neuron.until), neuron.until
            neuron.pieces.append((neuron.time, neuron.state, neuron.flow))
        neuron.state, neuron.time = neuron.at(time), time

    def _fire(self, neuron: Neuron, name: str, k: int) -> None:
        neuron.spike()
        self._emit(name, neuron.time, k)

    # -------------------------------------------------------------------------------------------- what a loss reads
    def _path(self, population: str, variable: str, until: float | None = None):
        """Per neuron its pieces: (start, end, the variable as a function of the time since the start)."""
        end = self.duration if until is None else until
        for neuron in self.neurons[population]:
            row = neuron.names.index(variable)
            starts = [*(piece for piece in neuron.pieces if piece[0] < end), (end, None, None)]
            yield [
                (a, b, partial(_variable, flow, state, row))
                for (a, state, flow), (b, _, _) in zip(starts, starts[1:])
                if b > a
            ]

    def integral(self, population: str, variable: str, start: float = 0.0, end: float | None = None) -> np.ndarray:
        """Per neuron, of the variable over time, from `start` to `end`."""

        def until(time: float | None) -> np.ndarray:
            return np.array([
                sum((b - a) / 2 * WEIGHTS @ f((b - a) / 2 * (NODES + 1)) for a, b, f in path)
                for path in self._path(population, variable, time)
            ])  # fmt: skip

        return until(end) - until(start) if start else until(end)

    def integral_of(self, population: str, variable: str, function) -> float:
        """Of a function of all neurons' values over time."""
        paths = list(self._path(population, variable))
        edges = np.unique([a for path in paths for a, _, _ in path] + [self.duration])
        whole = 0.0
        for a, b in zip(edges, edges[1:]):
            times = (a + b) / 2 + (b - a) / 2 * NODES
            values = [next(f(times - c) for c, d, f in path if c <= a and b <= d) for path in paths]
            whole += (b - a) / 2 * sum(w * function(x) for w, x in zip(WEIGHTS, np.array(values).T))
        return whole

    def last(self, population: str, variable: str) -> np.ndarray:
        return np.array([path[-1][2](self.duration - path[-1][0])[0] for path in self._path(population, variable)])

    def largest(self, population: str, variable: str) -> np.ndarray:
        """The largest value at any time."""
        result = []
        for path in self._path(population, variable):
            best = -np.inf
            for a, b, f in path:
                times = np.linspace(0, b - a, 60)
                values = f(times)
                k = int(np.argmax(values))
                best = max(best, values[k])
                if 0 < k < 59:
                    found = minimize_scalar(
                        lambda t, f=f: -f(t)[0],
                        bounds=(times[k - 1], times[k + 1]),
                        method="bounded",
                        options={"xatol": 1e-12},
                    )
                    best = max(best, -found.fun)
            result.append(best)
        return np.array(result)

    def first_spikes(self, population: str) -> np.ndarray:
        """In ms; the end of the sample where a neuron is silent."""
        return np.array([n.spikes[0] if n.spikes else self.duration for n in self.neurons[population]])

    def loss(self, label) -> float:
        """The losses of the Model's `train` block, added up, their sums over steps as integrals."""
        return sum(_one_loss(self.model, loss, self, label) for loss in self.model.training.losses)

    def counts(self, population: str) -> list[int]:
        return [len(n.spikes) for n in self.neurons[population]]

    @property
    def spikes(self) -> dict[str, list[list[float]]]:
        """By population and neuron, in ms."""
        return {name: [n.spikes for n in group] for name, group in self.neurons.items()}


def cross_entropy(x: np.ndarray, label: int) -> float:
    return float(np.log(np.sum(np.exp(x - x.max()))) + x.max() - x[label])


def _one_loss(model, loss, run: EventDriven, label) -> float:
    of, step = (loss.population, loss.variable), model.step
    first, last = loss.window
    window = first * step, None if last is None else last * step
    factor = loss.factor * (loss.class_weights[label] if loss.class_weights else 1.0)
    if loss.reduction is None:
        whole = run.integral_of(*of, lambda x: cross_entropy(loss.scale * x, label))
        return factor * whole / (run.duration if loss.over_steps == "mean" else step)
    seen = {
        "mean": lambda: run.integral(*of, *window) / ((window[1] or run.duration) - window[0]),
        "sum": lambda: run.integral(*of, *window) / step,
        "last": lambda: run.last(*of),
        "max": lambda: run.largest(*of),
        "first_spike": lambda: loss.scale * run.first_spikes(loss.population),
    }[loss.reduction]()
    if loss.function == "mse":
        return loss.factor * float(np.mean((seen - label) ** 2))
    return factor * cross_entropy(seen, label)


def gradient(
    model, parameters, key: str, inputs, labels, duration: float, entries: int = 4, by: float = 1e-5,
    simulate=EventDriven,
):  # fmt: skip
    """d (mean loss) / d (some entries of parameters[key]), by central differences of a simulation.

    Returns the entries' indices, spread over the array, and the derivatives.
    """
    base = np.array(parameters[key], float)
    everywhere = list(np.ndindex(base.shape))
    chosen = everywhere[:: max(1, len(everywhere) // entries)]
    result = []
    for index in chosen:
        values = []
        step = by * max(1.0, abs(base[index]))
        for sign in (1, -1):
            moved = base.copy()
            moved[index] += sign * step
            runs = [simulate(model, {**parameters, key: moved}, x, duration) for x in inputs]
            values.append(np.mean([run.loss(y) for run, y in zip(runs, labels)]))
        result.append((values[0] - values[1]) / (2 * step))
    return chosen, np.array(result)
