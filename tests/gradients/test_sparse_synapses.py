"""Gradients through synapses that keep states one by one and lie in any
pattern equal those of automatic differentiation.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from fuzzing_gradients import check_directions_of_synapses, check_synapses
from networks import model_of, program_of
from oracle_synapses import gradients_with_synapses
from sparse_synapses import CASES, LATE, NETWORK, OWNERS, TURNED, case, pairs_of, text_of

from sncc.backends.reference.interpreter import Reference
from sncc.compiler import compile_program
from sncc.diagnostics import DiagnosticError

GROWING = """
plasticity growing:
    param rate = 0.2
    pre state x = 0
    dx/dt = -x / (9 ms)
    on pre:
        weight += rate * x * (1 - weight)
        x += 1

"""


@pytest.mark.parametrize(
    "name, rule",
    [
        ("drawn", "bptt"),
        ("drawn", "eprop"),
        ("images, pairs handed over", "bptt"),
        pytest.param("dense", "eprop", marks=pytest.mark.slow),
        ("dense parts of one population", "bptt"),
        ("dense", "eprop(feedback = random)"),
        pytest.param("images, pairs handed over", "eprop(feedback = random)", marks=pytest.mark.slow),
    ],
)
def test_gradients_equal_automatic_differentiation(name, rule):
    program, values, inputs, labels, pairs = case(name, rule)
    run = Reference(program, values, pairs=pairs).run(inputs, labels)
    assert run.spikes[0]["hidden"].sum() > 50
    model = model_of(text_of(name, rule))
    loss, gradients = gradients_with_synapses(model, values, inputs, labels, model.training.rule.name, pairs)
    assert run.loss == pytest.approx(loss, rel=1e-12)
    for key, got in run.gradients.items():
        assert np.max(np.abs(got)) > 0, key
        assert np.max(np.abs(got - gradients[key])) < 1e-9 * np.max(np.abs(gradients[key])), key


def test_feedback_has_the_weights_shape_and_by_them_it_is_symmetric():
    text = text_of("dense", "eprop(feedback = adaptive)")
    text = re.sub(
        r"hidden -> output: .*", "hidden -> output: dense, weight = normal(0, 0.3), synapse = clipped()", text
    )
    _, values, inputs, labels, _ = case("dense")
    program = program_of(text)
    first = Reference(program).parameters
    assert (
        program.parameter("hidden_output.feedback").shape == (7, 3) == program.parameter("hidden_output.weight").shape
    )
    values["hidden_output.weight"] = values["hidden_output.feedback"] = first["hidden_output.weight"]
    runs = [Reference(p, values) for p in (program, program_of(text.replace("adaptive", "symmetric")))]
    fed_back, symmetric = (reference.run(inputs, labels).gradients for reference in runs)
    for key, gradient in symmetric.items():
        assert np.any(gradient) and np.max(np.abs(fed_back[key] - gradient)) < 1e-12 * np.max(np.abs(gradient)), key
    runs[0].optimise(fed_back)
    assert np.array_equal(runs[0].parameters["hidden_output.feedback"], runs[0].parameters["hidden_output.weight"])
    assert not np.array_equal(runs[0].parameters["hidden_output.feedback"], first["hidden_output.weight"])


@pytest.mark.parametrize("name", CASES)
def test_a_network_that_is_trained_draws_and_does_what_it_draws_and_does_untrained(name):
    program, values, inputs, _, pairs = case(name)
    untrained = compile_program(replace(model_of(text_of(name)), training=None), "float64")
    for key, value in Reference(untrained, pairs=pairs).parameters.items():
        assert np.array_equal(value, Reference(program, pairs=pairs).parameters[key]), key
    trained, alone = (Reference(p, values, pairs=pairs).run(inputs) for p in (program, untrained))
    assert np.array_equal(trained.spikes[0]["hidden"], alone.spikes[0]["hidden"])
    populations = {p.name for p in model_of(text_of(name)).populations}
    for state, trace in ((s, x) for s, x in alone.traces[0].items() if s[0] in populations):
        assert np.allclose(trained.traces[0][state], trace, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rule", ["bptt", "eprop", pytest.param("eprop(feedback = random)", marks=pytest.mark.slow)])
def test_delays_of_synapses_one_by_one_are_learnt(rule):
    text = LATE.replace("bptt", rule)
    program, rng = program_of(text), np.random.default_rng(1)
    first = Reference(program).parameters
    values = {p.key: np.asarray(first[p.key]) for p in program.parameters if p.storage != "compiled"}
    inputs = [{"x": rng.poisson(0.4, (24, 6)).astype(float)}]
    run = Reference(program, values).run(inputs, [2])
    assert run.spikes[0]["hidden"].sum() > 10
    loss, gradients = gradients_with_synapses(model_of(text), values, inputs, [2], rule.partition("(")[0])
    assert run.loss == pytest.approx(loss, rel=1e-12) and sum(".delay" in key for key in run.gradients) == 4
    for key, got in run.gradients.items():
        assert np.any(got) and np.max(np.abs(got - gradients[key])) < 1e-9 * np.max(np.abs(gradients[key])), key
    fixed = program_of(re.sub(r", \w+.delay\(in[^)]*\)", "", text))
    stored = {p.key for p in fixed.parameters if p.storage != "compiled"}
    drawn = Reference(fixed).parameters
    assert all(np.array_equal(first[key], drawn[key]) for key in stored)


@pytest.mark.parametrize("rule", ["bptt", pytest.param("eprop", marks=pytest.mark.slow)])
def test_weights_shared_transposed_get_the_sum_of_both_gradients(rule):
    text = TURNED.format(rule=rule)
    apart = program_of(re.sub(r"share = \w+ transposed", "weight = each(0)", text))
    tied = Reference(program_of(text))
    values = dict(tied.parameters)
    for own, owner in OWNERS.items():
        values[f"{own}.weight"] = values[f"{owner}.weight"].T
    inputs = [{"x": (np.random.default_rng(2).random((25, 6)) < 0.25) * 1.0}]
    run, expected = (reference.run(inputs, [1]) for reference in (tied, Reference(apart, values)))
    assert run.loss == pytest.approx(expected.loss, rel=1e-12) and run.spikes[0]["back"].sum() > 20
    for own, owner in OWNERS.items():
        expected.gradients[f"{owner}.weight"] += expected.gradients[f"{own}.weight"].T
    for key, got in run.gradients.items():
        gradient = expected.gradients[key]
        assert np.any(gradient) and np.max(np.abs(got - gradient)) < 1e-12 * np.max(np.abs(gradient)), key


def test_more_pairs_than_there_are_neurons_to_join_are_an_error():
    name = "images, pairs handed over"
    pre = np.zeros(109, int)  # of 36 neurons to 3
    with pytest.raises(ValueError, match="109 synapses, and room for 108"):
        Reference(program_of(text_of(name)), pairs=pairs_of(name) | {"hidden_output": (pre, pre)})


def test_more_synapses_than_a_step_can_keep_states_of_are_refused():
    settings = CASES["drawn"] | {"sources": "[1200]", "hidden": "[1200]", "into": "sparse"}
    with pytest.raises(DiagnosticError, match="in 1,440,000 synapses"):
        program_of(NETWORK.format(rule="bptt", **settings))


@pytest.mark.parametrize("mechanism", [
    "synapse = graded()",
    "synapse = clipped(tau = uniform(3 ms, 9 ms)), plasticity = growing(rate = uniform(0, 0.1))",
])  # fmt: skip
def test_synapses_that_training_has_moved_are_those_that_stand_there_from_the_start(mechanism):
    _, values, inputs, labels, _ = case("drawn")
    text = text_of("drawn").replace("network Net:", GROWING + "network Net:").replace("1e-3", "0.05")
    text = re.sub("(hidden -> output:).*", rf"\1 WHICH, delay = uniform(0 ms, 3 ms), {mechanism}", text)
    moving = Reference(
        program_of(text.replace("WHICH", "random(p = 0.5), weight = normal(0, 0.3), rewire = deep_r(l1 = 3)")),
        {key: value for key, value in values.items() if not key.startswith("hidden_output")},
    )
    first = moving.tables["hidden_output"]
    moving.optimise(moving.run(inputs, labels).gradients)
    table = moving.tables["hidden_output"]
    assert not np.array_equal(first.source * 3 + first.target, table.source * 3 + table.target)
    still = Reference(
        program_of(text.replace("WHICH", "sparse, weight = each(0.1)")),
        dict(moving.parameters),
        pairs={"hidden_output": (table.source, table.target)},
    )
    run, expected = moving.run(inputs, labels), still.run(inputs, labels)
    assert run.loss == pytest.approx(expected.loss, rel=1e-12)
    for key, gradient in expected.gradients.items():
        assert np.any(gradient) and np.max(np.abs(run.gradients[key] - gradient)) < 1e-12 * np.max(np.abs(gradient)), (
            key
        )


CLIPPED = NETWORK[: NETWORK.index("synapse graded")]
FEWER = """
network Net:
    step = 1 ms
    population x: input[6]
    population hidden: LIF[7](tau_m = each(10 ms), theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: random(p = 0.5), weight = normal(0.3 kHz, 0.1 kHz), synapse = exponential(tau = uniform(3 ms, 9 ms))
    connect again = x -> hidden: random(p = 0.5), weight = normal(0.3 kHz, 0.1 kHz), delay = uniform(1 ms, 3 ms), synapse = dual_exponential(tau_rise = uniform(1 ms, 2 ms))
    connect hidden -> output: dense, weight = normal(0, 1)

train:
    rule = bptt
    loss = mean(cross_entropy(output.v))
    learn = weights, hidden.tau_m, x_hidden.tau, again.tau_decay
    optimiser = sgd(learning_rate = 1e-3)
"""


def test_where_fewer_synapses_are_than_there_is_room_for_nothing_divides_by_their_targets_numbers():
    program = program_of(FEWER)
    drawn = Reference(program)
    values = {p.key: np.asarray(drawn.parameters[p.key]) for p in program.parameters if p.storage != "compiled"}
    inputs = [{"x": np.random.default_rng(2).integers(0, 2, (25, 6)) * 1.0}]
    run = drawn.run(inputs, [1])
    loss, gradients = gradients_with_synapses(model_of(FEWER), values, inputs, [1], "bptt")
    assert run.loss == pytest.approx(loss, rel=1e-12) and run.spikes[0]["hidden"].sum() > 50
    for key, got in run.gradients.items():
        assert np.any(got) and np.max(np.abs(got - gradients[key])) < 1e-9 * np.max(np.abs(gradients[key])), key


DRIVEN = """
network Net:
    step = 1 ms
    population x: {source}
    population hidden: LIF[7](tau_m = 10 ms, theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: random(p = 0.5), weight = normal(0.2 kHz, 0.1 kHz), synapse = {synapse}
    connect hidden -> output: dense, weight = normal(0, 1)

train:
    rule = eprop
    loss = mean(cross_entropy(output.v))
    learn = weights, x_hidden.tau
    optimiser = sgd(learning_rate = 1e-3)
"""


@pytest.mark.parametrize("synapse", ["exponential(tau = uniform(3 ms, 9 ms))", "clipped()"])
def test_spikes_of_poisson_are_followed_as_those_handed_over(synapse):
    text = CLIPPED + DRIVEN.replace(" kHz", "") if synapse == "clipped()" else DRIVEN
    text = text.replace("{synapse}", synapse)
    drawn, given = (program_of(text.replace("{source}", s)) for s in ("poisson[6](rate = 400 Hz)", "input[6]"))
    run = Reference(drawn).run([{}], [1], steps=25)
    counts = run.spikes[0]["x"]
    expected = Reference(given, dict(Reference(drawn).parameters)).run([{"x": counts}], [1])
    assert counts.max() > 2 and run.loss == expected.loss
    for key, gradient in expected.gradients.items():
        assert np.any(gradient) and np.array_equal(run.gradients[key], gradient), key


def test_spikes_of_spike_times_move_synapses_as_those_of_an_input():
    text = (CLIPPED + DRIVEN).replace(" kHz", "").replace("{synapse}", "clipped()")
    programs = [program_of(text.replace("{source}", f"{source}[6]")) for source in ("spike_times", "input")]
    values, inputs = dict(Reference(programs[0]).parameters), [{"x": np.random.default_rng(3).poisson(0.6, (25, 6))}]
    kept, given = (Reference(p, values).run(inputs, [1]) for p in programs)
    assert inputs[0]["x"].max() > 2 and kept.loss == given.loss
    for key, gradient in given.gradients.items():
        assert np.any(gradient) and np.array_equal(kept.gradients[key], gradient), key


ARRIVING = """
synapse arriving:
    "What a spike adds follows the target's potential, as it is before anything arrives."
    param tau = 6 ms
    state g = 0
    state r = 0.3
    dg/dt = -g / tau
    dr/dt = (1 - r) / (20 ms) - 0.1 * g * r / tau
    on pre:
        g += weight * (1.5 - tanh(g)) * (1 - 0.5 * tanh(post.v))
        r -= 0.4 * r * (1 + 0.2 * post.v)
    deliver g * (1.2 - r * post.v) / (6 ms)

network Net:
    step = 1 ms
    population x: input[3]
    population hidden: ALIF[3](tau_m = 10 ms, theta = 0.4)
    population output: LI[2](tau_m = 8 ms)
    connect x -> hidden: {pattern}, weight = normal(0.2, 0.3), synapse = arriving()
    connect hidden -> hidden: random(p = 0.7), weight = normal(0.2, 0.3), delay = 2 ms, synapse = arriving()
    connect hidden -> output: dense, weight = normal(0.2, 0.3)
    connect plain = x -> hidden: dense, weight = normal(0.3, 0.3)

train:
    rule = {rule}
    loss = mean(cross_entropy(output.v))
    learn = weights, x_hidden.tau, hidden_hidden.tau, hidden.tau_m
    optimiser = sgd(learning_rate = 1e-3)
"""


@pytest.mark.parametrize("rule, pattern", [("bptt", "dense"), ("eprop(feedback = symmetric)", "random(p = 0.7)")])
def test_what_a_spike_does_may_follow_the_target(rule, pattern):
    text = ARRIVING.format(rule=rule, pattern=pattern)
    check_synapses(text)
    if rule != "bptt":
        check_directions_of_synapses(text)


SENT = """
neuron Own:
    param tau_m = 9 ms
    param theta = 0.5
    state v = 0
    input I
    dv/dt = -v / tau_m + I
    spike when v > theta:
        reset v -= theta
    surrogate triangle(width = 0.5, height = 0.6)

synapse sent:
    "As slow, and as strong, as its source."
    state g = 0
    dg/dt = -g * (1 + 0.3 * tanh(g)) / pre.tau_m
    on pre: g += weight * (1.5 - tanh(g)) * pre.theta
    deliver g / (6 ms)

network Net:
    step = 1 ms
    population x: input[5]
    population hidden: Own[4]({numbers})
    population output: LI[2](tau_m = 8 ms)
    connect x -> hidden: dense, weight = normal(0.1, 0.15)
    connect hidden -> hidden: random(p = 0.7), weight = normal(0.2, 0.3), delay = uniform(1 ms, 4 ms), synapse = sent()
    connect hidden -> output: dense, weight = normal(0.2, 0.3), synapse = sent()

train:
    rule = {rule}
    loss = mean(cross_entropy(output.v))
    learn = weights{learn}
    optimiser = sgd(learning_rate = 1e-3)
"""


@pytest.mark.parametrize("rule", ["bptt", "eprop", "eprop(online = true)"])
def test_a_number_of_each_neuron_of_the_source_is_read_as_one_of_all_is(rule):
    inputs = [{"x": np.random.default_rng(2).integers(0, 2, (25, 5)) * 1.0}]
    one, each = (
        Reference(program_of(SENT.format(rule=rule, learn=", hidden.tau_m", numbers=numbers))).run(inputs, [1])
        for numbers in ("tau_m = 9 ms", "tau_m = each(9 ms), theta = each(0.5)")
    )
    assert one.spikes[0]["hidden"].sum() > 9 and each.loss == pytest.approx(one.loss, rel=1e-14)
    for key, gradient in one.gradients.items():
        got = np.sum(each.gradients[key]) if np.ndim(gradient) == 0 else each.gradients[key]
        assert np.any(gradient) and np.max(np.abs(got - gradient)) <= 1e-12 * np.max(np.abs(gradient)), key
