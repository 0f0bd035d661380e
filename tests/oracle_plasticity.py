"""The oracle of gradients, with plasticity: every synapse keeps its weight and all that moves it,
in matrices or in a list of pairs.

It reads the Model as the user wrote it, and follows a step as the language page tells it: flow, arrivals (the weight of
before is delivered, then `on pre`), test, spike, `on post`. Each sample begins from the parameter. Under e-prop the
spikes that move a weight are constants: those of the source unless the loss reads the target, those of the target and
what sets modulators always.
"""

from __future__ import annotations

from copy import copy
from functools import partial

import autograd.numpy as np
import numpy
from oracle import Simulation, constant, cut, loss_and_gradients, value
from oracle_flow import flowed
from oracle_synapses import _Of

from sncc.connectivity.build import build
from sncc.connectivity.philox import philox
from sncc.expressions.nodes import Number, symbols
from sncc.expressions.units import PLAIN
from sncc.model.nodes import Dynamics, Input
from sncc.program.streams import stream


def gradients_with_plasticity(model, parameters, inputs, labels, rule, pairs=None):
    """As `loss_and_gradients`, for a Model whose weights move."""
    simulation = partial(PlasticSimulation, pairs=pairs)
    return loss_and_gradients(model, parameters, inputs, labels, rule, simulation=simulation)


class PlasticSimulation(Simulation):
    def __init__(self, model, parameters, rule, synapses=None, pairs=None) -> None:
        super().__init__(model, parameters, rule, synapses)
        self.plastic = [_Weights(self, c, (pairs or {}).get(c.name)) for c in model.connections if c.plasticity]
        self.plastic += [
            w.on_the_way_back(parameters[f"{w.c.name}.feedback"])
            for w in self.plastic if f"{w.c.name}.feedback" in parameters
        ]  # fmt: skip
        self.past = {}  # of states of neurons, at the end of every step, the first values in front

    def _arriving(self, p, n, continuous):
        whole, self.model = self.model, _Of(self.model, [c for c in self.model.connections if not c.plasticity])
        try:
            arriving = super()._arriving(p, n, continuous)
        finally:
            self.model = whole
        for w in self.plastic:
            if w.c.target == p.name and w.continuous == continuous:
                arriving[w.c.input] = arriving[w.c.input] + w.arrive(n)
        return arriving

    def begin_window(self):
        super().begin_window()
        self.past = {key: [cut(x) for x in past] for key, past in self.past.items()}
        for w in self.plastic:
            w.jumped = {name: cut(x) for name, x in w.jumped.items()}

    def _advance(self, p, n):
        if n == 0:
            for (owner, name), x in self.state.items():
                self.past.setdefault((owner, name), [x])
        for w in self.plastic:
            if w.c.target == p.name and n > 0:
                w.notice(n - 1)  # in the window of the step after
        super()._advance(p, n)
        for w in self.plastic:
            if w.reads_target and w.c.target == p.name:
                w.settle(self._flowed)
            if w.of is not None and w.c.target == p.name:
                w.beside()
        for owner, name in list(self.state):
            if owner == p.name:
                self.past[owner, name].append(self.state[owner, name])

    def _flow(self, d, before, own, h, held=()):
        result = super()._flow(d, before, own, h, held)
        if not held:
            self._flowed = dict(result)
        return result


class _Weights:
    """A plastic connection in flight; its states lie among the simulation's, which cuts them where a window ends."""

    def __init__(self, simulation, c, handed_over) -> None:
        self.run, self.c, self.rule, self.of, self.name = simulation, c, c.plasticity, None, f"{c.name}.plasticity"
        model, parameters = simulation.model, simulation.parameters
        source, target = model.population(c.source), model.population(c.target)
        found = build(c.pattern, c.source_part, c.target_part, stream(c.name, "connectivity"), 0, handed_over)
        self.pre, self.post, self.kernel = found.pre, found.post, found.kernel
        self.sum = numpy.equal.outer(numpy.arange(target.size), self.post) * 1.0
        self.weight = self._of_each(parameters[f"{c.name}.weight"])
        self.own = {"step": simulation.step}
        for p in self.rule.parameters:
            given = parameters.get(f"{c.name}.plasticity.{p.name}")
            self.own[p.name] = p.value.value if given is None and isinstance(p.value, Number) else given
        for m in self.rule.modulators:
            self.own[m.name] = parameters.get(f"{c.name}.plasticity.{m.name}", 0.0)
        r = self.rule
        for s in (*r.pre_states, *r.post_states, *r.states):
            self._set(s.name, value(s.initial, self.own) * np.ones(len(self.pre)))
        self._set("weight", 0.0 * self.weight)  # how far it has moved
        delays = c.delay_steps * numpy.ones(len(self.pre), int)
        if c.delay is not None:
            steps = numpy.floor(constant(parameters[f"{c.name}.delay"]) / simulation.step + 0.5)
            if steps.ndim == 2:
                steps = steps[self.pre, self.post]
            delays = numpy.maximum(steps.astype(int).reshape(-1) * numpy.ones(len(self.pre), int), c.delay_steps)
        self.delays = delays
        word = philox(0, stream(c.name, "dropout"), numpy.arange(source.size), 0, 0)[0]  # of the first sample
        self.left = ((word >= numpy.floor(c.dropout * 2.0**32 + 0.5)) / (1 - c.dropout))[self.pre]
        self.neuron = source.kind == "neuron"
        self.continuous = source.kind == "signal" and not source.impulse  # values, which stand inside the flow
        self.reads_target = any(k.startswith("post.") for j in self.rule.on_pre for k in symbols(j.value))
        self.jumped = {}  # post states as the target's last spike has left them, which the next flow starts from

    def _of_each(self, w):
        if self.kernel is not None and numpy.size(w) > 1:
            return np.reshape(w, -1)[self.kernel]
        if numpy.ndim(w) == 2:
            w = w[self.pre - self.c.source_part.flat(0), self.post - self.c.target_part.flat(0)]
        return np.reshape(w * np.ones(len(self.pre)), -1)

    def on_the_way_back(self, by) -> _Weights:
        """The same, which begins with numbers `by`: nothing is delivered but derivatives,
        by what the source sends and has alone.
        """
        other = copy(self)
        other.of, other.name, other.jumped = self, f"{self.name}.back", {}
        other.weight = self._of_each(constant(by))
        other.own = {k: constant(x) for k, x in self.own.items()}
        other._take(lambda _, x: constant(x))
        return other

    def _take(self, change) -> None:
        for (owner, name), x in list(self.run.state.items()):
            if owner == self.of.name:
                self._set(name, change(name, x))

    def beside(self):
        """What moves takes the values of what it stands beside; only derivatives are its own."""
        own = self._now()
        self._take(lambda name, x: own[name] - constant(own[name]) + constant(x))

    def _set(self, name, x):
        self.run.state[self.name, name] = x

    def _now(self):
        own = {name: x for (o, name), x in self.run.state.items() if o == self.name}
        return own | {"weight": self.weight + own["weight"]}

    def _cut(self, x, post=False):
        fed_back = self.of is None and f"{self.c.name}.feedback" in self.run.parameters
        cuts = self.run.rule == "eprop" and (post or fed_back or self.c.target not in self.run.read)
        return constant(x) if cuts else x

    def _arrived(self, n):
        """How many spikes of each source arrive at its synapses."""
        total = numpy.zeros(len(self.pre))
        for d in numpy.unique(self.delays):
            if n >= d:
                total = total + (self.delays == d) * self._cut(self.run.emitted[self.c.source][n - d])[self.pre]
        return total

    def _seen(self, n, side, ago):
        """States of neurons at the end of step n minus `ago`; steps are counted from 0."""
        population = self.c.source if side == "pre" else self.c.target
        index = self.pre if side == "pre" else self.post
        for (owner, name), past in self.run.past.items():
            if owner == population:
                x = sum(numpy.equal(ago, d) * past[max(n - d + 1, 0)][index] for d in numpy.unique(ago))
                yield f"{side}.{name}", self._cut(x) if side == "pre" else x if self.of is None else constant(x)

    def _modulators(self, n):
        """As they were at the end of the step before."""
        for modulator, population, variable in self.c.modulators:
            if n < 0:
                yield modulator, 0.0
                continue
            if variable == "spikes":
                x = (
                    self.run.emitted[population][n - 1]
                    if n > 0
                    else numpy.zeros(self.run.model.population(population).size)
                )
            else:
                x = self.run.past[population, variable][n]
            x = constant(x) if self.run.rule == "eprop" else x
            yield modulator, x[self.post] if numpy.size(constant(x)) > 1 else x

    def arrive(self, n):
        """Flow, delivery and `on pre` of step n; returns what arrives at the targets."""
        r, before = self.rule, self._now()
        for states in (r.pre_states, r.post_states, r.states):
            equations = [e for e in r.equations if e.state in {s.name for s in states}]
            if not equations:
                continue
            moved = {e.state for e in equations}
            held = self.own | {"t": n * self.run.step} | before | dict(self._modulators(n))
            ago = (
                self.delays + 1 if states is r.pre_states else numpy.maximum(self.delays, 1)
            )  # traces are as late as spikes
            held |= dict(self._seen(n, "pre", ago)) | dict(self._seen(n, "post", 1))
            foreign = {k for e in equations for k in symbols(e.derivative)} - moved - {p.name for p in r.parameters}
            inputs = tuple(Input(k, PLAIN) for k in sorted(foreign))
            dynamics = Dynamics(tuple(s for s in states if s.name in moved), inputs, tuple(equations))
            start = {k: self.jumped.get(k, before[k]) for k in moved}
            now = flowed(
                self.run.method(dynamics), start, self.run.step,
                lambda x, later, equations=equations, held=held: {e.state: value(e.derivative, held | x) for e in equations},
            )  # fmt: skip
            for name, x in now.items():
                waits = (
                    states is r.pre_states and self.c.delay is not None
                )  # what is seen of the source's before it began
                x = np.where(n >= self.delays, x, start[name]) if waits else x
                self._set(name, x * np.ones(len(self.pre)))
        known = dict(self._modulators(n)) | dict(self._seen(n, "pre", self.delays))
        z = self._arrived(n)
        delivered = np.dot(self.sum, self._now()["weight"] * z * self.left)
        if self.reads_target:  # as it is after its flow
            self.waiting = z, known
        else:
            self._jump(r.on_pre, z, known, r.pre_states)
        return delivered if self.of is None else delivered - constant(delivered)

    def settle(self, flowed):
        """`on pre` that reads the target between its flow and all arrivals."""
        z, known = self.waiting
        seen = {f"post.{k}": x[self.post] if self.of is None else constant(x[self.post]) for k, x in flowed.items()}
        self._jump(self.rule.on_pre, z, known | seen, self.rule.pre_states)

    def notice(self, n):
        """`on post` at the end of step n."""
        r, k = self.rule, n - self.c.post_delay_steps
        self.jumped = {}
        if k < 0 or not r.on_post:
            return
        z = self._cut(self.run.emitted[self.c.target][k], post=True)[self.post]
        known = dict(self._modulators(n)) | dict(self._seen(n, "pre", self.delays)) | dict(self._seen(n, "post", 0))
        before = self._now()
        self._jump(r.on_post, z, known, r.post_states, single=True)
        for s in r.post_states:  # throughout a step they are what they were before its spike
            self.jumped[s.name] = self._now()[s.name]
            self._set(s.name, before[s.name])

    def _jump(self, jumps, z, known, traces, single=False):
        """Each spike of a step moves the synapses, and then each moves the traces; one that did not come might have."""
        traces, bounds = {s.name for s in traces}, {name: ends for name, *ends in self.rule.bounds}
        single = single or self.neuron
        spikes = [z] if single else [(constant(z) > k) * 1.0 for k in range(int(numpy.max(constant(z), initial=0)))]
        for moved in ({j.state for j in jumps} - traces, {j.state for j in jumps} & traces):
            for fired in spikes:
                before = self._now()
                after = dict(before)
                for j in jumps:
                    x = value(j.value, self.own | known | after)
                    if j.state in bounds:
                        low, high = (value(b, self.own) for b in bounds[j.state])
                        x = np.where(x < low, low, np.where(x > high, high, x))  # on a bound it may leave it
                    after[j.state] = x * np.ones(len(self.pre))
                for name in moved:
                    x = before[name] + fired * (after[name] - before[name])
                    self._set(name, x - self.weight if name == "weight" else x)
