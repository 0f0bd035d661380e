"""Inference with weights of 16 bits: the reference's numbers with rounded weights, and nothing learns."""

from __future__ import annotations

import numpy as np
import pytest
from halved import KEPT, TEXT, computes_with_those_weights, rounds_its_weights
from networks import program_of
from projects import needs_compiler

import sncc
from sncc.diagnostics import DiagnosticError


@pytest.fixture(scope="module")
def network():
    needs_compiler()
    return sncc.load(sncc.build(TEXT, backend="cpu", weights="bfloat16"), seed=3)


def test_weights_are_rounded_to_16_bits(network):
    rounds_its_weights(network)


def test_it_computes_what_the_reference_does_with_those_weights(network):
    computes_with_those_weights(network)


def test_it_does_not_learn_and_takes_what_was_trained(network, tmp_path):
    data, labels = sncc.Events.from_dense(np.ones((1, 5, 40), int), step=1e-3), [0]
    for learn in (network.fit, network.gradients):
        with pytest.raises(ValueError, match="built for inference, with weights of type bfloat16"):
            learn({"x": data, "level": np.zeros((1, 5, 4))}, labels, **({"epochs": 1} if learn == network.fit else {}))
    network.save(tmp_path / "w.npz")
    trained = dict(np.load(tmp_path / "w.npz"))
    trained["parameter/hidden_output.feedback"] = np.zeros((3, 20))  # for training alone
    trained["parameter/hidden_output.weight"] = np.full((20, 3), 1.001)
    np.savez(tmp_path / "trained.npz", **trained)
    network.load(tmp_path / "trained.npz")
    assert (network.parameters["hidden_output.weight"] == 1).all()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"precision": "float64"}, "go with `float32`"),
        ({"weights": "float16"}, "no weights of type `float16`"),
        ({"schedule": "neuron_parallel"}, "not supported yet in simulations"),
    ],
)
def test_what_there_is_not_is_refused(options, message):
    with pytest.raises(DiagnosticError, match=message):
        sncc.build(TEXT, **{"weights": "bfloat16", "backend": "cpu", **options})


def test_the_memory_that_it_needs_is_counted_in_16_bits(network, monkeypatch):
    sizes = {
        p.key: int(np.prod(p.shape))
        for p in program_of(TEXT).parameters
        if -1 not in p.shape and "feedback" not in p.key
    }
    wide = {key for key in sizes if key.endswith(".weight") and key not in KEPT}
    needed = sum(size * (2 if key in wide else 4) for key, size in sizes.items()) + 8 * max(sizes.values())
    monkeypatch.setenv("SNCC_MEMORY_LIMIT", "1000")
    with pytest.raises(
        MemoryError, match=f"needs {needed / 1000:.0f} kB of memory for its parameters, 1.0 kB are free"
    ):
        sncc.load(sncc.build(TEXT, weights="bfloat16"))
