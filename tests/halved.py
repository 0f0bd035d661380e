"""A network with weights of 16 bits of every kind, and what it computes:
the reference's numbers with rounded weights.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of

import sncc
from sncc.backends.reference.interpreter import Reference

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


def rounds_its_weights(network) -> None:
    """Weights over which spikes go, drawn with seed 3 or set, are the nearest of 16 bits;
    others are as precise as the network.
    """
    drawn = Reference(program_of(TEXT), seed=3).parameters
    for key in ("x_wide.weight", "wide_wide.weight", "x_hidden.weight", "wide_hidden.weight", "hidden_output.weight"):
        expected = rounded(drawn[key]) * (1 - np.eye(300) if key == "wide_wide.weight" else 1)
        assert np.allclose(network.parameters[key], expected, rtol=2**-7, atol=0), key  # a draw may round the other way
        network.parameters[key] = expected
        assert np.array_equal(network.parameters[key], expected)
    si = {p.key: p.si for p in program_of(TEXT).parameters}
    for key in KEPT:
        assert np.allclose(network.parameters[key], drawn[key] * si[key], rtol=1e-6), key


def computes_with_those_weights(network) -> None:
    """Losses, penalties and readouts are the reference's with the rounded weights."""
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
