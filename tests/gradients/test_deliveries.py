"""Gradients through what synapses deliver over a step equal automatic differentiation of all states in one flow."""

from __future__ import annotations

import pytest
from networks import spikes
from synapse_gradients import agreeing, all_moves

NEURONS = """
neuron Chain:
    "A current behind a voltage that holds still after a spike, and follows it meanwhile."
    param tau = each(9 ms)
    param slow = 15 ms
    state v = 0
    state i = 0
    state w = 0
    input I
    dv/dt = (i - v) / tau
    di/dt = -i / (4 ms) + I
    dw/dt = (v + i - w) / slow
    spike when v + 0.5 * w > 0.1: reset v = 0
    refractory 2 ms hold v
    surrogate triangle(width = 0.5, height = 0.6)
neuron Curved:
    state v = 0
    input I
    dv/dt = -v / (10 ms) - 0.05 * v^2 / (1 ms) + I
    spike when v > 0.4: reset v = 0
    surrogate triangle(width = 0.5, height = 0.6)
neuron Plain:
    param tau = 10 ms
    state v = 0
    input I
    dv/dt = -v / tau + I
    spike when v > 0.4: reset v = 0
    surrogate triangle(width = 0.5, height = 0.6)
"""
SYNAPSES = """
synapse current:
    param tau = 6 ms
    state i = 0
    di/dt = -i / tau
    on pre: i += weight
    deliver i / (2 ms)
synapse rising:
    param tau = 6 ms
    state r = 0
    state i = 0
    dr/dt = -r / (2 ms)
    di/dt = (r - i) / tau
    on pre: r += weight
    deliver i / (1 ms)
synapse bounded:
    "A current of which each synapse has at most so much."
    param tau = 6 ms
    param most = 0.6
    state g = 0
    dg/dt = -g / tau
    on pre: g += weight * (most - g)
    deliver g / (1 ms)
synapse shunting:
    param tau = 6 ms
    state g = 0
    dg/dt = -g / tau
    on pre: g += weight * (1 - g)
    deliver g * (1.2 - post.v + 0.2 * tanh(pre.v)) / (3 ms)
synapse gate:
    "A gate of the source, which a chain opens."
    param tau = 6 ms
    state x = 0
    state s = 0
    dx/dt = -x / (2 ms)
    ds/dt = (x - s) / tau
    on pre: x += 1 - x
    deliver weight * s * (1 + tanh(pre.v)) / (2 ms)
"""
NETWORK = """
network Net:
    step = 1 ms
    population x: {neuron}[6]
    population start: input[6]
    population hidden: {neuron}[5]
    population output: LI[3](tau_m = {output})
    connect start -> x: one_to_one, weight = 0.9
    connect x -> hidden: dense, weight = normal(0, 1), delay = {delays[0]}, {first}
    connect hidden -> hidden: dense, weight = normal(0, 1), delay = {delays[1]}, {second}
    connect hidden -> output: dense, weight = normal(0, 1), delay = {delays[2]}, {third}
    connect x -> output: dense, weight = normal(0, 0.1)

train:
    rule = {rule}
    loss = mean(cross_entropy(output.v))
    learn = weights, {learn}
    optimiser = sgd(learning_rate = 1e-3)
"""
DRAWN = "synapse = current(tau = uniform(2 ms, 8 ms))"
CASES = {
    "numbers of each synapse": (
        "Plain", "synapse = rising(tau = uniform(3 ms, 8 ms))", DRAWN, DRAWN,
        "x_hidden.tau, hidden_hidden.tau, hidden_output.tau, hidden.tau, output.tau_m",
    ),
    "and of each target": (
        "Chain", DRAWN, "synapse = bounded()", DRAWN,
        "x_hidden.tau, hidden_hidden.tau, hidden_hidden.most, hidden_output.tau, hidden.tau, hidden.slow, output.tau_m",
    ),
    "of the source": (
        "Plain", "synapse = gate()", "synapse = gate()", "synapse = gate()",
        "x_hidden.tau, hidden_hidden.tau, hidden_output.tau, hidden.tau, output.tau_m",
    ),
    "conductances": (
        "Plain", "synapse = shunting()", "synapse = shunting(tau = uniform(2 ms, 8 ms))", "synapse = bounded()",
        "x_hidden.tau, hidden_hidden.tau, hidden_output.most, hidden.tau",
    ),
    "into a curved flow": (
        "Curved", DRAWN, "synapse = gate()", "synapse = shunting()", "x_hidden.tau, hidden_hidden.tau, hidden_output.tau",
    ),
}  # fmt: skip


def text_of(name: str, rule: str, delays=("0 ms", "2 ms", "0 ms")) -> str:
    neuron, *synapses, learn = CASES[name]
    options = dict(zip(("first", "second", "third"), synapses, strict=True))
    output = "each(10 ms)" if name == "and of each target" else "10 ms"
    return (
        NEURONS
        + SYNAPSES
        + NETWORK.format(neuron=neuron, learn=learn, rule=rule, output=output, delays=delays, **options)
    )


def start(rng):
    return [{"start": spikes(rng, 1, 30)[0]["x"]}]


BY_BOTH = [pytest.param(name, "bptt", marks=pytest.mark.slow if name == "of the source" else ()) for name in CASES]
BY_BOTH += [pytest.param(name, "eprop", marks=pytest.mark.slow if k else ()) for k, name in enumerate(CASES)]


@pytest.mark.parametrize(("name", "rule"), BY_BOTH)
def test_gradients_are_those_of_all_states_in_one_flow(name, rule):
    run, _, _ = agreeing(text_of(name, rule), start)
    all_moves(run)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_and_so_they_are_with_a_delay_for_each_synapse(name):
    text = text_of(name, "bptt", ("uniform(0 ms, 3 ms)", "uniform(1 ms, 4 ms)", "uniform(0 ms, 4 ms)"))
    # what also reads the voltage is no sum over sources
    text = text.replace("weight * s * (1 + tanh(pre.v))", "weight * s")
    all_moves(agreeing(text, start)[0])
