"""Jumps of synapses that read their target between its flow and its arrivals, made up for a step later:
in windows, with delays, by feedback.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import model_of, program_of
from oracle_plasticity import gradients_with_plasticity
from reading_targets import LEARNT, SOURCE, synapses, weights
from synapse_gradients import agreeing, all_moves, relative_error

from sncc.backends.reference.interpreter import Reference


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


def single_spikes(rng):
    return [{"x": rng.integers(0, 2, (24, 6)).astype(float)}]


@pytest.mark.parametrize(
    "rule, delay, source, learn",
    [
        ("bptt(truncate = 9 ms)", "uniform(1 ms, 4 ms)", SOURCE, LEARNT),
        slow("bptt", "uniform(1 ms, 4 ms)", SOURCE, ""),
        slow("bptt(truncate = 8 ms)", "2 ms", SOURCE, ""),
        slow("eprop(truncate = 4 ms)", "uniform(1 ms, 4 ms)", "", LEARNT),
        ("eprop(feedback = random)", "2 ms", "", ""),
        slow("eprop(feedback = random, truncate = 6 ms)", "uniform(1 ms, 4 ms)", SOURCE, LEARNT),
    ],
)
def test_gradients_of_synapses_equal_automatic_differentiation(rule, delay, source, learn):
    all_moves(agreeing(synapses(rule, delay, source, learn), single_spikes)[0])


@pytest.mark.parametrize(
    "rule, delay",
    [
        ("bptt(truncate = 3 ms)", "2 ms"),
        slow("bptt", "2 ms"),
        slow("eprop(truncate = 3 ms)", "2 ms"),
        ("eprop(feedback = random, truncate = 6 ms)", "uniform(1 ms, 4 ms)"),
    ],
)
def test_gradients_of_weights_that_move_equal_automatic_differentiation(rule, delay):
    program, model = program_of(weights(rule, delay)), model_of(weights(rule, delay))
    drawn, inputs = Reference(program).parameters, [{"x": (np.random.default_rng(3).random((20, 4)) < 0.3) * 1.0}]
    values = {p.key: np.asarray(drawn[p.key]) for p in program.parameters if p.storage != "compiled"}
    run = Reference(program, values).run(inputs, [1])
    loss, gradients = gradients_with_plasticity(model, values, inputs, [1], model.training.rule.name)
    assert run.loss == pytest.approx(loss, rel=1e-12) and run.spikes[0]["hidden"].sum() > 50
    for key, got in run.gradients.items():
        assert np.any(got) and relative_error(got, gradients[key]) < 1e-9, key


@pytest.mark.parametrize("learn", ["", LEARNT])
def test_forwards_is_reverse(learn):
    """Into what the loss reads as well, where no synapse onto it reads it."""
    rule = f"eprop(truncate = 5 ms{', feedback = random' if learn else ''}"
    texts = [synapses(f"{rule}{o})", "uniform(1 ms, 4 ms)", SOURCE, learn) for o in ("", ", online = true")]
    texts = [t.replace("p = 0.7), weight = normal(0, 0.3), delay = uniform(1 ms, 4 ms), synapse = reading()",
                       "p = 0.7), weight = normal(0, 0.3), delay = uniform(1 ms, 4 ms)") for t in texts]  # fmt: skip
    texts = [t.replace("hidden_output.most, ", "") for t in texts]
    reverse, forwards = (program_of(text) for text in texts)
    values, inputs = Reference(reverse).parameters, single_spikes(np.random.default_rng(2))
    found = [Reference(p, values).run(inputs, [1]) for p in (reverse, forwards)]
    all_moves(found[0])
    for key, gradient in found[0].gradients.items():
        assert relative_error(found[1].gradients[key], gradient) < 1e-12, key
