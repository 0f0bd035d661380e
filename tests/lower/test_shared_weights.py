"""What shares the weights of another connection finds each of its own there."""

from __future__ import annotations

import numpy as np
import pytest
from networks import model_of, program_of

import sncc
from sncc.backends.reference.interpreter import Reference
from sncc.connectivity.build import indices

NETWORK = """
network N:
    step = 1 ms
    population a: LIF[6]
    population image: LIF[4, 4]
    population long: LIF[12]
    population y: LI[6]
    connect a -> y: dense, weight = normal(0, 1)
    connect image[0:3, 0:2] -> y: dense, weight = normal(0, 1)
    connect long -> y: dense, weight = normal(0, 1)
    connect owner = {owner}
    connect other = {other}

train:
    rule = bptt
    loss = cross_entropy(mean(y.v))
    optimiser = sgd(learning_rate = 1e-2)
"""
ALL, APART = "dense, weight = normal(0, 1), delay = 1 ms", "dense(self = false), weight = normal(0, 1), delay = 1 ms"
CASES = {
    "an owner without some pairs, transposed": (
        f"a[0:4] -> a[2:6]: {APART}", "a[2:6] -> a[0:4]: dense(self = false), share = owner transposed, delay = 1 ms",
    ),
    "an owner with gaps, transposed": (
        f"image[0:2, 0:2] -> a[0:4]: {ALL}", "a[0:4] -> a[2:6]: dense, share = owner transposed, delay = 1 ms",
    ),
    "gaps where the owner has none": (
        f"a -> a: {ALL}", "image[0:3, 0:2] -> a: dense, share = owner, delay = 1 ms",
    ),
    "an owner with gaps": (f"image[0:3, 0:2] -> a: {ALL}", "a -> a: dense, share = owner, delay = 1 ms"),
    "a part of a population for all of another": (
        f"a -> a: {APART}", "long[0:6] -> long[0:6]: dense(self = false), share = owner, delay = 1 ms",
    ),
    "all of a population for parts that leave out other pairs": (
        f"a -> a: {APART}", "long[0:6] -> long[3:9]: dense(self = false), share = owner, delay = 1 ms",
    ),
    "parts that overlap elsewhere": (
        f"a[0:4] -> a[2:6]: {APART}", "a[1:5] -> a[2:6]: dense(self = false), share = owner, delay = 1 ms",
    ),
    "parts with gaps that leave out the same": (
        f"image[0:2, 0:3] -> image[1:3, 0:3]: {APART}",
        "image[0:2, 0:3] -> image[1:3, 0:3]: dense(self = false), share = owner, delay = 3 ms",
    ),
}  # fmt: skip
MATRICES = {"gaps where the owner has none": "dense", "a part of a population for all of another": "dense"}


@pytest.mark.parametrize("case", CASES)
def test_a_synapse_has_the_number_of_its_pair(case):
    owner, other = CASES[case]
    text = NETWORK.format(owner=owner, other=other)
    assert not [d for d in sncc.check(text) if d.code == "not-supported-yet"]
    program = program_of(text)
    # what need not look its weights up does not
    assert program.connection("owner").pattern == MATRICES.get(case, "sparse")
    tables, columns = Reference(program).tables, program.parameter("owner.weight").dimensions[1]
    for c in (c for c in model_of(text).connections if c.name in ("owner", "other")):
        table, turned = tables[c.name], "transposed" in other and c.name == "other"
        sources, targets = indices(c.source_part), indices(c.target_part)
        r, k = np.searchsorted(sources, table.source), np.searchsorted(targets, table.target)
        assert np.array_equal(table.element, k * columns + r if turned else r * columns + k)
        apart = "self = false" in owner and c.source == c.target
        there = np.not_equal.outer(sources, targets) | (not apart)
        assert len(table.source) == np.sum(there)
