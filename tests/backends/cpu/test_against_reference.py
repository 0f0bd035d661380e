"""The C++ half gives the reference's losses, gradients, readouts, spikes and states, whatever the number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from projects import NETWORKS, agree, cases, handed_over, needs_compiler, set_parameters, trains_like_the_reference

import sncc


@pytest.fixture(autouse=True)
def compiler():
    needs_compiler()


@pytest.mark.parametrize("name", NETWORKS)
def test_float64_equals_the_reference(name):
    program = program_of(NETWORKS[name])
    network = sncc.load(sncc.build(NETWORKS[name], backend="cpu", precision="float64"))
    agree(network, program, 1e-9, samples=5)
    trains_like_the_reference(network, program, 1e-8)


@pytest.mark.parametrize("name", ["an ALIF under e-prop", "layers, delays, a signal"])
def test_float32_is_close(name):
    network = sncc.load(sncc.build(NETWORKS[name], backend="cpu"))
    agree(network, program_of(NETWORKS[name], "float32"), 2e-4)


def test_threads_do_not_change_a_bit():
    text = NETWORKS["an ALIF under e-prop"]
    program, project = program_of(text, "float32"), sncc.build(text, backend="cpu")
    inputs, labels, values = cases(program, samples=21)
    gradients = []
    for threads in (1, 2, 3):
        network = sncc.load(project, threads=threads)
        set_parameters(network, program, values)
        network.fit(handed_over(program, inputs), np.array(labels) % 3, epochs=2, batch=8, verbose=False)
        gradients.append(network.gradients(handed_over(program, inputs), np.array(labels) % 3)[1])
    for other in gradients[1:]:
        assert all(np.array_equal(gradients[0][key], other[key]) for key in other)
