"""The neuron-parallel engine gives the reference's spikes, states and weights, in float64,
for any number of workers.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from simulations import NETWORKS, is_the_references, states, synapse_states

import sncc
from sncc import toolchain
from sncc.backends.reference.interpreter import Reference


@pytest.fixture(scope="session", params=list(NETWORKS))
def network(request):
    """The text, its project and its Program."""
    if toolchain.find_compiler() is None or toolchain.find_cmake() is None:
        pytest.skip("no C++ compiler or CMake")
    text = NETWORKS[request.param]
    return text, sncc.build(text, backend="cpu", precision="float64"), program_of(text)


@pytest.fixture
def workers(monkeypatch):
    """Sets how many workers share a network, however small it is."""
    return lambda count: monkeypatch.setenv("SNCC_WORKERS", str(count))


@pytest.fixture(scope="session")
def expected(network):
    """What the reference gives."""
    _, _, program = network
    return Reference(program, seed=5).run([{}], steps=program.simulation.steps, seed=9)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_spikes_states_and_weights_are_the_references(network, expected, workers, count):
    _, path, program = network
    workers(count)
    loaded = sncc.load(path, seed=5, threads=count)
    run = loaded.simulate(
        seed=9, record=[*states(program), *((name, 9 * program.step * 1e-3) for name in synapse_states(program))]
    )
    parameters = {key: loaded.parameters[key] / program.parameter(key).si for key in expected.weights[0]}
    assert is_the_references(program, run, parameters, expected) > 100


def test_what_follows_from_numbers_of_synapses_follows_those_set_between_pieces():
    """In a network that has run, and in one that takes over where the other stood."""
    if toolchain.find_compiler() is None or toolchain.find_cmake() is None:
        pytest.skip("no C++ compiler or CMake")
    path = sncc.build(NETWORKS["conductances with long and drawn delays"], backend="cpu", precision="float64")
    ran, taking_over, old = (sncc.load(path, seed=5) for _ in range(3))
    ran.simulate(0.02, seed=9)
    state = ran.store()
    for network in (taking_over, old):
        network.restore(state)
    for network in (ran, taking_over):
        network.parameters["exc_late.tau"] = 3 * network.parameters["exc_late.tau"]
    voltages = [
        n.simulate(0.02, seed=9, record=["late.v"], resume=True).trace["late.v"] for n in (ran, taking_over, old)
    ]
    assert np.array_equal(voltages[0], voltages[1]) and not np.allclose(voltages[0], voltages[2])
