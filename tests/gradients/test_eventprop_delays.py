"""eventprop through learnt delays of a potential that is reset and read nonlinearly, against quadrature."""

import numpy as np
import pytest
from networks import program_of
from scipy.integrate import quad

from sncc.backends.reference.interpreter import Reference

SLOPE, END, WEIGHT = 0.12, 30.0, 0.7
NETWORK = """
neuron Saw:
    state v = 0
    dv/dt = 0.12 /ms
    spike when v > 1: v = 0
synapse square:{states}
    deliver weight * {delivered} * (0.1 /ms)
network N:
    step = {step} ms
    population x: input[1]
    population a: Saw[1]
    population y: LI[1](tau_m = 15 ms)
    connect a -> y: dense, weight = 0.7, delay = each(1 ms), synapse = square()
train:
    rule = eventprop
    loss = mse(last(y.v))
    learn = a_y.delay
    optimiser = sgd(learning_rate = 0.1)
"""
FILTERED = ("\n    state s = 0\n    ds/dt = (pre.v * pre.v - s) / (6 ms)", "s")


def last(delay: float, filtered: bool) -> float:
    """What the target has in the end of the square of a sawtooth, delayed, through one filter or two."""
    corners = [delay + k / SLOPE for k in range(5) if delay + k / SLOPE < END]

    def kernel(age):
        return 15 / 9 * (np.exp(-age / 15) - np.exp(-age / 6)) / 10 if filtered else np.exp(-age / 15) / 10

    def integrand(time, corner):
        return (SLOPE * (time - corner)) ** 2 * kernel(END - time)

    return WEIGHT * sum(quad(integrand, low, high, args=(low,))[0] for low, high in zip(corners, [*corners[1:], END]))


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "delay, filtered",
    [(2.35, True), *(pytest.param(d, f, marks=SLOW) for d, f in [(1.4, True), (1.4, False), (2.35, False)])],
)
def test_learnt_delays_of_what_jumps_and_is_squared(delay, filtered):
    states, delivered = FILTERED if filtered else ("", "pre.v * pre.v")
    exact = (last(delay + 1e-4, filtered) ** 2 - last(delay - 1e-4, filtered) ** 2) / 2e-4
    errors = []
    for step in (0.1, 0.02):
        program = program_of(NETWORK.format(states=states, delivered=delivered, step=step))
        run = Reference(program, {"a_y.delay": np.array([[delay]])}).run(
            [{"x": np.zeros((round(END / step), 1))}], [[0.0]]
        )
        assert run.loss == pytest.approx(last(delay, filtered) ** 2, rel=step)
        errors.append(abs(np.ravel(run.gradients["a_y.delay"])[0] / exact - 1))
    assert errors[1] < 0.5 * errors[0] + 2e-3 and errors[1] < 0.05, errors
