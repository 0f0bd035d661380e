"""Traces that draw, and hold noise, behind learnt delays;
with an oracle that keeps them where they draw, at their source; for tests.

What a synapse sees of a linear trace is (1 - f) x[n-k] + f x[n-k-1] of its source's. What is not linear moves by parts:
c (J(x, d) - x), with d from when the spike was sent.
"""

from __future__ import annotations

import autograd.numpy as np
import numpy
from autograd import value_and_grad
from oracle import constant, fire

from sncc.backends.reference.draws import DISTRIBUTIONS, Counter

NETWORK = """
neuron Cell:
    param tau_m = 10 ms
    param theta = 0.5
    state v = 0
    input I
    dv/dt = -v / tau_m + I
    spike when v > theta: v -= theta
    surrogate triangle(width = 1, height = 0.5)

plasticity many:
    param rate = 0.02
    param tau = 12 ms
    pre state x = 0.1
    state e = 0
    dx/dt = (0.2 - x) / tau + 0.5 * noise / sqrt(tau)
    de/dt = (x - e) / (5 ms)
    on pre:
        {many}
plasticity single:
    param rate = 0.1
    param tau = 12 ms
    pre state x = 0.1
    pre state q = 0
    state e = 0
    dx/dt = (0.2 - x) / tau + 0.5 * noise / sqrt(tau)
    dq/dt = -q / (8 ms)
    de/dt = (x - e) / (5 ms)
    on pre:
        {single}

network Net:
    step = 1 ms
    population x: input[6]
    population hidden: Cell[5]
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: {pattern}, weight = normal(0.3, 0.2), delay = {delay} in [0 ms, 9 ms], plasticity = many()
    connect hidden -> output: {pattern}, weight = normal(0.1, 0.3), delay = {delay} in [0 ms, 9 ms], plasticity = single()

train:
    rule = {rule}
    loss = mean(cross_entropy(output.v))
    learn = weights, x_hidden.delay, hidden_output.delay, x_hidden.plasticity.rate, x_hidden.plasticity.tau,
        hidden_output.plasticity.rate, hidden_output.plasticity.tau
    optimiser = sgd(learning_rate = 1e-3)
"""
AHEAD = {
    "many": """weight += rate * (x - 0.3 * e)
        x += normal(0.6, 0.2)""",
    "single": """weight += rate * (x - 0.3 * e + q) * (1.5 - weight)
        x += normal(0.6, 0.2)
        q += uniform(0.2, 0.8) * (1 + 0.3 * q)
    bound weight in [-0.5, 0.8]""",
}
BEHIND = {
    "many": """x += normal(0.6, 0.2)
        weight += rate * (x - 0.3 * e)""",
    "single": """x += normal(0.6, 0.2)
        q += uniform(0.2, 0.8) * (1 + 0.3 * q)
        weight += rate * (x - 0.3 * e + q) * (1.5 - weight)""",
}
LINES = {"ahead": AHEAD, "behind": BEHIND}


def text_of(rule: str, lines: str, delay: str = "uniform(0.3 ms, 4.8 ms)", pattern: str = "dense") -> str:
    """The source. lines: whether a weight moves ahead of what its trace draws, or behind that."""
    return NETWORK.format(rule=rule, delay=delay, pattern=pattern, **LINES[lines])


def inputs(steps: int = 24) -> list[dict[str, numpy.ndarray]]:
    """A sample, with several spikes of a channel in some steps."""
    return [{"x": numpy.random.default_rng(1).poisson(0.35, (steps, 6)).astype(float)}]


NORMAL, UNIFORM = "draw.shared.pre.1", "draw.shared.pre.2"


class _Source:
    """What a connection's source draws, and its trace, from the step in front of the first on."""

    def __init__(self, program, connection, size, tau) -> None:
        rows = {r.population: dict(r.streams) for g in program.groups for r in g.rows}
        self.streams, self.size = rows[f"{connection}.synapses"] | rows[f"{connection}.sent"], size
        self.decay = np.exp(-1 / tau)
        self.deviation = np.sqrt(0.125 * (1 - np.exp(-2 / tau)))
        self.spikes, self.flowed, self.x = [], [], []
        self.start = 0.1 * numpy.ones(size)

    def drawn(self, name, kind, n, again=0):
        counter = Counter(0, self.streams[name], numpy.arange(self.size), n)
        return DISTRIBUTIONS[kind](counter, again, 0.0, 1.0)

    def of_spikes(self, name, kind, low, factor, n):
        """What is drawn at the spikes of step n, in all."""
        z, result = self.spikes[n - 1], 0.0
        most = int(numpy.max(constant(z), initial=1))
        for r in range(most):
            fired = z if most == 1 else (constant(z) > r) * 1.0
            result = result + fired * (low + factor * self.drawn(name, kind, n, r))
        return result

    def step(self, n, z, noise):
        self.spikes.append(z)
        before = self.x[-1] if self.x else self.start
        self.flowed.append(0.2 + (before - 0.2) * self.decay + self.deviation * self.drawn(noise, "normal", n))
        self.x.append(self.flowed[-1] + self.of_spikes(NORMAL, "normal", 0.6, 0.2, n))


class _Synapses:
    """All pairs of a connection, (pre, post)."""

    def __init__(self, weight, delay, rate, lines, single, source) -> None:
        self.w, self.rate, self.lines, self.single, self.source = weight, rate, lines, single, source
        self.k = numpy.floor(constant(delay)).astype(int)
        self.f = delay - self.k
        self.e = self.q = numpy.zeros(weight.shape)

    def late(self, rows, n, start=0.0):
        """What a source has had in steps n - k and n - k - 1, in the shares of the delay."""

        def at(steps):
            found = start * (steps < 1)
            for m in numpy.unique(steps[steps >= 1]):
                found = found + (steps == m) * np.reshape(rows[m - 1], (-1, 1))
            return found

        return (1 - self.f) * at(n - self.k) + self.f * at(n - self.k - 1)

    def arrive(self, n):
        """What a step delivers, and what it moves."""
        source, w = self.source, self.w
        self.e = self.e + (1 - np.exp(-1 / 5)) * (self.late(source.x, n - 1, 0.1) - self.e)
        self.q = self.q * np.exp(-1 / 8)
        c, x = self.late(source.spikes, n), self.late(source.flowed, n, 0.1)
        steps = range(1, n + 1)
        xi = self.late([source.of_spikes(NORMAL, "normal", 0.6, 0.2, m) for m in steps], n)
        delivered = np.sum(c * w, axis=0)
        if not self.single:
            drawn = xi if self.lines == "behind" else 0.0
            self.w = w + self.rate * (c * (x - 0.3 * self.e) + drawn)
            return delivered
        eta = self.late([source.of_spikes(UNIFORM, "uniform", 0.2, 0.6, m) for m in steps], n)
        jump = eta * (1 + 0.3 * self.q)
        if self.lines == "behind":
            self.w = w + self.rate * (c * (x - 0.3 * self.e + self.q) + xi + jump) * (1.5 - w)
        else:
            after = w + self.rate * (x - 0.3 * self.e + self.q) * (1.5 - w)
            self.w = w + c * (np.where(after < -0.5, -0.5, np.where(after > 0.8, 0.8, after)) - w)
        self.q = self.q + jump
        return delivered


def loss_and_gradients(program, values, given, label, lines):
    """Of a `dense` network of `text_of`, by automatic differentiation of a simulation."""
    (sample,) = given

    def loss(p):
        taus = [p[f"{c}.plasticity.tau"] for c in ("x_hidden", "hidden_output")]
        sources = [_Source(program, c, size, tau) for c, size, tau in zip(("x_hidden", "hidden_output"), (6, 5), taus)]
        first, second = (
            _Synapses(p[f"{c}.weight"], p[f"{c}.delay"], p[f"{c}.plasticity.rate"], lines, single, source)
            for c, single, source in zip(("x_hidden", "hidden_output"), (False, True), sources)
        )
        v, y, total = numpy.zeros(5), numpy.zeros(3), 0.0
        for n, counts in enumerate(sample["x"], 1):
            sources[0].step(n, counts, "draw.1")
            v = v * np.exp(-1 / 10) + first.arrive(n)
            z = fire(v - 0.5, 0.5 * numpy.maximum(0, 1 - numpy.abs(constant(v) - 0.5)), True)
            v = v - 0.5 * z
            sources[1].step(n, z, "draw.1")
            y = y * np.exp(-1 / 10) + second.arrive(n)
            total = total + np.log(np.sum(np.exp(y))) - y[label]
        return total / len(sample["x"])

    return value_and_grad(loss)(dict(values))
