"""The CUDA half, run on the CPU, simulates a network that it can also train as its `simulate` block says."""

import pytest
from projects import Projects, needs_compiler
from simulated_training import NETWORK, agrees

import sncc


@pytest.mark.parametrize("build", ["plain", pytest.param("checked", marks=pytest.mark.slow)])
def test_the_simulate_block_of_a_trained_network(tmp_path, build):
    needs_compiler()
    _, project = Projects(tmp_path).emulated(NETWORK, build=build)
    agrees(sncc.load(project, backend="emulated"))
