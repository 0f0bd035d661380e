"""eventprop's gradients are those of an event-driven simulation with root-found spike times,
to first order in the step.
"""

from __future__ import annotations

import numpy as np
import pytest
from event_case import Case, network
from networks import program_of
from projects import needs_compiler

import sncc
from sncc.backends.reference.interpreter import Reference

ADAPTIVE = """
neuron Adaptive:
    "Two states that bend each other, a threshold that moves, and a reset that is none of the usual ones."
    param tau_m = 20 ms
    param tau_syn = 5 ms
    param tau_a = 30 ms
    param theta = 1
    state v = 0
    state i = 0
    state a = 0
    input I
    dv/dt = (i - v - 0.2 * a) / tau_m
    di/dt = -i / tau_syn + I
    da/dt = (0.3 * v - a) / tau_a
    spike when v > theta + 0.1 * a:
        v = 0.2 * v - 0.1 * a
        a += 0.5 * (1 - a) + 0.1 * v
        i *= 0.8
"""
HELD = """
neuron Held:
    param tau_m = 20 ms
    param tau_syn = 5 ms
    param theta = 1
    state v = 0
    state i = 0
    input I
    dv/dt = (i - v) / tau_m
    di/dt = -i / tau_syn + I
    spike when v > theta:
        v = 0.1
    refractory 2 ms{hold}
"""
BOTH = """
neuron Both:
    "An arrival moves the potential at once, and a current that moves it later: flow and arrivals fire it."
    param tau_m = 20 ms
    param tau_syn = 5 ms
    param theta = 1
    state v = 0
    state i = 0
    input I
    dv/dt = (i - v) / tau_m + 0.2 * I
    di/dt = -i / tau_syn + 0.6 * I
    spike when v > theta:
        v = 0
"""
FILTER = """
neuron Filter:
    state v = 0
    state i = 0
    input I
    dv/dt = (i - v) / (20 ms)
    di/dt = -i / (5 ms) + I
"""
ABOVE = """
neuron Above:
    "It starts above its threshold: that spike comes at once, whatever moves the first value."
    param m = 1.3
    param tau_m = 20 ms
    state v = m
    state i = 0.4 * m
    input I
    dv/dt = (i - v) / tau_m
    di/dt = -i / (5 ms) + I
    spike when v > 1:
        v = 0
"""
DELAYED = network(learn="weights, x_hidden.delay, hidden_hidden.delay, hidden_output.delay")
DELAYED = DELAYED.replace("delay = 0.5 ms", "delay = each(1 ms)").replace("delay = 0 ms", "delay = 1 ms")
CASES = {
    "first spikes": network(),
    "a mean": network(loss="cross_entropy(mean(output.v))"),
    "a window of another state": network(loss="cross_entropy(mean(output.i, from = 6 ms, to = 12 ms))"),
    "the last, classes weighted": network(loss="cross_entropy(last(output.v), weights = [1, 3])"),
    "every step": network(output="Filter", definition=FILTER, loss="mean(cross_entropy(output.v))"),
    "impulses into the readout, every step, classes weighted": network(
        output="LI", loss="mean(cross_entropy(output.v / 0.2, weights = [1, 3]))"
    ),
    "resets in the readout, every step": network(loss="mean(cross_entropy(output.v))"),
    "impulses that fire the readout, every step": network(output="LIF", loss="mean(cross_entropy(output.v))"),
    "impulses into the readout, a mean": network(output="LI", loss="cross_entropy(mean(output.v))"),
    "impulses into the readout, the last": network(output="LI", loss="cross_entropy(last(output.v))"),
    "impulses into the readout, the largest": network(output="LI", loss="cross_entropy(max(output.v))"),
    "resets in the readout, the largest": network(loss="cross_entropy(max(output.v))"),
    "impulses that fire at once": network(output="LIF"),
    "an unknown neuron": network("Adaptive", ADAPTIVE, learn="weights, hidden.tau_m, hidden.theta, hidden.tau_a"),
    "held while refractory": network("Held", HELD.format(hold=" hold v"), loss="cross_entropy(mean(output.v))"),
    "untested while refractory": network("Held", HELD.format(hold=""), loss="cross_entropy(mean(output.v))"),
    "above the threshold from the start": network("Above", ABOVE, loss="cross_entropy(mean(output.v))", learn="weights, hidden.m, hidden.tau_m"),
    "learnt delays": DELAYED,
    "flow and arrivals": network("Both", BOTH, recurrent=False),
}  # fmt: skip


SEEDS = {  # of weights at which both simulations have the same spikes, and something is learnt
    "an unknown neuron": 8, "held while refractory": 5, "untested while refractory": 4,
    "flow and arrivals": 9, "impulses that fire at once": 3,
    "resets in the readout, the largest": 4, "above the threshold from the start": 7,
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_root_found_spike_times(name):
    case = Case(CASES[name], SEEDS.get(name, 3), gain=0.9 if "arrivals" in name or "impulses that" in name else 1.3)
    coarse, fine = case.errors_at(0.1), case.errors_at(0.02)
    for key, error in fine.items():
        assert error < 0.5 * coarse[key] + 0.01, (key, coarse, fine)
    assert sum(np.max(np.abs(exact)) > 1e-3 for _, exact in case.exact.values()) >= 2


def errors_of_the_library(case: Case, step: float) -> dict[str, float]:
    """As `Case.errors_at`, by the C++ half."""
    text = case.text.replace("step = 0.1 ms", f"step = {step} ms")
    program, network = program_of(text), sncc.load(sncc.build(text, backend="cpu", precision="float64"), threads=1)
    si = {p.key: p.si for p in program.parameters}
    for key, value in case.values.items():
        network.parameters[key] = value * si[key]
    events = sncc.Events.from_dense(case.dense(step)[None].astype(int), step=step * 1e-3)
    loss, gradients = network.gradients(events, np.array([case.label]))
    assert loss == pytest.approx(case.loss, abs=step)
    return case.errors({key: np.asarray(g) * si[key] for key, g in gradients.items()})


@pytest.mark.slow  # the reference is tested so above, and the library against it
def test_at_a_ten_thousandth_of_the_membrane_time_constant_little_is_left():
    needs_compiler()
    case = Case(DELAYED, 3, 1.3, entries=6)
    coarse, fine = errors_of_the_library(case, 0.01), errors_of_the_library(case, 0.002)
    for key, error in fine.items():
        bound = 8e-2 if key.endswith("delay") else 2e-3 if key == "hidden_output.weight" else 2e-2
        assert error < bound and error < 0.5 * coarse[key] + 1e-4, (key, coarse, fine)


def test_credit_does_not_grow_through_spikes_that_follow_each_other_at_once():
    """An input that is worth several spikes leaves a neuron, lowered by its threshold, above it:
    no crossing, and no slope at one.
    """
    text = """
network Strong:
    step = 1 ms
    population x: input[1]
    population hidden: CubaLIF[1]
    population output: LI[1]
    connect x -> hidden: dense, weight = 1
    connect hidden -> output: dense, weight = 1 /ms, synapse = exponential()
train:
    rule = eventprop
    loss = mean(mse(output.v))
    learn = weights
    optimiser = adam()
"""
    program = program_of(text)
    x = np.zeros((200, 1))
    x[0] = 300  # the potential rises far above the threshold, and decays over many spikes, one a step
    values = dict.fromkeys(("x_hidden.weight", "hidden_output.weight"), np.ones((1, 1)))
    run = Reference(program, values).run([{"x": x}], [np.zeros((200, 1))])
    fired = np.flatnonzero(run.spikes[0]["hidden"][:, 0])
    assert np.sum(np.diff(fired) == 1) > 30
    assert 0 < abs(run.gradients["x_hidden.weight"][0, 0]) < 1e3
