"""The oracle of gradients, with synapses: every synapse keeps its own states, in matrices (sources, targets), or in a list of pairs.

It reads the Model as the user wrote it, before any state of a synapse has become one of a neuron. Which states flow together is a
decision of the compiler's (`reduce_synapse`), and so is a method; how they flow, jump and deliver is done again here. All states that are
linear flow together with their neurons, in one series of the whole network's matrix, where these are integrated exactly; by exponential Euler
only what a state of the target is a factor of moves within the step; elsewhere the mean over the step is delivered, of a series of its own.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import partial

import autograd.numpy as np
import numpy
from oracle import Simulation, constant, cut, loss_and_gradients, value

from sncc.connectivity.build import build
from sncc.connectivity.patterns import Dense
from sncc.connectivity.philox import philox
from sncc.expressions.algebra import affine
from sncc.expressions.nodes import Number, symbols
from sncc.expressions.units import PLAIN
from sncc.lower.phases import place
from sncc.lower.reduction import reduce_synapse
from sncc.model.nodes import Dynamics, Input
from sncc.program.streams import stream


def gradients_with_synapses(model, parameters, inputs, labels, rule, pairs=None):
    """As `loss_and_gradients`, for a Model with synapses; `pairs` of `sparse` connections by name."""
    simulation = partial(SynapseSimulation, pairs=pairs)
    return loss_and_gradients(model, parameters, inputs, labels, rule, simulation=simulation)


class Synapses:
    """The synapses of a connection, in flight."""

    def __init__(self, simulation, c) -> None:
        self.c, self.block, self.of = c, c.synapse, None
        self.reduction = reduce_synapse(c)
        self.with_target = set(self.reduction.target_states) if self.reduction else set()
        own = {}
        for p in self.block.parameters:
            given = simulation.parameters.get(f"{c.name}.{p.name}")
            if given is None:
                assert isinstance(p.value, Number)
                given = p.value.value
            own[p.name] = given
        self.own = own | {"step": simulation.step}
        source, target = simulation.model.population(c.source), simulation.model.population(c.target)
        w = simulation.parameters.get(f"{c.share[0] if c.share else c.name}.weight")
        w = c.weight.value.value if w is None else w
        self.dense, self.pairs = str(c.pattern) == "dense", None
        if str(c.pattern) in ("dense", "one_to_one") and c.source_part.is_whole and c.target_part.is_whole:
            self.shape = (source.size, target.size) if self.dense else (target.size,)
        else:
            found = build(
                c.pattern,
                c.source_part,
                c.target_part,
                stream(c.name, "connectivity"),
                0,
                simulation.handed_over.get(c.name),
            )
            self.pairs, self.shape = found, found.pre.shape
            self.sum = numpy.equal.outer(numpy.arange(target.size), found.post) * 1.0
            if numpy.size(w) > 1 and found.kernel is not None:
                w = np.reshape(w, -1)[found.kernel]
            elif isinstance(c.pattern, Dense) and numpy.ndim(w) == 2:  # else it is one for each synapse
                w = w[found.pre - c.source_part.flat(0), found.post - c.target_part.flat(0)]
        self.weight = w * np.ones(self.shape)
        each = [p.name for p in self.block.parameters if p.storage == "each"]
        self.own = self.own | {name: np.reshape(self.own[name], self.shape) for name in each}
        word = philox(0, stream(c.name, "dropout"), numpy.arange(source.size), 0, 0)[0]  # of the first sample
        left = word >= numpy.floor(c.dropout * 2.0**32 + 0.5)
        self.left = self.of_source(left / (1 - c.dropout))
        self.states = {s.name: value(s.initial, self.own) * np.ones(self.shape) for s in self.block.states}
        apart = [e for e in self.block.equations if e.state not in self.with_target]
        moved = tuple(s for s in self.block.states if any(e.state == s.name for e in apart))
        foreign = {n for e in apart for n in symbols(e.derivative)} - {s.name for s in moved} - set(self.own)
        self.apart = Dynamics(
            moved, tuple(Input(n, PLAIN) for n in sorted(foreign)), tuple(apart), method=self.block.method,
            substeps=self.block.substeps,
        )  # fmt: skip
        flowing = [e.state for e in apart]
        deliver = self.block.deliver
        self.flows = bool(flowing) and deliver is not None and simulation.method(self.apart) == "exact"
        self.flows = self.flows and affine(deliver, flowing) is not None and bool(symbols(deliver) & set(flowing))
        behind = [n for n in symbols(deliver) if n.startswith("post.")] if deliver is not None else []
        self.shunts = affine(deliver, behind) is not None if behind else False
        self.late = c.delay is not None and self.reduction is not None  # its source's states are read later
        self.parts = None  # of a delay per synapse: what of it is delivered so many steps later
        if c.delay is not None:
            learnt = any(e.key == f"{c.name}.delay" for e in simulation.model.training.learn)
            reads = self.reduction is not None and any(n.startswith("pre.") for n in symbols(self.block.deliver))
            least = max(c.delay_steps, int(reads))
            steps = np.maximum(simulation.parameters[f"{c.name}.delay"] / simulation.step * np.ones(self.shape), least)
            whole = numpy.floor(constant(steps) + (0.0 if learnt else 0.5))
            rest = steps - whole if learnt else 0.0 * whole
            self.parts = {
                d: (whole == d) * (1 - rest) + (whole + 1 == d) * rest
                for d in range(int(min([*whole.flat, least])), int(max([*whole.flat, least])) + 2)
            }
            own = {k for k in self.states if k not in self.with_target}
            self.past, self.amounts = [{k: self.states[k] for k in own}], []  # ends of steps; what spikes of steps add

    def follow(self, simulation):
        """With a delay per synapse: the source's own states as far as its spikes are known."""
        c = self.c
        while len(self.past) <= len(simulation.emitted[c.source]):
            n = len(self.past) - 1
            held = self.own | {
                "weight": 1.0 + 0.0 * constant(self.weight),
                "t": n * simulation.step,
            }  # a weight counts as a spike arrives
            self.states = self.states | self.past[n]
            if self.apart.equations:
                self.states = self.states | simulation.moved_apart(self, held)
            zero = {k: 0.0 * self.states[k] for k in self.with_target}
            now = self.states | zero
            for z in simulation.spikes_of(self, n):
                after = dict(now)
                for jump in self.block.on_pre:
                    after[jump.state] = value(jump.value, held | after) * np.ones(self.shape)
                now = {k: x + z * (after[k] - x) for k, x in now.items()}
            self.amounts.append({k: now[k] for k in self.with_target})
            self.past.append({k: now[k] for k in self.past[0]})

    @property
    def is_turned(self):
        """Whether numbers that stand for its weights on the way back are a matrix (targets, sources)."""
        return self.dense and self.pairs is None and self.reduction is not None and self.parts is None

    def of_source(self, x):
        if self.pairs is not None:
            return x[self.pairs.pre]
        return x[:, None] * np.ones(self.shape) if self.dense else x * np.ones(self.shape)

    def of_target(self, x):
        return x * np.ones(self.shape) if self.pairs is None else x[self.pairs.post]

    def onto_target(self, x):
        if self.pairs is not None:
            return self.sum @ x
        return np.sum(x, axis=0) if self.dense else x

    def on_the_way_back(self, by) -> Synapses:
        """The same with numbers `by` for its weights: nothing is delivered but derivatives, by the spikes and states of the source alone."""
        other = copy(self)
        other.c, other.weight = replace(self.c, name=f"{self.c.name}.back"), constant(by) * np.ones(self.shape)
        other.own = {k: constant(x) for k, x in self.own.items()}
        other.states = {k: constant(x) for k, x in self.states.items()}
        if self.parts is not None:
            other.parts = {d: constant(part) for d, part in self.parts.items()}
            other.past, other.amounts = [{k: constant(x) for k, x in self.past[0].items()}], []
        other.of = self
        return other

    def begin_window(self):
        """What came before is constant from here on, also what its source has sent and what is still on its way."""
        self.states = {k: cut(x) for k, x in self.states.items()}
        if self.parts is not None:
            self.past = [{k: cut(x) for k, x in now.items()} for now in self.past]
            self.amounts = [{k: cut(x) for k, x in sent.items()} for sent in self.amounts]

    def beside(self):
        """The states take the values of those that they stand beside; only derivatives are theirs."""
        self.states = {k: x - constant(x) + constant(self.of.states[k]) for k, x in self.states.items()}


class SynapseSimulation(Simulation):
    def __init__(self, model, parameters, rule, synapses=None, pairs=None) -> None:
        self.handed_over = pairs or {}
        super().__init__(model, parameters, rule, synapses)
        self.placed = place(model)
        self.by_target = {p.name: [] for p in self.neurons}
        for c in model.connections:
            if c.synapse is not None:
                self.by_target[c.target].append(Synapses(self, c))
                by = self.parameters.get(f"{c.name}.feedback")
                if by is not None:
                    if self.by_target[c.target][-1].is_turned:
                        by = constant(by).T
                    self.by_target[c.target].append(self.by_target[c.target][-1].on_the_way_back(by))
        self.past = {key: [x] for key, x in self.state.items()}

    def begin_window(self):
        late = (s for synapses in self.by_target.values() for s in synapses if s.late)
        for s in late:  # what the source has done up to here belongs to the window that ends
            s.follow(self)
        super().begin_window()
        self.past = {key: [cut(x) for x in past] for key, past in self.past.items()}
        for s in (s for synapses in self.by_target.values() for s in synapses):
            s.begin_window()

    def _cut(self, c, x):
        fed_back = f"{c.name}.feedback" in self.parameters
        return constant(x) if fed_back or self.rule == "eprop" and c.target not in self.read else x

    def _arriving(self, p, n, continuous):
        plain = [c for c in self.model.connections if c.synapse is None]
        whole, self.model = self.model, _Of(self.model, plain)
        try:
            return super()._arriving(p, n, continuous)
        finally:
            self.model = whole

    def _arrivals(self, s, n):
        """Spikes that arrive over the synapses, one step of 0 and 1 after the other."""
        if s.parts is not None:
            there = [part * sum(self.spikes_of(s, n - d), 0.0) for d, part in s.parts.items() if n >= d]
            if not there or self.model.population(s.c.source).kind == "neuron":
                return [sum(there)] if there else []
            return [  # whole ones one after the other, then what is left of one
                np.minimum(np.maximum(sum(there) - k, 0.0), 1.0)
                for k in range(int(numpy.ceil(numpy.max(constant(sum(there)), initial=0.0))))
            ]
        return [] if n < s.c.delay_steps else self.spikes_of(s, n - s.c.delay_steps)

    def spikes_of(self, s, n):
        """Those of step n."""
        c = s.c
        z = self._cut(c, self.emitted[c.source][n])
        if self.model.population(c.source).kind == "neuron":
            return [s.of_source(z)]
        return [s.of_source((constant(z) > k) * 1.0) for k in range(int(numpy.max(constant(z), initial=0)))]

    def _of_neurons(self, s, n):
        """What the synapses read of their neurons at the end of the step before; of the source a delay before."""
        c, names = s.c, {}
        for (population, state), past in self.past.items():
            if population == c.source:
                ago = {c.delay_steps: 1.0} if s.parts is None else s.parts
                seen = {d: s.of_source(self._cut(c, past[max(n - max(d, 1) + 1, 0)])) for d in ago}
                names[f"pre.{state}"] = sum(part * seen[d] for d, part in ago.items())
            if population == c.target:
                names[f"post.{state}"] = s.of_target(past[-1] if s.of is None else constant(past[-1]))
        return names

    def _sent(self, s, n):
        """States of the source as they were when what arrives was sent."""
        ago, names = {s.c.delay_steps: 1.0} if s.parts is None else s.parts, {}
        for (population, state), past in self.past.items():
            if population == s.c.source:
                seen = {d: s.of_source(self._cut(s.c, past[max(n - d + 1, 0)])) for d in ago}
                names[f"pre.{state}"] = sum(part * seen[d] for d, part in ago.items())
        return names

    def _moving(self, s, n):
        """The states that flow by themselves at the step's start, of which each is delivered: by delay, where that is told late."""
        flowing = [e.state for e in s.apart.equations]
        if not s.late:
            return {0: {k: self._before[s.c.name][k] for k in flowing}}
        return {d: {k: s.past[max(n - d, 0)][k] for k in flowing} for d in s.parts}

    def _slopes_apart(self, s, moving):
        """Derivatives of such states, what they read of neurons standing still."""
        held = self._before[s.c.name]
        return {
            d: {e.state: value(e.derivative, held | now) * np.ones(s.shape) for e in s.apart.equations}
            for d, now in moving.items()
        }

    def _means(self, s, n, h):
        """The mean over the step of each such state, from a series of h A."""
        start, zero = self._moving(s, n), {}
        for d, now in start.items():
            zero[d] = {k: 0.0 * x for k, x in now.items()}
        rest = self._slopes_apart(s, zero)
        term = {d: {k: h * f for k, f in slopes.items()} for d, slopes in self._slopes_apart(s, start).items()}
        mean = start
        for k in range(2, 16):
            mean = {d: {name: x + term[d][name] / k for name, x in now.items()} for d, now in mean.items()}
            slopes = self._slopes_apart(s, term)
            term = {d: {name: h / k * (f - rest[d][name]) for name, f in slopes[d].items()} for d in slopes}
        return mean

    def _delivered(self, s, n, names, moving):
        """What synapses deliver in all, with a delay for each of what was their delays ago; `moving` are states in flow."""
        if not s.late:
            found = value(s.block.deliver, names | moving.get(0, {})) * s.left
            return found if s.of is None else found - constant(found)
        total = 0.0
        for d, part in s.parts.items():
            before = (s.past[max(n - d, 0)] if s.past[0] else {}) | moving.get(d, {})
            for (population, state), past in self.past.items():
                if population == s.c.source:
                    before = before | {f"pre.{state}": s.of_source(self._cut(s.c, past[max(n - d + 1, 0)]))}
            total = total + part * value(s.block.deliver, names | before)
        total = total * s.left
        return total if s.of is None else total - constant(total)

    def _advance(self, p, n):
        synapses = self.by_target[p.name]
        before = {
            s.c.name: s.own | s.states | {"weight": s.weight, "t": n * self.step} | self._of_neurons(s, n)
            for s in synapses
        }
        self._synapses, self._before = synapses, before
        for s in synapses:
            if s.late:
                s.follow(self)
            elif s.apart.equations:
                s.states = s.states | self.moved_apart(s, before[s.c.name])
        super()._advance(p, n)
        for s in (s for s in synapses if s.of is not None):
            s.beside()
        for s_name in {name for population, name in self.state if population == p.name}:
            self.past[p.name, s_name].append(self.state[p.name, s_name])

    def moved_apart(self, s, known):
        """The states that do not flow with the target, after a step."""
        dynamics, held = s.apart, {k: x for k, x in known.items() if k not in s.states}
        now = {x.name: s.states[x.name] for x in dynamics.states}
        h = self.step / dynamics.substeps
        for k in range(dynamics.substeps):
            now = flowed(
                self.method(dynamics), now, h,
                lambda x, later, k=k: {
                    e.state: value(e.derivative, held | s.states | x | {"t": held["t"] + k * h + later})
                    for e in dynamics.equations
                },
            )  # fmt: skip
        return now

    def _flow(self, d, before, own, h, held=()):
        """Neurons and the states that they carry, together; then the jumps at arriving spikes.

        With `held` states of the neurons once more for these alone: what they carry does not read them in tests.
        """
        joint, n = dict(before), round(own["t"] / self.step)
        for s in self._synapses:
            start = self._before[s.c.name] if held else s.states
            joint |= {(s.c.name, k): start[k] for k in s.with_target}
        placed = next(q for q in self.placed.populations if q.name == self._name_of(d)).dynamics
        method, together, means = self.method(replace(placed, each_step=())), [], {}
        for s in (s for s in self._synapses if s.flows):
            if method == "exact":
                together.append(s)
                joint |= {(s.c.name, k, late): x for late, now in self._moving(s, n).items() for k, x in now.items()}
            elif method in ("rk4", "heun"):
                means[s.c.name] = self._means(s, n, h)

        def slopes(x, later):
            now = {k: v for k, v in x.items() if isinstance(k, str)}
            given = dict(own) | now | {"t": own["t"] + later}
            result = {}
            for s in self._synapses:
                frozen = self._before[s.c.name]
                inner = dict(frozen)
                inner |= {k: x[s.c.name, k] for k in s.with_target}
                moving = means.get(s.c.name, {})
                if s in together:
                    moving = {late: {} for late in self._moving(s, n)}
                    for late in moving:
                        moving[late] = {e.state: x[s.c.name, e.state, late] for e in s.apart.equations}
                    found = self._slopes_apart(s, moving)
                    result |= {(s.c.name, k, late): f for late, fs in found.items() for k, f in fs.items()}
                if s.reduction is not None or s.shunts:
                    inner |= {f"post.{k}": s.of_target(v if s.of is None else constant(v)) for k, v in now.items()}
                for e in s.block.equations:
                    if e.state in s.with_target:
                        result[s.c.name, e.state] = value(e.derivative, inner) * np.ones(s.shape)
                result |= {(s.c.name, k): 0.0 * x[s.c.name, k] for k in s.with_target if (s.c.name, k) not in result}
                if s.block.deliver is not None:
                    delivered = s.onto_target(self._delivered(s, n, inner, moving))
                    given[s.c.input] = given[s.c.input] + delivered
            moves = {e.state: value(e.derivative, given) for e in d.equations}
            return moves | {k: 0.0 * moves[k] for k in held} | result

        moving = {e.state for e in d.equations} | {k for k in joint if not isinstance(k, str)}
        still = {k: v for k, v in joint.items() if k not in moving}
        joint = still | flowed(method, {k: joint[k] for k in moving}, h, lambda x, later: slopes(still | x, later))
        neurons = {k: v for k, v in joint.items() if isinstance(k, str)}
        if held:
            return neurons
        self._after_flow = neurons
        for s in self._synapses:
            s.states = s.states | {k: joint[s.c.name, k] for k in s.with_target}
            for d, part in s.parts.items() if s.late else ():
                if n >= d:
                    s.states = s.states | {k: s.states[k] + part * s.weight * x for k, x in s.amounts[n - d].items()}
            for z in () if s.late else self._arrivals(s, n):
                after = dict(s.states)
                reading = {
                    f"post.{k}": s.of_target(v if s.of is None else constant(v)) for k, v in self._after_flow.items()
                }
                reading |= self._sent(s, n)
                for jump in s.block.on_pre:
                    after[jump.state] = value(jump.value, self._before[s.c.name] | after | reading) * np.ones(s.shape)
                s.states = {k: x + z * (after[k] - x) for k, x in s.states.items()}
        return self._after_flow

    def _name_of(self, d):
        return next(p.name for p in self.neurons if p.dynamics is d)


class _Of:
    """A model with some of its connections."""

    def __init__(self, model, connections) -> None:
        self.connections, self.population = connections, model.population


def flowed(method, before, h, slopes):
    """States after a step of `h`; `slopes(states, later)` are their derivatives by time."""
    if method == "exact":  # a series in h A, of which the first term is h (A x + b)
        term = {k: h * f for k, f in slopes(before, 0.0).items()}
        rest = slopes({k: 0.0 * x for k, x in before.items()}, 0.0)
        result = before
        for k in range(2, 15):
            result = {name: result[name] + term[name] for name in result}
            term = {name: h / k * (f - rest[name]) for name, f in slopes(term, 0.0).items()}
        return result
    if method == "exponential_euler":
        f, result = slopes(before, 0.0), {}
        for k in before:
            rate = slopes(before | {k: before[k] + 1.0}, 0.0)[k] - f[k]
            small = np.abs(rate) < 1e-12
            safe = np.where(small, 1.0, rate)
            result[k] = before[k] + f[k] * np.where(small, h, (np.exp(safe * h) - 1) / safe)
        return result

    def moved(f, by):
        return {k: before[k] + by * f[k] for k in before}

    k1 = slopes(before, 0.0)
    k2 = slopes(moved(k1, h / 2), h / 2)
    k3 = slopes(moved(k2, h / 2), h / 2)
    k4 = slopes(moved(k3, h), h)
    return {k: before[k] + h / 6 * (k1[k] + 2 * k2[k] + 2 * k3[k] + k4[k]) for k in before}
