"""Orthogonal first weights: orthonormal in the drawn library, equal to the reference's,
other ones with another seed.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from projects import needs_compiler

import sncc
from sncc.backends.reference.interpreter import Reference
from sncc.diagnostics import DiagnosticError

NETWORK = """
network Orthogonal:
    step = 1 ms
    population image: input[6, 5, 2]
    population x: input[30]
    population y: LIF[12]
    population z: LIF[4, 6]
    population maps: LI[4, 3, 8]
    population many: LIF[2, 1, 3, 2, 4]
    connect many -> many: random(fan_in = 3), weight = 0.1, delay = 1 ms
    connect inside = many[1, 0:1, 1:3, 0:2, 0:4] -> z: dense, weight = normal(0, 1)
    connect tall = x -> y: dense, weight = orthogonal()
    connect wide = y -> z: dense, weight = orthogonal(gain = 2)
    connect kernel = image -> maps: conv2d(kernel = [3, 3], channels = 8), weight = orthogonal(gain = 3)
    connect parts = z[0:3, 1:3] -> z[0:4, 3:5]: dense, weight = orthogonal(), delay = 1 ms
"""


def product(matrix: np.ndarray) -> np.ndarray:
    """Of the fewer, rows or columns, each with each."""
    return matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T


@pytest.fixture(scope="module")
def project():
    needs_compiler()
    return sncc.build(NETWORK, backend="cpu", precision="float64")


def test_rows_or_columns_are_orthonormal(project):
    weights = sncc.load(project).parameters
    for name, shape, gain in (
        ("tall", (30, 12), 1),
        ("wide", (12, 24), 2),
        ("kernel", (18, 8), 3),
        ("parts", (6, 8), 1),
    ):
        found = product(np.asarray(weights[f"{name}.weight"]).reshape(shape))
        assert np.allclose(found, gain**2 * np.eye(min(shape)), atol=1e-12), name


def test_the_numbers_are_those_of_the_reference_and_of_the_seed(project):
    weights = [sncc.load(project, seed=seed).parameters for seed in (0, 7)]
    reference = Reference(program_of(NETWORK), seed=7).parameters
    for key in ("tall.weight", "wide.weight", "kernel.weight", "parts.weight"):
        assert np.allclose(np.ravel(weights[1][key]), np.ravel(reference[key]), atol=1e-12), key
        assert np.max(np.abs(np.asarray(weights[0][key]) - weights[1][key])) > 0.1


def test_populations_of_many_dimensions(project):
    connections, reference = sncc.load(project, seed=7).parameters, Reference(program_of(NETWORK), seed=7)
    assert np.allclose(connections["inside.weight"], reference.parameters["inside.weight"], rtol=1e-14)
    with pytest.raises(DiagnosticError, match="5 dimensions whose neurons do not follow each other"):
        sncc.build(NETWORK.replace("many[1, 0:1,", "many[0:2, 0:1,"), backend="cpu")


def test_every_direction_is_as_likely():
    program = program_of(NETWORK)
    entries = np.array([Reference(program, seed=seed).parameters["parts.weight"].reshape(6, 8) for seed in range(400)])
    assert np.abs(entries.mean(0)).max() < 5 * np.sqrt(1 / 8 / 400)  # each entry has mean 0 and variance 1 / 8
    assert np.allclose((entries**2).mean(0), 1 / 8, atol=5 * np.sqrt(2 / 8**2 / 400))
