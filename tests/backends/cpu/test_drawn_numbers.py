"""Noise and numbers drawn in every step in training:
constants for the gradient, the same in the C++ half and the reference.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from projects import agree, needs_compiler
from trained_networks import NOISY

import sncc
from sncc.backends.reference.interpreter import Reference


def test_the_same_numbers_are_drawn_in_both():
    needs_compiler()
    network = sncc.load(sncc.build(NOISY, backend="cpu", precision="float64"), threads=2)
    agree(network, program_of(NOISY), 1e-8, samples=5)


def test_the_gradient_is_that_of_the_loss_with_the_numbers_as_they_fell():
    text = NOISY.replace("spike when v > 0.5:\n        v -= 0.5 + uniform(0, 0.1)", "spike when v > 1e9")
    text = text.replace("loss = cross_entropy(mean(output.v))", "loss = mse(mean(hidden.v))")
    program, rng = program_of(text), np.random.default_rng(3)
    values = {"x_hidden.weight": rng.normal(0, 0.3, (6, 20)), "hidden.tau_m": np.array(15.0)}
    inputs, labels = [{"x": rng.poisson(0.3, (25, 6)).astype(float)}], [rng.normal(0, 1, 20)]

    def loss(changed) -> float:
        return Reference(program, values | changed).run(inputs, labels).loss

    gradients = Reference(program, values).run(inputs, labels).gradients
    for key in values:
        direction = rng.normal(0, 1, np.shape(values[key]))
        step = 1e-5
        slope = (loss({key: values[key] + step * direction}) - loss({key: values[key] - step * direction})) / (2 * step)
        assert slope == pytest.approx(float(np.sum(gradients[key] * direction)), rel=1e-6)


def test_what_training_draws_is_the_seed_of_the_fit_not_that_of_the_network():
    needs_compiler()
    path = sncc.build(NOISY, backend="cpu", precision="float64")
    first = sncc.load(path).parameters
    numbers = {key: values for key, values in first.items() if first.describe(key).is_stored}
    events, losses = sncc.Events.from_dense(np.ones((1, 25, 6), int)), {}
    for drawn, seed in ((1, 3), (2, 3), (1, 4)):
        network = sncc.load(path, seed=drawn)
        for key, values in numbers.items():
            network.parameters[key] = values
        losses[drawn, seed] = network.fit(events, np.array([0]), epochs=2, seed=seed)["loss"]
    assert losses[1, 3] == losses[2, 3] != losses[1, 4]
