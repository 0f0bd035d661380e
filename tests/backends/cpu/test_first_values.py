"""First values that are no numbers are refused where they are drawn."""

from __future__ import annotations

import pytest
from projects import needs_compiler

import sncc


def test_a_weight_that_begins_as_no_number_is_named_with_its_place():
    needs_compiler()
    text = """
network Divides:
    step = 1 ms
    population a: LIF[3]
    population b: LIF[4]
    connect a -> b: random(fan_in = 2), weight = 1 / (i - 1)
"""
    project = sncc.build(text, backend="cpu")
    with pytest.raises(ValueError, match=r"a_b.weight begins as inf at \(1, \d\): its first values are numbers"):
        sncc.load(project)


def test_a_weight_that_its_precision_cannot_hold_is_refused():
    needs_compiler()
    text = """
network Large:
    step = 1 ms
    population a: LIF[3]
    population b: LIF[4]
    connect a -> b: random(fan_in = 2), weight = {}
"""
    project = sncc.build(text.format("normal(1e39, 1)"), backend="cpu")
    with pytest.raises(ValueError, match=r"a_b.weight begins as 1e\+39 at \(0, \d\): .* at most 3.403e\+38"):
        sncc.load(project)
    sncc.load(sncc.build(text.format("normal(1e39, 1)"), backend="cpu", precision="float64"))
