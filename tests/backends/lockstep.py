"""Networks that are trained forwards in time, of every pattern that the blocks of a cluster share,
and what two batches of training come to.
"""

from __future__ import annotations

import numpy as np
from projects import cases, handed_over, set_parameters

import sncc

FORWARDS = """
network Forwards:
    step = 1 ms
    population x: input[6]
    population hidden: ALIF[100]
    population other: LIF[70](tau_m = 10 ms, theta = 0.5)
    population output: LI[40](tau_m = 10 ms)
    for k in hidden, other:
        connect x -> {k}: dense, weight = normal(0.2, 0.5)
        connect {k} -> output: dense, weight = normal(0, 0.3)
    connect hidden -> hidden: dense, weight = normal(0, 0.2), delay = 1 ms
    connect ones = other -> other: one_to_one, weight = each(0.2), delay = 2 ms

train:
    rule = eprop(online = true)
    loss = LOSS
    penalty = firing_rate(hidden, target = 20 Hz, strength = 1e-5), firing_rate(other, target = 5 Hz, strength = 1e-5, over = batch)
    learn = weights, hidden.tau_m, output.bias
    optimiser = adam(learning_rate = 1e-3)
"""

IN_ROWS = (
    FORWARDS.replace("hidden -> hidden: dense, weight = normal(0, 0.2), delay = 1 ms",
                     "hidden -> hidden: random(p = 0.3), weight = normal(0, 0.2), delay = uniform(1.5 ms, 4 ms)")
    .replace("connect ones", "connect drawn = hidden -> other: random(fan_in = 5), weight = normal(0, 0.3), delay = uniform(1 ms, 3 ms)\n    connect ones")
    .replace("{k} -> output: dense", "{k} -> output: random(p = 0.4)")
    .replace("output.bias", "output.bias, hidden_hidden.delay(in = [1 ms, 5 ms])")
)  # fmt: skip
IN_LOOPS = IN_ROWS.replace("LI[40](tau_m = 10 ms)", "LI[40](tau_m = each(10 ms))")  # traces of each output
SHARED = (  # one weight of all synapses, one delay of all, a weight of a kernel's places
    IN_ROWS.replace("weight = normal(0, 0.2), delay = uniform(1.5 ms, 4 ms)", "weight = 0.05, delay = 2.4 ms")
    .replace("random(fan_in = 5), weight = normal(0, 0.3)", "random(fan_in = 5), weight = 0.3")
)  # fmt: skip
OWN_STATES = """
synapse clipped:
    param tau = 6 ms
    state g = 0.1
    dg/dt = -g / tau
    on pre: g += weight * (1.5 - tanh(g))
    deliver g / (5 ms)
""" + FORWARDS.replace("ALIF[100]", "ALIF[40]").replace(
    "normal(0, 0.2), delay = 1 ms", "normal(0, 0.2), delay = 1 ms, synapse = clipped()"
).replace("hidden -> hidden: dense", "hidden -> hidden: random(fan_in = 4)").replace(
    "    connect ones", "    connect late = x -> other: random(fan_in = 2), weight = normal(0.5, 0.5), delay = uniform(1 ms, 3 ms), synapse = clipped()\n    connect ones"
)  # fmt: skip
ALONG = (  # delays of each synapse onto outputs, some learnt: traces go along these synapses
    FORWARDS.replace("{k} -> output: dense, weight = normal(0, 0.3)", "{k} -> output: random(p = 0.4), weight = normal(0, 0.3), delay = uniform(1 ms, 4 ms)")
    .replace("output.bias", "output.bias, other_output.delay(in = [0 ms, 5 ms])").replace("ALIF[100]", "ALIF[60]")
)  # fmt: skip
ALONG_STATES = OWN_STATES.replace(
    "{k} -> output: dense, weight = normal(0, 0.3)", "{k} -> output: random(fan_in = 2), weight = normal(0, 0.3), synapse = clipped()"
)  # fmt: skip
GO_FORWARDS = {
    "matrices": FORWARDS, "rows": IN_ROWS, "loops": IN_LOOPS, "shared numbers": SHARED, "states of synapses": OWN_STATES,
    "along synapses": ALONG, "along synapses with states": ALONG_STATES,
}  # fmt: skip
MOST = {OWN_STATES: 40_000, ALONG: 14_000, ALONG_STATES: 50_000}  # bytes of a block
EVERY_STEP = FORWARDS.replace("LOSS", "mean(cross_entropy(output.v))")


def trained(project, program, copies: int = 1, steps: int = 20):
    """Losses and parameters after two batches of the same five samples, each so many times."""
    inputs, labels, values = cases(program, samples=5, steps=steps)
    network = sncc.load(project, backend="emulated")
    set_parameters(network, program, values)
    data, labels = handed_over(program, copies * inputs), np.array(copies * labels)
    history = network.fit(data, labels, epochs=2, batch=len(labels), verbose=False)
    return history["loss"], {p.key: np.array(network.parameters[p.key]) for p in program.parameters if p.learnt}


def assert_same(found, expected) -> None:
    assert found[0] == expected[0]
    for key, array in expected[1].items():
        assert np.array_equal(found[1][key], array), key
