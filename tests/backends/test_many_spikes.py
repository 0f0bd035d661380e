"""Many spikes of a step that do not add up: both halves follow each of them and give the reference's gradients."""

from __future__ import annotations

import numpy as np
import pytest
from many_spikes import inputs, text_of
from networks import program_of, seen
from projects import Projects, handed_over, needs_compiler

import sncc
from sncc.backends.reference.interpreter import Reference

LEARNT = "uniform(0.3 ms, 4 ms) in [0 ms, 9 ms]"


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule, delay", [("bptt", LEARNT), ("eprop(feedback = random, truncate = 9 ms)", "1 ms"), ("eprop(online = true)", "1 ms")]
)
@pytest.mark.parametrize("half", ["cpu", "emulated"])
def test_gradients_equal_the_reference(tmp_path, half, rule, delay):
    needs_compiler()
    text = text_of(rule, delay, ", x_hidden.delay" if delay == LEARNT else "", draws=True)
    text = text.replace("(1.2 - tanh(post.v))", "1") if "online" in rule else text
    program = program_of(text)
    if half == "cpu":
        network = sncc.load(sncc.build(text, backend="cpu", precision="float64"), threads=1)
    else:
        network = sncc.load(Projects(tmp_path).emulated(text, build="checked")[1], backend="emulated")
    drawn, given = Reference(program), [inputs(seed)[0] for seed in (1, 2, 3)]
    for key in network.parameters:
        p = program.parameter(key)
        found, first = np.asarray(network.parameters[key]) / p.si, seen(p, drawn.parameters[key])
        assert np.allclose(found.ravel(), first.ravel(), rtol=1e-14), key
    loss, gradients = network.gradients(handed_over(program, given), np.array([0, 1, 2]))
    expected = drawn.run(given, [0, 1, 2])
    assert loss == pytest.approx(expected.loss, rel=1e-12)
    for key, gradient in expected.gradients.items():
        p = program.parameter(key)
        found, right = np.ravel(gradients[key]) * p.si, np.ravel(seen(p, gradient))
        assert np.max(np.abs(found - right)) <= 1e-9 * np.max(np.abs(right)) and np.any(right), key
