"""First values of the parameters of a Program."""

import numpy as np
import pytest

from sncc.backends.reference.interpreter import Reference
from tests.networks import program_of

NETWORK = """
network N:
    step = 1 ms
    population x: input[40]
    population y: LI[30](tau_m = 20 ms)
    connect x -> y: dense, weight = {weight}

train:
    rule = bptt
{more}    loss = mean(cross_entropy(y.v))
    optimiser = sgd(learning_rate = 0.1)
"""


def first(weight, more=""):
    return Reference(program_of(NETWORK.format(weight=weight, more=more)), seed=3).parameters["x_y.weight"]


def test_a_drawn_weight_begins_within_its_bounds():
    free, bound = first("normal(0.5, 1)"), first("normal(0.5, 1) in [0, 1]")
    assert free.min() < 0 and free.max() > 1
    assert np.array_equal(bound, np.clip(free, 0, 1))


def test_so_does_one_whose_bounds_stand_with_what_is_learnt():
    bound = first("each(3)", "    learn = x_y.weight(in = [0, 1])\n")
    assert np.array_equal(bound, np.ones((40, 30)))


def test_so_does_one_that_a_synapse_with_a_state_of_its_own_reads():
    synapse = """
synapse clipped:
    state g = 0
    dg/dt = -g / (5 ms)
    on pre: g += weight * (1 - g)
    deliver g / (1 ms)
"""
    bound = Reference(
        program_of(synapse + NETWORK.format(weight="normal(0.5, 1) in [0, 1], synapse = clipped()", more="")), seed=3
    ).parameters["x_y.weight"]
    assert np.array_equal(bound, first("normal(0.5, 1) in [0, 1]"))


def test_so_does_any_number_that_is_learnt():
    program = program_of(
        NETWORK.format(weight="1", more="    learn = y.tau_m(in = [5 ms, 10 ms]), y.bias(in = [1, 2])\n")
    )
    parameters = Reference(program).parameters
    assert parameters["y.tau_m"] == 10 and np.array_equal(parameters["y.bias"], np.ones(30))


PLACES = """
network N:
    step = 1 ms
    population x: input[40]
    population y: LI[30]
    connect x[5:15] -> y[2:12]: {pattern}, weight = 0.1 * i - 0.03 * j, delay = 1 ms + 1 ms * abs(i - j)
simulate:
    duration = 1 ms
"""


@pytest.mark.parametrize("pattern", ["dense", "one_to_one", "random(p = 0.5)"])
def test_i_and_j_are_indices_in_the_populations_whatever_the_pattern(pattern):
    reference = Reference(program_of(PLACES.format(pattern=pattern)), seed=3)
    table = reference.tables["x_y"]
    i, j = table.source, table.target
    assert i.min() >= 5 and i.max() < 15 and j.min() >= 2 and j.max() < 12
    assert np.allclose(np.ravel(reference.parameters["x_y.weight"]), 0.1 * i - 0.03 * j)
    assert np.allclose(np.ravel(reference.parameters["x_y.delay"]), 1 + abs(i - j))


def test_numbers_of_dense_synapses_are_matrices_in_training_too():
    synapse = """
synapse clipped:
    param tau = 5 ms
    state g = 0
    dg/dt = -g / tau
    on pre: g += weight * (1 - g)
    deliver g / tau
"""
    drawn = "0.1, synapse = clipped(tau = uniform(2 ms, 8 ms))"
    found = {
        p.key: p.shape
        for p in program_of(synapse + NETWORK.format(weight=drawn, more="    learn = x_y.tau\n")).parameters
    }
    assert found["x_y.tau"] == (40, 30)
