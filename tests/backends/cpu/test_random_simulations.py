"""Random networks are simulated as the reference does; `benchmarks/fuzz_simulations.py` tries more of them."""

from __future__ import annotations

import pytest
from blocks_simulations import BLOCKS
from fuzzing import count_checked
from fuzzing_simulations import check_simulation
from projects import needs_compiler
from strategies_simulations import simulated_networks

NETWORK = """
network Net:
    step = 0.5 ms
    population drive: poisson[70](rate = 60 Hz)
    population a: Leaky[70], v = uniform(0, 0.9)
    population critic: Leaky[1]
    connect drive -> a.I: one_to_one, weight = 0.4
    connect drive -> critic: dense, weight = 0.05
    connect a -> a.I: dense, weight = 0.01, delay = 1 ms, synapse = gap()
    connect again = a -> a.I: dense, weight = normal(0.02, 0.01), delay = normal(1 ms, 1 ms)
    connect near = a[10:30] -> a[5:50].I: dense, weight = 0.05 * exp(-abs(i - j) / 10), delay = 1 ms + 0.1 ms * abs(i - j)
    connect line = drive[10:30] -> a[5:25].I: one_to_one, weight = 0.01 * (i - j), delay = uniform(0 ms, 0.1 ms * j)
    connect learns = drive -> a.I: random(p = 0.2), weight = uniform(0, 0.1), plasticity = rewarded(reward = critic.v)
simulate:
    duration = 60 ms
"""


@pytest.fixture(autouse=True)
def compiler():
    needs_compiler()


@pytest.mark.slow
def test_a_full_gap_junction_short_drawn_delays_numbers_of_places_and_a_modulator_of_one_neuron():
    check_simulation(BLOCKS + NETWORK)


def test_random_networks_are_simulated_as_by_the_reference():
    assert count_checked(simulated_networks(small=True), check_simulation, 2) >= 1
