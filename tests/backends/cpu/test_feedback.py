"""Feedback in place of dense weights is a matrix (outputs, neurons) in Python, whatever the synapses are like."""

from __future__ import annotations

import numpy as np
import pytest
from projects import needs_compiler

import sncc

NETWORK = """
synapse lasting:
    "One by one: what an arrival adds depends on what is left."
    state g = 0
    dg/dt = -g / (8 ms)
    on pre: g += weight * (1 - tanh(g))
    deliver g / (10 ms)

network Net:
    step = 1 ms
    population x: input[5]
    population hidden: ALIF[6]
    population output: LI[4]
    connect x -> hidden: dense, weight = normal(0.6, 0.3)
    connect whole = hidden -> output: dense, weight = normal(0, 1)
    connect late = hidden -> output: dense, weight = normal(0, 1), delay = uniform(0 ms, 4 ms)
    connect part = hidden[1:4] -> output[0:2]: dense, weight = normal(0, 1)
    connect kept = hidden -> output: dense, weight = normal(0, 1), synapse = lasting()
    connect drawn = hidden -> output: random(p = 0.5), weight = normal(0, 1)

train:
    rule = eprop(feedback = {})
    loss = cross_entropy(mean(output.v))
    optimiser = sgd(learning_rate = 0.1)
"""
EVENTS = sncc.Events.from_dense(np.random.default_rng(0).integers(0, 2, (3, 30, 5)), step=1e-3)
LABELS = np.array([0, 1, 2])
SHAPES = {"whole": (4, 6), "late": (4, 6), "part": (2, 3), "kept": (4, 6)}


def test_feedback_of_dense_synapses_is_the_transpose_of_their_weights(tmp_path):
    needs_compiler()
    network = built("adaptive")
    first = {}
    for name, shape in SHAPES.items():
        assert network.parameters[f"{name}.feedback"].shape == shape
        first[name] = np.random.default_rng(1).normal(0, 1, shape)
        network.parameters[f"{name}.feedback"] = first[name]
        assert np.allclose(network.parameters[f"{name}.feedback"], first[name], rtol=1e-14)
    pairs = np.size(network.parameters["drawn.weight"])
    assert network.parameters["drawn.feedback"].shape == (pairs,)
    network.save(tmp_path / "w.npz")
    weights = {key: np.array(network.parameters[key]) for key in network.parameters}
    network.fit(EVENTS, LABELS, epochs=1, verbose=False)
    for name in SHAPES:  # B receives the update of W^T
        moved = network.parameters[f"{name}.weight"] - weights[f"{name}.weight"]
        assert np.any(moved)
        assert np.allclose(network.parameters[f"{name}.feedback"] - first[name], moved.T, atol=1e-13), name
    network.load(tmp_path / "w.npz")
    assert all(np.array_equal(network.parameters[key], value) for key, value in weights.items())


@pytest.mark.slow
def test_by_the_transposed_weights_it_is_symmetric():
    needs_compiler()
    network, symmetric = built("adaptive"), built("symmetric")
    weights = {key: np.array(network.parameters[key]) for key in network.parameters}
    for name in (*SHAPES, "drawn"):
        network.parameters[f"{name}.feedback"] = weights[f"{name}.weight"].T
    expected, found = (n.gradients(EVENTS, LABELS)[1]["x_hidden.weight"] for n in (symmetric, network))
    assert np.any(expected) and np.allclose(found, expected, rtol=1e-10)


def built(feedback: str):
    return sncc.load(sncc.build(NETWORK.format(feedback), backend="cpu", precision="float64"), seed=1)
