"""Gradients of every standard neuron equal an independent automatic differentiation in float64."""

from __future__ import annotations

import numpy as np
import pytest
from networks import SPIKING, UNKNOWN, everything, lively, model_of, program_of, recurrent, spikes
from oracle import loss_and_gradients

from sncc.backends.reference.interpreter import Reference


def relative_error(got, expected) -> float:
    return float(np.max(np.abs(got - expected)) / max(np.max(np.abs(expected)), 1e-300))


def compare(text: str, rule: str, labels) -> None:
    rng = np.random.default_rng(5)
    inputs = spikes(rng, len(labels), 32)
    model = model_of(text, train__rule=rule)
    program = program_of(text, train__rule=rule)
    values = lively(program, 3, inputs)
    run = Reference(program, values).run(inputs, labels)
    loss, gradients = loss_and_gradients(model, values, inputs, labels, rule)
    assert run.loss == pytest.approx(loss, rel=1e-12)
    assert set(run.gradients) <= set(gradients)
    checked = 0
    for key, got in run.gradients.items():
        assert np.shape(got) == np.shape(gradients[key]), key
        if np.max(np.abs(gradients[key])) > 0:
            checked += 1
            assert relative_error(got, gradients[key]) < 1e-9, key
        else:
            assert np.max(np.abs(got)) == 0, key
    assert checked >= 3


@pytest.mark.parametrize("rule", ["eprop", "bptt"])
@pytest.mark.parametrize(
    "neuron", [pytest.param(name, marks=pytest.mark.slow if k % 3 else ()) for k, name in enumerate(SPIKING)]
)
def test_every_standard_neuron_learns_weights_and_parameters(neuron, rule):
    text = recurrent(neuron)
    compare(recurrent(neuron, learn=everything(text)), rule, [0, 2])


@pytest.mark.parametrize("rule", ["eprop", "bptt"])
def test_a_neuron_that_is_in_no_library_learns(rule):
    text = recurrent("Curious", UNKNOWN)
    compare(recurrent("Curious", UNKNOWN, learn=everything(text)), rule, [0, 1, 2])


@pytest.mark.parametrize("rule", ["eprop", pytest.param("bptt", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "loss",
    [
        "cross_entropy(mean(output.v))",
        "cross_entropy(max(output.v))",
        "cross_entropy(last(output.v))",
        "cross_entropy(sum(output.v))",
        "mean(cross_entropy(output.v), from = 10 ms)",
        "cross_entropy(mean(output.v, from = 10 ms, to = 30 ms))",
    ],
)
def test_every_way_to_read_out(loss, rule):
    compare(recurrent("ALIF", loss=loss), rule, [0, 1])


WRITTEN = [
    "mse(mean(output.v))",
    "mean(huber(output.v))",
    "mean((output.v - label)^2)",
    "mean(abs(output.v - label) + exp(0.3 * output.v), from = 5 ms, to = 30 ms)",
    "(max(output.v, from = 10 ms) - label)^2 / 2",
    "0.5 * last(output.v) * label + sum(log(1 + exp(-output.v * label)), from = 30 ms)",
]


@pytest.mark.parametrize("rule", [pytest.param("eprop", marks=pytest.mark.slow), "bptt"])
@pytest.mark.parametrize("loss", WRITTEN)
def test_values_as_targets(loss, rule):
    targets = [np.array([0.3, -0.2, 1.5]), np.array([2.0, 0.0, -1.0])]
    compare(recurrent("LIF", loss=loss), rule, targets)


VOLTS = """
neuron Volts:
    param tau_m = 10 ms
    state v = 0 mV
    input I
    dv/dt = -v / tau_m + I
"""


@pytest.mark.parametrize(
    "loss",
    [
        "mse(mean(output.v) / (1 mV))",
        "mean((output.v / (2 V) - label)^2)",
        "mean(huber(1000 * output.v / (1 V)), from = 5 ms)",
    ],
)
def test_what_has_a_unit_is_seen_in_the_unit_that_it_is_divided_by(loss):
    text = VOLTS + recurrent("LIF", loss=loss).replace("LI[3](tau_m = 10 ms)", "Volts[3]")
    text = text.replace(
        "connect hidden -> output: dense, weight = normal(0, 1)",
        "connect hidden -> output: dense, weight = normal(0 mV, 1 mV)",
    )
    compare(text, "bptt", [np.array([0.3, -0.2, 1.5]), np.array([0.0, 0.4, 0.1])])


@pytest.mark.parametrize("loss", ["mean(mse(output.v))", "sum((output.v - label)^2 * label, from = 10 ms)"])
def test_a_target_for_every_step(loss):
    rng = np.random.default_rng(0)
    compare(recurrent("LIF", loss=loss), "bptt", [rng.normal(0, 1, (32, 3)) for _ in range(2)])


@pytest.mark.parametrize("rule", ["eprop", "bptt"])
def test_a_label_for_every_step_some_missing(rule):
    rng = np.random.default_rng(0)
    compare(recurrent("ALIF"), rule, [rng.integers(-1, 3, 32) for _ in range(2)])


def test_terms_without_a_label_are_of_all_steps_and_of_any_population():
    rng = np.random.default_rng(0)
    labels = [rng.integers(-1, 3, 32), np.full(32, -1)]  # a sample without any
    terms = (
        "0.3 * mean(hidden.v^2) + mean(cross_entropy(output.v)) + (max(hidden.a) - 0.5)^2 + 0.4 * mean(hidden.spikes)"
    )
    text = recurrent("ALIF", loss=terms)
    compare(text, "bptt", labels)  # e-prop: test_eprop_readouts.py


REFRACTORY = """
neuron Tired:
    param tau_m = 20 ms
    param tau_i = 6 ms
    param theta = 0.7
    state v = 0
    state i = 0
    input I
    dv/dt = (i - v) / tau_m
    di/dt = -i / tau_i + I
    spike when v > theta:
        v = 0
    refractory 3 ms hold v
    surrogate fast_sigmoid(slope = 2)
"""
RESONATOR = """
neuron Resonator:
    param damping = 0.05
    param omega = 0.3
    state x = 0
    state y = 0
    input I
    dx/dt = (-damping * x - omega * y) / (1 ms) + I
    dy/dt = (omega * x - damping * y) / (1 ms)
    spike when y > 0.8:
        reset y *= 0.5
    surrogate atan(alpha = 2)
"""
MAP = """
neuron Map:
    param decay = 0.9
    state v = 0
    input I
    each step:
        v = decay * v + tanh(I)
    spike when v >= 1:
        v -= 1
    surrogate sigmoid(slope = 4)
"""


@pytest.mark.parametrize("rule", ["eprop", pytest.param("bptt", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name, definition", [("Tired", REFRACTORY), ("Resonator", RESONATOR), ("Map", MAP)])
def test_refractory_times_coupled_flows_and_maps(name, definition, rule):
    text = recurrent(name, definition)
    compare(recurrent(name, definition, learn=everything(text)), rule, [0, 1, 2])


SUBSTEPS = """
neuron Fine:
    param rate = 0.3
    state v = 0.1 * rate
    state w = 0.1
    input I
    dv/dt = (sin(t / (7 ms)) - v * w - rate * v) / (2 ms) + I
    dw/dt = (v * v - w) / (9 ms)
    spike when v > 0.8:
        reset v -= 1
        w += 0.1
    method = rk4(substeps = 3)
    surrogate gaussian(sigma = 0.4)
"""


def test_substeps_and_an_initial_value_of_a_learnt_parameter():
    text = recurrent("Fine", SUBSTEPS)
    compare(recurrent("Fine", SUBSTEPS, learn=everything(text)), "bptt", [0, 1])


DEEP = """
network Deep:
    step = 1 ms
    population x: input[6]
    population level: signal[2]
    population first: LIF[4](tau_m = each(12 ms), theta = 0.8)
    population hidden: CubaLIF[5](theta = 0.6)
    population output: LI[3]
    connect x -> first: dense, weight = normal(0, 1)
    connect level -> first: dense, weight = normal(0 kHz, 1 kHz)
    connect first -> hidden: dense, weight = normal(0, 1)
    connect hidden -> first: dense, weight = normal(0, 1), delay = 3 ms
    connect again = first -> first: one_to_one, weight = each(0.2), delay = 2 ms
    connect hidden -> output: dense, weight = normal(0, 1)

train:
    rule = bptt
    loss = cross_entropy(mean(output.v))
    learn = weights, first.tau_m, first.theta, hidden.tau_syn
    optimiser = sgd(learning_rate = 1e-3)
"""


def test_layers_delays_signals_and_one_to_one_connections_under_bptt():
    rng = np.random.default_rng(8)
    inputs = [{"x": rng.poisson(0.4, (40, 6)) * 1.0, "level": rng.normal(0, 0.1, (40, 2))} for _ in range(2)]
    model, program = model_of(DEEP), program_of(DEEP)
    values = {
        p.key: rng.normal(0.5, 0.5, p.shape)
        if p.key.endswith("weight")
        else np.asarray(Reference(program).parameters[p.key])
        for p in program.parameters
        if p.storage != "compiled"
    }
    values["level_first.weight"] = rng.normal(0, 1, (2, 4))
    values["first_hidden.weight"] = rng.normal(1.5, 0.5, (4, 5))
    run = Reference(program, values).run(inputs, [0, 2])
    assert run.spikes[0]["first"].sum() > 5 and run.spikes[0]["hidden"].sum() > 5
    loss, gradients = loss_and_gradients(model, values, inputs, [0, 2], "bptt")
    assert run.loss == pytest.approx(loss, rel=1e-12)
    for key, got in run.gradients.items():
        assert relative_error(got, gradients[key]) < 1e-9, key
