"""eventprop through a flow that is not linear: a quadratic neuron beside an adaptive integrator that finds events."""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from scipy.integrate import solve_ivp

from sncc.backends.reference.interpreter import Reference

TEXT = """
neuron Quadratic:
    "Its potential bends upwards; impulses J move it at once, impulses I through a current."
    param tau_m = 10 ms
    param tau_syn = 4 ms
    param peak = 2
    state v = 0
    state i = 0
    state w = 0
    input I
    input J
    dv/dt = (v * (v - 0.6) + i - 0.3 * w) / tau_m + J
    di/dt = -i / tau_syn + I
    dw/dt = (v * v - w) / (25 ms)
    spike when v >= peak:
        v = -0.2 + 0.1 * w
        w += 0.5 + 0.1 * i

network Curved:
    step = 0.1 ms
    population x: input[3]
    population a: Quadratic[1]
    connect x -> a.J: dense, weight = normal(0, 1), delay = each(1 ms)
    connect slow = x -> a.I: dense, weight = normal(0, 1), delay = each(1 ms)

train:
    rule = eventprop
    loss = mse(mean(a.v))
    learn = weights, x_a.delay, slow.delay, a.tau_m, a.tau_syn, a.peak
    optimiser = adam()
"""
DURATION = 20.0
EVENTS = [(1.0, 0), (3.0, 1), (7.5, 2), (11.2, 0), (14.0, 1)]
VALUES = {
    "x_a.weight": np.array([[0.2], [0.35], [-0.15]]), "slow.weight": np.array([[1.6], [1.2], [1.9]]),
    "x_a.delay": np.array([[0.4], [1.1], [1.7]]), "slow.delay": np.array([[0.9], [1.6], [0.7]]),
    "a.tau_m": np.array(10.0), "a.tau_syn": np.array(4.0), "a.peak": np.array(2.0),
}  # fmt: skip
TARGET = 0.2


def simulated(values) -> tuple[float, int]:
    """The loss and the number of spikes, by an integrator whose steps adapt; the last state is the integral of v."""
    tau_m, tau_syn, peak = (float(values[f"a.{k}"]) for k in ("tau_m", "tau_syn", "peak"))

    def flow(_, s):
        v, i, w, _ = s
        return [(v * (v - 0.6) + i - 0.3 * w) / tau_m, -i / tau_syn, (v * v - w) / 25.0, v]

    def crosses(_, s):
        return s[0] - peak

    crosses.terminal, crosses.direction = True, 1
    arrivals = [(t + float(values["x_a.delay"][k, 0]), 0, float(values["x_a.weight"][k, 0])) for t, k in EVENTS]
    arrivals += [(t + float(values["slow.delay"][k, 0]), 1, float(values["slow.weight"][k, 0])) for t, k in EVENTS]
    s, now, spikes = np.zeros(4), 0.0, 0
    for until, index, weight in [*sorted(arrivals), (DURATION, 1, 0.0)]:
        while now < until:
            run = solve_ivp(flow, (now, until), s, events=crosses, rtol=1e-11, atol=1e-13)
            s, now = run.y[:, -1].copy(), run.t[-1]
            if run.status == 1:
                s, spikes = np.array([-0.2 + 0.1 * s[2], s[1], s[2] + 0.5 + 0.1 * s[1], s[3]]), spikes + 1
        s[index] += weight
    return (s[3] / DURATION - TARGET) ** 2, spikes


def differences() -> dict[str, np.ndarray]:
    result = {}
    for key, base in VALUES.items():
        gradient = np.zeros_like(base)
        for index in np.ndindex(base.shape):
            losses = []
            for sign in (1, -1):
                moved = base.copy()
                moved[index] += sign * 1e-5
                losses.append(simulated({**VALUES, key: moved})[0])
            gradient[index] = (losses[0] - losses[1]) / 2e-5
        result[key] = gradient
    return result


def errors_at(step: float, exact: dict[str, np.ndarray]) -> dict[str, float]:
    x = np.zeros((round(DURATION / step), 3))
    for time, k in EVENTS:
        x[round(time / step) - 1, k] += 1
    program = program_of(TEXT.replace("step = 0.1 ms", f"step = {step} ms"))
    run = Reference(program, VALUES).run([{"x": x}], [np.array([TARGET])])
    loss, spikes = simulated(VALUES)
    assert run.spikes[0]["a"].sum() == spikes >= 2 and run.loss == pytest.approx(loss, abs=step)
    return {
        key: float(np.max(np.abs(run.gradients[key] - exact[key])) / np.max(np.abs(exact[key]))) for key in exact
    }  # fmt: skip


def test_gradients_through_curved_flows_and_jumps():
    exact = differences()
    coarse, fine = errors_at(0.1, exact), errors_at(0.02, exact)
    for key, error in fine.items():
        assert error < 0.4 * coarse[key] + 2e-3 and error < 0.05, (key, coarse, fine)
