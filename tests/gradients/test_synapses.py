"""Gradients through the states of synapses equal automatic differentiation in which every synapse has states of its own."""

from __future__ import annotations

import numpy as np
import pytest
from networks import model_of, program_of, spikes
from oracle_synapses import gradients_with_synapses

from sncc.backends.reference.interpreter import Reference

DEPRESSING = "tsodyks_markram(tau = 5 ms, tau_rec = 40 ms, tau_facil = 30 ms, use = 0.4)"
NETWORK = """
{definitions}
network Net:
    step = 1 ms
    population x: input[6]
    population hidden: LIF[5](tau_m = 10 ms, theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
{connections}

train:
    rule = {rule}
    loss = mean(cross_entropy(output.v))
    learn = weights{learn}
    optimiser = sgd(learning_rate = 1e-3)
"""
ALL = """
    connect x -> hidden: dense, weight = normal(0 {unit}, 1 {unit}), synapse = {synapse}
    connect hidden -> hidden: dense, weight = normal(0 {unit}, 1 {unit}), delay = 2 ms, synapse = {synapse}
    connect hidden -> output: dense, weight = normal(0 {unit}, 1 {unit}), synapse = {synapse}
"""
JUNCTIONS = """
    connect x -> hidden: dense, weight = normal(0, 1)
    connect gap = hidden -> hidden: dense, weight = normal(0 kHz, 1 kHz), synapse = gap_junction()
    connect late = hidden -> hidden: one_to_one, weight = each(0.1 kHz), synapse = gap_junction(), delay = 3 ms
    connect hidden -> output: dense, weight = normal(0 kHz, 1 kHz), synapse = graded()
    connect plain = hidden -> output: dense, weight = normal(0, 1)
"""
GRADED = """
synapse graded:
    param slope = 2
    deliver weight * tanh(slope * pre.v)
"""
SATURATING = """
synapse saturating:
    "Opens a part of what is closed, and lets current through by a slow variable of its own."
    param tau = 8 ms
    param part = 0.3
    state s = 0
    state r = 0.1
    ds/dt = -s / tau + r * (1 - s) / (5 ms)
    dr/dt = -r / (3 ms)
    on pre: r += part * (1 - r)
    deliver weight * s * (1.5 - post.v)
"""
CASES = {
    "depressing": (
        ALL.format(synapse=DEPRESSING, unit="kHz"),
        "",
        "hidden_hidden.use, hidden_hidden.tau_rec, hidden_output.tau_facil, hidden_output.tau",
    ),
    "junctions": (JUNCTIONS, GRADED.replace("tanh(slope * pre.v)", "pre.v"), "hidden.theta, hidden.tau_m"),
    "saturating": (
        ALL.format(synapse="saturating()", unit="kHz"),
        SATURATING,
        "hidden_hidden.tau, hidden_output.part, output.tau_m",
    ),
}


def relative_error(got, expected) -> float:
    return float(np.max(np.abs(got - expected)) / max(np.max(np.abs(expected)), 1e-300))


def values_of(program, rng) -> dict[str, np.ndarray]:
    """Weights at which the hidden neurons spike now and then, as many of them as the source has written."""
    values = {}
    for p in program.parameters:
        if p.key.endswith(".weight") and p.storage != "compiled":
            values[p.key] = rng.normal(0.3 if p.key.startswith("x") else 0.05, 0.3, p.shape)
        elif p.storage != "compiled":
            values[p.key] = np.asarray(Reference(program).parameters[p.key])
    return values


def text_of(name: str, rule: str) -> str:
    connections, definitions, learn = CASES[name]
    return NETWORK.format(
        rule=rule, connections=connections, definitions=definitions, learn=f", {learn}" if learn else ""
    )


@pytest.mark.parametrize("rule", ["bptt", "eprop"])
@pytest.mark.parametrize("name", CASES)
def test_gradients_equal_those_of_synapses_one_by_one(name, rule):
    text, rng = text_of(name, rule), np.random.default_rng(1)
    model, program = model_of(text), program_of(text)
    values, inputs, labels = values_of(program, rng), spikes(rng, 1, 24), [2]
    run = Reference(program, values).run(inputs, labels)
    assert 5 < run.spikes[0]["hidden"].sum() < 100
    loss, gradients = gradients_with_synapses(model, values, inputs, labels, rule)
    assert run.loss == pytest.approx(loss, rel=1e-12)
    assert len(run.gradients) >= 4
    for key, got in run.gradients.items():
        assert np.max(np.abs(got)) > 0, key
        assert relative_error(got, gradients[key]) < 1e-9, key
