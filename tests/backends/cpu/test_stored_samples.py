"""The C++ half stores the state of a network that can be trained, and goes on from it."""

import pytest
from projects import needs_compiler
from stored_samples import NETWORK, goes_on_with_the_same_bits, refuses_others_states

import sncc


@pytest.fixture(scope="module")
def project():
    needs_compiler()
    return sncc.build(NETWORK, backend="cpu")


def test_a_restored_state_goes_on_with_the_same_bits(project):
    goes_on_with_the_same_bits(sncc.load(project, threads=1), sncc.load(project, threads=2))


def test_a_state_of_other_synapses_is_refused(project):
    refuses_others_states(sncc.load(project), sncc.load(project, seed=1))


def test_a_state_whose_spikes_go_through_other_delays_is_refused(project):
    network = sncc.load(project)
    network.simulate(0.01)
    state = network.store()
    network.parameters["x_hidden.delay"] = 2 * network.parameters["x_hidden.delay"]
    with pytest.raises(ValueError, match="through other delays"):
        network.restore(state)
