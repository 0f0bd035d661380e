"""Networks for e-prop forwards: whose synapses' states pass credit on to the loss,
and whose synapses keep states one by one.
"""

from __future__ import annotations

import numpy as np

NETWORK = """
synapse seen:
    deliver weight * pre.v / (10 ms)

synapse curved:
    deliver weight * tanh(2 * pre.v) / (10 ms)

synapse saturating:
    param tau = 8 ms
    param start = 0.1
    state s = start
    ds/dt = -s / tau
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


# numbers of synapses whose states the source has, behind an input, between neurons and on the way to the loss
OF_SOURCES = ", x_other.tau_rec, hidden_other.start, other_output.tau"


BLOCKS = """
synapse clipped:
    "Each has at most so much, and leaks faster where its source is excited."
    param tau = 6 ms
    param most = 1.5
    param start = 0.1
    state g = start
    state h = 0
    dg/dt = -g * (1 + 0.2 * tanh(pre.v)) / tau + h / (5 ms)
    dh/dt = -tanh(h) / (4 ms)
    on pre:
        g += weight * (most - tanh(g))
        h += 0.2 * g
    deliver g / (5 ms)

synapse passing:
    "The same, also let through by its source's potential, and leaking by its weight."
    param tau = 6 ms
    param most = 1.5
    state g = 0.1
    state h = 0
    dg/dt = -g * (1 + 0.2 * tanh(pre.v) + 0.1 * tanh(weight)) / tau + h / (5 ms)
    dh/dt = -tanh(h) / (4 ms)
    on pre:
        g += weight * (most - tanh(g))
        h += 0.2 * g
    deliver g * (1 + 0.3 * tanh(pre.v)) / (5 ms)

synapse single:
    param tau = 6 ms
    state g = 0
    dg/dt = -tanh(g) / tau
    on pre: g += weight * (1.5 - tanh(g))
    deliver g / (5 ms)

synapse driven:
    "Leaks faster where its target is excited, and is driven by it: what one of them learns comes back by all of them."
    param tau = 6 ms
    state g = 0
    dg/dt = -tanh(g) * (1 + 0.2 * tanh(post.v)) / tau
    on pre: g += weight * (1.5 - tanh(g))
    deliver g * (1.2 - post.v) / (5 ms)

network Keeping:
    step = 1 ms
    population x: input[6]
"""
TRAIN = """
train:
    rule = eprop({rule})
    loss = {loss}
    learn = weights, x_hidden.tau, few.tau{learn}
    optimiser = sgd(learning_rate = 1e-3)
"""
SMALL = """
    population hidden: LIF[7](tau_m = 9 ms, theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.15, 0.3), synapse = single()
    connect few = hidden -> hidden: random(p = 0.5), weight = normal(0.1, 0.3), delay = uniform(1 ms, 4 ms),
        synapse = driven(tau = uniform(4 ms, 9 ms))
    connect hidden -> output: random(p = 0.8), weight = normal(0.2, 0.5), delay = uniform(0 ms, 3 ms), synapse = single()
"""
ONTO = """
    population hidden: ALIF[7](tau_m = 10 ms, theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.15, 0.3), synapse = single()
    connect few = hidden -> hidden: random(p = 0.5), weight = normal(0.1, 0.3), delay = uniform(1 ms, 4 ms),
        synapse = single(tau = uniform(4 ms, 9 ms))
    connect hidden -> output: dense, weight = normal(0.2, 0.5), delay = 2 ms, synapse = passing(), dropout = 0.2
    connect plain = hidden -> output: dense, weight = normal(0, 0.5)
"""
LARGE = """
    population hidden: ALIF[7](tau_m = each(10 ms), theta = 0.5)
    population image: LIF[2, 3, 2](tau_m = 9 ms, theta = 0.5)
    population output: LIF[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.15, 0.3), synapse = single()
    connect linear = x -> hidden: random(p = 0.5), weight = normal(0.1 kHz, 0.1 kHz), synapse = exponential(tau = uniform(3 ms, 9 ms))
    connect few = hidden -> hidden: random(p = 0.5), weight = normal(0.1, 0.3), delay = uniform(1 ms, 4 ms),
        synapse = single(tau = uniform(4 ms, 9 ms))
    connect again = hidden -> hidden: one_to_one, weight = each(0.1), delay = 2 ms, synapse = clipped()
    connect all = hidden -> hidden: sparse, weight = 0.1, delay = 1 ms, synapse = clipped(), dropout = 0.3
    connect x -> image: dense, weight = normal(0.2, 0.3)
    connect image -> image: conv2d(kernel = [2, 2], padding = same, channels = 2), weight = normal(0.1, 0.2), delay = 1 ms,
        synapse = single()
    connect one = x -> output: random(p = 0.5), weight = normal(0.1, 0.3), synapse = single()
    connect hidden -> output: dense, weight = normal(0 kHz, 0.5 kHz), synapse = tsodyks_markram(tau_rec = 30 ms)
    connect image -> output: dense, weight = normal(0, 0.5)
"""
PAIRS = {"all": (np.arange(7), np.array([3, 3, 1, 2, 0, 4, 6]))}
PENALISED = "mean(cross_entropy(output.v))\n    penalty = firing_rate(hidden, target = 10 Hz, strength = 1e-3)"


ANSWERING = """
    population hidden: ALIF[6](tau_m = 9 ms, theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: {pattern}, weight = normal(0.3, 0.3), synapse = driven()
    connect plain = x -> hidden: dense, weight = normal(0.2, 0.3)
    connect sources = x -> hidden: dense, weight = normal(0.1 kHz, 0.3 kHz), synapse = tsodyks_markram(tau_rec = 30 ms)
    connect few = hidden -> hidden: random(p = 0.6), weight = normal(0.1, 0.3), delay = 2 ms,
        synapse = driven(tau = uniform(4 ms, 9 ms))
    connect hidden -> output: dense, weight = normal(0, 1)
"""


def answering(rule: str, loss: str, pattern: str) -> str:
    """Synapses onto hidden neurons that keep states one by one and read their target's, in one pattern and another."""
    text = BLOCKS + ANSWERING.format(pattern=pattern)
    return text + TRAIN.format(rule=rule, loss=loss, learn=", sources.tau_rec, hidden.tau_m")


REACHED = """
    population hidden: ALIF[7](tau_m = 9 ms, theta = 0.5)
    population output: {output}
    connect x -> hidden: dense, weight = normal(0.3, 0.4), synapse = single()
    connect few = hidden -> hidden: random(p = 0.5), weight = normal(0.1, 0.3), delay = uniform(1 ms, 4 ms),
        synapse = driven(tau = uniform(4 ms, 9 ms))
"""
# ways onto outputs, of which some have synapses that keep states one by one and read their output
ONTO_READERS = {
    "all": "connect hidden -> output: dense, weight = normal(0.4, 0.5), delay = 2 ms, synapse = driven()",
    "late": "connect hidden -> output: random(p = 0.6), weight = normal(0.4, 0.5), delay = uniform(0 ms, 4 ms), synapse = driven()",
    "one": "connect hidden[0:3] -> output[0:3]: one_to_one, weight = normal(0.8, 0.3), delay = 2 ms, synapse = driven()",
    "plain": "connect hidden -> output: dense, weight = normal(0.2, 0.5)\n    connect x -> output: one_to_one, weight = normal(0.9, 0.3), synapse = driven()",
    "some": "connect hidden -> output: random(fan_out = 2), weight = normal(0.2, 0.5), delay = uniform(0 ms, 3 ms)\n    connect x -> output: random(p = 0.6), weight = normal(0.3, 0.3), synapse = driven()",
}  # fmt: skip


def reaching_readers(rule: str, loss: str, onto: str, output: str = "LI[3](tau_m = 10 ms)") -> str:
    """Hidden neurons that reach outputs whose synapses read them, by lines of `ONTO_READERS`."""
    if "x -> output: one_to_one" in onto:
        onto = onto.replace("x -> output", "x[0:3] -> output[0:3]")
    text = BLOCKS + REACHED.format(output=output) + f"    {onto}\n"
    return text + TRAIN.format(rule=rule, loss=loss, learn=", hidden.tau_m")


def keeping(rule: str, loss: str = "mean(cross_entropy(output.v))") -> str:
    """Synapses that keep states one by one in front of hidden neurons and of those that the loss reads."""
    return BLOCKS + SMALL + TRAIN.format(rule=rule, loss=loss, learn=", few.delay(in = [1 ms, 5 ms])")


def keeping_onto(rule: str, loss: str, pattern: str = "hidden -> output: dense", delay: str = "") -> str:
    """The same with all that is on the way to the loss, in a pattern."""
    assert "connect hidden -> output: dense" in ONTO
    onto = ONTO.replace("connect hidden -> output: dense", f"connect hidden_output = {pattern}", 1)
    if "uniform" in delay:
        onto = onto.replace("delay = 2 ms", delay)
    return BLOCKS + onto + TRAIN.format(rule=rule, loss=loss, learn=", hidden.tau_m, hidden_output.most")


def keeping_in_every_pattern(rule: str, loss: str = PENALISED) -> str:
    """The same in front of neurons, in every pattern, with `PAIRS`."""
    learn = ", linear.tau, again.most, again.start, all.tau"
    return BLOCKS + LARGE + TRAIN.format(rule=rule, loss=loss, learn=learn)
