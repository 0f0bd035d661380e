"""The neuron-parallel engine gives the reference's spikes, states and weights, in float64, for any number of workers."""

from __future__ import annotations

import numpy as np
import pytest
from simulations import NETWORKS, states

import sncc
from sncc import compiler, toolchain
from sncc.arguments import source_of
from sncc.backends.reference.interpreter import Reference


@pytest.fixture(scope="session", params=list(NETWORKS))
def network(request):
    """The text, its project and its Program."""
    if toolchain.find_compiler() is None or toolchain.find_cmake() is None:
        pytest.skip("no C++ compiler or CMake")
    text = NETWORKS[request.param]
    program = compiler_program(text)
    return text, sncc.build(text, backend="cpu", precision="float64"), program


def compiler_program(text: str):
    return compiler.compile_program(compiler.compile_model(source_of(text)), "float64")


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
    run = loaded.simulate(seed=9, record=states(program))
    total = 0
    for g in program.groups:
        for row in g.rows:
            if row.population in run.spikes:
                spikes = run.spikes[row.population]
                found = np.zeros((program.simulation.steps, row.size))
                np.add.at(found, (np.round(spikes.times / (program.step * 1e-3)).astype(int) - 1, spikes.neurons), 1)
                assert np.array_equal(found, expected.spikes[0][row.population]), row.population
                total += len(spikes)
            for state, _, si in g.declared:
                trace = run.trace[f"{row.population}.{state}"] / si
                assert np.allclose(trace, expected.traces[0][row.population, state], rtol=1e-10, atol=1e-12)
    assert total > 100
    for key, weight in expected.weights[0].items():
        assert np.allclose(loaded.parameters[key].reshape(-1), weight, rtol=1e-10, atol=1e-12)
