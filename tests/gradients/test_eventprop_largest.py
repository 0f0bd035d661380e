"""eventprop through the largest value of what events end the rise of, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of

from sncc.backends.reference.interpreter import Reference

END = 20.0
NETWORK = """
neuron Clock:
    "Spikes once, at 1 / slope."
    param slope = 0.1 /ms
    state v = 0
    dv/dt = slope
    spike when v > 1: v = -9

neuron Read:
    "What arrives at D all the time drives the potential, what arrives at J moves it at once."
    param bias = 0.1 /ms
    param theta = 9
    state v = 0
    input D
    input J
    dv/dt = bias - v / (15 ms) + D + J
    spike when v > theta: v = 0

synapse held:
    "A drive that is full at a spike and decays: the reading's slope jumps."
    state s = 0
    ds/dt = -s / (6 ms)
    on pre: s += {on_pre}
    deliver weight * s * (0.3 /ms)

network N:
    step = {step} ms
    population a: Clock[1]
    population b: Clock[1]
    population y: Read[1](bias = {bias} /ms, theta = {theta})
    connect a -> y.D: dense, weight = 1, synapse = held()
    connect b -> {entry}: dense, weight = -1, {synapse}
train:
    rule = eventprop
    loss = mse(max(y.v))
    learn = weights, a.slope, b.slope, y.theta, y.bias{more}
    optimiser = sgd(learning_rate = 0.1)
"""
BENDING = dict(entry="y.D", synapse="synapse = held()", bias=0, theta=9, on_pre="1 - 0.5 * s")
MEETING = dict(BENDING, on_pre="1 - 0.5 * s - 0.3 * post.v")
FALLING = dict(BENDING, entry="y.J", synapse="delay = 0 ms", bias=0.1)
RESET = dict(BENDING, bias=0.1, theta=1.4)
LATE = dict(BENDING, entry="y.J", synapse="delay = each(1 ms)")


def potential(time: float, start: float, weight: float, bias: float, met: float = 0.0) -> float:
    """That of the target, driven by one neuron from `start` on, by less where the spike `met` it."""
    since = time - start
    weight *= 1 - met * bias * 15 * (1 - np.exp(-start / 15))
    driven = 0.3 * weight / (1 / 6 - 1 / 15) * (np.exp(-since / 15) - np.exp(-since / 6))
    return driven + bias * 15 * (1 - np.exp(-time / 15))


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "event",
    [
        "bends it",
        "bends it, as it meets it",
        "lowers it later",
        pytest.param("resets it", marks=SLOW),
        pytest.param("lowers it", marks=SLOW),
    ],
)
def test_the_largest_value_moves_with_the_event_that_ends_its_rise(event):
    case = {
        "bends it": BENDING,
        "bends it, as it meets it": MEETING,
        "lowers it": FALLING,
        "resets it": RESET,
        "lowers it later": LATE,
    }[event]
    slopes = {"a.slope": 1 / 5.03, "b.slope": 1 / 7.61}
    values = {**slopes, "y.theta": float(case["theta"]), "y.bias": float(case["bias"])}
    weights = {"a_y.weight": np.array([[1.2]]), "b_y.weight": np.array([[-4.0 if event != "resets it" else 0.4]])}

    def largest(moved) -> float:
        if event == "resets it":
            return moved["y.theta"]
        first, last = 1 / moved["a.slope"], 1 / moved["b.slope"]
        last += float(moved.get("b_y.delay", 0))
        times = np.linspace(first, min(last, END), 20_001)
        return float(np.max(potential(times, first, moved["a_y.weight"], moved["y.bias"], 0.3 * (case is MEETING))))

    base = {**values, "a_y.weight": 1.2}
    more = ""
    if event == "lowers it later":
        base["b_y.delay"], weights["b_y.delay"], more = 1.0, np.array([[1.0]]), ", b_y.delay"
    errors = []
    for step in (0.1, 0.02):
        program = program_of(NETWORK.format(step=step, more=more, **case))
        run = Reference(program, {k: np.array(v) for k, v in (values | weights).items()}).run(
            [{}], [[0.0]], steps=round(END / step)
        )
        assert run.loss == pytest.approx(largest(base) ** 2, rel=2 * step)
        error = {}
        for key, value in base.items():
            up, down = (largest({**base, key: value + d}) ** 2 for d in (1e-5, -1e-5))
            exact = (up - down) / 2e-5
            error[key] = abs(float(np.ravel(run.gradients[key])[0]) - exact) / max(1.0, abs(exact))
        errors.append(error)
    for key, error in errors[1].items():
        assert error < 0.5 * errors[0][key] + 2e-3 and error < 0.05, (key, errors)
