"""Dropout: a sample with it computes what a network computes whose weights of the neurons left are larger."""

from __future__ import annotations

import re

import numpy as np
import pytest
from dropout import DENSE, NETWORK, factors, inputs_of, sample_by_hand
from networks import program_of

from sncc.backends.reference.interpreter import Reference


@pytest.mark.parametrize("rule", ["bptt", "eprop", "bptt(truncate = 7 ms)", "eventprop"])
def test_a_sample_is_one_of_the_network_without_the_neurons_that_are_left_out(rule):
    only = {"train__learn": "weights, hidden.tau_m"} if "truncate" in rule else {}  # delays are not learnt there
    program = program_of(NETWORK, train__rule=rule, **only)
    inputs, labels = inputs_of(program), [0, 1, 2]
    reference = Reference(program)
    run = reference.run(inputs, labels)
    assert run.spikes[0]["hidden"].sum() > 20
    alone = [sample_by_hand(program, reference, inputs, labels, k) for k in range(3)]
    assert run.loss == pytest.approx(np.mean([other.loss for other, _ in alone]), rel=1e-12)
    for key, got in run.gradients.items():
        expected = np.mean([gradients[key] for _, gradients in alone], axis=0)
        assert np.max(np.abs(expected)) > 0
        assert np.max(np.abs(got - expected)) <= 1e-12 * np.max(np.abs(expected)), key


@pytest.mark.parametrize(
    "rule", ["eprop(feedback = random)", "eprop(feedback = adaptive)", "eprop(feedback = random, online = true)"]
)
def test_feedback_comes_back_to_the_neurons_that_are_left(rule):
    program = program_of(DENSE, train__rule=rule)
    inputs, labels = inputs_of(program), [0, 1, 2]
    reference = Reference(program)
    gradients = reference.run(inputs, labels).gradients
    for key, got in gradients.items():
        expected = np.mean([sample_by_hand(program, reference, inputs, labels, k)[1][key] for k in range(3)], axis=0)
        assert np.max(np.abs(got - expected)) <= 1e-12 * np.max(np.abs(expected)) > 0, key


@pytest.mark.parametrize("feedback", ["symmetric", "random"])
def test_traces_forwards_are_the_gradient_in_reverse(feedback):
    reverse, forwards = (
        program_of(DENSE, train__rule=f"eprop(feedback = {feedback}{online})") for online in ("", ", online = true")
    )
    inputs, labels = inputs_of(reverse), [0, 1, 2]
    expected, got = (Reference(p).run(inputs, labels) for p in (reverse, forwards))
    assert forwards.traces and got.loss == expected.loss
    for key, g in expected.gradients.items():
        assert np.max(np.abs(got.gradients[key] - g)) <= 1e-12 * np.max(np.abs(g)) > 0, key


def test_a_learnt_delay_of_what_is_left():
    text = NETWORK.replace(
        "delay = 1 ms, dropout = 0.5\n    connect again", "delay = each(2.3 ms), dropout = 0.5\n    connect again"
    )
    program = program_of(text, train__learn="weights, hidden_hidden.delay(in = [1 ms, 5 ms])")
    inputs, labels = inputs_of(program), [0, 1, 2]
    reference = Reference(program)
    run = reference.run(inputs, labels)
    for key in ("hidden_hidden.weight", "x_hidden.weight"):
        expected = np.mean([sample_by_hand(program, reference, inputs, labels, k)[1][key] for k in range(3)], axis=0)
        assert np.max(np.abs(run.gradients[key] - expected)) <= 1e-12 * np.max(np.abs(expected)), key
    left_out = factors(program.connection("hidden_hidden"), 21, 0) == 0
    one = reference.run(inputs[:1], labels[:1]).gradients["hidden_hidden.delay"]
    assert left_out.any() and not one[left_out].any() and one[~left_out].any()


def test_nothing_is_left_out_where_nothing_is_learnt():
    program, without = program_of(NETWORK), program_of(re.sub(r", dropout = \S+", "", NETWORK))
    inputs = inputs_of(program)
    values = Reference(program).parameters
    got, expected = (Reference(p, values).run(inputs, [0, 1, 2], learns=False) for p in (program, without))
    assert np.allclose(got.outputs, expected.outputs, rtol=1e-14)
    assert not np.allclose(got.outputs, Reference(program, values).run(inputs, [0, 1, 2]).outputs)


def test_as_many_are_left_out_as_asked_for():
    program = program_of(NETWORK)
    c = program.connection("hidden_hidden")
    share = np.mean([factors(c, 1000, k) for k in range(20)], axis=1)
    assert np.mean(share) == pytest.approx(1, abs=0.02) and len(np.unique(share)) > 10
