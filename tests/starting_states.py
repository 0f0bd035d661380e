"""A network in which states of neurons, and of synapses, are delivered as they start before the first step;
shared by the tests of gradients and engines.
"""

from __future__ import annotations

NETWORK = """
synapse relaxing:
    "Rests until a spike arrives, partly open: so its source can tell what it is a delay later."
    param tau = 8 ms
    param start = 0.4
    state s = start
    state r = 0
    ds/dt = (start - s) / tau + r * (1 - s) / (5 ms)
    dr/dt = -r / (3 ms)
    on pre: r += 0.3 * (1 - r)
    deliver weight * s * (1.5 - post.v)

synapse graded:
    deliver weight * tanh(pre.v)

synapse clipped:
    "A conductance of each synapse, let through by its source's potential."
    state g = 0.1
    dg/dt = -tanh(g) / (6 ms)
    on pre: g += weight * (1.5 - tanh(g))
    deliver g * (1.2 - tanh(post.v) + 0.2 * tanh(pre.v)) / (5 ms)

network Starting:
    step = 1 ms
    population x: input[6]
    population hidden: LIF[5](tau_m = 10 ms, theta = 0.5), v = 0.2
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.4, 0.5)
    connect gap = hidden -> hidden: dense, weight = normal(0 kHz, 0.1 kHz), synapse = gap_junction()
    connect hidden -> output: dense, weight = normal(0 kHz, 1 kHz), delay = 3 ms, synapse = gap_junction()
    connect one = hidden[0:3] -> output: one_to_one, weight = each(0.3 kHz), delay = 2 ms, synapse = relaxing()
    connect few = hidden -> output: random(p = 0.6), weight = normal(0 kHz, 1 kHz), delay = 2 ms, synapse = graded()
    connect late = hidden -> output: dense, weight = normal(0 kHz, 1 kHz), delay = uniform(1 ms, 5 ms), synapse = graded()
{more}
train:
    rule = {rule}
    loss = mean(cross_entropy(output.v))
    learn = weights, hidden.tau_m, {learn}
    optimiser = sgd(learning_rate = 1e-3)
"""
OWN = "    connect own = hidden -> output: dense, weight = normal(0, 1), delay = 2 ms, synapse = clipped()\n"
STARTS = "initial(hidden.v), one.start"


def starting(rule: str, more: str = OWN) -> str:
    """The source."""
    return NETWORK.format(rule=rule, learn=STARTS, more=more)
