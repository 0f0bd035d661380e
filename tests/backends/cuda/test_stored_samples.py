"""The CUDA half, run on the CPU, stores the state of a network that can be trained, and goes on from it."""

from projects import Projects, needs_compiler
from stored_samples import NETWORK, goes_on_with_the_same_bits, refuses_others_states

import sncc


def test_a_restored_state_goes_on_with_the_same_bits(tmp_path):
    needs_compiler()
    _, project = Projects(tmp_path).emulated(NETWORK)
    goes_on_with_the_same_bits(*(sncc.load(project, backend="emulated") for _ in range(2)))
    refuses_others_states(*(sncc.load(project, backend="emulated", seed=seed) for seed in (0, 1)))
