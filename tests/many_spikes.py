"""Sources that spike many times in a step before synapses where these do not add up;
shared by the tests of gradients and engines.
"""

from __future__ import annotations

import numpy as np

CLIPPED = """
synapse clipped:
    "Each spike adds a part of what is left."
    param tau = 6 ms
    param most = 1.5
    state g = 0
    dg/dt = -g / tau
    on pre: g += 0.3 * weight * (most - tanh(g))
    deliver g * (1.2 - tanh(post.v)) / (5 ms)
"""
DRAWING = """
plasticity drawing:
    "A weight of each synapse, and a trace of each neuron, move by what is drawn at every spike."
    param rate = 0.05
    param tau = 9 ms
    pre state x = 0
    state e = 0.7
    dx/dt = -x / tau
    de/dt = (0.7 - e) / tau
    on pre:
        weight += rate * (x + normal(0.5, 1)) * (1 - weight) * e
        e *= uniform(0.8, 1)
        x += uniform(0.2, 0.8) * (1 + 0.1 * x)
    bound weight in [-2, 2]
"""
NETWORK = """
{definitions}
network Net:
    step = 1 ms
    population x: input[6]
    population p: poisson[4](rate = 1500 Hz)
    population hidden: LIF[5](tau_m = 10 ms, theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.2, 0.3), delay = {delay}, synapse = clipped(most = uniform(1, 2))
    connect p -> hidden: dense, weight = normal(0.02 kHz, 0.05 kHz), synapse = tsodyks_markram(tau = 5 ms, tau_rec = 20 ms)
    connect hidden -> output: dense, weight = normal(0, 1)
    connect p -> output: one_to_one, weight = each(0.1), synapse = clipped()
{more}

train:
    rule = {rule}
    loss = mean(cross_entropy(output.v))
    learn = weights, x_hidden.tau, x_hidden.most, p_hidden.use, p_hidden.tau_rec, p_output.tau{learn}
    optimiser = sgd(learning_rate = 1e-3)
"""
DRAWN = """    connect drawn = x -> output: dense, weight = normal(0.1, 0.4), plasticity = drawing()"""


def text_of(rule: str, delay: str = "1 ms", learn: str = "", draws: bool = False) -> str:
    """The source; `draws`: with weights that move by numbers drawn at every spike."""
    learnt = ", drawn.plasticity.rate, drawn.plasticity.tau" if draws else ""
    text = NETWORK.format(
        definitions=CLIPPED + DRAWING * draws, rule=rule, delay=delay, more=DRAWN if draws else "", learn=learnt + learn
    )
    return text.replace("p -> output: one_to_one", "p[0:3] -> output: one_to_one")


def inputs(seed: int = 1, steps: int = 24) -> list[dict[str, np.ndarray]]:
    """Counts of a sample, up to a dozen in a step."""
    rng = np.random.default_rng(seed)
    return [{"x": rng.poisson(0.4, (steps, 6)) * rng.integers(1, 6, (steps, 6)).astype(float)}]
