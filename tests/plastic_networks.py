"""Networks that are trained and whose weights move within a sample; shared by the tests of gradients and engines."""

from __future__ import annotations

import numpy as np
from networks import program_of

from sncc.backends.reference.interpreter import Reference

NETWORK = """
plasticity pairs:
    "Traces of both sides, a state of each synapse, bounds, and what is moved by parts of what is left."
    param tau = 12 ms
    param up = 0.08
    param down = 0.04
    param most = 0.9
    pre state x = 0
    post state y = 0
    state e = 0
    dx/dt = -x / tau
    dy/dt = -y / (9 ms)
    de/dt = -e / (15 ms) + 0.02 * x / (1 ms)
    on pre:
        weight -= down * y * (1 + e)
        x += 1
        e += 0.1 * weight
    on post:
        weight += up * x * (most - weight) + 0.01 * e
        y += 1 - 0.2 * y
    bound weight in [-0.8, 0.9]

plasticity rewarded:
    "A third factor, states of neurons, and what is due at the next spike."
    param rate = 0.02
    param part = 0.3
    modulator reward
    pre state x = part
    post state y = 0
    state due = 0
    dx/dt = (part - x) / (10 ms)
    dy/dt = -y / (7 ms)
    ddue/dt = (reward * y - due) / (5 ms)
    on pre:
        weight += due * rate * (1 - weight)
        due = 0.2 * x
        due += 0.1 * pre.v
        x += 0.5
    on post:
        y += 1
        due += rate * x * y * (1 + post.v)
        weight += rate * reward * x * (0.5 - weight)

plasticity told:
    "A third factor that a number sets."
    param rate = 0.05
    modulator level
    pre state x = 0
    dx/dt = -x / (10 ms)
    on pre:
        weight += rate * level * x * (1 - weight)
        x += 1

network Net:
    step = 1 ms
    population x: input{sources}
    population hidden: LIF{hidden}(tau_m = 10 ms, theta = 0.8)
    population dopamine: LI[{rewards}](tau_m = 6 ms)
    population output: LI[3](tau_m = 10 ms)
    connect x -> dopamine: dense, weight = normal(0, 0.3)
    connect x -> hidden: {into}, weight = normal(0.2, 0.2), plasticity = pairs({each})
    connect hidden -> hidden: {recurrent}, weight = normal(0.1, 0.2), delay = {delay}, plasticity = rewarded(reward = dopamine.v){more}
    connect again = hidden -> hidden: {again}, weight = 0.1, delay = 2 ms, plasticity = pairs(up = 0.2, down = 0.01)
    connect hidden -> output: {out}, weight = normal(0, 0.3), plasticity = told()

train:
    rule = {rule}
    loss = mean(cross_entropy(output.v))
    learn = weights, hidden.tau_m, x_hidden.plasticity.up, x_hidden.plasticity.tau, again.plasticity.most,
        hidden_hidden.plasticity.rate, hidden_hidden.plasticity.part, hidden_output.plasticity.rate{learn}
    optimiser = sgd(learning_rate = 1e-3)
"""
CASES = {
    "dense": {
        "into": "dense", "recurrent": "dense", "again": "one_to_one", "out": "dense", "delay": "1 ms",
        "more": ", post_delay = 2 ms", "rewards": "1", "each": "",
    },
    "drawn": {
        "into": "random(p = 0.6)", "recurrent": "random(fan_in = 3)", "again": "random(fan_out = 2)",
        "out": "dense", "delay": "2 ms", "more": ", dropout = 0.2", "rewards": "5",
        "each": "up = uniform(0.05, 0.1)",
    },
    "delays": {
        "into": "dense", "recurrent": "random(p = 0.7, self = false)",
        "again": "one_to_one", "out": "sparse", "delay": "uniform(1 ms, 5 ms)", "more": "", "rewards": "5", "each": "",
    },
}  # fmt: skip
IMAGES = {  # where nothing is trained no synapse of a kernel has a weight of its own
    "images": {
        "into": "conv2d(kernel = [3, 2], padding = same, channels = 2)", "out": "dense",
        "recurrent": "conv2d(kernel = [2, 3], padding = same, channels = 2)", "again": "one_to_one", "delay": "2 ms",
        "more": ", dropout = 0.2", "rewards": "1", "each": "", "sources": "[3, 3, 2]", "hidden": "[3, 3, 2]",
    },
}  # fmt: skip
PAIRS = {"delays": {"hidden_output": (np.array([0, 0, 1, 3, 4, 4]), np.array([0, 2, 1, 0, 1, 2]))}}


def text_of(name: str, rule: str = "bptt", learn: str = "") -> str:
    """A network's source."""
    return NETWORK.format(rule=rule, learn=learn, **{"sources": "[6]", "hidden": "[5]", **(CASES | IMAGES)[name]})


def case(name: str, rule: str = "bptt", learn: str = ""):
    """Program, values at which it spikes, inputs, labels and pairs."""
    program, pairs, rng = program_of(text_of(name, rule, learn)), PAIRS.get(name, {}), np.random.default_rng(3)
    values = {k: np.asarray(v) for k, v in Reference(program, pairs=pairs).parameters.items()}
    values = {p.key: values[p.key] for p in program.parameters if p.storage != "compiled"}
    for key, value in values.items():
        if key.endswith(".weight") and value.size > 1:
            values[key] = value + rng.normal(0, 0.1, value.shape)
    values["hidden_output.plasticity.level"] = np.asarray(0.7)
    inputs = [{"x": rng.poisson(0.2, (22, 18 if name in IMAGES else 6)).astype(float)}]
    return program, values, inputs, [2], pairs
