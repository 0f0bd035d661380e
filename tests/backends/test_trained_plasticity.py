"""Weights that move within a sample: both halves give the reference's gradients."""

from __future__ import annotations

import numpy as np
import pytest
from plastic_networks import case, text_of
from projects import Projects, handed_over, needs_compiler

import sncc
from sncc.backends.reference.interpreter import Reference


@pytest.mark.slow
@pytest.mark.parametrize("name, rule", [("drawn", "eprop"), ("delays", "bptt")])
@pytest.mark.parametrize("half", ["cpu", "emulated"])
def test_gradients_equal_the_reference(tmp_path, half, name, rule):
    needs_compiler()
    text = text_of(name, rule)
    program, values, inputs, labels, pairs = case(name, rule)
    if half == "cpu":
        project = sncc.build(text, backend="cpu", precision="float64")
        network = sncc.load(project, connections=pairs, threads=1)
    else:
        project = Projects(tmp_path).emulated(text, build="checked")[1]
        network = sncc.load(project, backend="emulated", connections=pairs)
    si, drawn = {p.key: p.si for p in program.parameters}, Reference(program, pairs=pairs)
    for key in network.parameters:
        assert np.allclose(np.asarray(network.parameters[key]) / si[key], drawn.parameters[key], rtol=1e-14), key
    for key, value in values.items():
        network.parameters[key] = value * si[key]
    loss, gradients = network.gradients(handed_over(program, inputs), np.array(labels))
    expected = Reference(program, values, pairs=pairs).run(inputs, labels)
    assert loss == pytest.approx(expected.loss, rel=1e-12)
    for key, gradient in expected.gradients.items():
        assert np.max(np.abs(gradients[key] * si[key] - gradient)) <= 1e-9 * np.max(np.abs(gradient)), key
    if name == "delays":
        with pytest.raises(ValueError, match="the weights of plastic synapses move within each sample"):
            network.simulate(duration=0.01, inputs=handed_over(program, inputs), record=["hidden_output.weight"])
