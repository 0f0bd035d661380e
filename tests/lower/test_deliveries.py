"""Synapses that keep their states one by one deliver as one system with their neurons:
as synapses that these carry, and as SciPy.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from scipy.integrate import solve_ivp

from sncc.backends.reference.interpreter import Reference

STEP, STEPS = 1.0, 60
NEURONS = """
neuron Chain:
    "A current behind a voltage that holds still after a spike, and follows it meanwhile."
    param tau = 9 ms
    state v = 0
    state i = 0
    state w = 0
    input I
    dv/dt = (i - v) / tau
    di/dt = -i / (4 ms) + I
    dw/dt = (v + i - w) / (15 ms)
    spike when v > 0.3: v = 0
    refractory 3 ms hold v
neuron Membrane:
    param tau = 10 ms
    state v = 0
    input I
    dv/dt = -v / tau + I
    spike when v > 1: v = 0
neuron Curved:
    state v = 0
    input I
    dv/dt = -v / (10 ms) - 0.2 * v^2 / (1 ms) + I
"""
NETWORK = """
network Net:
    step = {step} ms
    population x: input[6]
    population y: {neuron}[4]{numbers}
    connect c = x -> y: dense, weight = each({weight}), delay = 1 ms, synapse = {synapse}
"""


def ran(neuron, synapse, weight="0.1 kHz", numbers="", step=STEP, values=None, blocks=""):
    text = NEURONS + blocks + NETWORK.format(neuron=neuron, synapse=synapse, weight=weight, step=step, numbers=numbers)
    reference = Reference(program_of(text), values)
    x = np.zeros((round(STEPS / step), 6))
    x[round(1 / step) - 1 :: round(1 / step)] = np.random.default_rng(0).random((STEPS, 6)) < 0.2
    return reference, x, reference.run([{"x": x}])


def traces(result):
    return {state: trace for (population, state), trace in result.traces[0].items() if population == "y"}


# ----------------------------------------------------------------------------------------------- as synapses of neurons
@pytest.mark.parametrize("synapse", ["exponential(tau = {})", "dual_exponential(tau_decay = {})"])
@pytest.mark.parametrize(
    ("neuron", "numbers"),
    [("Membrane", ""), ("Membrane", "(tau = uniform(5 ms, 20 ms))"), ("Chain", ""), ("Chain", "(tau = uniform(5 ms, 20 ms))"),
     ("ResonateAndFire", "")],
)  # fmt: skip
def test_they_are_those_of_a_synapse_that_neurons_carry(neuron, numbers, synapse):
    one, each = (ran(neuron, synapse.format(tau), numbers=numbers) for tau in ("2 ms", "each(2 ms)"))
    assert not one[0].program.synapses and each[0].program.synapses
    assert one[2].spikes[0]["y"].sum() > 5
    assert np.array_equal(one[2].spikes[0]["y"], each[2].spikes[0]["y"])
    for state, trace in traces(one[2]).items():
        assert np.allclose(trace, traces(each[2])[state], rtol=0, atol=1e-13 * np.max(np.abs(trace))), state


def test_so_are_conductances_of_which_the_target_sees_sums():
    block = """
synapse s:
    param tau = 2 ms
    state g = 0
    dg/dt = -g / tau
    on pre: g += weight
    deliver g * (1.5 - post.v) / (1 ms)
"""
    one, each = (ran("Membrane", f"s(tau = {tau})", weight="0.15", blocks=block) for tau in ("2 ms", "each(2 ms)"))
    assert not one[0].program.synapses and each[0].program.synapses
    assert one[2].spikes[0]["y"].sum() > 5
    assert np.allclose(traces(one[2])["v"], traces(each[2])["v"], rtol=0, atol=1e-13)


# ------------------------------------------------------------------------------------------------ as an integrator
def integrated(reference, x, flow, neurons, weight=0.1):
    """States of y's neurons after every step, without spikes: each neuron with the currents of its six synapses."""
    taus, w = np.reshape(reference.parameters["c.tau"], (6, 4)), weight
    states, currents, result = np.zeros((neurons, 4)), np.zeros((6, 4)), []
    for n in range(STEPS):
        for j in range(4):

            def slopes(t, s, j=j):
                return [*flow(s[:neurons], np.sum(s[neurons:])), *(-s[neurons:] / taus[:, j])]

            start = [*states[:, j], *currents[:, j]]
            end = solve_ivp(slopes, (0, STEP), start, method="DOP853", rtol=1e-11, atol=1e-13).y[:, -1]
            states[:, j], currents[:, j] = end[:neurons], end[neurons:]
        currents += w * (x[n - 1] if n else 0 * x[0])[:, None]
        result.append(states.copy())
    return np.array(result)


FLOWS = {
    "Membrane": lambda s, current: [-s[0] / 10 + current],
    "Chain": lambda s, current: [(s[1] - s[0]) / 9, -s[1] / 4 + current, (s[0] + s[1] - s[2]) / 15],
    "Curved": lambda s, current: [-s[0] / 10 - 0.2 * s[0] ** 2 + current],
}


@pytest.mark.parametrize("neuron", ["Membrane", "Chain"])
def test_with_a_time_constant_for_each_the_states_are_an_integrators(neuron):
    text = NEURONS.replace("v > 1:", "v > 1000:").replace("v > 0.3:", "v > 1000:")
    network = NETWORK.format(
        neuron=neuron, synapse="exponential(tau = uniform(1 ms, 9 ms))", weight="0.1 kHz", step=STEP, numbers=""
    )
    reference = Reference(program_of(text + network))
    x = (np.random.default_rng(0).random((STEPS, 6)) < 0.2) * 1.0
    got, expected = (
        traces(reference.run([{"x": x}])),
        integrated(reference, x, FLOWS[neuron], 3 if neuron == "Chain" else 1),
    )
    for k, state in enumerate("viw" if neuron == "Chain" else "v"):
        assert np.allclose(got[state], expected[:, k], rtol=0, atol=1e-9 * np.max(np.abs(expected)))


def test_into_a_curved_flow_they_deliver_their_mean_over_the_step():
    """The error falls with the square of the step, where that of what they
    deliver at its start would fall with the step.
    """
    taus, errors = np.random.default_rng(1).uniform(1, 9, 24), []
    for step in (1.0, 0.5):
        reference, x, result = ran("Curved", "exponential(tau = each(2 ms))", step=step, values={"c.tau": taus})
        every = round(1 / step)
        expected = integrated(reference, x[every - 1 :: every], FLOWS["Curved"], 1)[:, 0]
        errors.append(np.max(np.abs(traces(result)["v"][every - 1 :: every] - expected)) / np.max(expected))
    assert errors[0] < 0.01 and 3 < errors[0] / errors[1] < 5


def test_a_synapse_that_is_not_linear_delivers_what_it_does_at_the_steps_start():
    block = "synapse s:\n    state g = 0\n    dg/dt = -g^2 / (2 ms)\n    on pre: g += weight * (1 - g)\n    deliver g / (5 ms)\n"
    _, x, result = ran("Membrane", "s()", weight="0.1", blocks=block)
    v, g = np.zeros(4), np.zeros((6, 4))
    for n in range(STEPS):
        v = v * np.exp(-STEP / 10) + 10 * (1 - np.exp(-STEP / 10)) * g.sum(0) / 5
        v = np.where(v > 1, 0, v)
        k1 = -(g**2) / 2
        k2 = -((g + k1 / 2) ** 2) / 2
        k3 = -((g + k2 / 2) ** 2) / 2
        k4 = -((g + k3) ** 2) / 2
        g = g + (k1 + 2 * k2 + 2 * k3 + k4) / 6
        if n:
            g = g + x[n - 1][:, None] * 0.1 * (1 - g)
        assert np.allclose(traces(result)["v"][n], v, rtol=0, atol=1e-12), n


def test_what_follows_the_target_linearly_sees_it_held_over_the_step():
    block = """
synapse s:
    state g = 0
    dg/dt = (post.v - g) / (3 ms)
    on pre: g += weight * (1 - g)
    deliver g / (5 ms)
"""
    _, x, result = ran("Membrane", "s()", weight="0.5", blocks=block)
    v, g, fired = np.zeros(4), np.zeros((6, 4)), 0
    for n in range(STEPS):

        def slopes(t, s, held=v):
            currents = s[4:].reshape(6, 4)
            return [*(-s[:4] / 10 + currents.sum(0) / 5), *((held - currents) / 3).ravel()]

        end = solve_ivp(slopes, (0, STEP), [*v, *g.ravel()], method="DOP853", rtol=1e-11, atol=1e-13).y[:, -1]
        v, g = np.where(end[:4] > 1, 0, end[:4]), end[4:].reshape(6, 4)
        fired += np.sum(end[:4] > 1)
        if n:
            g = g + x[n - 1][:, None] * 0.5 * (1 - g)
        assert np.allclose(traces(result)["v"][n], v, rtol=0, atol=1e-9), n
    assert fired > 5
