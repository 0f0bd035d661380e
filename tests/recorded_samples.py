"""Networks that are trained, and what is recorded of their synapses in simulations: for the tests of both halves and of the reference."""

from __future__ import annotations

from typing import Any

import numpy as np

import sncc

TEXT = """
synapse shunt:
    param tau = 5 ms
    state g = 0 /ms
    dg/dt = -g / tau
    on pre: g += weight
    deliver g * (2 - post.v)

synapse clipped:
    state g = 0
    dg/dt = -g / (6 ms)
    on pre: g += weight * (1.5 - tanh(g))
    deliver g / (10 ms)

synapse reading:
    state s = 0
    ds/dt = -s / (9 ms)
    on pre: s += weight * (1 + post.v)
    deliver s / (10 ms)

plasticity pairs:
    param rate = 0.02
    modulator reward
    pre state x = 0
    post state y = 0
    state e = 0
    dx/dt = -x / (20 ms)
    dy/dt = -y / (20 ms)
    de/dt = -e / (30 ms)
    on pre:
        weight -= rate * y
        x += 1
        e += 1
    on post:
        weight += rate * x * (1 + reward)
        y += 1
        e += 0.5 * x
    bound weight in [-0.5, 0.6]

network Recorded:
    step = 1 ms
    population x: input[6]
    population hidden: LIF[8](theta = 0.6)
    population output: LI[3]
    connect x -> hidden: random(p = 0.7), weight = normal(0.2 /ms, 0.1 /ms), delay = 2 ms, synapse = shunt()
    connect wide = x -> hidden: dense, weight = normal(0.02 /ms, 0.1 /ms), synapse = tsodyks_markram()
    connect bent = x -> hidden: random(p = 0.5), weight = normal(0, 0.3), delay = uniform(1 ms, 5 ms), synapse = clipped()
    connect read = x -> hidden: dense, weight = normal(0, 0.3), delay = 1 ms, synapse = reading()
    connect hidden -> hidden: dense, weight = normal(0, 0.2), delay = 2 ms, plasticity = pairs()
    connect other = hidden[0:5] -> hidden[2:8]: dense, weight = normal(0, 0.1), delay = 1 ms, plasticity = pairs(), synapse = clipped()
    connect loop = hidden -> hidden: dense(self = false), weight = normal(0 /ms, 0.1 /ms), delay = 1 ms, synapse = shunt()
    connect hidden -> output: dense(self = false), weight = normal(0, 0.5)

train:
    rule = bptt
    loss = mean(cross_entropy(output.v))
    optimiser = sgd(learning_rate = 1e-2)

simulate:
    duration = 40 ms
    record g of x_hidden
    record u of wide
    record g of loop
    record weight of hidden_hidden every 2 ms
    record weight of other
    stimulate other.reward: 1 + sin(t / (5 ms)) from 7 ms to 31 ms
"""
ASKED = (
    "x_hidden.g", "wide.u", "loop.g", "bent.g", "read.s", "other.e", "other.g", "hidden.v",
    ("hidden_hidden.weight", 2e-3), ("other.weight", 3e-3), ("hidden_hidden.e", 3e-3),
)  # fmt: skip
SHARED = (
    "hidden_hidden.x",
    "hidden_hidden.y",
)  # of a plasticity: in a network that is not trained for the block to record


def spikes() -> np.ndarray:
    return (np.random.default_rng(0).random((2, 40, 6)) < 0.3).astype(int)


def recorded(network, *more: str, samples: int = 1) -> dict[str, Any]:
    """Of one sample: a network that is not trained keeps its weights from one to the next."""
    events = sncc.Events.from_dense(spikes()[:samples], step=1e-3)
    return dict(network.simulate(inputs={"x": events}, record=[*ASKED, *more]).trace)
