"""Random networks: gradients equal automatic differentiation, and e-prop is one number in both directions."""

from __future__ import annotations

import pytest
from fuzzing_gradients import check_directions, check_event_times, check_rule, check_synapses
from hypothesis import HealthCheck, Phase, given, settings
from strategies_events import timed_networks
from strategies_networks import networks
from strategies_synapses import networks_with_synapses

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
    assert checked >= 2


@pytest.mark.parametrize("rule", ["bptt", "eprop"])
def test_gradients_through_random_synapses_equal_those_of_synapses_one_by_one(rule):
    checked = 0

    @settings(QUICK, max_examples=3)
    @given(networks_with_synapses(rule))
    def check(text):
        nonlocal checked
        checked += check_synapses(text)

    check()
    assert checked >= 2


@pytest.mark.slow
def test_gradients_of_spike_times_go_to_those_of_an_event_driven_simulation():
    checked = 0

    @settings(QUICK, max_examples=5)
    @given(timed_networks())
    def check(case):
        nonlocal checked
        checked += check_event_times(*case)

    check()
    assert checked >= 2
