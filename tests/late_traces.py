"""Rules with a delay for each synapse whose traces move before the first spike,
and which read their source all the time and late; for tests.
"""

from __future__ import annotations

import numpy as np

NETWORK = """
neuron Still:
    "No credit passes its spikes, so that moving numbers tells gradients."
    param tau_m = 10 ms
    param theta = 0.5
    state v = 0
    input I
    dv/dt = -v / tau_m + I
    spike when v > theta: v = 0
    surrogate 0 * u

plasticity late:
    param tau = 10 ms
    param base = 0.4
    pre state x = 0.1
    pre state q = base
    post state y = 0
    state e = 0
    dx/dt = (base - x) / tau
    dq/dt = (0.2 * pre.v - q) / tau
    dy/dt = -y / (9 ms)
    de/dt = (x * (1 + 0.3 * pre.v) - e) / (5 ms)
    on pre:
        weight += 0.05 * e + 0.1 * x * pre.v - 0.05 * q
        x += 1
        q += 0.3 * x
    on post:
        weight += 0.1 * (0.5 - weight) * pre.v * (1 + x) + 0.05 * q
        y += 1

network Net:
    step = 1 ms
    population x: input[6]
    population hidden: {neuron}[5](theta = 0.5)
    population output: {neuron}[3](tau_m = 10 ms, theta = 0.3)
    connect x -> hidden: dense, weight = normal(0.3, 0.3)
    connect hidden -> hidden: {pattern}, weight = normal(0.1, 0.3), delay = uniform(1.2 ms, 5.8 ms) in [1 ms, 9 ms], plasticity = late()
    connect hidden -> output: dense, weight = normal(0.1, 0.3), delay = uniform(0 ms, 3 ms) in [0 ms, 9 ms], plasticity = late()

train:
    rule = {rule}
    loss = mean(cross_entropy(output.v))
    learn = weights, hidden_hidden.plasticity.tau, hidden_hidden.plasticity.base, hidden_output.plasticity.tau,
        hidden_output.plasticity.base{learn}
    optimiser = sgd(learning_rate = 1e-3)
"""


def text_of(rule: str, learn: str = "", neuron: str = "LIF", pattern: str = "dense") -> str:
    """The source."""
    return NETWORK.format(rule=rule, learn=learn, neuron=neuron, pattern=pattern)


def inputs() -> list[dict[str, np.ndarray]]:
    """A sample."""
    return [{"x": np.random.default_rng(1).poisson(0.3, (24, 6)).astype(float)}]
