"""Where only the library knows which synapses there are,
what those that are not there divide by leaves the gradients of shared numbers alone.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from synapse_gradients import equals_differences

from sncc.backends.reference.interpreter import Reference

NETWORK = """
neuron Sending:
    param gain = uniform(0.5, 1.5)
    param more = uniform(0.5, 1.5)
    state v = 0
    input I
    dv/dt = -v / (10 ms) + I
    spike when v > 0.8: reset v -= 0.8
    surrogate triangle(width = 0.8, height = 0.3)

synapse bent:
    param tau = 6 ms
    param most = 1.5
    state g = 0.1
    dg/dt = -g / tau BY
    on pre: g += weight * (most - tanh(g)) BY
    deliver g BY / (5 ms)

network Chain:
    step = 1 ms
    population x: input[6]
    population hidden: Sending[5]
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.3, 0.2)
    connect hidden -> output: random(p = 0.6), weight = normal(0.3, 0.3), synapse = bent()

train:
    rule = bptt
    loss = mean(cross_entropy(output.v))
    learn = hidden_output.tau, hidden_output.most, hidden.gain
    optimiser = sgd(learning_rate = 1e-3)
"""
INPUTS = [{"x": np.random.default_rng(1).poisson(0.4, (30, 6)).astype(float)}]
RATIOS = [
    "/ (2 * pre.gain)",
    "/ (pre.gain + pre.more)",
    "* 2 * pre.gain / (3 * (exp(pre.gain / 2) - 1))",
    "* (2 + log(pre.gain)) / sqrt(pre.gain^2 + pre.more^2)",
    "* (pre.gain + pre.more)^-0.5",
    "* (0.5 + (pre.gain + 0 * weight)^0.5)",
]


@pytest.mark.parametrize("by", RATIOS)
def test_numbers_that_synapses_share_have_the_slope_of_the_loss(by):
    program, rng = program_of(NETWORK.replace("BY", by)), np.random.default_rng(0)
    values = dict(Reference(program).parameters)
    pairs = len(Reference(program).tables["hidden_output.spikes"].pre)
    assert 0 < pairs < 15  # there is room for more
    learnt = {key: values[key] for key in ("hidden_output.tau", "hidden_output.most", "hidden.gain")}
    assert Reference(program, values).run(INPUTS, [2]).spikes[0]["hidden"].sum() > 20
    equals_differences(program, learnt, INPUTS, rng)
