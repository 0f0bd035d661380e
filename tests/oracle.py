"""An independent simulator of a Model that automatic differentiation can follow: the oracle of gradients.

It reads the Model, never the Program: the flow is integrated by a Taylor series of the matrix exponential (or by a
plain Runge-Kutta or exponential Euler step written out here), spikes are a primitive whose derivative is the surrogate,
and gradients are those of the `autograd` package in float64. e-prop is the same computation with spikes held constant
wherever they are delivered, except into the population that the loss reads.
"""

from __future__ import annotations

import math

import autograd.numpy as np
import numpy
from autograd import value_and_grad
from autograd.extend import defvjp, primitive
from autograd.tracer import getval

from sncc.expressions.nodes import Apply, Number, Symbol
from sncc.model.nodes import Model


@primitive
def fire(distance, surrogate, strict):
    return (distance > 0 if strict else distance >= 0) * 1.0


defvjp(fire, lambda ans, d, psi, strict: lambda g: g * psi, None, None)


def terms_of(a) -> int:
    """Of exp(a), (to, from, neurons), up to the one that is nothing beside the first: their derivatives' number too."""
    norm = numpy.abs(a).sum(axis=1).max()
    return next(k for k in range(4, 60) if norm ** (k - 1) / math.factorial(k - 1) < 1e-17)


@primitive
def cut(x):
    """The value, without a derivative."""
    return x * 1.0


defvjp(cut, lambda ans, x: lambda g: g * 0.0)


def constant(x):
    while (inner := getval(x)) is not x:
        x = inner
    return x


def value(expression, names, known=None):
    """`known` keeps the values of parts, which an inlined function repeats many times."""
    known = {} if known is None else known
    match expression:
        case Number(value=number):
            return number
        case Symbol(name=name):
            return names[name]
        case Apply(operation=operation, arguments=arguments):
            if id(expression) not in known:
                known[id(expression)] = FUNCTIONS[operation](*(value(a, names, known) for a in arguments))
            return known[id(expression)]
    raise TypeError(expression)


FUNCTIONS = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b, "neg": lambda a: -a, "abs": np.abs, "exp": np.exp, "log": np.log, "sqrt": np.sqrt,
    "sin": np.sin, "cos": np.cos, "tanh": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "max": np.maximum, "min": np.minimum, "clip": lambda x, a, b: np.minimum(np.maximum(x, a), b),
    "lt": lambda a, b: constant(a) < constant(b), "gt": lambda a, b: constant(a) > constant(b),
    "le": lambda a, b: constant(a) <= constant(b), "ge": lambda a, b: constant(a) >= constant(b),
    "and": lambda a, b: a & b, "or": lambda a, b: a | b, "not": lambda a: ~a,
    "select": lambda c, a, b: np.where(c, a, b), "sign": lambda x: numpy.sign(constant(x)),
    "floor": lambda x: numpy.floor(constant(x)),
}  # fmt: skip


class Simulation:
    """One sample through the network; `parameters` by key, in the consistent system of units.

    `synapses`: for connections that are neither dense nor one_to_one, (weights → matrix (sources, targets), steps of
    delay as a number or matrix, or, where it is learnt, delays in ms → matrix), written out in the test.
    """

    def __init__(self, model: Model, parameters, rule: str, synapses=None) -> None:
        self.synapses = synapses or {}
        self.model, self.parameters, self.rule, self.step = model, parameters, rule, model.step
        self.read = {loss.population for loss in model.training.losses}
        self.truncate = model.training.rule.truncate_steps
        self.neurons = [p for p in model.populations if p.kind == "neuron"]
        self.names = {}
        self.state = {}
        for p in self.neurons:
            own = {q.name: self._parameter(p, q) for q in p.parameters} | {"step": model.step}
            self.names[p.name] = own
            for s in p.dynamics.states:
                first = self.parameters.get(f"{p.name}.{s.name}.initial")
                self.state[p.name, s.name] = (value(s.initial, own) if first is None else first) * np.ones(p.size)
        self.refractory = {p.name: numpy.zeros(p.size) for p in self.neurons}
        self.emitted = {p.name: [] for p in model.populations}
        self.fired = {p.name: [] for p in self.neurons}  # the same, never cut: what penalties count

    def _parameter(self, population, parameter):
        key = f"{population.name}.{parameter.name}"
        if key in self.parameters:
            return self.parameters[key] * np.ones(population.size)
        assert isinstance(parameter.value, Number), f"give {key} a value"
        return parameter.value.value * np.ones(population.size)

    def run(self, inputs, *readouts):
        """The variables (population, variable) of the readouts at every step, each (steps, outputs)."""
        seen = [[] for _ in readouts]
        for n in range(len(next(iter(inputs.values())))):
            if self.truncate and n > 0 and n % self.truncate == 0:
                self.begin_window()
            for name, array in inputs.items():
                self.emitted[name].append(array[n])
            for p in self._ordered():
                self._advance(p, n)
                for k, (population, variable) in enumerate(readouts):
                    if p.name == population:
                        now = self.emitted[p.name][-1] if variable == "spikes" else self.state[p.name, variable]
                        seen[k].append(now)
        return [np.stack(x) for x in seen]

    def begin_window(self):
        """What came before is constant from here on."""
        self.state = {key: cut(x) for key, x in self.state.items()}
        self.emitted = {name: [cut(z) for z in spikes] for name, spikes in self.emitted.items()}

    def _broadcast(self, p, n):
        """Learning signals into populations without a connection to the loss: as if by a connection without a delay."""
        for name, b in self.parameters.items():
            population = name.removesuffix(".feedback")
            if name.endswith(".feedback") and p.name in self.read and population in self.emitted:
                z = self.emitted[population][n]
                yield np.dot(z - constant(z), constant(b).T)

    def _ordered(self):
        done, left = [], list(self.neurons)
        while left:
            for p in left:
                waits = {c.source for c in self.model.connections if c.target == p.name and c.delay_steps == 0}
                if not waits & {q.name for q in left}:
                    done.append(p)
                    left.remove(p)
                    break
        return done

    def _arriving(self, p, n, continuous):
        arriving = {i.name: np.zeros(p.size) for i in p.dynamics.inputs}
        if not continuous:
            for signal in self._broadcast(p, n):
                first = p.dynamics.inputs[0].name
                arriving[first] = arriving[first] + signal
        for c in self.model.connections:
            source = self.model.population(c.source)
            is_continuous = source.kind == "signal" and not source.impulse
            if c.target != p.name or is_continuous != continuous:
                continue
            if c.name in self.synapses:
                arriving[c.input] = arriving[c.input] + self._over_synapses(c, p, n)
                continue
            if n < c.delay_steps:
                continue
            if f"{c.name}.delay" in self.parameters:
                arriving[c.input] = arriving[c.input] + self._interpolated(c, source.size, p.size, n)
                continue
            z = self.emitted[c.source][n - c.delay_steps]
            if self.rule == "eprop" and p.name not in self.read:
                z = constant(z)
            if f"{c.name}.feedback" in self.parameters:
                b = constant(self.parameters[f"{c.name}.feedback"])
                moving = z - constant(z)  # nothing in value
                arriving[c.input] = arriving[c.input] + (moving * b if b.ndim == 1 else np.dot(moving, b.T))
                z = constant(z)
            w = self.parameters.get(f"{c.name}.weight")
            if w is None:
                w = c.weight.value.value
            if str(c.pattern) == "dense":
                w = w * np.ones((source.size, p.size))
                arriving[c.input] = arriving[c.input] + np.dot(z, w)
            else:
                arriving[c.input] = arriving[c.input] + z * w
        return arriving

    def _over_synapses(self, c, p, n):
        """What arrives over a matrix that the test has written out."""
        matrix, delays = self.synapses[c.name]
        owner = c.share[0] if c.share is not None else c.name
        w = self.parameters.get(f"{owner}.weight")
        w = matrix(c.weight.value.value if w is None else w)
        if callable(delays):  # learnt: parts at two steps
            steps = delays(self.parameters[f"{c.name}.delay"]) / self.step
            first = numpy.floor(constant(steps)).astype(int)
            parts = [(first, 1 - (steps - first)), (first + 1, steps - first)]
        else:
            parts = [(delays * numpy.ones(w.shape, int), 1.0)]
        back = self.parameters.get(f"{c.name}.feedback")
        total = 0.0
        there = constant(delays(1.0)) > 0 if callable(delays) else numpy.ones(w.shape, bool)
        for d in numpy.unique([x for late, _ in parts for x in numpy.unique(late[there])]):
            share = sum((late == d) * part for late, part in parts)
            if n >= d:
                z = self.emitted[c.source][n - d]
                z = constant(z) if self.rule == "eprop" and p.name not in self.read else z
                if back is not None:  # nothing in value
                    whole = c.source_part.is_whole and c.target_part.is_whole and c.delay is None
                    b = constant(back).T if str(c.pattern) == "dense" and whole else matrix(constant(back))
                    total = total + np.dot(z - constant(z), b * constant(share))
                    z = constant(z)
                total = total + np.dot(z, w * share)
        return total

    def _interpolated(self, c, sources, targets, n):
        """What arrives of a learnt delay: (1 - f) of the weight after k steps, f of it after k + 1."""
        dense = str(c.pattern) == "dense"
        one = np.ones((sources, targets) if dense else sources)
        w, steps = self.parameters[f"{c.name}.weight"] * one, self.parameters[f"{c.name}.delay"] / self.step * one
        whole = numpy.floor(constant(steps))
        back = self.parameters.get(f"{c.name}.feedback")
        total = 0.0
        for d in range(int(whole.min()), int(whole.max()) + 2):
            if n >= d:
                share = (whole == d) * (1 - (steps - whole)) + (whole + 1 == d) * (steps - whole)
                part, z = w * share, self.emitted[c.source][n - d]
                z = constant(z) if self.rule == "eprop" and c.target not in self.read else z
                if back is not None:  # nothing in value
                    moving, by = z - constant(z), constant(back) * constant(share)
                    total = total + (np.dot(moving, by) if dense else moving * by)
                    z = constant(z)
                total = total + (np.dot(z, part) if dense else z * part)
        return total

    def _advance(self, p, n):
        d, own, h = p.dynamics, dict(self.names[p.name]), self.step
        before = {s.name: self.state[p.name, s.name] for s in d.states}
        impulses, drives = self._arriving(p, n, False), self._arriving(p, n, True)
        free = self.refractory[p.name] < 0.5
        held = d.refractory.hold if d.refractory else ()
        own |= {"t": n * h}
        if d.each_step:
            now = dict(before)
            own |= {i: impulses[i] + drives[i] for i in impulses}
            for a in d.each_step:
                new = value(a.value, own | now)
                now[a.state] = np.where(free, new, now[a.state]) if a.state in held else new
        else:
            now, part = before, h / d.substeps
            still = dict(before)  # where states are held the others see them stand still
            for k in range(d.substeps):
                inner = own | drives | {"t": n * h + k * part}
                now = self._flow(d, now, inner, part)
                still = self._flow(d, still, inner, part, held) if held else now
            now = {s: np.where(free, x, still[s]) for s, x in now.items()} if held else now
            for e in d.equations:  # a Dirac pulse moves a state by the input's coefficient in its equation
                zero = {i: 0.0 for i in impulses}
                for i in impulses:
                    gain = value(e.derivative, own | now | zero | {i: 1.0}) - value(e.derivative, own | now | zero)
                    now[e.state] = now[e.state] + gain * impulses[i]
            for s in held:
                now[s] = np.where(free, now[s], before[s])
        z = np.zeros(p.size)
        if d.spike is not None:
            u = value(d.spike.distance, own | now)
            psi = numpy.zeros(p.size)
            if d.surrogate is not None:
                psi = free * value(d.surrogate, {k: constant(v) for k, v in (own | now).items()} | {"u": constant(u)})
            z = fire(u, constant(psi), d.spike.strict) * free
            for j in d.spike.jumps:
                factor = constant(z) if j.reset else z
                now[j.state] = now[j.state] + factor * (value(j.value, own | now) - now[j.state])
        if d.refractory:
            steps = numpy.floor(constant(value(d.refractory.duration, own)) / h + 0.5)
            self.refractory[p.name] = numpy.where(constant(z) > 0, steps, numpy.maximum(self.refractory[p.name] - 1, 0))
        for s, x in now.items():
            self.state[p.name, s] = x
        self.emitted[p.name].append(z)
        self.fired[p.name].append(z)

    def _flow(self, d, before, own, h, held=()):
        names = [e.state for e in d.equations]

        def slopes(states, later=0.0):
            inner, known = own | states | {"t": own["t"] + later}, {}
            still = numpy.zeros(len(constant(before[names[0]])))
            return {e.state: still if e.state in held else value(e.derivative, inner, known) for e in d.equations}

        if not names:
            return dict(before)
        if self.method(d) == "exact":
            ones = np.ones_like(before[names[0]])
            start = slopes(before | {k: 0.0 * ones for k in names})
            matrix = []
            for k in names:
                one = slopes(before | {j: (1.0 if j == k else 0.0) * ones for j in names})
                matrix.append(np.stack([(one[j] - start[j]) * ones for j in names]))
            a = np.stack(matrix, axis=1) * h  # (to, from, neurons)
            b = np.stack([start[j] * ones for j in names]) * h
            x = np.stack([before[k] for k in names])
            term = np.einsum("ijn,jn->in", a, x) + b
            flowed = x + term
            for k in range(2, terms_of(constant(a))):  # x + phi1(A h) (A x + b) h
                term = np.einsum("ijn,jn->in", a, term) / k
                flowed = flowed + term
            return before | {k: flowed[i] for i, k in enumerate(names)}
        if self.method(d) == "exponential_euler":
            f = slopes(before)
            result = dict(before)
            for e in d.equations:
                rate = slopes(before | {e.state: before[e.state] + 1.0})[e.state] - f[e.state]
                none = np.abs(rate) < 1e-12
                rate = np.where(none, 1.0, rate)
                result[e.state] = before[e.state] + f[e.state] * np.where(none, h, (np.exp(rate * h) - 1) / rate)
            return result
        k1 = slopes(before)
        k2 = slopes(before | {s: before[s] + h / 2 * k1[s] for s in names}, h / 2)
        k3 = slopes(before | {s: before[s] + h / 2 * k2[s] for s in names}, h / 2)
        k4 = slopes(before | {s: before[s] + h * k3[s] for s in names}, h)
        return before | {s: before[s] + h / 6 * (k1[s] + 2 * k2[s] + 2 * k3[s] + k4[s]) for s in names}

    @staticmethod
    def method(d):
        from sncc.model.integration import integration  # which method is a decision; how it steps is done again here

        return integration(d)


def loss_of(x, label, loss):
    def cross_entropy(y, c):
        return np.log(np.sum(np.exp(y - np.max(constant(y))))) + np.max(constant(y)) - y[c]

    if loss.smoothing:
        spread = loss.smoothing

        def cross_entropy(y, c):
            logs = y - np.max(constant(y)) - np.log(np.sum(np.exp(y - np.max(constant(y)))))
            return -(1 - spread) * logs[c] - spread * np.mean(logs)

    weights = loss.class_weights
    functions = {
        "cross_entropy": (lambda y, c: weights[c] * cross_entropy(y, c)) if weights else cross_entropy,
        "mse": lambda y, t: np.mean((y - t) ** 2),
        "huber": lambda y, t: np.mean(np.where(np.abs(y - t) <= 1, 0.5 * (y - t) ** 2, np.abs(y - t) - 0.5)),
    }
    written = loss.expression
    f = functions.get(loss.function, lambda y, t: np.mean(value(written, {"output": y, "label": t}) * np.ones(len(y))))
    x = loss.scale * x[loss.window[0] : loss.window[1]]
    if loss.reduction is not None:
        if loss.reduction == "max":
            first = numpy.argmax(constant(x), axis=0)
            seen = np.stack([x[k, i] for i, k in enumerate(first)])
        else:
            seen = {"mean": lambda: np.mean(x, 0), "sum": lambda: np.sum(x, 0), "last": lambda: x[-1]}[loss.reduction]()
        return f(seen, label)
    per_step = numpy.ndim(label) == (1 if loss.function == "cross_entropy" else 2)
    labels = label[loss.window[0] : loss.window[1]] if per_step else [label] * len(x)
    losses = [f(y, c) for y, c in zip(x, labels) if loss.function != "cross_entropy" or c >= 0]
    total = sum(losses)
    return total / max(len(losses), 1) if loss.over_steps == "mean" else total


def penalty_of(simulations, model: Model):
    """The penalties on firing rates, from the spikes of all samples."""
    total = 0.0
    for p in model.training.penalties:
        rates = [
            sum(s.fired[p.population]) / (len(s.fired[p.population]) * model.step * 1e-3) for s in simulations
        ]  # Hz
        rates = [sum(rates) / len(rates)] if p.over == "batch" else rates
        total = total + p.strength * sum(np.mean((r - p.target * 1e3) ** 2) for r in rates) / len(rates)
    return total


def loss_and_gradients(model: Model, parameters, inputs, labels, rule, synapses=None, simulation=Simulation):
    """Mean loss over samples, with penalties, and d loss / d parameter, for the parameters given,
    in the consistent system.
    """
    losses = model.training.losses

    def mean_loss(p):
        total, simulations = 0.0, []
        for sample, label in zip(inputs, labels):
            simulations.append(simulation(model, p, rule, synapses))
            seen = simulations[-1].run(sample, *((loss.population, loss.variable) for loss in losses))
            total = total + sum(loss_of(x, label, loss) * loss.factor for x, loss in zip(seen, losses))
        return total / len(inputs) + penalty_of(simulations, model)

    loss, gradients = value_and_grad(mean_loss)(parameters)
    return float(loss), gradients
