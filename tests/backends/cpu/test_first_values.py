"""First values that are no numbers are refused where they are drawn."""

from __future__ import annotations

import pytest
from projects import needs_compiler

import sncc


def test_a_weight_is_refused_that_begins_as_no_number_or_as_one_that_its_precision_cannot_hold():
    needs_compiler()
    text = """
network Large:
    step = 1 ms
    population a: LIF[3]
    population b: LIF[4]
    connect a -> b: random(fan_in = 2), weight = normal(1e39, 1)
    connect divides = a -> b: random(fan_in = 2), weight = 1 / (i - 1)
"""
    with pytest.raises(ValueError, match=r"a_b.weight begins as 1e\+39 at \(0, \d\): .* at most 3.403e\+38"):
        sncc.load(sncc.build(text, backend="cpu"))
    with pytest.raises(ValueError, match=r"divides.weight begins as inf at \(1, \d\): its first values are numbers"):
        sncc.load(sncc.build(text, backend="cpu", precision="float64"))  # which holds the other
