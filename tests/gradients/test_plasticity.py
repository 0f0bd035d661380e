"""Gradients through weights that plasticity moves within a sample equal automatic differentiation by synapse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from moving_behind_sources import GROWING
from networks import model_of, program_of
from oracle_plasticity import gradients_with_plasticity
from plastic_networks import CASES, case, text_of
from reading_targets import RULES
from synapse_gradients import equals_differences

from sncc.backends.reference.interpreter import Reference
from sncc.compiler import compile_program


@pytest.mark.parametrize(
    "name, rule",
    [
        ("dense", "bptt"),
        pytest.param("dense", "eprop", marks=pytest.mark.slow),
        pytest.param("drawn", "bptt(truncate = 7 ms)", marks=pytest.mark.slow),
        pytest.param("drawn", "eprop", marks=pytest.mark.slow),
        ("drawn", "eprop(feedback = random)"),
        ("delays", "bptt"),
        ("images", "bptt(truncate = 9 ms)"),
        pytest.param("images", "eprop(feedback = random)", marks=pytest.mark.slow),
        pytest.param("delays", "eprop(feedback = random)", marks=pytest.mark.slow),
    ],
)
def test_gradients_equal_automatic_differentiation(name, rule):
    program, values, inputs, labels, pairs = case(name, rule)
    run = Reference(program, values, pairs=pairs).run(inputs, labels)
    assert run.spikes[0]["hidden"].sum() > 50
    model = model_of(text_of(name, rule))
    loss, gradients = gradients_with_plasticity(model, values, inputs, labels, model.training.rule.name, pairs)
    assert run.loss == pytest.approx(loss, rel=1e-12)
    for key, got in run.gradients.items():
        # what sets a modulator is another population, whose part under e-prop is cut
        assert np.any(got) != (key == "x_dopamine.weight" and model.training.rule.name == "eprop"), key
        assert np.max(np.abs(got - gradients[key])) <= 1e-9 * np.max(np.abs(gradients[key])), key


@pytest.mark.parametrize(
    "name, rule",
    [
        ("drawn", "feedback = symmetric, truncate = 7 ms"),
        pytest.param("dense", "feedback = random", marks=pytest.mark.slow),
        pytest.param("images", "feedback = random", marks=pytest.mark.slow),
    ],
)
def test_traces_follow_weights_that_move(name, rule):
    _, values, inputs, labels, _ = case(name)
    forwards = text_of(name, f"eprop({rule}, online = true)")
    reverse = program_of(forwards.replace(", online = true", ""))
    values = dict(Reference(reverse, values).parameters)
    run, expected = (Reference(p, values).run(inputs, labels) for p in (program_of(forwards), reverse))
    assert expected.spikes[0]["hidden"].sum() > 50
    for key, gradient in expected.gradients.items():
        assert np.any(gradient) != (key == "x_dopamine.weight"), key
        assert np.max(np.abs(run.gradients[key] - gradient)) <= 1e-12 * np.max(np.abs(gradient)), key


NOTICING = """
plasticity noticing:
    param rate = 0.05
    pre state x = 0
    post state y = 0.2
    dx/dt = -x / (9 ms)
    dy/dt = -y / (12 ms)
    on pre:
        weight += rate * (y - 0.3) * (1 - weight)
        x += 1
    on post:
        weight += 0.02 * x * (1 - weight)
        y += 1 - tanh(post.v)

network Net:
    step = 1 ms
    population x: input[6]
    population hidden: LIF[7](tau_m = 9 ms, theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.15, 0.3), plasticity = noticing(), post_delay = 3 ms
    connect few = hidden -> hidden: random(p = 0.5), weight = normal(0.1, 0.3), delay = 2 ms, plasticity = noticing(), post_delay = 1 ms
    connect hidden -> output: dense, weight = normal(0.2, 0.5)

train:
    rule = eprop({rule})
    loss = mean(cross_entropy(output.v))
    learn = weights, x_hidden.plasticity.rate, hidden.tau_m
    optimiser = sgd(learning_rate = 1e-3)
"""


@pytest.mark.parametrize(
    "rule", [pytest.param("feedback = symmetric", marks=pytest.mark.slow), "feedback = random, truncate = 7 ms"]
)
def test_traces_follow_what_notices_its_target_late(rule):
    reverse, forwards = (program_of(NOTICING.format(rule=r)) for r in (rule, f"{rule}, online = true"))
    values, inputs = (
        dict(Reference(reverse).parameters),
        [{"x": np.random.default_rng(2).integers(0, 2, (25, 6)) * 1.0}],
    )
    expected, run = (Reference(p, values).run(inputs, [1]) for p in (reverse, forwards))
    assert expected.spikes[0]["hidden"].sum() > 50
    for key, gradient in expected.gradients.items():
        assert np.any(gradient), key
        assert np.max(np.abs(run.gradients[key] - gradient)) <= 1e-12 * np.max(np.abs(gradient)), key


@pytest.mark.parametrize("name", CASES)
def test_a_sample_does_what_a_simulation_does_that_begins_with_its_weights(name):
    program, values, inputs, _, pairs = case(name)
    untrained = compile_program(replace(model_of(text_of(name)), training=None), "float64")
    drawn = Reference(untrained, pairs=pairs).parameters
    for key in values:
        assert np.array_equal(drawn[key], Reference(program, pairs=pairs).parameters[key]), key
    trained, alone = (Reference(p, values, pairs=pairs).run(inputs) for p in (program, untrained))
    assert np.array_equal(trained.spikes[0]["hidden"], alone.spikes[0]["hidden"])
    populations = {p.name for p in model_of(text_of(name)).populations}
    for state, trace in ((s, x) for s, x in alone.traces[0].items() if s[0] in populations):
        assert np.allclose(trained.traces[0][state], trace, rtol=1e-12, atol=1e-12)


BEHIND = f"""
synapse clipped:
    "Each synapse has at most so much, so that it keeps its state itself; a parameter has the name of the plasticity's."
    param tau = 6 ms
    param most = 1.5
    state g = 0
    dg/dt = -g * (1 + 0.2 * tanh(post.v)) / tau
    on pre: g += weight * (most - tanh(g))
    deliver g * (1.2 - tanh(post.v)) / (5 ms)
{GROWING}
network Net:
    step = 1 ms
    population x: input[6]
    population hidden: LIF[5](theta = 0.8)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.3, 0.2)
    connect hidden -> hidden: dense, weight = normal(0.1 /UNIT, 0.1 /UNIT), delay = 2 ms, plasticity = growing(), synapse = SYNAPSE
    connect hidden -> output: random(fan_out = 2), weight = normal(0.1 /UNIT, 0.3 /UNIT), plasticity = growing(), synapse = SYNAPSE

train:
    rule = bptt
    loss = mean(cross_entropy(output.v))
    learn = hidden_output.weight, hidden_output.plasticity.tau, hidden_output.plasticity.rate, hidden_output.tau
    optimiser = sgd(learning_rate = 1e-3)
"""


@pytest.mark.parametrize(
    "synapse, method",
    [
        ("exponential(tau = 4 ms)", ""),
        pytest.param("tsodyks_markram(tau = 4 ms)", "", marks=pytest.mark.slow),
        pytest.param("clipped()", "", marks=pytest.mark.slow),
        ("clipped()", "rk4(substeps = 2)"),
        pytest.param("clipped()", "heun", marks=pytest.mark.slow),
    ],
)
def test_weights_move_in_front_of_states_of_synapses(synapse, method):
    """Of which a synapse may state the `method`: its rule flows by its own."""
    text = BEHIND.replace("SYNAPSE", synapse).replace(" /UNIT", "" if synapse == "clipped()" else " /ms")
    text = text.replace(
        "    state g = 0\n", f"    state g = 0\n    method = {method}\n" if method else "    state g = 0\n"
    )
    model, rng = model_of(text), np.random.default_rng(1)
    program = compile_program(model, "float64")
    values = {p.key: np.asarray(Reference(program).parameters[p.key]) for p in program.parameters if p.learnt}
    inputs = [{"x": rng.poisson(0.2, (30, 6)).astype(float)}]
    trained, alone = (
        Reference(p, values).run(inputs) for p in (program, compile_program(replace(model, training=None), "float64"))
    )
    assert trained.spikes[0]["hidden"].sum() > 20
    assert np.allclose(trained.traces[0]["hidden", "v"], alone.traces[0]["hidden", "v"], rtol=1e-12, atol=1e-12)
    equals_differences(program, values, inputs, rng)


def test_a_rule_reads_its_target_where_a_spike_arrives_in_front_of_states_that_its_source_shares():
    text = BEHIND.replace("SYNAPSE", "tsodyks_markram(tau = 4 ms)").replace(
        "rate * x *", "rate * (0.4 - post.v) * (1 + x) *"
    )
    text = text.replace(" /UNIT", " /ms").replace("fan_out = 2),", "fan_out = 2), delay = uniform(1 ms, 4 ms),")
    model, rng = model_of(text), np.random.default_rng(1)
    program, alone = (compile_program(m, "float64") for m in (model, replace(model, training=None)))
    values = {p.key: np.asarray(Reference(program).parameters[p.key]) for p in program.parameters if p.learnt}
    inputs = [{"x": rng.poisson(0.2, (30, 6)).astype(float)}]
    found = [Reference(p, values).run(inputs) for p in (program, alone)]
    assert found[0].spikes[0]["hidden"].sum() > 20
    for population in ("hidden", "output"):
        assert np.allclose(*(run.traces[0][population, "v"] for run in found), rtol=1e-12, atol=1e-12)
    equals_differences(program, values, inputs, rng)


def test_feedback_by_the_weights_is_symmetric_though_they_move():
    text = BEHIND.replace("SYNAPSE", "clipped()").replace(" /UNIT", "").replace("rule = bptt", "rule = eprop")
    text = text.replace("learn = ", "learn = x_hidden.weight, hidden_hidden.weight, ")
    program = program_of(text.replace("rule = eprop", "rule = eprop(feedback = random)"))
    values = dict(Reference(program).parameters)
    values["hidden_output.feedback"] = values["hidden_output.weight"]
    inputs = [{"x": np.random.default_rng(1).poisson(0.2, (30, 6)).astype(float)}]
    symmetric, random = (Reference(p, values).run(inputs, [2]).gradients for p in (program_of(text), program))
    for key, gradient in symmetric.items():
        assert np.any(gradient) and np.max(np.abs(random[key] - gradient)) < 1e-12 * np.max(np.abs(gradient)), key


@pytest.mark.slow
@pytest.mark.parametrize("synapse", ["", ", synapse = clipped()", ", synapse = tsodyks_markram()"])
def test_delays_of_synapses_whose_weights_move_are_learnt(synapse):
    text = BEHIND.replace(" /UNIT", " /ms" if "tsodyks" in synapse else "").replace(", synapse = SYNAPSE", synapse)
    late = "dense, delay = uniform(1 ms, 4 ms), "
    text = text.replace("random(fan_out = 2), ", late).replace(
        "hidden_output.tau\n", "hidden_output.delay(in = [0 ms, 6 ms])\n"
    )
    program, rng = compile_program(model_of(text), "float64"), np.random.default_rng(1)
    values = {p.key: np.asarray(Reference(program).parameters[p.key]) for p in program.parameters if p.learnt}
    assert "hidden_output.delay" in values
    inputs = [{"x": rng.poisson(0.2, (30, 6)).astype(float)}]
    equals_differences(program, values, inputs, rng)
    found = [
        Reference(p, values).run(inputs, [2]).gradients["hidden_output.delay"]
        for p in (program, program_of(text.replace("rule = bptt", "rule = eprop")))
    ]
    assert np.max(np.abs(found[1] - found[0])) < 1e-12 * np.max(np.abs(found[0]))  # the loss reads the target


VOLTAGE = (
    RULES.replace("[-1, 1]", "[-3, 3]")
    + """
network Net:
    step = 1 ms
    population x: input[4]
    population hidden: ALIF[5](tau_m = 8 ms, theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.3, 0.3), plasticity = both()
    connect hidden -> hidden: random(p = 0.6), weight = normal(0.1, 0.3), delay = 2 ms, plasticity = both()
    connect x -> output: dense, weight = normal(0.3, 0.3), delay = 2 ms, plasticity = voltage()

train:
    rule = eprop(RULE)
    loss = mean(cross_entropy(output.v))
    learn = x_output.weight, x_output.plasticity.rate, x_output.plasticity.tau
    optimiser = sgd(learning_rate = 1e-3)
"""
)


def test_a_spike_that_arrives_reads_the_target_between_its_flow_and_all_arrivals():
    """As a simulation does; outputs do not spike, so gradients are those of central differences."""
    reverse, forwards = (program_of(VOLTAGE.replace("(RULE)", rule)) for rule in ("", "(online = true)"))
    inputs, values = [{"x": (np.random.default_rng(3).random((20, 4)) < 0.3) * 1.0}], Reference(reverse).parameters
    alone = compile_program(replace(model_of(VOLTAGE.replace("(RULE)", "")), training=None), "float64")
    trained, simulated = (Reference(p, values).run(inputs) for p in (reverse, alone))
    assert np.array_equal(trained.spikes[0]["hidden"], simulated.spikes[0]["hidden"])
    assert np.allclose(trained.traces[0]["output", "v"], simulated.traces[0]["output", "v"], rtol=1e-12, atol=1e-12)
    found = [Reference(p, values).run(inputs, [1]).gradients for p in (reverse, forwards)]
    for key, gradient in found[0].items():
        assert np.max(np.abs(found[1][key] - gradient)) <= 1e-12 * np.max(np.abs(gradient)), key
        at = tuple(0 for _ in np.shape(gradient))
        losses = []
        for shift in (1e-6, -1e-6):
            moved = np.array(values[key], float)
            moved[at] += shift
            losses.append(Reference(reverse, {**values, key: moved}).run(inputs, [1]).loss)
        assert np.isclose((losses[0] - losses[1]) / 2e-6, gradient[at], rtol=1e-6, atol=1e-8), key


def test_weights_that_are_drawn_as_a_matrix_move_as_any_others():
    """At the same numbers the gradients are those of weights that are drawn one by one."""
    drawn = program_of(text_of("dense").replace("weight = normal(0.2, 0.2)", "weight = orthogonal(gain = 2)"))
    single = program_of(text_of("dense"))
    values = dict(Reference(drawn).parameters)
    matrix = np.asarray(values["x_hidden.weight"]).reshape(6, 5) / 2
    assert np.allclose(matrix.T @ matrix, np.eye(5), atol=1e-12)
    inputs = [{"x": np.random.default_rng(3).poisson(0.2, (22, 6)).astype(float)}]
    run, expected = (Reference(p, values).run(inputs, [2]) for p in (drawn, single))
    assert run.loss == pytest.approx(expected.loss, rel=1e-12) and run.spikes[0]["hidden"].sum() > 20
    for key, gradient in expected.gradients.items():
        assert np.max(np.abs(run.gradients[key] - gradient)) <= 1e-12 * np.max(np.abs(gradient)), key
