"""e-prop through weights that move behind states which a source has for its synapses: where nothing is cut it is bptt."""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from synapse_gradients import relative_error

from sncc.backends.reference.interpreter import Reference
from sncc.diagnostics import DiagnosticError

NETWORK = """
plasticity growing:
    param tau = 12 ms
    param rate = 0.1
    pre state x = 0
    dx/dt = -x / tau
    on pre:
        weight += rate * x * (2 /ms - weight)
        x += 1

network Chain:
    step = 1 ms
    population x: input[6]
    population a: LIF[5](theta = 0.8)
    population b: LIF[4](theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
    connect x -> a: dense, weight = normal(0.3, 0.2)
    connect a -> b: PATTERN, weight = normal(0.4 /ms, 0.3 /ms), plasticity = growing(), synapse = tsodyks_markram(tau = 4 ms)
    connect b -> output: random(p = 0.8), weight = normal(0.1 /ms, 0.5 /ms), plasticity = growing(), synapse = tsodyks_markram(tau = 4 ms)

train:
    rule = RULE
    loss = mean(cross_entropy(output.v))
    learn = a_b.weight, a_b.plasticity.tau, a_b.plasticity.rate, a_b.tau_rec,
        b_output.weight, b_output.plasticity.rate, b_output.tau_rec, b_output.tau
    optimiser = sgd(learning_rate = 1e-3)
"""
READ = NETWORK.replace("output.v", "b.v").replace("[4]", "[3]").partition("    connect b -> output")
READ = (
    READ[0]
    + "\ntrain:\n"
    + READ[2]
    .partition("train:\n")[2]
    .replace("\n        b_output.weight, b_output.plasticity.rate, b_output.tau_rec, b_output.tau", " x_a.weight")
)


def gradients(text: str, values=None):
    program = program_of(text)
    values = dict(Reference(program).parameters) if values is None else values
    for p in program.parameters:
        if p.key.endswith(".feedback"):
            values[p.key] = values[f"{p.key.removesuffix('.feedback')}.weight"]
    inputs = [{"x": np.random.default_rng(1).poisson(0.3, (30, 6)).astype(float)}]
    run = Reference(program, values).run(inputs, [2])
    assert run.spikes[0]["a"].sum() > 50 and run.spikes[0]["b"].sum() > 20
    return run.gradients


@pytest.mark.parametrize("text", [NETWORK, READ], ids=["one synapse before the readout", "read by the loss"])
@pytest.mark.parametrize(
    "pattern",
    ["dense, delay = 1 ms", pytest.param("random(p = 0.8), delay = uniform(1 ms, 4 ms)", marks=pytest.mark.slow)],
)
def test_credit_goes_through_weights_that_move_and_what_their_source_has_for_them(text, pattern):
    text = text.replace("PATTERN", pattern)
    exact = gradients(text.replace("RULE", "bptt"))
    for rule in ("eprop", "eprop(feedback = random)"):
        found = gradients(text.replace("RULE", rule))
        assert set(found) == set(exact)
        for key, gradient in exact.items():
            assert np.any(gradient) and relative_error(found[key], gradient) < 1e-12, (rule, key)


def test_forwards_it_is_refused():
    text = NETWORK.replace("PATTERN", "dense").replace("RULE", "eprop(online = true)")
    with pytest.raises(DiagnosticError, match="share, forwards in time"):
        program_of(text)
