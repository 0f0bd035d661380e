"""Weights that connections share between parts that lie in other ways:
each synapse has the number of its pair, and gradients add.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
from networks import model_of, program_of
from oracle import loss_and_gradients
from shared_parts import PARTS, places, text_of

from sncc.backends.reference.interpreter import Reference

SIZES = {"grid": 20, "hidden": 12, "small": 4, "x": 6}


def inputs_of(samples: int = 2) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(4)
    return [{"x": rng.poisson(0.3, (20, 6)).astype(float)} for _ in range(samples)]


def matrix(sources: int, targets: int, name: str):
    """From the owner's weight to the matrix of a connection between whole populations."""
    at = np.zeros((sources, targets, 36))
    for i, j, k in places(name):
        at[i, j, k] = 1.0

    def of(weight):
        flat = weight.reshape(-1)
        return (at[:, :, : flat.shape[0]] * flat).sum(axis=2)

    return of


@pytest.mark.parametrize("rule", [pytest.param("eprop", marks=pytest.mark.slow), "bptt"])
def test_gradients_are_those_of_matrices_that_are_written_out(rule):
    text = text_of(rule)
    model, program = model_of(text), program_of(text)
    ends = {c.name: (model.population(c.source).size, model.population(c.target).size) for c in model.connections}
    written = {name: (matrix(*ends[name], name), PARTS[name][-1]) for name in PARTS}
    reference = Reference(program)
    values = {p.key: np.asarray(reference.parameters[p.key]) for p in program.parameters if p.storage != "compiled"}
    inputs, labels = inputs_of(), [0, 2]
    run = reference.run(inputs, labels)
    assert all(run.spikes[0][name].sum() > 10 for name in ("grid", "hidden", "small"))
    loss, gradients = loss_and_gradients(model, values, inputs, labels, rule, written)
    assert run.loss == pytest.approx(loss, rel=1e-12) and len(run.gradients) == 11
    for key, got in run.gradients.items():
        assert np.shape(got) == np.shape(gradients[key]) and np.any(got), key
        assert np.max(np.abs(got - gradients[key])) <= 1e-9 * np.max(np.abs(gradients[key])), key


@pytest.mark.parametrize("rule, delay, synapse", [
    pytest.param("bptt", "uniform(1 ms, 3 ms)", "clipped()", marks=pytest.mark.slow), ("eventprop", "uniform(1 ms, 3 ms)", ""), ("eprop(online = true)", "2 ms", ""),
    ("eprop(feedback = random)", "2 ms", ""),
])  # fmt: skip
def test_the_gradient_is_the_sum_over_connections_with_weights_of_their_own(rule, delay, synapse):
    text = text_of(rule, delay, synapse)
    apart = program_of(re.sub(r"share = \w+( transposed)?", "weight = each(0)", text))
    tied, alone = Reference(program_of(text)), Reference(apart)
    values = dict(tied.parameters)
    for name, (owner, *_) in PARTS.items():
        shape = np.shape(alone.parameters[f"{name}.weight"])
        own = sorted(places(name))
        values[f"{name}.weight"] = np.array([tied.parameters[f"{owner}.weight"].reshape(-1)[k] for *_, k in own])
        if len(shape) == 2 and np.prod(shape) > len(own):  # whole populations: zero on the diagonal
            values[f"{name}.weight"] = tied.parameters[f"{owner}.weight"] * (1 - np.eye(*shape))
            values[f"{name}.weight"] = values[f"{name}.weight"].T if name == "same" else values[f"{name}.weight"]
        values[f"{name}.weight"] = values[f"{name}.weight"].reshape(shape)
    inputs, labels = inputs_of(), [0, 2]
    one, two = tied.run(inputs, labels), Reference(apart, values).run(inputs, labels)
    assert one.loss == pytest.approx(two.loss, rel=1e-13)
    for owner in ("x_small", "holes", "apart", "all", "whole", "ones"):
        total = np.zeros(one.gradients[f"{owner}.weight"].size)
        if owner == "x_small":
            total += two.gradients["x_small.weight"].reshape(-1)
        for name, of in PARTS.items():
            got = two.gradients[f"{name}.weight"].reshape(-1) if of[0] == owner else ()
            own = sorted(places(name))
            if len(got) > len(own):
                got = got[[i * 4 + j for i, j, _ in own]]
            for value, (*_, k) in zip(got, own if len(got) else (), strict=True):
                total[k] += value
        mine = one.gradients[f"{owner}.weight"].reshape(-1)
        assert np.max(np.abs(mine - total)) <= 1e-10 * np.max(np.abs(total)), owner


def test_first_numbers_of_pairs_of_parts_with_gaps_follow_from_where_their_neurons_are():
    text = text_of().replace("holes = grid[0:3, 0:2] -> hidden[0:5]: dense, weight = normal(0, 0.2)",
                             "holes = grid[0:3, 0:2] -> hidden[0:5]: dense, weight = 0.01 * i - 0.1 * j")  # fmt: skip
    weight = Reference(program_of(text)).parameters["holes.weight"]
    assert weight.shape == (6, 5)
    for i, j, k in places("holes"):
        assert weight.reshape(-1)[k] == pytest.approx(0.01 * i - 0.1 * j)
