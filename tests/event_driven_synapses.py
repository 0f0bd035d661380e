"""An event-driven simulation of a Model with any synapses in float64:
the oracle of eventprop where synapses have states.

It reads the Model, never the Program. All neurons and all synapses, one by one, are one system of equations between
events, solved by the classical Runge-Kutta method in short steps; a spike's time is found by Brent's method within its
step. What is read of a source is as late as its spikes (`event_past.py`); a step ends where a jump of what is read late
is noticed. What losses integrate is integrated beside. Gradients are central differences of the whole
(`event_driven.gradient`).
"""

from __future__ import annotations

import heapq
import itertools

import numpy as np
from event_driven import cross_entropy
from event_past import Past
from oracle import value
from scipy.interpolate import CubicHermiteSpline
from scipy.optimize import brentq

from sncc.expressions.nodes import Symbol, symbols
from sncc.expressions.units import PLAIN
from sncc.model.nodes import Plasticity, State

LONGEST = 0.1  # ms, a step between events
MOST = 60  # spikes of a neuron
AT_ONCE = 1e-5  # ms: a delay below it, which stands for none, is none of what is read all the time


class SpikesWithoutEnd(Exception):
    """A neuron spikes more often than makes sense."""


def _blocks(c) -> list:
    """(owner, block): a connection's synapse and its plasticity, whose names are their own."""
    blocks = [(c.name, c.synapse), (f"{c.name}.plasticity", c.plasticity)]
    return [(owner, block) for owner, block in blocks if block is not None]


def _states(block) -> list:
    """What each synapse keeps: traces of either side one by one, as they are equal for all of a neuron's synapses."""
    if not isinstance(block, Plasticity):
        return [*block.states]
    return [*block.pre_states, *block.post_states, *block.states, State("weight", Symbol("weight"), PLAIN)]


def _all_the_time(block) -> set[str]:
    """What a block reads between events."""
    read = {name for e in block.equations for name in symbols(e.derivative)}
    return read | (symbols(block.deliver) if getattr(block, "deliver", None) is not None else set())


class EventDriven:
    """One sample; `parameters` by key, in the consistent system; `inputs`: {source: [(time in ms, neuron), ...]}."""

    def __init__(self, model, parameters, inputs, duration: float) -> None:
        self.model, self.parameters, self.duration = model, parameters, duration
        self.neurons = [p for p in model.populations if p.kind == "neuron"]
        self.sizes = {p.name: p.size for p in model.populations}
        self.synapses = [c for c in model.connections if c.synapse is not None or c.plasticity is not None]
        self.numbers = {p.name: self._numbers(p.parameters, f"{p.name}.", (p.size,)) for p in self.neurons}
        self.weights: dict[str, np.ndarray] = {}  # as a sample begins
        for c in model.connections:
            shape = self.sizes[c.source], self.sizes[c.target]
            shape = shape if str(c.pattern) == "dense" else shape[:1]
            weight = parameters.get(f"{c.name}.weight", getattr(c.weight.value, "value", None))
            self.weights[c.name] = np.broadcast_to(weight, shape)
            for owner, block in _blocks(c):
                self.numbers[owner] = self._numbers(block.parameters, f"{owner}.", shape)
                self.numbers[owner]["weight"] = self.weights[c.name]
        self.places: dict[tuple[str, str], slice] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        starts = []
        for owner, states, shape in [
            *((p.name, p.dynamics.states, (p.size,)) for p in self.neurons),
            *((o, _states(block), self.weights[c.name].shape) for c in self.synapses for o, block in _blocks(c)),
        ]:
            self.shapes[owner] = shape
            for s in states:
                at = sum(len(x) for x in starts)
                self.places[owner, s.name] = slice(at, at + int(np.prod(shape)))
                starts.append(np.broadcast_to(value(s.initial, self.numbers[owner]), shape).ravel())
        self.integrals = [np.zeros(self._integrands(None, loss)) for loss in model.training.losses]
        self.state = np.concatenate([*starts, *self.integrals]).astype(float)
        self.before = self.state.copy()  # what happens now
        self.past = Past(self.state.copy())
        self.until = {p.name: np.full(p.size, -1.0) for p in self.neurons}
        self.spikes = {p.name: [[] for _ in range(p.size)] for p in self.neurons}
        self.late = {c.name: self._reads_late(c) for c in self.synapses}
        self.remembers = any(map(any, self.late.values()))
        self.longest = LONGEST / 2 if self.remembers else LONGEST  # what jumps twice as late has no end of its own
        moved = [self._delays(c) for c in self.synapses if c.delay is not None and c.plasticity is not None]
        # when jumps are, of what is read late
        self.noticed = sorted({d for delays in moved for d in delays.ravel().tolist()})
        self.arrivals: list[tuple[float, str, int, float | None]] = []  # the last: when it left, where that is its own
        self.queue: list = []
        self.numbered = itertools.count()
        self.largest: dict[int, np.ndarray] = {}
        self.time = 0.0
        for name, events in inputs.items():
            for time, index in events:
                self._emit(name, time, index)
        self._run()

    def _numbers(self, parameters, prefix: str, shape) -> dict:
        found = {"step": self.model.step, "t": 0.0}
        for p in parameters:
            given = self.parameters[prefix + p.name] if prefix + p.name in self.parameters else p.value.value
            found[p.name] = np.reshape(given, shape) if np.ndim(given) else float(given)
        return found

    def _reads_late(self, c) -> tuple[set[str], set[str]]:
        """States of their source that synapses read all the time, and when their target spikes."""
        if c.source not in self.until:
            return set(), set()
        own = {f"pre.{s.name}" for s in self.model.population(c.source).dynamics.states}
        jumps = [jump for _, block in _blocks(c) for jump in getattr(block, "on_post", ())]
        read = [_all_the_time(block) for _, block in _blocks(c)], [symbols(jump.value) for jump in jumps]
        return tuple({k.removeprefix("pre.") for k in own.intersection(set().union(*names))} for names in read)

    def _delays(self, c) -> np.ndarray:
        delay = self.parameters.get(f"{c.name}.delay", c.delay_steps * self.model.step)
        return np.broadcast_to(delay, self.weights[c.name].shape)

    # -------------------------------------------------------------------------------------------- between events
    def _of(self, state: np.ndarray, owner: str) -> dict[str, np.ndarray]:
        return {s: state[at].reshape(self.shapes[owner]) for (name, s), at in self.places.items() if name == owner}

    def _weight(self, c, state: np.ndarray) -> np.ndarray:
        """The weights now: those that move are states."""
        return self._of(state, f"{c.name}.plasticity")["weight"] if c.plasticity is not None else self.weights[c.name]

    def _seen(self, c, owner: str, state: np.ndarray, time: float, start: float) -> dict:
        """What a connection's synapses, or their plasticity, read at a time of a step:
        their own states and numbers, those of both sides, and what sets modulators.
        """
        names = self.numbers.get(owner, {}) | self._of(state, owner) | {"weight": self._weight(c, state)}
        dense = str(c.pattern) == "dense"
        for side, owner in (("pre", c.source), ("post", c.target)):
            if owner in self.until:
                for k, v in (self.numbers[owner] | self._of(state, owner)).items():
                    wide = np.ndim(v) and dense
                    names[f"{side}.{k}"] = (v[:, None] if side == "pre" else v[None, :]) if wide else v
        if self.late[c.name][0]:
            self._see_before(c, names, time, start)
        return names | self._modulators(c, state)

    def _see_before(self, c, names: dict, time: float, start: float) -> None:
        """States of the source as they were each synapse's delay ago."""
        delays, dense = self._delays(c), str(c.pattern) == "dense"
        for delay in np.unique(delays[delays > AT_ONCE]):
            past = self.past.at(time - delay, start - delay)
            for k in self.late[c.name][0]:
                v = past[self.places[c.source, k]]
                names[f"pre.{k}"] = np.where(delays == delay, v[:, None] if dense else v, names[f"pre.{k}"])

    def _modulators(self, c, state: np.ndarray) -> dict:
        found = {}
        for name, population, variable in c.modulators:
            x = self._of(state, population)[variable]
            found[name] = x[0] if len(x) == 1 else x[None, :] if str(c.pattern) == "dense" else x
        return found

    def _slope(self, time: float, state: np.ndarray, start: float) -> np.ndarray:
        """At a time of a step that started at another: refractory times end with steps."""
        result = np.zeros_like(state)
        drive = {(p.name, i.name): np.zeros(p.size) for p in self.neurons for i in p.dynamics.inputs}
        for c in self.synapses:
            for owner, block in _blocks(c):
                names = self._seen(c, owner, state, time, start) | {"t": time}
                if getattr(block, "deliver", None) is not None:
                    delivered = np.broadcast_to(value(block.deliver, names), self.shapes[owner])
                    drive[c.target, c.input] += delivered.sum(0) if delivered.ndim == 2 else delivered
                for e in block.equations:
                    slope = np.broadcast_to(value(e.derivative, names), self.shapes[owner])
                    if c.delay is not None and e.state in {s.name for s in getattr(block, "pre_states", ())}:
                        slope = np.where(start + 1e-12 >= self._delays(c), slope, 0.0)  # its source has not begun
                    result[self.places[owner, e.state]] = slope.ravel()
        for p in self.neurons:
            own = {i.name: drive[p.name, i.name] for i in p.dynamics.inputs}
            names = self.numbers[p.name] | self._of(state, p.name) | own | {"t": time}
            waiting = self.until[p.name] > start + 1e-12
            held = p.dynamics.refractory.hold if p.dynamics.refractory else ()
            for e in p.dynamics.equations:
                slope = np.broadcast_to(value(e.derivative, names), (p.size,))
                result[self.places[p.name, e.state]] = np.where(waiting & (e.state in held), 0.0, slope)
        at = len(state) - sum(map(len, self.integrals))
        for loss, room in zip(self.model.training.losses, self.integrals):
            result[at : at + len(room)] = self._integrands(state, loss)
            at += len(room)
        return result

    def _integrands(self, state, loss):
        """What a loss integrates, or how many numbers that are."""
        size = self.sizes[loss.population] if loss.reduction in ("mean", "sum") else int(loss.reduction is None)
        if state is None or not size:
            return size if state is None else np.zeros(0)
        x = self._of(state, loss.population)[loss.variable]
        return x if loss.reduction else np.array([cross_entropy(loss.scale * x, self.label)])

    label = 1  # of losses at every step

    def _after(self, time: float, state: np.ndarray, h: float) -> np.ndarray:
        k1 = self._slope(time, state, time)
        k2 = self._slope(time + h / 2, state + h / 2 * k1, time)
        k3 = self._slope(time + h / 2, state + h / 2 * k2, time)
        k4 = self._slope(time + h, state + h * k3, time)
        return state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    def _distances(self, time: float, state: np.ndarray) -> list[tuple[float, str, int]]:
        """Of all neurons that are tested."""
        result = []
        for p in (p for p in self.neurons if p.dynamics.spike is not None):
            names = self.numbers[p.name] | self._of(state, p.name) | {"t": time}
            distance = np.broadcast_to(value(p.dynamics.spike.distance, names), (p.size,))
            tested = self.until[p.name] <= time + 1e-12
            result += [(d, p.name, k) for k, d in enumerate(distance) if tested[k]]
        return result

    # -------------------------------------------------------------------------------------------- events
    def _remember(self, name: str) -> None:
        """Where neurons jump, or what they follow does, those who read them late notice it when they do."""
        for c in (c for c in self.synapses if c.source == name and self.late[c.name][0]):
            for delay in np.unique(self._delays(c)):
                heapq.heappush(self.noticed, self.time + delay)

    def _emit(self, source: str, time: float, index: int) -> None:
        for order, c in enumerate(self.model.connections):
            if c.source == source:
                left = {f"pre.{k}": v[index] for k, v in self._of(self.state, source).items()}  # as its spike leaves it
                for j, d in enumerate(np.atleast_1d(self._delays(c)[index])):
                    heapq.heappush(self.queue, (time + d, order, index, j, next(self.numbered), c, left))
            if c.target == source and c.plasticity is not None:  # behind all that arrives at that time
                shape = self.weights[c.name].shape
                late = c.post_delay_steps * self.model.step
                left = {f"post.{k}": v[index] for k, v in self._of(self.state, source).items()} | {"post": True}
                dense = str(c.pattern) == "dense"
                for i in range(shape[0]) if dense else [index]:
                    heapq.heappush(
                        self.queue, (time + late, len(self.model.connections), i, index, next(self.numbered), c, left)
                    )

    def _arrive(self, c, i: int, j: int, left: dict) -> None:
        """A spike of the source at a synapse, or, `left` being of the target, one of the target."""
        at, target = ((i, j), j) if str(c.pattern) == "dense" else ((i,), i)
        if "post" not in left:
            own = (c.source, i) == (c.target, target)
            self.arrivals.append((self.time, c.target, target, self.time - self._delays(c)[at] if own else None))
        weight = self._weight(c, self.state)[at]  # the synapse comes first, before the weight moves
        for owner, block in _blocks(c):
            jumps = getattr(block, "on_post", ()) if "post" in left else block.on_pre
            seen = self._seen(c, owner, self.state, self.time, self.time) | self._modulators(c, self.before)
            names = {k: np.broadcast_to(v, self.shapes[owner])[at] if np.ndim(v) else v for k, v in seen.items()}
            names |= {"t": self.time - self.model.step}  # `t + step` is what jumps read
            if "post" in left and self.late[c.name][1] and (delay := self._delays(c)[at]) > 0:
                past = self._of(self.past.at(self.time - delay), c.source)
                names |= {f"pre.{k}": v[i] for k, v in past.items()}
            # a spike that is noticed late finds its target now
            met = names if "post" in left and c.post_delay_steps else names | left
            now, traces = self._jumped(block, jumps, met), self._jumped(block, jumps, names | left)
            shared = {s.name for s in (*getattr(block, "pre_states", ()), *getattr(block, "post_states", ()))}
            for s in _states(block):
                place = self.places[owner, s.name].start + np.ravel_multi_index(at, self.shapes[owner])
                self.state[place] = (traces if s.name in shared else now)[s.name]
        if c.synapse is None and "post" not in left:  # what its spikes move has been read
            self._impulse(c, target, weight)
        self._remember(c.target)

    @staticmethod
    def _jumped(block, jumps, names: dict) -> dict:
        """Names behind jumps, each of which sees the former."""
        names, bounds = dict(names), {k: (low, high) for k, low, high in getattr(block, "bounds", ())}
        for jump in jumps:
            names[jump.state] = value(jump.value, names)
            if jump.state in bounds:
                low, high = (value(limit, names) for limit in bounds[jump.state])
                names[jump.state] = min(max(names[jump.state], low), high)
        return names

    def _impulse(self, c, target: int, weight: float) -> None:
        dynamics = self.model.population(c.target).dynamics
        numbers = {k: v[target] if np.ndim(v) else v for k, v in self.numbers[c.target].items()}
        numbers |= {k: v[target] for k, v in self._of(self.state, c.target).items()}
        calm = dict.fromkeys((x.name for x in dynamics.inputs), 0.0)
        held = dynamics.refractory.hold if dynamics.refractory else ()
        for e in dynamics.equations:
            if e.state in held and self.until[c.target][target] > self.time + 1e-12:
                continue
            entering = value(e.derivative, numbers | calm | {c.input: 1.0}) - value(e.derivative, numbers | calm)
            self.state[self.places[c.target, e.state].start + target] += entering * weight

    def _fire(self, name: str, k: int) -> None:
        dynamics = self.model.population(name).dynamics
        names = {s: v[k] if np.ndim(v) else v for s, v in self.numbers[name].items()}
        names |= {s: v[k] for s, v in self._of(self.state, name).items()} | {"t": self.time}
        for jump in dynamics.spike.jumps:
            names[jump.state] = value(jump.value, names)
            self.state[self.places[name, jump.state].start + k] = names[jump.state]
        self.spikes[name][k].append(self.time)
        if len(self.spikes[name][k]) >= MOST:
            raise SpikesWithoutEnd
        if dynamics.refractory is not None:
            numbers = {s: v[k] if np.ndim(v) else v for s, v in self.numbers[name].items()}
            self.until[name][k] = self.time + float(value(dynamics.refractory.duration, numbers))
        self._remember(name)
        self._emit(name, self.time, k)

    def _run(self) -> None:
        while self.time < self.duration:
            ends = [u for until in self.until.values() for u in until if u > self.time + 1e-12]
            while self.noticed and self.noticed[0] <= self.time + 1e-12:
                heapq.heappop(self.noticed)
            goal = min([self.duration, *ends, *([self.queue[0][0]] if self.queue else []), *self.noticed[:1]])
            if goal > self.time and self._go(goal):
                continue
            while self.queue and self.queue[0][0] <= self.time + 1e-12:
                _, _, i, j, _, c, left = heapq.heappop(self.queue)
                self._arrive(c, i, j, left)
                self._test()
            self._test()

    def _test(self) -> None:
        """Fire what is above its threshold now, even several times."""
        for _ in range(100):
            above = [(name, k) for d, name, k in self._distances(self.time, self.state) if d > 0]
            for name, k in above:
                self._fire(name, k)
            if not above:
                return

    def _go(self, goal: float) -> bool:
        """Integrate up to a time, or to a spike on the way: whether there was one."""
        # the same where times are moved a little
        count = max(1, int(np.ceil((goal - self.time) / self.longest - 0.01)))
        h, start = (goal - self.time) / count, self.time
        for number in range(count):
            time, state = start + number * h, self._after(self.time, self.state, h)
            crossed = [(name, k) for d, name, k in self._distances(time + h, state) if d > 0]
            if crossed:
                first, before = min((self._crossing(time, h, *neuron), neuron) for neuron in crossed)
                state = self._after(time, self.state, first)
                self._look(time, state, first)
                self.state, self.time = state, time + first
                self.before = state.copy()
                self._fire(*before)
                return True
            self._look(time, state, h)
            self.state, self.time = state, goal if number == count - 1 else time + h
            self.before = state.copy()
        return False

    def _crossing(self, time: float, h: float, name: str, k: int) -> float:
        if self.until[name][k] > time + 1e-12:  # its refractory time ends with the step
            return h

        def distance(x: float) -> float:
            state = self._after(time, self.state, x) if x else self.state
            return next(d for d, n, i in self._distances(time + x, state) if (n, i) == (name, k))

        # it may be there already, where another neuron has just fired
        return 0.0 if distance(0.0) > 0 else brentq(distance, 0.0, h, xtol=1e-13, rtol=1e-14)

    # -------------------------------------------------------------------------------------------- what a loss reads
    def _look(self, time: float, state: np.ndarray, h: float) -> None:
        """Over a step to that state, what is read late, and the largest values so far:
        of the cubic through values and slopes at both ends.
        """
        if self.remembers:
            slopes = self._slope(time, self.state, time), self._slope(time + h, state, time)
            self.past.add(time, h, (self.state.copy(), slopes[0]), (state.copy(), slopes[1]))
        for number, loss in enumerate(self.model.training.losses):
            if loss.reduction != "max" or not h:
                continue
            ends = [(self.state, self._slope(time, self.state, time)), (state, self._slope(time + h, state, time))]
            (a, da), (b, db) = [[self._of(x, loss.population)[loss.variable] for x in end] for end in ends]
            best = np.maximum(self.largest.get(number, np.full(len(a), -np.inf)), np.maximum(a, b))
            for k in np.flatnonzero((da > 0) & (db < 0)):
                cubic = CubicHermiteSpline([0.0, h], [a[k], b[k]], [da[k], db[k]])
                roots = cubic.derivative().roots()
                best[k] = max(best[k], *cubic(roots[(roots > 0) & (roots < h)]))
            self.largest[number] = best

    def counts(self, population: str) -> list[int]:
        """Spikes of each neuron."""
        return [len(x) for x in self.spikes[population]]

    def loss(self, label) -> float:
        """The losses of the Model's `train` block, added up."""
        whole, at = 0.0, len(self.state) - sum(map(len, self.integrals))
        for number, (loss, room) in enumerate(zip(self.model.training.losses, self.integrals)):
            integral, at = self.state[at : at + len(room)], at + len(room)
            if loss.reduction is None:
                whole += loss.factor * integral[0] / (self.duration if loss.over_steps == "mean" else self.model.step)
                continue
            if loss.reduction == "first_spike":
                seen = np.array([x[0] if x else self.duration for x in self.spikes[loss.population]])
            elif loss.reduction == "max":
                seen = self.largest[number]
            elif loss.reduction == "last":
                seen = self._of(self.state, loss.population)[loss.variable]
            else:
                seen = integral / (self.duration if loss.reduction == "mean" else self.model.step)
            whole += loss.factor * cross_entropy(loss.scale * seen, label)
        return whole
