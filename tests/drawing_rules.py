"""Synapses and rules of plasticity that draw numbers and hold noise, in training;
shared by the tests of gradients and engines.
"""

from __future__ import annotations

NETWORK = """
plasticity drawing:
    param rate = 0.05
    param tau = 9 ms
    param sigma = 0.3
    pre state x = 0
    post state y = 0
    state e = uniform(0.5, 1)
    dx/dt = -x / tau
    dy/dt = -y / tau
    de/dt = (0.7 - e) / tau + sigma * noise * sqrt(2 / tau)
    on pre:
        weight += rate * (x + normal(0.5, 1)) * (1 - weight) * e
        e *= uniform(0.8, 1)
        x += 1
    on post:
        weight += rate * x * uniform(0, 1) - 0.1 * weight * y
        y += 1
    bound weight in [-2, 2]

plasticity read:
    param rate = 0.05
    param tau = 9 ms
    param sigma = 0.3
    pre state x = 0
    state e = uniform(0.5, 1)
    dx/dt = -x / tau
    de/dt = (0.7 - e) / tau + sigma * noise * sqrt(2 / tau)
    on pre:
        weight += rate * (x + normal(0.5, 1)) * (1 - weight) * e
        e *= uniform(0.8, 1)
        x += 1
    bound weight in [-2, 2]

synapse drawn:
    param tau = 6 ms
    state g = uniform(0, 0.2)
    dg/dt = -g * (1 + 0.2 * tanh(post.v)) / tau + 0.1 * noise * sqrt(2 / tau)
    on pre: g += weight * uniform(0.5, 1.5) * (1.5 - tanh(g))
    deliver g / (5 ms)

network Net:
    step = 1 ms
    population x: input[6]
    population hidden: LIF[5](tau_m = 10 ms, theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.3, 0.3), synapse = drawn()
    connect hidden -> hidden: random(p = 0.6), weight = normal(0.1, 0.3), delay = 2 ms, plasticity = drawing()
    connect hidden -> output: dense, weight = normal(0, 0.4), delay = 1 ms, plasticity = read()

train:
    rule = {rule}
    loss = mean(cross_entropy(output.v))
    learn = hidden_output.weight, hidden_output.plasticity.rate, hidden_output.plasticity.tau, hidden_output.plasticity.sigma
    optimiser = sgd(learning_rate = 1e-3)
"""


def drawing(rule: str, learn: str = "") -> str:
    """The source."""
    return NETWORK.format(rule=rule).replace("learn = ", f"learn = {learn}")


SHARED = """
plasticity noisy:
    "Traces of either side draw at spikes, and one holds noise."
    param rate = 0.1
    param tau = 12 ms
    pre state x = 0
    post state y = 0.1
    dx/dt = -x / tau + 0.5 * noise / sqrt(tau)
    dy/dt = -y / tau
    on pre:
        weight += rate * (x - y) * (1.5 - weight)
        x += uniform(0.2, 0.8)
    on post:
        weight += rate * x * y
        y += normal(0.5, 0.2)
    bound weight in [-3, 3]
plasticity before:
    param rate = 0.1
    param tau = 12 ms
    pre state x = 0
    post state y = 0.1
    dx/dt = -x / tau + 0.5 * noise / sqrt(tau)
    dy/dt = -tanh(y) / tau + 0.5 * noise / sqrt(tau)
    on pre:
        weight += rate * (x + y) * (1.5 - weight)
        x += uniform(0.2, 0.8) * (1 + 0.1 * x)
    bound weight in [-3, 3]
network N:
    step = 1 ms
    population x: input[6]
    population hidden: LIF[5](theta = 0.8)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.3, 0.2), plasticity = noisy()
    connect hidden -> hidden: random(p = 0.6), weight = normal(0.1, 0.1), delay = 2 ms, plasticity = noisy()
    connect hidden -> output: random(fan_out = 2), weight = normal(0.1, 0.3), plasticity = before()
train:
    rule = {rule}
    loss = mean(cross_entropy(output.v))
    learn = hidden_output.weight, hidden_output.plasticity.tau, hidden_output.plasticity.rate{more}
    optimiser = sgd(learning_rate = 1e-3)
"""


def sharing(rule: str, learn: str = "") -> str:
    """A network of rules whose traces, which all synapses of a neuron share, draw numbers and hold noise."""
    more = f", {learn.rstrip(', ')}" if learn else ""
    return SHARED.format(rule=rule, more=more)
