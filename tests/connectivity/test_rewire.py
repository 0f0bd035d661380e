"""Where dormant synapses go: as many as before, each pair once, in the pattern's bounds, by the seed alone."""

from __future__ import annotations

import numpy as np
import pytest

from sncc.connectivity.build import build, indices
from sncc.connectivity.patterns import Part, Random, Sparse
from sncc.connectivity.rewire import rewire

PART = Part((4, 5), ((1, 4), (0, 5)))  # neurons 5 .. 19
PATTERNS = {
    "p": Random("p", 0.4, self_connections=False),
    "fan_in": Random("fan_in", 6, self_connections=False),
    "fan_out": Random("fan_out", 6),
    "total": Random("total", 200),
}


def moved(pattern, seed=3, step=7):
    before = build(pattern, PART, PART, 11, 3)
    dormant = np.random.default_rng(0).random(len(before)) < 0.5
    pre, post, former = rewire(pattern, PART, PART, before.pre, before.post, dormant, 12, seed, step)
    return before, dormant, pre, post, former


@pytest.mark.parametrize("name", PATTERNS)
def test_synapses_that_stay_stay_and_as_many_come_as_go(name):
    pattern = PATTERNS[name]
    before, dormant, pre, post, former = moved(pattern)
    assert sorted(former) == list(range(len(before)))
    stay = ~dormant[former]
    assert np.array_equal(pre[stay], before.pre[~dormant]) and np.array_equal(post[stay], before.post[~dormant])
    pairs = np.stack([pre, post])
    assert np.array_equal(np.lexsort((post, pre)), np.arange(len(pre)))  # by source, then target
    assert pattern.repeats or len(np.unique(pairs, axis=1).T) == len(pre)
    assert np.isin(pairs, indices(PART)).all()
    assert pattern.self_connections or not (pre == post).any()
    assert (pairs[:, ~stay] != np.stack([before.pre, before.post])[:, former[~stay]]).any(axis=0).mean() > 0.8


def test_fans_are_kept():
    before, _, pre, post, _ = moved(PATTERNS["fan_in"])
    assert (np.bincount(post)[5:] == 6).all() and not np.array_equal(pre, before.pre)
    before, _, pre, post, _ = moved(PATTERNS["fan_out"])
    assert (np.bincount(pre)[5:] == 6).all() and not np.array_equal(post, before.post)


def test_seed_and_step_decide():
    again = [moved(PATTERNS["p"], *key)[3] for key in ((3, 7), (3, 7), (4, 7), (3, 8))]
    assert np.array_equal(again[0], again[1])
    assert not np.array_equal(again[0], again[2]) and not np.array_equal(again[0], again[3])


def test_every_free_pair_is_as_likely():
    whole = Part.whole((8,))
    pre, post = np.repeat(np.arange(8), 2), np.tile([0, 1], 8)  # 16 of 64; half of them go, to one of 56 pairs
    counts = np.zeros((8, 8))
    for step in range(400):
        a, b, former = rewire(Sparse(), whole, whole, pre, post, pre < 4, 1, 0, step)
        fresh = pre[former] < 4
        np.add.at(counts, (a[fresh], b[fresh]), 1)
    free = np.ones((8, 8), bool)
    free[4:, :2] = False
    assert counts[~free].sum() == 0
    assert np.abs(counts[free] - 400 * 8 / 56).max() < 5 * np.sqrt(400 * 8 / 56)


def test_a_full_pattern_finds_the_places_that_are_left():
    pattern = Random("p", 1.0)
    before, _, pre, post, _ = moved(pattern)
    assert np.array_equal(pre, before.pre) and np.array_equal(post, before.post)


def test_pairs_handed_over_twice_are_refused():
    whole, twice = Part.whole((3,)), np.array([1, 1])
    with pytest.raises(ValueError, match="once"):
        rewire(Sparse(), whole, whole, twice, twice, np.array([True, False]), 1, 0, 1)
