"""The C++ half simulates a network that it can also train as its `simulate` block says."""

from projects import needs_compiler
from simulated_training import NETWORK, agrees

import sncc


def test_the_simulate_block_of_a_trained_network():
    needs_compiler()
    agrees(sncc.load(sncc.build(NETWORK, backend="cpu", precision="float64"), threads=2))
