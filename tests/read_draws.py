"""Traces that draw at spikes ahead of lines that read them:
what a synapse has seen at one spike it finds at the next; for tests.
"""

from __future__ import annotations

import numpy as np

NETWORK = """
plasticity seen:
    param rate = 0.1
    pre state x = 0
    post state y = 0
    state found = 0
    state left = 0
    state met = 0
    state kept = 0
    on pre:
        found = x
        x += uniform(0.2, 1) * (1 - 0.1 * x)
        left = x
        weight += rate * x * (1 - weight)
    on post:
        met = y
        y += normal(1, 0.2)
        kept = y
        weight += rate * y * (0.5 - weight)
network Net:
    step = 1 ms
    population x: input[5]
    population hidden: LIF[4](theta = 0.5)
    population output: LIF[3](tau_m = 10 ms, theta = 0.3)
    connect x -> hidden: {pattern}, weight = each(0.3), delay = {delay}, plasticity = seen()
    connect hidden -> output: dense, weight = each(0.4), delay = {delay}, plasticity = seen()
{train}
simulate:
    duration = 30 ms
    record found of hidden_output
    record left of hidden_output
    record met of hidden_output
    record kept of hidden_output
    record weight of hidden_output
"""
TRAIN = """train:
    rule = {rule}
    loss = mean(cross_entropy(output.v))
    learn = weights, x_hidden.plasticity.rate, hidden_output.plasticity.rate
    optimiser = sgd(learning_rate = 1e-3)
"""

# equations of synapses that read traces which start at draws
FOLLOWED = """
plasticity followed:
    pre state x = uniform(0.2, 1)
    pre state q = normal(0.5, 0.3, clip = [0, 1])
    state e = 0
    state f = 0
    dq/dt = (0.3 - q) / (15 ms)
    de/dt = (x - e) / (8 ms)
    df/dt = (q - f) / (8 ms)
    on pre: weight += 0.01 * e * f
network Net:
    step = 1 ms
    population x: input[6]
    population output: LI[4](tau_m = 10 ms)
    connect x -> output: dense, weight = each(0.3), delay = DELAY, plasticity = followed()
simulate:
    duration = 16 ms
    record e of x_output
    record f of x_output
"""


def text_of(rule: str | None, delay: str = "2 ms", pattern: str = "dense") -> str:
    """The source; without a rule nothing is trained."""
    train = "" if rule is None else TRAIN.format(rule=rule)
    return NETWORK.format(train=train, delay=delay, pattern=pattern)


def inputs(most: int = 1) -> list[dict[str, np.ndarray]]:
    """A sample, of so many spikes of a channel in a step at most."""
    rng = np.random.default_rng(1)
    return [{"x": (rng.random((30, 5)) < 0.3) * rng.integers(1, most + 1, (30, 5)).astype(float)}]


def finds_what_it_has_seen(found: np.ndarray, left: np.ndarray) -> bool:
    """Of each synapse, (steps, synapses): at the next spike a trace is what the last one has left."""
    spiked = np.diff(found, axis=0, prepend=0.0) != 0
    before = np.vstack([np.zeros(left.shape[1]), left[:-1]])
    return bool(spiked.sum() > 30 and np.allclose(found[spiked], before[spiked], rtol=1e-6, atol=1e-6))
