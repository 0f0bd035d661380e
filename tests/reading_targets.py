"""Synapses, and weights that move, whose `on pre` reads the target between its flow and its arrivals;
shared by the tests of gradients and engines.
"""

from __future__ import annotations

SYNAPSES = """
synapse reading:
    param tau = 6 ms
    param most = 1.5
    state g = 0
    state h = 0.1
    dg/dt = -g * (1 + 0.2 * tanh(post.v)) / tau + 0.1 * h / (1 ms)
    dh/dt = -tanh(h) / (4 ms)
    on pre:
        g += weight * (most - post.v - tanh(g)){source}
        h += 0.2 * g
    deliver g * (1.2 - tanh(post.v)) / (5 ms)

synapse fed:
    param tau = 6 ms
    param most = 1.5
    state g = 0
    dg/dt = -tanh(g) / tau
    on pre: g += weight * (most - post.v)
    deliver g / (5 ms)

network Reading:
    step = 1 ms
    population x: input[6]
    population hidden: LIF[5](tau_m = 10 ms, theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.2, 0.3), synapse = fed()
    connect hidden -> hidden: dense, weight = normal(0, 0.3), delay = {delay}, synapse = reading()
    connect again = hidden -> hidden: one_to_one, weight = each(0.2), delay = 2 ms, synapse = reading()
    connect hidden -> output: random(p = 0.7), weight = normal(0, 0.3), delay = {delay}, synapse = reading()

train:
    rule = {rule}
    loss = mean(cross_entropy(output.v))
    learn = weights, x_hidden.most, hidden_hidden.most, hidden_hidden.tau, hidden_output.most, hidden.tau_m{learn}
    optimiser = sgd(learning_rate = 1e-3)
"""
SOURCE = " * (1 + 0.3 * tanh(pre.v))"
LEARNT = ", hidden_output.delay(in = [1 ms, 6 ms])"


def synapses(rule: str, delay: str = "2 ms", source: str = "", learn: str = "") -> str:
    """Synapses that keep states one by one."""
    return SYNAPSES.format(rule=rule, delay=delay, source=source, learn=learn)


RULES = """
plasticity voltage:
    param rate = 0.05
    param tau = 9 ms
    pre state x = 0
    dx/dt = -x / tau
    on pre:
        weight += rate * (0.4 - post.v) * (1 + x)
        x += 1
    bound weight in [-1, 1]

plasticity both:
    param rate = 0.05
    pre state x = 0
    dx/dt = -x / (9 ms)
    on pre:
        weight += rate * (0.4 - post.v) * (1 + x)
        x += 1
    on post: weight += rate * x * (1 - weight)
"""
WEIGHTS = (
    RULES
    + """
network Net:
    step = 1 ms
    population x: input[4]
    population hidden: ALIF[5](tau_m = 8 ms, theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.3, 0.3), plasticity = both()
    connect hidden -> hidden: random(p = 0.6), weight = normal(0.1, 0.3), delay = {delay}, plasticity = both()
    connect x -> output: dense, weight = normal(0.3, 0.3), delay = 2 ms, plasticity = voltage()
    connect hidden -> output: dense, weight = normal(0, 0.4), delay = 1 ms, plasticity = voltage()

train:
    rule = {rule}
    loss = mean(cross_entropy(output.v))
    learn = weights, x_output.plasticity.rate, x_output.plasticity.tau, hidden_hidden.plasticity.rate
    optimiser = sgd(learning_rate = 1e-3)
"""
)


def weights(rule: str, delay: str = "2 ms") -> str:
    """Weights that move within a sample."""
    return WEIGHTS.format(rule=rule, delay=delay)
