"""Inference with weights of 16 bits: the reference's numbers with rounded weights, and nothing learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from networks import program_of
from projects import needs_compiler

import sncc
from sncc.backends.cuda.supported import unsupported
from sncc.backends.reference.interpreter import Reference
from sncc.diagnostics import DiagnosticError

TEXT = """
network Halves:
    step = 1 ms
    population x: input[40]
    population level: signal[4]
    population wide: LIF[300]
    population hidden: LIF[20]
    population output: LI[3]
    connect x -> wide: dense, weight = normal(0.1, 0.2)
    connect wide -> wide: dense(self = false), weight = normal(0, 0.1), delay = 2 ms
    connect x -> hidden: random(p = 0.5), weight = normal(0.1, 0.2), delay = uniform(0 ms, 4 ms)
    connect level -> hidden: dense, weight = normal(0, 0.1)
    connect wide -> hidden: random(fan_in = 20), weight = normal(0, 0.2)
    connect back = hidden -> hidden: one_to_one, weight = each(-0.3)
    connect hidden -> output: dense, weight = normal(0, 0.3)

train:
    rule = eprop(feedback = random)
    loss = cross_entropy(mean(output.v))
    optimiser = adam(learning_rate = 1e-3)
    penalty = firing_rate(hidden, target = 10 Hz, strength = 1e-4)
"""
KEPT = ("level_hidden.weight", "back.weight")  # products and single numbers: as precise as the network


def rounded(values):
    """The nearest numbers with the upper 16 bits of a float, halves to even."""
    words = np.asarray(values, np.float32).view(np.uint32).astype(np.uint64)
    return ((words + 0x7FFF + (words >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(np.float32).astype(float)


@pytest.fixture(scope="module")
def network():
    needs_compiler()
    return sncc.load(sncc.build(TEXT, backend="cpu", weights="bfloat16"), seed=3)


def test_weights_are_rounded_to_16_bits(network):
    drawn = Reference(program_of(TEXT), seed=3).parameters
    for key in ("x_wide.weight", "wide_wide.weight", "x_hidden.weight", "wide_hidden.weight", "hidden_output.weight"):
        expected = rounded(drawn[key]) * (1 - np.eye(300) if key == "wide_wide.weight" else 1)
        assert np.allclose(network.parameters[key], expected, rtol=2**-7, atol=0), key  # a draw may round the other way
        network.parameters[key] = expected
        assert np.array_equal(network.parameters[key], expected)
    si = {p.key: p.si for p in program_of(TEXT).parameters}
    for key in KEPT:
        assert np.allclose(network.parameters[key], drawn[key] * si[key], rtol=1e-6), key


def test_it_computes_what_the_reference_does_with_those_weights(network):
    rng = np.random.default_rng(0)
    inputs = [{"x": rng.poisson(0.1, (30, 40)), "level": rng.normal(0, 0.2, (30, 4))} for _ in range(3)]
    program = program_of(TEXT)
    values = {
        p.key: np.asarray(network.parameters[p.key]) / p.si for p in program.parameters if "feedback" not in p.key
    }
    run = Reference(program, values, seed=3).run(inputs, [0, 1, 2])
    data = {
        "x": sncc.Events.from_dense(np.array([s["x"] for s in inputs]), step=1e-3),
        "level": np.array([s["level"] for s in inputs]) * program.sources[1].si,
    }
    assert run.spikes[0]["wide"].sum() > 100 and run.spikes[0]["hidden"].sum() > 10
    assert np.allclose(network.predict(data), run.outputs, rtol=2e-4, atol=2e-4)
    found = network.evaluate(data, np.array([0, 1, 2]))
    assert found["loss"] == pytest.approx(run.loss, rel=1e-3) and found["penalty"] == pytest.approx(
        run.penalty, rel=1e-5
    )


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
        ({"schedule": "neuron_parallel"}, "not supported yet where threads share out neurons"),
        ({"backend": "cuda"}, "weights of type bfloat16 yet"),
    ],
)
def test_what_there_is_not_is_refused(options, message):
    with pytest.raises(DiagnosticError, match=message):
        sncc.build(TEXT, **{"weights": "bfloat16", "backend": "cpu", **options})


def test_cuda_says_that_it_has_none():
    assert "weights of type bfloat16" in unsupported(replace(program_of(TEXT), weights="bfloat16"))
