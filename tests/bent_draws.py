"""Traces that draw behind learnt delays where nothing adds up:
an oracle that moves each synapse by both parts of a spike, for tests.

A part c of a spike that was sent in step m moves what its jumps J take x to by c (J(x, d[m]) - x): (1 - f) of those of
step n - k, f of those of n - k - 1.
"""

from __future__ import annotations

import autograd.numpy as np
import numpy
from autograd import value_and_grad
from draws_behind_delays import NETWORK
from oracle import constant, fire

from sncc.backends.reference.draws import DISTRIBUTIONS, Counter

RULE = """weight += rate * (0.1 + x - e)
        x += lognormal(-1, 0.2 + 0.3 * q) * (1 - x)
        q += gamma(1 + x, 0.1)
        weight += rate * tanh(x - e + q) * normal(1, 0.3)
    bound weight in [-0.4, 0.5]"""
X, Q, OWN = "draw.shared.pre.1", "draw.shared.pre.2", ("draw.4", "draw.8")


def text_of(rule: str, delay: str = "uniform(0.3 ms, 4.8 ms)", pattern: str = "dense") -> str:
    """The source: both connections have one rule, whose traces rest before the first spike."""
    text = NETWORK.format(rule=rule, delay=delay, pattern=pattern, many=RULE, single=RULE)
    for before, after in (
        ("pre state x = 0.1", "pre state x = 0"),
        ("(0.2 - x) / tau + 0.5 * noise / sqrt(tau)", "-x / tau"),
        (
            "    state e = 0\n    dx/dt = -x / tau\n    de",
            "    pre state q = 0\n    state e = 0\n    dq/dt = -q / (8 ms)\n    dx/dt = -x / tau\n    de",
        ),
    ):
        assert before in text
        text = text.replace(before, after)
    return text


class _Synapses:
    """All pairs of a connection, (pre, post)."""

    def __init__(self, program, connection, p) -> None:
        self.w, delay, self.rate, tau = (
            p[f"{connection}.{key}"] for key in ("weight", "delay", "plasticity.rate", "plasticity.tau")
        )
        rows = {r.population: dict(r.streams) for g in program.groups for r in g.rows}
        self.streams, self.decay = rows[f"{connection}.synapses"], np.exp(-1 / tau)
        self.k = numpy.floor(constant(delay)).astype(int)
        self.f = delay - self.k
        self.x = self.q = self.e = numpy.zeros(self.w.shape)
        self.spikes = []

    def drawn(self, name, kind, step, again, *arguments):
        """One number for all synapses of a source neuron, of the step of its spike; or one for each."""
        size = self.w.shape
        element = (
            numpy.arange(self.w.size).reshape(size)
            if name in OWN
            else numpy.arange(size[0])[:, None] + numpy.zeros(size, int)
        )
        counter = Counter(0, self.streams[name], element, numpy.broadcast_to(step, size))
        return DISTRIBUTIONS[kind](counter, again, *(constant(a) for a in arguments))

    def sent(self, steps):
        found = numpy.zeros(self.w.shape)
        for m in numpy.unique(steps[steps >= 1]):
            found = found + (steps == m) * np.reshape(self.spikes[m - 1], (-1, 1))
        return found

    def part(self, sent, own, n):
        """What all spikes of a step that was `sent` make of x, q and w: weights by each, and then the traces."""
        z, step, x, q, w = self.sent(sent), numpy.maximum(sent, 0), self.x, self.q, self.w
        draws = []
        for r in range(int(numpy.max(constant(z), initial=1))):  # a spike that is none has a derivative
            fired = z if len(self.spikes[0]) == 5 else (constant(z) > r) * 1.0
            first = self.drawn(X, "lognormal", step, r, -1.0, 0.2 + 0.3 * self.q)
            ahead = self.x + first * (1 - self.x)
            second = self.drawn(Q, "gamma", step, r, 1 + ahead, 0.1)
            one = _bounded(w + self.rate * (0.1 + self.x - self.e))
            two = one + self.rate * np.tanh(ahead - self.e + self.q + second) * self.drawn(
                own, "normal", n, r, 1.0, 0.3
            )
            w = w + fired * (_bounded(two) - w)
            draws.append(fired)
        for r, fired in enumerate(draws):
            after = x + self.drawn(X, "lognormal", step, r, -1.0, 0.2 + 0.3 * q) * (1 - x)
            more = q + self.drawn(Q, "gamma", step, r, 1 + after, 0.1)
            x, q = x + fired * (after - x), q + fired * (more - q)
        return x, q, w

    def arrive(self, n):
        """What a step delivers, and what it moves."""
        self.e = self.e + (1 - np.exp(-1 / 5)) * (self.x - self.e)
        self.x, self.q = self.x * self.decay, self.q * np.exp(-1 / 8)
        c = (1 - self.f) * self.sent(n - self.k) + self.f * self.sent(n - self.k - 1)
        delivered = np.sum(c * self.w, axis=0)
        moved = [self.part(n - self.k - ago, OWN[ago], n) for ago in (0, 1)]
        shares = 1 - self.f, self.f
        start = self.x, self.q, self.w
        self.x, self.q, self.w = (
            now + sum(share * (after[i] - now) for share, after in zip(shares, moved)) for i, now in enumerate(start)
        )
        return delivered


def _bounded(w):
    return np.where(w < -0.4, -0.4, np.where(w > 0.5, 0.5, w))


def loss_and_gradients(program, values, given, label):
    """Of a `dense` network of `text_of`, by automatic differentiation of a simulation."""
    (sample,) = given

    def loss(p):
        first, second = (_Synapses(program, c, p) for c in ("x_hidden", "hidden_output"))
        v, y, total = numpy.zeros(5), numpy.zeros(3), 0.0
        for n, counts in enumerate(sample["x"], 1):
            first.spikes.append(counts)
            v = v * np.exp(-1 / 10) + first.arrive(n)
            z = fire(v - 0.5, 0.5 * numpy.maximum(0, 1 - numpy.abs(constant(v) - 0.5)), True)
            v = v - 0.5 * z
            second.spikes.append(z)
            y = y * np.exp(-1 / 10) + second.arrive(n)
            total = total + np.log(np.sum(np.exp(y))) - y[label]
        return total / len(sample["x"])

    return value_and_grad(loss)(dict(values))
