"""Inference with weights of 16 bits in the emitted CUDA, run on the CPU:
the C++ half's weights, the reference's numbers with them.
"""

from __future__ import annotations

import numpy as np
import pytest
from halved import TEXT, computes_with_those_weights, rounds_its_weights
from projects import Projects, needs_compiler

import sncc


@pytest.fixture(scope="module", params=["plain", pytest.param("checked", marks=pytest.mark.slow)])
def network(request, tmp_path_factory):
    needs_compiler()
    projects = Projects(tmp_path_factory.mktemp("halves"))
    project = projects.emulated(TEXT, "float32", request.param, weights="bfloat16")[1]
    return sncc.load(project, backend="emulated", seed=3)


def test_weights_are_rounded_to_16_bits(network):
    rounds_its_weights(network)


def test_it_computes_what_the_reference_does_with_those_weights(network):
    computes_with_those_weights(network)


def test_a_simulation_reads_them_too(network):
    events = sncc.Events.from_dense(np.ones((1, 20, 40), int), step=1e-3)
    run = network.simulate(20e-3, inputs={"x": events, "level": np.zeros((1, 20, 4))}, record=["output.v"])
    assert len(run.spikes["wide"].times) > 100
    assert np.allclose(
        run.trace["output.v"].mean(0), network.predict({"x": events, "level": np.zeros((1, 20, 4))})[0], rtol=1e-5
    )
