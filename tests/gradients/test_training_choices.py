"""Sums of losses, penalties, feedback, truncated credit, first values: against automatic differentiation in float64."""

from __future__ import annotations

import numpy as np
import pytest
from networks import lively, model_of, program_of, recurrent, spikes
from oracle import loss_and_gradients

from sncc.backends.reference.interpreter import Reference

TWO_HIDDEN = """
network Stack:
    step = 1 ms
    population x: input[6]
    population first: LIF[7](theta = 0.8)
    population hidden: ALIF[5]
    population output: LI[3](tau_m = 10 ms)
    connect x -> first: dense, weight = normal(0, 1)
    connect first -> hidden: dense, weight = normal(0, 1), delay = 2 ms
    connect first -> first: dense, weight = normal(0, 1), delay = 1 ms
    connect hidden -> output: dense, weight = normal(0, 1), delay = 1 ms

train:
    rule = eprop(feedback = random)
    loss = mean(cross_entropy(output.v))
    learn = weights, first.tau_m, hidden.theta, output.bias
    optimiser = sgd(learning_rate = 1e-2)
"""
CHOICES = {
    "a sum of losses": recurrent(
        "ALIF", loss="mean(cross_entropy(output.v)) + 0.5 * cross_entropy(max(output.v)) - 0.1 * cross_entropy(last(output.v))"
    ),
    "labels smoothed": recurrent("ALIF", loss="mean(cross_entropy(output.v, smoothing = 0.1))"),
    "classes weighted, labels smoothed": recurrent(
        "ALIF", loss="mean(cross_entropy(output.v, weights = [0.5, 3, 1], smoothing = 0.1))"
    ),
    "a penalty by sample": recurrent("LIF", penalty="firing_rate(hidden, target = 20 Hz, strength = 1e-5)"),
    "a penalty by batch": recurrent("LIF", penalty="firing_rate(hidden, target = 20 Hz, strength = 1e-5, over = batch)"),
    "credit cut": recurrent("ALIF", rule="bptt(truncate = 7 ms)"),
    "e-prop cut": recurrent("ALIF", rule="eprop(truncate = 7 ms)"),
    "first values": recurrent("ALIF", learn="weights, initial(hidden.v), initial(hidden.a), hidden.tau_a"),
    "random feedback": TWO_HIDDEN,
    "adaptive feedback": TWO_HIDDEN.replace("random", "adaptive"),
}  # fmt: skip
OF_ONE_RULE = ("credit cut", "e-prop cut", "random feedback", "adaptive feedback")


def relative_error(got, expected) -> float:
    return float(np.max(np.abs(got - expected)) / max(np.max(np.abs(expected)), 1e-300))


def with_feedback(program, values):
    rng = np.random.default_rng(11)
    drawn = {p.key: rng.normal(0, 0.6, p.shape) for p in program.parameters if p.key.endswith(".feedback")}
    return {**values, **drawn}


WITH_RULES = [
    (name, rule) for name in CHOICES for rule in ("as written", "bptt") if rule != "bptt" or name not in OF_ONE_RULE
]


@pytest.mark.parametrize("name, rule", WITH_RULES)
def test_gradients_equal_automatic_differentiation(name, rule):
    text = CHOICES[name]
    settings = {"train__rule": "bptt"} if rule == "bptt" else {}
    inputs, labels = spikes(np.random.default_rng(5), 2, 25), [0, 1]
    model, program = model_of(text, **settings), program_of(text, **settings)
    values = with_feedback(program, lively(program, 3, inputs))
    run = Reference(program, values).run(inputs, labels)
    loss, gradients = loss_and_gradients(model, values, inputs, labels, model.training.rule.name)
    assert run.loss + run.penalty == pytest.approx(loss, rel=1e-12)
    assert len(run.gradients) >= 3
    for key, got in run.gradients.items():
        assert np.max(np.abs(gradients[key])) > 0, key
        assert relative_error(got, gradients[key]) < 1e-9, key


def test_feedback_stands_for_the_weights_transposed():
    inputs, labels = spikes(np.random.default_rng(5), 2, 25), [0, 1]
    symmetric = program_of(recurrent("ALIF"))
    random = program_of(recurrent("ALIF", rule="eprop(feedback = random)"))
    values = lively(symmetric, 3, inputs)
    feedback = {"hidden_output.feedback": values["hidden_output.weight"].T}
    one, other = Reference(symmetric, values), Reference(random, {**values, **feedback})
    expected, got = one.run(inputs, labels).gradients, other.run(inputs, labels).gradients
    assert all(np.allclose(got[key], expected[key], rtol=1e-12, atol=0) for key in expected)


def test_adaptive_feedback_gets_the_change_of_the_weights():
    program = program_of(recurrent("ALIF", rule="eprop(feedback = adaptive)"))
    inputs, labels = spikes(np.random.default_rng(5), 2, 25), [0, 1]
    reference = Reference(program, with_feedback(program, lively(program, 3, inputs)))
    before = {k: reference.parameters[k].copy() for k in ("hidden_output.feedback", "hidden_output.weight")}
    for _ in range(3):
        reference.optimise(reference.run(inputs, labels).gradients)
    change = {key: reference.parameters[key] - old for key, old in before.items()}
    assert np.max(np.abs(change["hidden_output.weight"])) > 1e-4
    assert np.allclose(change["hidden_output.feedback"], change["hidden_output.weight"].T, atol=1e-15)
