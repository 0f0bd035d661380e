"""Networks whose synapses keep states one by one and lie in any pattern;
shared by the tests of gradients and engines.
"""

from __future__ import annotations

import numpy as np
from networks import program_of

from sncc.backends.reference.interpreter import Reference

NETWORK = """
synapse clipped:
    "A conductance of which each synapse has at most so much; it leaks faster where its target is excited."
    param tau = 6 ms
    param most = 1.5
    state g = 0
    dg/dt = -g * (1 + 0.2 * tanh(post.v) + 0.1 * tanh(weight)) / tau
    on pre: g += weight * (most - tanh(g))
    deliver g * (1.2 - tanh(post.v)) / (5 ms)

synapse graded:
    "The same, let in and through by its source's potential."
    param most = 1.5
    state g = 0.1
    dg/dt = -tanh(g) / (6 ms)
    on pre: g += weight * (most - tanh(g)) * (1 + 0.3 * tanh(pre.v))
    deliver g * (1.2 - tanh(post.v) + 0.2 * tanh(pre.v)) / (5 ms)

network Net:
    step = 1 ms
    population x: input{sources}
    population hidden: LIF{hidden}(tau_m = 10 ms, theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: {into}, weight = normal(0.1, 0.2), synapse = clipped({each})
    connect hidden -> hidden: {recurrent}, delay = 1 ms, synapse = graded()
    connect again = {part}, delay = 2 ms, synapse = clipped()
    connect hidden -> output: {out}, weight = normal(0, 0.3), synapse = graded()

train:
    rule = {rule}
    loss = mean(cross_entropy(output.v))
    learn = weights, x_hidden.tau, hidden_hidden.most, again.tau, hidden.theta
    optimiser = sgd(learning_rate = 1e-3)
"""
CASES = {
    "drawn": {
        "sources": "[6]", "hidden": "[5]", "into": "random(p = 0.6)", "out": "random(total = 9)",
        "recurrent": "random(fan_in = 3, self = false), weight = normal(0, 0.3)",
        "part": "hidden[0:3] -> hidden[1:4]: one_to_one, weight = each(0.2)", "each": "tau = uniform(5 ms, 8 ms)",
    },
    "images, pairs handed over": {
        "sources": "[4, 3, 2]", "hidden": "[4, 3, 3]", "out": "sparse",
        "into": "conv2d(kernel = [3, 2], padding = same, channels = 3)",
        "recurrent": "conv2d(kernel = [3, 3], padding = same, channels = 3), weight = 0.02",
        "part": "hidden[0:2, 0:3, 0:3] -> hidden[0, 0, 0:3]: random(fan_out = 1), weight = each(0.1)",
        "each": "tau = uniform(5 ms, 8 ms)",
    },
    "dense": {
        "sources": "[6]", "hidden": "[7]", "into": "dense", "out": "random(p = 0.7)",
        "recurrent": "dense(self = false), weight = normal(0, 0.2)",
        "part": "hidden[0:2] -> hidden[3:7]: dense, weight = normal(0, 0.2)", "each": "",
    },
    "dense parts of one population": {
        "sources": "[6]", "hidden": "[7]", "into": "dense", "out": "random(p = 0.7)",
        "recurrent": "dense(self = false), weight = normal(0, 0.2)",
        "part": "hidden[0:4] -> hidden[2:6]: dense(self = false), weight = normal(0, 0.2)", "each": "tau = normal(6 ms, 0.2 ms)",
    },
}  # fmt: skip
TURNED = (
    NETWORK[: NETWORK.index("network Net")]
    + """
network Net:
    step = 1 ms
    population x: input[6]
    population hidden: LIF[7](tau_m = 10 ms, theta = 0.5)
    population back: LIF[5](tau_m = 10 ms, theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.1, 0.2)
    connect hidden -> back: dense, weight = normal(0.1, 0.3)
    connect again = back -> hidden: dense, share = hidden_back transposed, delay = 1 ms, synapse = graded()
    connect round = hidden -> hidden: dense(self = false), weight = normal(0, 0.2), delay = 2 ms, synapse = clipped()
    connect other = hidden -> hidden: dense(self = false), share = round transposed, delay = 1 ms, synapse = clipped()
    connect part = back[0:3] -> hidden[1:4]: dense, share = piece transposed, delay = 2 ms, synapse = clipped()
    connect piece = hidden[1:4] -> back[0:3]: dense, weight = normal(0.1, 0.2), delay = uniform(0 ms, 3 ms), synapse = clipped()
    connect hidden -> output: dense, weight = normal(0, 0.3)
    connect seen = back -> output: dense, weight = normal(0, 0.3)

train:
    rule = {rule}
    loss = mean(cross_entropy(output.v))
    learn = weights, again.most, other.tau, hidden.theta
    optimiser = sgd(learning_rate = 1e-3)
"""
)
LATE = (
    NETWORK[: NETWORK.index("network Net")]
    + """
synapse added:
    state s = 0
    ds/dt = -tanh(s) / (6 ms)
    on pre: s += 0.2 * weight
    deliver s / (5 ms)

network Net:
    step = 1 ms
    population x: input[6]
    population hidden: LIF[5](tau_m = 10 ms, theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.2, 0.3), delay = uniform(0 ms, 4 ms), synapse = clipped()
    connect hidden -> hidden: random(p = 0.7), weight = normal(0, 0.3), delay = uniform(1 ms, 4 ms), synapse = added()
    connect again = hidden -> hidden: one_to_one, weight = each(0.2), delay = 2.3 ms, synapse = clipped()
    connect hidden -> output: random(p = 0.8), weight = normal(0, 0.3), delay = uniform(0 ms, 4 ms), synapse = graded()

train:
    rule = bptt
    loss = mean(cross_entropy(output.v))
    learn = weights, again.most, hidden.theta, x_hidden.delay(in = [0 ms, 6 ms]), hidden_hidden.delay(in = [0 ms, 6 ms]), again.delay(in = [0 ms, 6 ms]), hidden_output.delay(in = [0 ms, 6 ms])
    optimiser = sgd(learning_rate = 1e-3)
"""
)
OWNERS = {"again": "hidden_back", "other": "round", "part": "piece"}  # of weights that are shared transposed
PAIRS = {"images, pairs handed over": {"hidden_output": ([5, 0, 0, 35, 20, 7, 7], [0, 1, 2, 2, 1, 0, 0])}}


def text_of(name: str, rule: str = "bptt") -> str:
    """A network's source."""
    return NETWORK.format(rule=rule, **CASES[name])


def pairs_of(name: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What is handed over to it."""
    return {key: (np.array(pre), np.array(post)) for key, (pre, post) in PAIRS.get(name, {}).items()}


def case(name: str, rule: str = "bptt"):
    """Program, values at which it spikes, inputs, labels and pairs."""
    program, pairs, rng = program_of(text_of(name, rule)), pairs_of(name), np.random.default_rng(1)
    values = {k: np.asarray(v) for k, v in Reference(program, pairs=pairs).parameters.items()}
    values = {p.key: values[p.key] for p in program.parameters if p.storage != "compiled"}
    for key, value in values.items():
        if key.endswith(".weight") and value.size > 1:
            values[key] = value + rng.normal(0.1, 0.1, value.shape)
    inputs = [{"x": (rng.random((24, program.sources[0].size)) < 0.2) * 1.0}]
    return program, values, inputs, [2], pairs
