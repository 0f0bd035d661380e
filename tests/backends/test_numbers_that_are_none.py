"""Overflow and exploding gradients stop a batch: population and step are named, and all numbers are as before."""

from __future__ import annotations

import numpy as np
import pytest
from networks import recurrent
from projects import Projects, needs_compiler
from stand_in import Build

import sncc
from sncc.runtime.dataset import data_set, run_batch, selected

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
SUMMED = """
neuron Biased:
    param tau = 10 ms
    param height = 1 adjustable
    param bias = 0
    state v = 0
    input I
    dv/dt = (bias - v) / tau + I
    spike when v > 1:
        reset v = 0
    surrogate triangle(width = 1e6, height = height)

network Summed:
    step = 1 ms
    population x: input[6]
    population y: input[2]
    population hidden: Biased[96]
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = 1
    connect near = y -> hidden: dense, weight = each(1)
    connect far = y -> hidden: dense, share = near, delay = 1 ms
    connect hidden -> hidden: dense(self = false), weight = each(0), delay = 1 ms
    connect hidden -> output: dense, weight = each(1)

train:
    rule = bptt
    loss = cross_entropy(mean(output.v))
    learn = weights, hidden.bias
    optimiser = adam(learning_rate = 1e-3)
"""


@pytest.fixture(scope="module", params=["cpu", "emulated"])
def load(request, tmp_path_factory):
    """Loads a text's network, with either half."""
    needs_compiler()
    projects = Projects(tmp_path_factory.mktemp("emulated"))

    def loaded(text: str, build: Build = "plain"):
        if request.param == "cpu":
            return sncc.load(sncc.build(text, backend="cpu"))
        return sncc.load(projects.emulated(text, "float32", build)[1], backend="emulated")

    return loaded


@pytest.mark.parametrize(
    "neuron, definition, rule, says",
    [
        ("Growing", GROWING, "bptt", "the state `v` of `hidden`"),
        pytest.param(
            "Exploding", EXPLODING, "bptt", "gradient explodes: the adjoint of `v` of `hidden`", marks=pytest.mark.slow
        ),
        pytest.param("Growing", GROWING, "eprop(online = true)", "the state `v` of `hidden`", marks=pytest.mark.slow),
    ],
)
def test_population_and_step_are_named_and_nothing_has_changed(load, neuron, definition, rule, says):
    network = load(recurrent(neuron, definition, rule=rule))
    network.parameters["x_hidden.weight"] = np.ones((6, 5))
    network.parameters["hidden_hidden.weight"] = np.ones((5, 5))
    before = {key: np.array(network.parameters[key]) for key in network.parameters}
    events = sncc.Events.from_dense(np.ones((2, 30, 6), int), step=1e-3)
    with pytest.raises(FloatingPointError, match=rf"{says} is not finite in neuron \d at step \d+ of sample 0"):
        network.fit(events, np.array([0, 1]), epochs=1, verbose=False)
    if neuron == "Growing":  # nor is there a loss, or what is read out
        for call in (lambda: network.evaluate(events, np.array([0, 1])), lambda: network.predict(events)):
            with pytest.raises(
                FloatingPointError, match=rf"{says} is not finite in neuron \d at step \d+ of sample 0. Smaller weights"
            ):
                call()
    assert all(np.array_equal(network.parameters[key], value) for key, value in before.items())


@pytest.mark.slow
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
    assert all(np.array_equal(network.parameters[key], value) for key, value in before.items())


@pytest.fixture(scope="module")
def summed(load):
    """A network whose optimiser's step several blocks of threads share,
    of which one sums what all of them wait for: no races.
    """
    network = load(SUMMED, "checked")
    network.parameters["hidden_output.weight"] = np.ones((96, 3)) * [[100, 200, 300]]
    return network


@pytest.mark.parametrize("key, drives", [("x_hidden.weight", "x"), ("near.weight", "y"), ("hidden.bias", "")])
def test_sums_over_synapses_neurons_and_connections_that_no_number_can_hold_change_nothing(summed, key, drives):
    """Each term is a number; their sum, the gradient of what they share, is none.

    Gradients grow with the surrogate's height.
    """
    shapes = {"x": (2, 30, 6), "y": (2, 30, 2)}
    data = {k: sncc.Events.from_dense(np.full(shape, int(k in drives)), step=1e-3) for k, shape in shapes.items()}
    labels = np.array([0, 1])
    summed.parameters["hidden.height"] = 1
    _, gradients = summed.gradients(data, labels)
    assert not np.diag(gradients["hidden_hidden.weight"]).any()
    most = float(np.finfo(np.float32).max)
    summed.parameters["hidden.height"] = 1.3 * most / np.abs(gradients[key]).max()
    before = {name: np.array(summed.parameters[name]) for name in summed.parameters}
    with pytest.raises(
        FloatingPointError, match=f"the gradient of `{key}` is not finite; the weights are as they were before"
    ):
        summed.fit(data, labels, epochs=1, verbose=False)
    assert all(np.array_equal(summed.parameters[name], value) for name, value in before.items())


def test_what_is_set_after_such_a_batch_is_not_lost_in_it(summed):
    """Nor does it go on without a word: the optimiser's step and numbers set from outside wait for the batch before."""
    inputs = {"x": np.ones((2, 30, 6), int), "y": np.zeros((2, 30, 2), int)}
    data = data_set(summed.manifest, {k: sncc.Events.from_dense(v, step=1e-3) for k, v in inputs.items()}, [0, 1])
    summed.parameters["hidden.height"] = 1e37
    assert summed.library.get_count("get_optimiser_step") == 0
    batch = selected(data, np.arange(2, dtype=np.int64), np.arange(2, dtype=np.uint32))
    with pytest.raises(FloatingPointError, match="the gradient .* is not finite"):
        run_batch(summed.library, "train", batch, 1.0)
        summed.library.call("set_optimiser_step", 7)
    assert summed.library.get_count("get_optimiser_step") == 0
    summed.library.call("set_optimiser_step", 7)
    assert summed.library.get_count("get_optimiser_step") == 7
