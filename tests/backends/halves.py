"""The gradients of a half, C++ or emulated CUDA, beside those of the reference."""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of, seen
from projects import Projects, handed_over, needs_compiler

import sncc
from sncc.backends.reference.interpreter import Reference


def gradients_agree(half: str, folder, text: str, given, labels) -> None:
    """Numbers are drawn alike, and what they cause has the reference's loss and gradients."""
    needs_compiler()
    program = program_of(text)
    if half == "cpu":
        network = sncc.load(sncc.build(text, backend="cpu", precision="float64"), threads=1)
    else:
        network = sncc.load(Projects(folder).emulated(text, build="checked")[1], backend="emulated")
    drawn = Reference(program)
    for key in network.parameters:
        p = program.parameter(key)
        found, first = np.asarray(network.parameters[key]) / p.si, seen(p, drawn.parameters[key])
        assert np.allclose(found.ravel(), first.ravel(), rtol=1e-14), key
    loss, gradients = network.gradients(handed_over(program, given), np.array(labels))
    expected = drawn.run(given, labels)
    assert loss == pytest.approx(expected.loss, rel=1e-12)
    for key, gradient in expected.gradients.items():
        p = program.parameter(key)
        found, right = np.ravel(gradients[key]) * p.si, np.ravel(seen(p, gradient))
        assert np.max(np.abs(found - right)) <= 1e-9 * np.max(np.abs(right)) and np.any(right), key
