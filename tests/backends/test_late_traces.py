"""Traces and states of the source that are late by a delay for each synapse, in both halves."""

from __future__ import annotations

import numpy as np
import pytest
from halves import gradients_agree
from late_traces import inputs, text_of
from networks import program_of
from projects import handed_over, needs_compiler

import sncc
from sncc.backends.reference.interpreter import Reference


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule, learn",
    [("bptt", ", hidden_hidden.delay, hidden_output.delay"), ("eprop(feedback = random, truncate = 9 ms)", "")],
)
@pytest.mark.parametrize("half", ["cpu", "emulated"])
def test_gradients_equal_the_reference(tmp_path, half, rule, learn):
    gradients_agree(half, tmp_path, text_of(rule, learn), inputs(), [2])


@pytest.mark.slow
def test_with_neurons_spread_the_run_is_that_of_training():
    needs_compiler()
    text = text_of("bptt").split("train:")[0] + "simulate:\n    duration = 24 ms\n    record v of output\n"
    program = program_of(text)
    network = sncc.load(sncc.build(text, backend="cpu", precision="float64"), threads=2)
    found = network.simulate(inputs=handed_over(program, inputs()), record=["output.v"], seed=0).trace["output.v"]
    expected = Reference(program).run(inputs()).traces[0]["output", "v"]
    assert program.schedule == "neuron_parallel" and np.ptp(expected) > 0.1
    assert np.allclose(found.reshape(expected.shape), expected, rtol=1e-10, atol=1e-12)
