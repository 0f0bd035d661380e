"""One network of many patterns of synapses, into its neurons and into what the loss reads;
for e-prop with feedback and forwards.
"""

from __future__ import annotations

import numpy as np
from networks import program_of
from patterns import Case

from sncc.backends.reference.interpreter import Reference

NETWORK = """
network Mixed:
    step = 1 ms
    population x: input[4, 3, 2]
    population level: signal[4]
    population hidden: ALIF[4, 3, 2](tau_m = 12 ms, theta = 0.6)
    population other: LIF[9](tau_m = 12 ms, theta = 0.6)
    population third: LIF[2, 1, 2](tau_m = 15 ms, theta = 0.5)
    population output: LI[2, 2, 3](tau_m = 10 ms)
    connect x -> hidden: conv2d(kernel = [3, 2], padding = same, channels = 2), weight = normal(0.2, 0.3)
    connect level -> hidden: random(fan_in = 2), weight = normal(0, 0.3), delay = 1 ms
    connect hidden -> hidden: random(p = 0.2, self = false), weight = normal(0, 0.2), delay = 3 ms
    connect hidden -> other: sparse, weight = normal(0, 0.3), delay = uniform(1 ms, 4 ms)
    connect pooled = x -> third: pool2d(size = [2, 3]), weight = 0.3
    connect other -> other: dense(self = false), weight = normal(0, 0.2), delay = 2 ms
    connect again = x[1:3, 0:3, 0:2] -> other[2:7]: dense, weight = normal(0.2, 0.3)
    connect other -> third: random(fan_in = 3), weight = normal(0.4, 0.2), delay = 5 ms
    connect x -> third: random(total = 20), weight = 0.3 in [0, 1]
    connect hidden -> output: conv2d(kernel = [3, 2], channels = 3), weight = normal(0, 0.3), delay = 2 ms
    connect other -> output: random(p = 0.4), weight = normal(0, 0.3), delay = 1 ms{dropout}
    connect third[0:2, 0:1, 0:1] -> output[0:1, 0:2, 0:1]: one_to_one, weight = each(0.2)
    connect late = third -> output: {late}
    connect all = other -> output: dense, weight = each(0.1)

train:
    rule = eprop({rule})
    loss = {loss}
    learn = weights, hidden.tau_m, third.theta, output.bias{learn}
    optimiser = sgd(learning_rate = 1e-2)
"""
PAIRS = {"hidden_other": ([0, 3, 5, 5, 8, 11, 14, 17, 20, 23, 23], [0, 8, 2, 4, 3, 5, 6, 7, 1, 0, 8])}
DRAWN, LEARNT = (
    "dense, weight = normal(0, 0.3), delay = uniform(0 ms, 3 ms)",
    "dense, weight = normal(0, 0.3), delay = each(2 ms)",
)
DELAYS = "".join(
    f", {c}.delay(in = [1 ms, 6 ms])" for c in ("hidden_other", "level_hidden", "other_other")
)  # each, one
PLAIN, ONE = (f"random(fan_out = 3), weight = {w}, delay = 3 ms" for w in ("normal(0, 0.3)", "0.2"))


def text_of(rule: str, late: str = PLAIN, loss: str = "mean(cross_entropy(output.v))", **settings: str) -> str:
    """The source."""
    learn = ", late.delay(in = [0 ms, 5 ms])" if late == LEARNT else ""
    return NETWORK.format(rule=rule, late=late, loss=loss, **{"learn": learn, "dropout": "", **settings})


def case() -> Case:
    """What `patterns.matrices` asks for."""
    return Case({}, {name: (list(pre), list(post)) for name, (pre, post) in PAIRS.items()})


def pairs() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What is handed over."""
    return {name: (np.array(pre), np.array(post)) for name, (pre, post) in PAIRS.items()}


def prepared(text: str, samples: int = 2, steps: int = 30):
    """Program, values at which all populations spike, inputs and labels."""
    program, rng = program_of(text), np.random.default_rng(3)
    first = Reference(program, pairs=pairs()).parameters
    values = {p.key: np.array(first[p.key]) for p in program.parameters if p.storage != "compiled"}
    for key, value in values.items():
        if key.endswith(".feedback"):
            values[key] = rng.normal(0, 0.6, value.shape)
        elif key.endswith(".delay") and program.parameter(key).learnt:
            values[key] = rng.uniform(0.2 if key == "late.delay" else 1.2, 3.6, value.shape)
    inputs = [
        {"x": rng.poisson(0.15, (steps, 24)).astype(float), "level": rng.normal(0, 0.2, (steps, 4))}
        for _ in range(samples)
    ]
    return program, values, inputs, [(5 * k + 2) % 12 for k in range(samples)]
