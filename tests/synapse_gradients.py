"""Runs of networks with synapses beside automatic differentiation in which every synapse has states of its own."""

from __future__ import annotations

import numpy as np
import pytest
from networks import model_of, program_of, spikes
from oracle_synapses import gradients_with_synapses

from sncc.backends.reference.interpreter import Reference


def relative_error(got, expected) -> float:
    return float(np.max(np.abs(got - expected)) / max(np.max(np.abs(expected)), 1e-300))


def values_of(program, rng) -> dict[str, np.ndarray]:
    """Weights at which the hidden neurons spike now and then, as many of them as the source has written."""
    values = {}
    for p in program.parameters:
        if p.key.endswith(".weight") and p.storage != "compiled":
            values[p.key] = rng.normal(
                0.3 if p.key.startswith("x") else 0.05, 0.3, np.shape(Reference(program).parameters[p.key])
            )
        elif p.storage != "compiled":
            values[p.key] = np.asarray(Reference(program).parameters[p.key])
    return values


def agreeing(text: str, inputs=lambda rng: spikes(rng, 1, 24), shared=()):
    """A run whose loss and gradients are those of synapses one by one, with the values and inputs that it was given;
    no weights that are `shared`.
    """
    model, program, rng = model_of(text), program_of(text), np.random.default_rng(1)
    values = {key: value for key, value in values_of(program, rng).items() if key not in shared}
    given = inputs(rng)
    run = Reference(program, values).run(given, [2])
    loss, gradients = gradients_with_synapses(model, values, given, [2], model.training.rule.name)
    assert run.loss == pytest.approx(loss, rel=1e-12)
    for key, got in run.gradients.items():
        assert relative_error(got, gradients[key]) < 1e-9, key
    return run, values, given


def all_moves(run) -> None:
    """Neurons spike, and everything that is learnt has a gradient."""
    assert run.spikes[0]["hidden"].sum() > 5
    assert all(np.any(gradient) for gradient in run.gradients.values()), [
        k for k, g in run.gradients.items() if not np.any(g)
    ]


def equals_differences(program, values, inputs, rng) -> None:
    """Gradients are what moving the values does to the loss, on whose way from them nothing spikes."""
    gradients = Reference(program, values).run(inputs, [2]).gradients
    for key, value in values.items():
        turn = rng.normal(0, 1, value.shape)
        losses = [Reference(program, values | {key: value + s * 1e-5 * turn}).run(inputs, [2]).loss for s in (1, -1)]
        slope = np.sum(gradients[key] * turn)
        assert abs(slope) > 1e-7 and slope == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-5), key
