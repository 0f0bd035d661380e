"""Random networks are simulated as the reference does; `benchmarks/fuzz_simulations.py` tries more of them."""

from __future__ import annotations

import pytest
from fuzzing_simulations import check_simulation
from hypothesis import HealthCheck, Phase, given, settings
from projects import needs_compiler
from strategies_simulations import BLOCKS, simulated_networks

NETWORK = """
network Net:
    step = 0.5 ms
    population drive: poisson[70](rate = 60 Hz)
    population a: Leaky[70], v = uniform(0, 0.9)
    population critic: Leaky[1]
    connect drive -> a: one_to_one, weight = 0.4
    connect drive -> critic: dense, weight = 0.05
    connect a -> a: dense, weight = 0.01, delay = 1 ms, synapse = gap()
    connect again = a -> a: dense, weight = normal(0.02, 0.01), delay = normal(1 ms, 1 ms)
    connect learns = drive -> a: random(p = 0.2), weight = uniform(0, 0.1), plasticity = rewarded(reward = critic.v)
simulate:
    duration = 60 ms
"""


@pytest.fixture(autouse=True)
def compiler():
    needs_compiler()


def test_a_full_gap_junction_short_drawn_delays_and_a_modulator_of_one_neuron():
    assert check_simulation(BLOCKS + NETWORK)


def test_random_networks_are_simulated_as_by_the_reference():
    checked = 0

    @settings(
        max_examples=3,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(simulated_networks())
    def check(text):
        nonlocal checked
        checked += check_simulation(text)

    check()
    assert checked >= 1
