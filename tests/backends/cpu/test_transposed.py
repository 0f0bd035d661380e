"""`share`, also `transposed`: the loss of a network with two weights, one the other or its transpose,
and the sum of both gradients.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
from networks import program_of
from projects import needs_compiler
from tied import TIED, agrees, case

import sncc
from sncc.backends.reference.interpreter import Reference

TURNED = {"again": "hidden_back", "other": "round", "into": "holes"}


@pytest.mark.parametrize("rule", ["bptt", "eprop", "eventprop"])
def test_the_gradient_is_the_sum_of_both_connections(rule):
    program = program_of(TIED, train__rule=rule)
    apart = program_of(re.sub(r"share = \w+( transposed)?", "weight = each(0)", TIED), train__rule=rule)
    inputs, labels = case(program)
    tied = Reference(program)
    values = dict(tied.parameters)
    for own, owner in TURNED.items():
        values[f"{own}.weight"] = values[f"{owner}.weight"].T
    values |= {
        f"{name}.weight": values[f"{name}.weight"].reshape(-1) for name in ("holes", "into")
    }  # lists, by themselves
    values["drawn.weight"] = np.full((21, 21), values["even.weight"])
    values["again.delay"] = values["again.delay"].reshape(18, 21)
    one, two = tied.run(inputs, labels), Reference(apart, values).run(inputs, labels)
    assert one.loss == pytest.approx(two.loss, rel=1e-13) and one.spikes[0]["back"].sum() > 5
    sum_of_all = two.gradients["even.weight"] + two.gradients["drawn.weight"].sum()
    assert one.gradients["even.weight"] == pytest.approx(sum_of_all, rel=1e-10)
    for own, owner in TURNED.items():
        got = one.gradients[f"{owner}.weight"]
        first, second = two.gradients[f"{owner}.weight"], two.gradients[f"{own}.weight"]
        both = first.reshape(got.shape) + second.reshape(got.shape[::-1]).T
        assert np.allclose(got, both, rtol=1e-10, atol=1e-12 * np.abs(both).max())
        assert rule == "eprop" or np.abs(two.gradients[f"{own}.weight"]).max() > 0
    assert np.allclose(one.gradients["x_hidden.weight"], two.gradients["x_hidden.weight"], rtol=1e-10)


def test_the_library_computes_the_same():
    needs_compiler()
    agrees(sncc.load(sncc.build(TIED, backend="cpu", precision="float64"), threads=2))
