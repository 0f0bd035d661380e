"""What a random network must fulfil; shared by the tests and by `benchmarks/fuzz_gradients.py`.

A network is passed over (the functions give False) where no weights let its hidden neurons spike now and then, where a distance to the
threshold is within 1e-6 of zero (another rounding would spike), or where its gradients are beyond 1e6: expanding maps.
"""

from __future__ import annotations

import numpy as np
from networks import lively, model_of, program_of, spikes
from oracle import loss_and_gradients

from sncc.backends.reference.interpreter import Reference


def case(text: str, **settings: str):
    """Program, values at which it spikes, inputs and labels; None where there are none."""
    inputs, labels = spikes(np.random.default_rng(5), 1, 16), [2]
    program = program_of(text, **settings)
    try:
        values = lively(program, 3, inputs)
    except AssertionError:
        return None
    return program, values, inputs, labels


def tame(gradients) -> bool:
    """Whether gradients are numbers that rounding leaves alone."""
    return all(np.isfinite(g).all() and np.max(np.abs(g), initial=0.0) < 1e6 for g in gradients.values())


def check_rule(text: str, tolerance: float = 1e-9) -> bool:
    """Loss and gradients of a network equal those of automatic differentiation; False where it is passed over."""
    found = case(text)
    if found is None:
        return False
    program, values, inputs, labels = found
    model = model_of(text)
    run = Reference(program, values).run(inputs, labels)
    loss, gradients = loss_and_gradients(model, values, inputs, labels, model.training.rule.name)
    if not tame(gradients):
        return False
    assert abs(run.loss + run.penalty - loss) <= 1e-11 * abs(loss), text
    for key, got in run.gradients.items():
        largest = np.max(np.abs(gradients[key]))
        assert np.max(np.abs(got - gradients[key])) <= tolerance * max(largest, 1e-7), f"{key}\n{text}"
    return True


def check_directions(text: str, tolerance: float = 1e-12) -> bool:
    """e-prop forwards gives the gradients of e-prop in reverse; False where the network is passed over."""
    found = case(text)
    if found is None:
        return False
    program, values, inputs, labels = found
    expected = Reference(program, values).run(inputs, labels)
    if not tame(expected.gradients):
        return False
    got = Reference(program_of(text, train__rule="eprop(online = true)"), values).run(inputs, labels)
    for key, gradient in expected.gradients.items():
        largest = np.max(np.abs(gradient))
        assert np.max(np.abs(got.gradients[key] - gradient)) <= tolerance * max(largest, 1e-6) * 10, f"{key}\n{text}"
    return True
