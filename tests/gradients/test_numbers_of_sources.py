"""Numbers that each neuron has for itself and the synapses behind it read get their credit under e-prop: where nothing is cut that of bptt."""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from synapse_gradients import relative_error

from sncc.backends.reference.interpreter import Reference
from sncc.diagnostics import DiagnosticError

NETWORK = """
neuron Sending:
    param tau = 10 ms
    param gain = uniform(0.5, 1.5)
    state v = 0
    input I
    dv/dt = -v / tau + I
    spike when v > 0.8: reset v -= 0.8
    surrogate triangle(width = 0.8, height = 0.3)

synapse bent:
    state g = 0
    dg/dt = -g / (6 ms)
    on pre: g += weight * pre.gain * (1.5 - tanh(g))
    deliver g * (0.5 + 0.2 * pre.gain) / (5 ms)

network Chain:
    step = 1 ms
    population x: input[6]
    population a: Sending[5]
    population b: LIF[4](theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
    connect x -> a: dense, weight = normal(0.3, 0.2)
    connect a -> b: PATTERN, weight = normal(0.3, 0.3), delay = 1 ms, synapse = bent()
    connect a -> output: dense, weight = normal(0, 0.5)
    connect b -> output: dense, weight = normal(0, 0.5)

train:
    rule = RULE
    loss = mean(cross_entropy(output.v))
    learn = a.gain, a_b.weight, b_output.weight
    optimiser = sgd(learning_rate = 1e-3)
"""


def run(text: str, rule: str, labels):
    program = program_of(text.replace("RULE", rule))
    values = dict(Reference(program).parameters)
    for p in program.parameters:
        if p.key.endswith(".feedback"):
            weight = values[f"{p.key.removesuffix('.feedback')}.weight"]
            values[p.key] = weight.T if weight.ndim == 2 else weight
    inputs = [{"x": np.random.default_rng(1).poisson(0.4, (30, 6)).astype(float)}]
    found = Reference(program, values).run(inputs, labels)
    assert found.spikes[0]["a"].sum() > 40 and found.spikes[0]["b"].sum() > 20
    return found.gradients


@pytest.mark.parametrize("pattern", ["dense", pytest.param("random(p = 0.8)", marks=pytest.mark.slow)])
def test_numbers_that_synapses_read_of_their_source_are_learnt_under_e_prop(pattern):
    text = NETWORK.replace("PATTERN", pattern)
    exact = run(text, "bptt", [2])
    for rule in ("eprop", "eprop(feedback = random)"):
        found = run(text, rule, [2])
        for key in exact:
            assert np.any(exact[key]) and relative_error(found[key], exact[key]) < 1e-12, (rule, key)


def test_so_they_are_where_the_way_to_the_loss_goes_over_the_same_synapses():
    text = "\n".join(line for line in NETWORK.split("\n") if "-> output" not in line).replace("PATTERN", "dense")
    text = text.replace("output.v", "b.v").replace(", b_output.weight", ", x_a.weight").replace("[4]", "[3]")
    exact, found = (run(text, rule, [2]) for rule in ("bptt", "eprop"))
    for key in exact:
        assert np.any(exact[key]) and relative_error(found[key], exact[key]) < 1e-12, key


def test_forwards_they_are_refused():
    with pytest.raises(DiagnosticError, match="that is learnt with `online = true`"):
        program_of(NETWORK.replace("PATTERN", "dense").replace("RULE", "eprop(online = true)"))
