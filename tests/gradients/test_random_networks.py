"""Random networks: gradients equal automatic differentiation, and e-prop is one number in both directions."""

from __future__ import annotations

import pytest
from event_case import Case, OtherSpikes, network
from fuzzing import count_checked
from fuzzing_events import check_event_times
from fuzzing_gradients import (
    check_directions,
    check_directions_of_patterns,
    check_directions_of_synapses,
    check_patterns,
    check_rule,
    check_synapses,
)
from strategies_events import timed_networks
from strategies_networks import networks
from strategies_patterns import networks_of_patterns
from strategies_synapses import networks_with_synapses


@pytest.mark.parametrize("rule", ["eprop", "bptt", "bptt(truncate = 9 ms)"])
def test_gradients_equal_automatic_differentiation(rule):
    assert count_checked(networks(rule), check_rule, 5) >= 2


def test_e_prop_forwards_is_e_prop_in_reverse():
    assert count_checked(networks("eprop"), check_directions, 5) >= 2


def test_gradients_over_random_patterns_equal_those_of_whole_matrices():
    assert count_checked(networks_of_patterns(), check_patterns, 2) >= 1


def test_e_prop_forwards_is_e_prop_in_reverse_over_random_patterns_and_synapses():
    assert count_checked(networks_of_patterns(forwards=True), check_directions_of_patterns, 4) >= 2
    rule = "eprop(feedback = symmetric)"
    assert count_checked(networks_with_synapses(rule, forwards=True), check_directions_of_synapses, 12) >= 1


@pytest.mark.parametrize("rule", ["bptt", "eprop"])
def test_gradients_through_random_synapses_equal_those_of_synapses_one_by_one(rule):
    assert count_checked(networks_with_synapses(rule), check_synapses, 3) >= 2


@pytest.mark.slow
def test_gradients_of_spike_times_go_to_those_of_an_event_driven_simulation():
    assert count_checked(timed_networks(), lambda case: check_event_times(*case), 5) >= 2


def test_a_sample_ends_before_a_spike_that_would_come_behind_its_end_on_a_grid():
    text = network(loss="cross_entropy(mean(output.v))")
    late = Case(text, 32, 1.3)
    assert not late.is_steady(3e-3)  # a spike at 17.98 ms of 18
    with pytest.raises(OtherSpikes):
        late.errors_at(0.1)
    case = Case(text, 32, 1.3, entries=1, quiet=0.5)
    assert case.duration == 17.9 and case.is_steady(3e-3)
    assert max(case.errors_at(0.1).values()) < 0.25
