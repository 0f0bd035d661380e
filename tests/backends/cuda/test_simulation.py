"""The neuron-parallel schedule of the CUDA half, sources unchanged, run on the CPU: the C++ half's numbers, bit for bit."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from projects import Projects, needs_compiler
from simulations import NETWORKS, states

import sncc


@pytest.fixture(scope="session")
def projects(tmp_path_factory):
    needs_compiler()
    return Projects(tmp_path_factory.mktemp("simulations"))


@pytest.fixture(scope="session")
def both(projects):
    """The C++ and the CUDA half of a network, loaded with one seed, and its Program."""
    built: dict[tuple[str, str], tuple[object, Path, Path]] = {}

    def load(name: str, precision: str = "float64", build: str = "plain"):
        if (name, precision, build) not in built:
            program, project = projects.emulated(NETWORKS[name], precision, build)
            cpu = sncc.build(NETWORKS[name], backend="cpu", precision=precision)
            built[name, precision, build] = program, cpu, project
        program, cpu, project = built[name, precision, build]
        return program, sncc.load(cpu, seed=5), sncc.load(project, seed=5, backend="emulated")

    return load


def run(network, program, steps: int | None = None, **options):
    duration = (steps or program.simulation.steps) * program.step * 1e-3
    return network.simulate(duration, seed=9, record=states(program), **options)


def same(first, second) -> int:
    """All spikes and traces are equal; how many spikes there are."""
    assert set(first.spikes) == set(second.spikes) and set(first.trace) == set(second.trace)
    for name in first.spikes:
        assert np.array_equal(first.spikes[name].times, second.spikes[name].times), name
        assert np.array_equal(first.spikes[name].neurons, second.spikes[name].neurons), name
    for name in first.trace:
        assert np.array_equal(first.trace[name], second.trace[name]), name
    return sum(len(spikes) for spikes in first.spikes.values())


def same_numbers(first, second) -> None:
    """All parameters are equal, weights that have moved among them."""
    for key in first.parameters:
        assert np.array_equal(first.parameters[key], second.parameters[key]), key


@pytest.mark.parametrize("name", NETWORKS)
def test_spikes_states_and_weights_are_those_of_the_cpu(both, name):
    program, cpu, cuda = both(name)
    assert same(run(cpu, program), run(cuda, program)) > 50
    same_numbers(cpu, cuda)
