"""eventprop through jumps at spikes that read the time, against the closed form."""

import numpy as np
import pytest
from networks import program_of

from sncc.backends.reference.interpreter import Reference

NETWORK = """
neuron Timed:
    param slope = 0.12 /ms
    state v = 0
    state w = 0
    dv/dt = slope
    dw/dt = -w / (10 ms)
    spike when v > 1:
        v = 0
        w = t / (10 ms)
network N:
    step = 0.01 ms
    population x: input[1]
    population a: Timed[1]
train:
    rule = eventprop
    loss = mse(last(a.w))
    learn = a.slope
    optimiser = sgd(learning_rate = 0.1)
"""


def test_a_jump_that_reads_the_time_moves_with_the_spike():
    run = Reference(program_of(NETWORK)).run([{"x": np.zeros((1400, 1))}], [[0.0]])
    at, end = 1 / 0.12, 14.0
    w = at / 10 * np.exp((at - end) / 10)
    by_time = 2 * w * (1 / at + 1 / 10) * w
    assert run.loss == pytest.approx(w**2, rel=0.01)
    assert np.ravel(run.gradients["a.slope"])[0] == pytest.approx(-by_time * at**2, rel=0.01)
