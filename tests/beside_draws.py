"""Networks whose neurons, synapses and rules start at draws with numbers beside them; for tests."""

from __future__ import annotations

VARIED = """
neuron Varied:
    param tau_m = 15 ms
    param m = 0.4
    param k = each(0.3)
    param s = 0.1
    param theta = 0.6
    state v = m * normal(1, 0.4) + s
    state d = exp(k * normal(0, 1)) * uniform(0.1, m) + m * m
    input I
    dv/dt = (d - v) / tau_m + I
    dd/dt = -d / (40 ms)
    spike when v > theta:
        reset v -= theta
        d += 0.1
    surrogate triangle(width = theta, height = 0.3 / theta)
"""
OTHERS = """
synapse varied:
    param tau = 8 ms
    param m = 0.5
    param e = each(0.2)
    state g = m * normal(1, 0.3)
    state h = exp(e * normal(0, 1)) - m
    dg/dt = -g / tau
    dh/dt = (0.1 - h) / (20 ms)
    on pre:
        g += h * weight * (1.5 - g)
        h *= 0.9
    deliver g / (12 ms)

plasticity moving:
    param rate = 0.1
    param m = 0.3
    param k = 0.2
    pre state x = m * uniform(0.5, 1.5) + k * normal(0, 1)
    post state y = exp(k * normal(0, 1))
    state z = m * k * normal(1, 0.5)
    dx/dt = -x / (12 ms)
    dz/dt = -z / (30 ms)
    dy/dt = -y / (9 ms)
    on pre:
        weight += rate * (x - y + z) * (1.5 - weight)
        x += 0.5
    on post:
        weight += rate * x * y
        y += 0.4
        z += 0.1

network Net:
    step = 1 ms
    population x: input[6]
    population hidden: LIF[5](tau_m = 10 ms, theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: {pattern}, weight = normal(0.2, 0.2), delay = {delay}, {kind}
    connect hidden -> output: dense, weight = normal(0, 1)

train:
    rule = eprop(feedback = symmetric)
    loss = mean(cross_entropy(output.v))
    learn = weights, {learn}
    optimiser = adam(learning_rate = 1e-3)
"""


def everything(rule: str) -> str:
    """Neurons, synapses that keep states each, and a rule, together."""
    again = "connect again = hidden -> hidden: {pattern}, weight = normal(0.05, 0.2), delay = uniform(1 ms, 4 ms), plasticity = moving()"
    learn = "x_hidden.m, x_hidden.e, hidden.m, hidden.k, hidden.s, again.plasticity.m, again.plasticity.k"
    text = VARIED + OTHERS.replace("LIF[5](tau_m = 10 ms, theta = 0.5)", "Varied[5]")
    text = text.replace("delay = {delay}, {kind}", "delay = 2 ms, synapse = varied()").replace("{learn}", learn)
    text = text.replace("    connect hidden -> output", f"    {again}\n    connect hidden -> output")
    return text.replace("{pattern}", "random(p = 0.8)").replace("eprop(feedback = symmetric)", rule)
