"""A network with every connection whose synapses need not be stored, and the comparison of its runs."""

from __future__ import annotations

import numpy as np
from blocks_simulations import LEAKY

TEXT = (
    LEAKY
    + """
synapse facilitating:
    state u = 0.2
    state g = 0
    du/dt = (0.2 - u) / (50 ms)
    dg/dt = -g / (3 ms)
    on pre:
        u += 0.2 * (1 - u)
        g += weight * u
    deliver g / (1 ms)
network Net:
    step = 0.5 ms
    population a: Leaky[300], v = uniform(0, 1.2)
    population b: Leaky[13, 17], v = uniform(0, 1.2)
    population drive: poisson[300](rate = 300 Hz)
    connect drive -> a: one_to_one, weight = 0.2
    connect drive[0:221] -> b: random(fan_out = 30), weight = 0.02
    connect a -> a: random(p = 0.3, self = false), weight = normal(0, 0.03), delay = 1.5 ms
    connect b -> a: random(p = 0.002), weight = uniform(0, 0.5), delay = 1 ms
    connect a -> b: random(fan_out = 150), weight = 0.1 * exp(-abs(i - j) / 10), delay = 2 ms
    connect near = a[20:90] -> a[10:300]: random(fan_out = 20, repeats = true, self = false), weight = normal(0, 0.03, clip = [-0.05, 0.05]), delay = 2 ms
    connect inner = b[2:9, 3:8] -> b[1:12, 1:17]: random(p = 0.4, self = false), weight = -0.013, delay = 2 ms
    connect gained = a -> b: random(p = 0.3), weight = normal(0.03, 0.03) in [0, 1], delay = 1 ms, synapse = facilitating()
    connect every = a -> b: random(p = 1), weight = 0.0001, delay = 1 ms
simulate:
    duration = 60 ms
"""
)
RECORD = ["a.v", "b.v", "a.spikes", "b.spikes"]


def unstored(text):
    """The text whose random connections are not stored."""
    return "\n".join(line + ", stored = false" * (": random" in line) for line in text.split("\n"))


def same(found, wanted):
    """The same bits in a run, or in its parts after one another."""
    for name in wanted.trace:
        assert np.array_equal(np.concatenate([run.trace[name] for run in found]), wanted.trace[name])
    for name, spikes in wanted.spikes.items():
        assert len(spikes) > 500
        assert np.array_equal(np.concatenate([run.spikes[name].neurons for run in found]), spikes.neurons)
