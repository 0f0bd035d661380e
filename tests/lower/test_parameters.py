"""First values of the parameters of a Program."""

import numpy as np

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
