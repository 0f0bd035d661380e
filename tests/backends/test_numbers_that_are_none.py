"""Overflow and exploding gradients stop a batch: population and step are named, and all numbers are as before."""

from __future__ import annotations

import numpy as np
import pytest
from networks import recurrent
from projects import Projects, needs_compiler

import sncc

GROWING = """
neuron Growing:
    param tau = 1 ms
    state v = 0
    input I
    dv/dt = v * v / tau + I
    spike when -v > 1:
        reset v = 0
    surrogate triangle(width = 1, height = 0.3)
"""
EXPLODING = """
neuron Exploding:
    param tau = 10 ms
    param height = 1e12 adjustable
    state v = 0
    input I
    dv/dt = -v / tau + I
    spike when v > 1:
        reset v = 0
    surrogate triangle(width = 1e6, height = height)
"""


@pytest.fixture(scope="module", params=["cpu", "emulated"])
def load(request, tmp_path_factory):
    """Loads a text's network, with either half."""
    needs_compiler()
    projects = Projects(tmp_path_factory.mktemp("emulated"))

    def loaded(text: str):
        if request.param == "cpu":
            return sncc.load(sncc.build(text, backend="cpu"))
        return sncc.load(projects.emulated(text, "float32")[1], backend="emulated")

    return loaded


@pytest.mark.parametrize(
    "neuron, definition, rule, says",
    [
        ("Growing", GROWING, "bptt", "a state of `hidden`"),
        ("Exploding", EXPLODING, "bptt", "gradient explodes.*`hidden`"),
        pytest.param("Growing", GROWING, "eprop(online = true)", "a state .*of `hidden`", marks=pytest.mark.slow),
    ],
)
def test_population_and_step_are_named_and_nothing_has_changed(load, neuron, definition, rule, says):
    network = load(recurrent(neuron, definition, rule=rule))
    network.parameters["x_hidden.weight"] = np.ones((6, 5))
    network.parameters["hidden_hidden.weight"] = np.ones((5, 5))
    before = {key: np.array(network.parameters[key]) for key in network.parameters}
    events = sncc.Events.from_dense(np.ones((2, 30, 6), int), step=1e-3)
    with pytest.raises(FloatingPointError, match=rf"{says}.* step \d+ of sample 0"):
        network.fit(events, np.array([0, 1]), epochs=1, verbose=False)
    assert all(np.array_equal(network.parameters[key], value) for key, value in before.items())


def test_sums_over_steps_that_no_number_can_hold_change_nothing(load):
    """Adjoints of 1e37 are numbers in float32; the sum of 60 of them, which is the gradient of a weight, is none."""
    network = load(recurrent("Exploding", EXPLODING, rule="bptt"))
    network.parameters["x_hidden.weight"] = np.ones((6, 5))
    network.parameters["hidden_hidden.weight"] = np.zeros((5, 5))
    network.parameters["hidden_output.weight"] = np.ones((5, 3)) * [[1, 2, 3]]
    network.parameters["hidden.height"] = 6e37
    before = {key: np.array(network.parameters[key]) for key in network.parameters}
    events = sncc.Events.from_dense(np.ones((2, 30, 6), int), step=1e-3)
    with pytest.raises(FloatingPointError, match="the gradient .* is not finite; the weights are as they were before"):
        network.fit(events, np.array([0, 1]), epochs=1, verbose=False)
        np.asarray(network.parameters["x_hidden.weight"])  # the GPU sums while the host goes on
    assert all(np.array_equal(network.parameters[key], value) for key, value in before.items())
