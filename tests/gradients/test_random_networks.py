"""Random networks: gradients equal automatic differentiation, and e-prop is one number in both directions."""

from __future__ import annotations

import numpy as np
import pytest
from fuzzing_gradients import check_directions, check_rule
from hypothesis import HealthCheck, Phase, given, settings
from strategies_networks import networks

QUICK = settings(
    max_examples=5, deadline=None, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("rule", ["eprop", "bptt", "bptt(truncate = 9 ms)"])
def test_gradients_equal_automatic_differentiation(rule):
    checked = 0

    @QUICK
    @given(networks(rule))
    def check(text):
        nonlocal checked
        checked += check_rule(text)

    check()
    assert checked >= 2


def test_e_prop_forwards_is_e_prop_in_reverse():
    checked = 0

    @QUICK
    @given(networks("eprop"))
    def check(text):
        nonlocal checked
        checked += check_directions(text)

    check()
    assert checked >= 2 and np.isfinite(checked)
