"""Synapses read numbers of each of their neurons, states of neurons that a map moves,
and stored parameters where they start.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of

from sncc.backends.reference.interpreter import Reference

STEPS, STEP = 100, 0.5
TEXT = """
neuron Cell:
    param gain = 2
    param slow = 9 ms
    state v = 0
    input I
    dv/dt = -v / (20 ms) + I
    spike when v > 1:
        v = 0.1
neuron Map:
    param gain = 2
    param slow = 9 ms
    state v = 0
    input I
    each step: v = 0.9 * v + (1 ms) * I
    spike when v > 1: v = 0.1
neuron Mixed:
    param gain = 2
    param slow = 9 ms
    state v = 0
    state n = 0.5
    input I
    dv/dt = (0.3 * n - v) / (20 ms) + I
    each step: n = 0.9 * n + 0.2 * v
    spike when v > 1: v = 0.1
synapse personal:
    state g = 0
    dg/dt = -g / (pre.slow + post.slow)
    on pre: g += weight * post.gain * (1 - 0.1 * g)
    deliver g * pre.gain / (10 ms)
synapse begun:
    param first = each(0.2)
    state g = 2 * first
    dg/dt = -g / (9 ms)
    on pre: g += weight * (1 - 0.1 * g)
    deliver 0 * g / (10 ms)
synapse seeing:
    state g = 0
    dg/dt = -g / (9 ms)
    on pre: g += weight * (1 - post.v)
    deliver g / (10 ms)
plasticity measured:
    pre state p = 0
    post state q = 0
    dp/dt = -p / pre.slow
    dq/dt = -q / post.slow
    on pre:
        p += pre.gain + pre.v
        weight += 0.01 * q
    on post:
        q += post.gain * post.v
        weight += 0.01 * p
network Net:
    step = 0.5 ms
    population x: input[10]
    population a: Cell[10](gain = uniform(1, 2), slow = each(8 ms)), v = uniform(0, 0.5)
    population b: {target}[6](gain = normal(1, 0.1), slow = uniform(5 ms, 9 ms))
    connect x -> a: one_to_one, weight = 0.7
    connect drive = x[0:6] -> b: one_to_one, weight = 0.3{unit}
    connect c = a -> b: random(p = 0.6), weight = {weight}, delay = 1 ms, {block}
simulate:
    duration = 50 ms
    {record}
"""


def ran(block, target="Cell", record="", weight="uniform(0, 1)", values=None):
    text = TEXT.format(
        block=block, target=target, record=record, weight=weight, unit=" / (1 ms)" if target == "Map" else ""
    )
    program = program_of(text)
    x = (np.random.default_rng(2).random((STEPS, 10)) < 0.1) * 1.0
    reference = Reference(program, values, seed=5)
    return reference, x, reference.run([{"x": x}], steps=STEPS, seed=1)


def synapses(reference):
    """Source and target of each synapse, its weight, and what arrives of spikes at a step."""
    table = reference.tables["c"]
    return table.source, table.target, np.array(reference.parameters["c.weight"], float)


def arrives(result, source, n):
    return result.spikes[0]["a"][n - 3, source] if n >= 3 else np.zeros(len(source))


def test_numbers_of_each_neuron_on_both_sides():
    reference, x, result = ran("synapse = personal()", record="record g of c")
    i, j, w = synapses(reference)
    p = reference.parameters
    g, v, found = np.zeros(len(w)), np.zeros(6), result.traces[0]
    decay = np.exp(-STEP / (p["a.slow"][i] + p["b.slow"][j]))
    for n in range(1, STEPS + 1):
        current = np.bincount(j, g * p["a.gain"][i] / 10, 6)
        g = g * decay
        g += arrives(result, i, n) * w * p["b.gain"][j] * (1 - 0.1 * g)
        v = v * np.exp(-STEP / 20) + 20 * (1 - np.exp(-STEP / 20)) * current + 0.3 * x[n - 1, :6]
        v = np.where(v > 1, 0.1, v)
        assert np.allclose(found["c", "g"][n - 1], g) and np.allclose(found["b", "v"][n - 1], v), n
    assert result.spikes[0]["b"].sum() > 10 and result.spikes[0]["a"].sum() > 20


@pytest.mark.parametrize("storage", ["each(0.2)", "0.2 adjustable"])
def test_a_state_starts_at_what_its_stored_parameter_is_then(storage):
    block = f"synapse = begun(first = {storage})"
    size = len(ran(block)[0].tables["c"].source)
    first = np.linspace(0.1, 0.5, size) if "each" in storage else np.array(0.3)
    reference, _, result = ran(block, record="record g of c", values={"c.first": first})
    i, _, w = synapses(reference)
    g = 2 * first * np.ones(len(w))
    for n in range(1, STEPS + 1):
        g = g * np.exp(-STEP / 9)
        g += arrives(result, i, n) * w * (1 - 0.1 * g)
        assert np.allclose(result.traces[0]["c", "g"][n - 1], g), n


def test_a_spike_meets_the_state_that_a_map_has_left_in_the_step_before():
    reference, x, result = ran("synapse = seeing()", "Map", "record g of c")
    i, j, w = synapses(reference)
    g, v, found = np.zeros(len(w)), np.zeros(6), result.traces[0]
    for n in range(1, STEPS + 1):
        current = np.bincount(j, g / 10, 6)
        g = g * np.exp(-STEP / 9)
        g += arrives(result, i, n) * w * (1 - v[j])
        v = 0.9 * v + current + 0.3 * x[n - 1, :6]
        v = np.where(v > 1, 0.1, v)
        assert np.allclose(found["c", "g"][n - 1], g) and np.allclose(found["b", "v"][n - 1], v), n
    assert result.spikes[0]["b"].sum() > 10


def test_a_spike_meets_a_flow_beside_which_a_map_starts_from_the_step_before():
    reference, x, result = ran("synapse = seeing()", "Mixed", "record g of c")
    i, j, w = synapses(reference)
    g, v, m, found = np.zeros(len(w)), np.zeros(6), np.full(6, 0.5), result.traces[0]
    decay = np.exp(-STEP / 20)
    for n in range(1, STEPS + 1):
        current = np.bincount(j, g / 10, 6)  # at the step's start: it decays in 9 ms
        flowed = v * decay + 0.3 * m * (1 - decay) + current * (np.exp(-STEP / 9) - decay) / (1 / 20 - 1 / 9)
        g = g * np.exp(-STEP / 9)
        g += arrives(result, i, n) * w * (1 - flowed[j])
        m = 0.9 * m + 0.2 * v
        v = flowed + 0.3 * x[n - 1, :6]
        v = np.where(v > 1, 0.1, v)
        assert np.allclose(found["b", "n"][n - 1], m) and np.allclose(found["b", "v"][n - 1], v), n
        assert np.allclose(found["c", "g"][n - 1], g), n
    assert result.spikes[0]["b"].sum() > 10


def test_traces_of_a_plasticity_read_numbers_and_states_of_their_neuron():
    reference, _, result = ran("plasticity = measured()", weight="uniform(0, 0.3)")
    i, j, w = synapses(reference)
    p, traces, spikes = reference.parameters, result.traces[0], result.spikes[0]
    p_trace, q_trace = np.zeros(10), np.zeros(6)
    for n in range(1, STEPS + 1):
        p_trace = p_trace * np.exp(-STEP / p["a.slow"])
        q_trace = q_trace * np.exp(-STEP / p["b.slow"])
        w += arrives(result, i, n) * 0.01 * q_trace[j]
        if n >= 3:  # of the spike two steps ago, with the voltage that it left
            p_trace += spikes["a"][n - 3] * (p["a.gain"] + traces["a", "v"][n - 3])
        fired = spikes["b"][n - 1]
        w += fired[j] * 0.01 * p_trace[i]
        q_trace += fired * p["b.gain"] * traces["b", "v"][n - 1]
    assert spikes["b"].sum() > 10
    assert np.allclose(result.weights[0]["c.weight"], w)
