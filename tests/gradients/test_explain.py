"""What `sncc explain` says of a learning rule comes from the operations that are compiled."""

from __future__ import annotations

import pytest
from networks import recurrent

import sncc

SAID = {
    "random feedback": (dict(rule="eprop(feedback = random)"), ["hidden_output.feedback · (output.I!~[n])"]),
    "a penalty": (
        dict(penalty="firing_rate(hidden, target = 20 Hz, strength = 1e-3, over = batch)"),
        ["penalty: 0.001 times the mean over hidden", "- 20 Hz)", "d penalty / d spike of hidden"],
    ),
    "two losses": (
        dict(loss="mean(cross_entropy(output.v)) + 0.5 * cross_entropy(max(output.v))"),
        ["loss: x is output.v at every step", "loss: x is max over the steps of output.v, times 0.5"],
    ),
    "windows of credit": (dict(rule="bptt(truncate = 20 ms)"), ["Credit is cut every 20 steps", "learning signal by hidden_hidden"]),
    "traces per synapse": (
        dict(rule="eprop(online = true)"),
        ["e-prop forwards", "eligibility traces of hidden_hidden, one of each per synapse", "gradient += post.signal0"],
    ),
    "learnt delays": (dict(rule="bptt", learn="weights, hidden_hidden.delay"), ["d loss / d hidden_hidden.delay[i, j]", "(delay k + f steps)"]),
}  # fmt: skip


def test_rewiring_is_told():
    text = recurrent("LIF").replace("x -> hidden: dense, weight = normal(0, 1)",
        "x -> hidden: random(p = 0.5), weight = normal(0, 1), rewire = deep_r(l1 = 1e-3)")  # fmt: skip
    told = sncc.explain(text)
    assert "rewiring of x_hidden, after each step of the optimiser" in told
    assert "x_hidden.weight -= eta * 0.001 * sign of the weight before" in told and "normal(0, 1)" not in told


@pytest.mark.parametrize("what", SAID)
def test_the_choices_of_training_are_explained(what):
    blocks, expected = SAID[what]
    text = sncc.explain(recurrent("ALIF", **blocks))
    for phrase in expected:
        assert phrase in text, phrase


def test_what_is_left_out_is_explained():
    text = sncc.explain(recurrent("LIF").replace("delay = 1 ms", "delay = 1 ms, dropout = 0.3"))
    assert "hidden_hidden leaves each neuron of hidden out of a sample with probability 0.3" in text


def test_what_each_of_many_spikes_does_stands_on_lines_of_its_own():
    """A weight moves towards 1 by a tenth of what is left, at every spike of an input,
    which may send several in a step.
    """
    rule = "plasticity fill:\n    on pre:\n        weight += 0.1 * (1 - weight)\n\n"
    text = recurrent("LIF").replace("normal(0, 1)", "normal(0, 1), plasticity = fill()", 1)
    lines = [line.strip() for line in sncc.explain(rule + text).splitlines()]
    start = next(k for k, line in enumerate(lines) if line.endswith("after pre! times:"))
    assert lines[start + 1] == "weight.now.each = weight.now.1 at first"
    assert lines[start + 2].startswith("weight.now.each = weight.now.each + ")
