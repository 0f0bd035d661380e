"""Synapses that keep states one by one and lie in patterns that the library builds:
the C++ half gives the reference's gradients.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import seen
from projects import handed_over, needs_compiler
from sparse_synapses import case, pairs_of, text_of

import sncc
from sncc.backends.reference.interpreter import Reference


@pytest.mark.slow
def test_kernels_drawn_pairs_and_pairs_handed_over_equal_the_reference():
    needs_compiler()
    name, rule = "images, pairs handed over", "eprop(feedback = random)"
    program, values, inputs, labels, pairs = case(name, rule)
    network = sncc.load(
        sncc.build(text_of(name, rule), backend="cpu", precision="float64"), connections=pairs_of(name), threads=1
    )
    si, drawn = {p.key: p.si for p in program.parameters}, Reference(program, pairs=pairs)
    for key in network.parameters:
        assert np.allclose(
            network.parameters[key] / si[key], seen(program.parameter(key), drawn.parameters[key]), rtol=1e-14
        ), key
    # the user's synapses, whatever stands for them
    for connection, key in (("again", "weight"), ("hidden_output", "weight"), ("x_hidden", "tau")):
        weight, table = network.parameters[f"{connection}.{key}"], drawn.tables[connection]
        assert np.array_equal(weight.pre, table.source) and np.array_equal(weight.post, table.target)
    for key, value in values.items():
        network.parameters[key] = seen(program.parameter(key), value * si[key])
    loss, gradients = network.gradients(handed_over(program, inputs), np.array(labels))
    expected = Reference(program, values, pairs=pairs).run(inputs, labels)
    assert loss == pytest.approx(expected.loss, rel=1e-12)
    for key, gradient in expected.gradients.items():
        assert np.max(np.abs(gradients[key] * si[key] - gradient)) < 1e-9 * np.max(np.abs(gradient)), key
