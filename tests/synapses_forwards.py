"""A network whose synapses' states pass credit on to the loss, in several patterns, for e-prop forwards."""

from __future__ import annotations

NETWORK = """
synapse seen:
    deliver weight * pre.v / (10 ms)

synapse curved:
    deliver weight * tanh(2 * pre.v) / (10 ms)

synapse saturating:
    state s = 0
    ds/dt = -s / (8 ms)
    on pre: s += 0.3 * (1 - s)
    deliver weight * s

network Passing:
    step = 1 ms
    population x: input[6]
    population hidden: ALIF[7](theta = 0.5)
    population other: LIF[5](theta = 0.5)
    population output: LI[3](tau_m = each(10 ms))
    connect x -> hidden: dense, weight = normal(0.3, 0.3)
    connect x -> other: random(p = 0.7), weight = normal(0.3 /ms, 0.3 /ms), synapse = tsodyks_markram(tau_rec = 30 ms)
    connect hidden -> hidden: random(p = 0.5), weight = normal(0, 0.3), delay = 2 ms, synapse = seen()
    connect hidden -> other: random(fan_in = 3), weight = normal(0.2 /ms, 0.3 /ms), delay = 1 ms, synapse = saturating()
    connect open = hidden -> output: random(p = 0.6), weight = normal(0 /ms, 0.3 /ms), synapse = saturating()
    connect late = hidden -> output: random(fan_out = 2), weight = normal(0 /ms, 0.3 /ms), delay = 2 ms,
        synapse = tsodyks_markram(tau_rec = 30 ms)
    connect directly = hidden -> output: random(p = 0.5), weight = normal(0, 0.3), delay = 3 ms, synapse = seen()
    connect other -> output: dense, weight = normal(0 /ms, 0.3 /ms), delay = 1 ms, synapse = saturating()
    connect curved_ = other -> output: random(fan_in = 3), weight = normal(0, 0.3), delay = 2 ms, synapse = curved()
    connect thinned = other -> output: dense, weight = normal(0 /ms, 0.3 /ms), dropout = 0.3,
        synapse = tsodyks_markram(tau_rec = 30 ms)

train:
    rule = eprop({rule})
    loss = {loss}
    learn = weights, hidden.tau_m{learn}
    optimiser = sgd(learning_rate = 1e-3)
"""


def text_of(rule: str, loss: str = "mean(cross_entropy(output.v))", learn: str = "") -> str:
    """The source."""
    return NETWORK.format(rule=rule, loss=loss, learn=learn)
