"""The oracle of gradients, with synapses: every synapse keeps its own states, in matrices (sources, targets),
or in a list of pairs.

It reads the Model as the user wrote it, before any state of a synapse has become one of a neuron. Which states flow
together is a decision of the compiler's (`reduce_synapse`), and so is a method; how they flow, jump and deliver is done
again here. All states that are linear flow together with their neurons, in one series of the whole network's matrix,
where these are integrated exactly; by exponential Euler only what a state of the target is a factor of moves within the
step; elsewhere the mean over the step is delivered, of a series of its own.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import autograd.numpy as np
import numpy
from oracle import Simulation, constant, cut, loss_and_gradients, value
from oracle_flow import flowed
from oracle_synapse_states import Synapses

from sncc.lower.phases import place


def gradients_with_synapses(model, parameters, inputs, labels, rule, pairs=None):
    """As `loss_and_gradients`, for a Model with synapses; `pairs` of `sparse` connections by name."""
    simulation = partial(SynapseSimulation, pairs=pairs)
    return loss_and_gradients(model, parameters, inputs, labels, rule, simulation=simulation)


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
        """The states that flow by themselves at the step's start, of which each is delivered:
        by delay, where that is told late.
        """
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
        """What synapses deliver in all, with a delay for each of what was their delays ago;
        `moving` are states in flow.
        """
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
                moving = means.get(s.c.name, {})
                if s in together:
                    moving = {
                        d: {e.state: x[s.c.name, e.state, d] for e in s.apart.equations} for d in self._moving(s, n)
                    }
                    found = self._slopes_apart(s, moving)
                    result |= {(s.c.name, k, late): f for late, fs in found.items() for k, f in fs.items()}
                seen = self._seen(s, x, now)
                result |= self._slopes_with_target(s, x, seen)
                if s.block.deliver is not None:
                    delivered = s.onto_target(self._delivered(s, n, seen, moving))
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
            self._arrive(s, n)
        return self._after_flow

    def _seen(self, s, x, now):
        """What a connection's synapses see within a flow:
        their states, and their target `now` where they read it then.
        """
        seen = self._before[s.c.name] | {k: x[s.c.name, k] for k in s.with_target}
        if s.reduction is not None or s.shunts:
            seen = seen | {f"post.{k}": s.of_target(v if s.of is None else constant(v)) for k, v in now.items()}
        return seen

    def _slopes_with_target(self, s, x, seen):
        """Derivatives of the states that flow with the target."""
        found = {(s.c.name, k): 0.0 * x[s.c.name, k] for k in s.with_target}
        for e in s.block.equations:
            if e.state in s.with_target:
                found[s.c.name, e.state] = value(e.derivative, seen) * np.ones(s.shape)
        return found

    def _arrive(self, s, n):
        """What spikes that arrive after the flow make of a connection's states."""
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

    def _name_of(self, d):
        return next(p.name for p in self.neurons if p.dynamics is d)


class _Of:
    """A model with some of its connections."""

    def __init__(self, model, connections) -> None:
        self.connections, self.population = connections, model.population
