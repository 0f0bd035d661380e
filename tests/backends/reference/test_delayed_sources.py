"""What a synapse reads of its source is as old as its spikes:
in `deliver`, in equations, at spikes, with one delay or one for each.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of

from sncc.backends.reference.draws import Counter, drawn_within
from sncc.backends.reference.interpreter import Reference
from sncc.program.streams import stream

STEPS, STEP, TAU = 80, 0.5, 20.0
NEURONS = """
neuron Cell:
    param gain = 2
    state v = 0
    input I
    dv/dt = -v / (20 ms) + I
    spike when v > 1:
        v = 0
neuron Silent:
    state v = 0
    input I
    dv/dt = -v / (20 ms) + I
"""
SYNAPSES = {
    "its voltage": "    deliver weight * pre.v / (10 ms)\n",
    "a gap junction": "    deliver weight * (pre.v - post.v) / (10 ms)\n",
    "a curve of its voltage": "    deliver weight * sigmoid((pre.v - 0.5) / 0.1) / (10 ms)\n",
    "its voltage and a number": "    deliver weight * pre.gain * pre.v^2 / (10 ms)\n",
    "a state that its spikes move": """    state s = 0.1
    ds/dt = -s / (9 ms)
    on pre: s += 0.4 * (1 - s)
    deliver weight * s / (10 ms)
""",
    "a state that rests until it spikes": """    state s = 0
    ds/dt = -s / (9 ms)
    on pre: s += 0.4 * (1 - s)
    deliver weight * s / (10 ms)
""",
    "such a state, and its voltage": """    state s = 0.1
    ds/dt = -s / (9 ms)
    on pre: s += 0.4 * (1 - s)
    deliver weight * s * pre.v / (10 ms)
""",
    "an equation": """    state s = 0
    ds/dt = (tanh(pre.v) - s) / (9 ms)
    deliver weight * s / (10 ms)
""",
    "its voltage when it spiked": """    state s = 0
    ds/dt = -s / (9 ms)
    on pre: s += weight * (1 + pre.v) * (1 - tanh(s))
    deliver s / (10 ms)
""",
}
PLASTIC = """
plasticity voltages:
    pre state p = 0
    dp/dt = (pre.v - p) / (10 ms)
    on pre: weight += 0.01 * pre.v + 0.02 * p
    on post: weight += 0.03 * p * (pre.v + 0.1)
"""


def ran(text, seed=3):
    """A program, what it was given, the reference with its numbers, and what it did."""
    program = program_of(text)
    x = (np.random.default_rng(seed).random((STEPS, 12)) < 0.08) * 1.0
    reference = Reference(program, seed=5)
    return reference, x, reference.run([{"x": x}], steps=STEPS, seed=1)


def network(synapse, options, target="Silent", first="uniform(0, 0.9)"):
    return f"""{NEURONS}{synapse}
network Net:
    step = {STEP} ms
    population x: input[12]
    population a: Cell[12], v = {first}
    population b: {target}[7], v = uniform(0, 0.9)
    connect x -> a: one_to_one, weight = 0.7
    connect x[0:7] -> b: one_to_one, weight = 0.3
    connect c = a -> b: {options}
"""


# ------------------------------------------------------------------------------------------- one delay, or one for each
@pytest.mark.parametrize("delay", ["0 ms", "3 ms"])
@pytest.mark.parametrize("name", SYNAPSES)
def test_one_delay_is_the_same_delay_for_each(name, delay):
    results = []
    for written in (delay, f"each({delay})"):
        text = network(
            f"synapse s:\n{SYNAPSES[name]}",
            f"random(p = 0.6), weight = uniform(0, 1), delay = {written}, synapse = s()",
        )
        results.append(ran(text)[2].traces[0])
    assert np.ptp(results[0]["b", "v"]) > 0.1
    assert np.allclose(results[0]["b", "v"], results[1]["b", "v"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("delay", ["0 ms", "3 ms"])
def test_plastic_weights_see_the_source_as_old_as_its_spikes(delay):
    found = []
    for written in (delay, f"each({delay})"):
        text = network(
            PLASTIC,
            f"random(p = 0.6), weight = uniform(0, 0.5), delay = {written}, plasticity = voltages()",
            "Cell",
            "0",
        )
        found.append(ran(text)[2].weights[0]["c.weight"])
    assert np.ptp(found[0]) > 0.1 and np.allclose(found[0], found[1], rtol=0, atol=1e-12)


# ------------------------------------------------------------------------------------------------ loops over synapses
def loop(reference, x, source, spikes, name):
    """What arrives in each step at each target, from the source's recorded voltages and spikes: each synapse by itself.

    A state that decays in the step counts by what it moves the target, over what one that stands still moves it.
    """
    table = reference.tables["c"]
    weight = np.asarray(reference.parameters["c.weight"])
    delay = np.floor(np.asarray(reference.parameters["c.delay"]) / STEP + 0.5).astype(int)
    s, arriving, decay = np.full(len(weight), 0.0 if "rests" in name else 0.1), np.zeros((STEPS, 7)), np.exp(-STEP / 9)
    still = TAU * (1 - np.exp(-STEP / TAU))
    moving = (decay - np.exp(-STEP / TAU)) / (1 / TAU - 1 / 9) / still
    for n in range(1, STEPS + 1):
        for k, (i, j, d) in enumerate(zip(table.source, table.target, delay, strict=True)):
            seen = source[max(n - max(d, 1), 0), i]  # row 0: before the first step
            if name == "a curve of its voltage":
                arriving[n - 1, j] += weight[k] / (1 + np.exp(-(seen - 0.5) / 0.1)) / 10
            elif name == "its voltage and a number":
                arriving[n - 1, j] += weight[k] * 2 * seen**2 / 10
            else:
                arriving[n - 1, j] += weight[k] * s[k] * moving * (seen if "voltage" in name else 1) / 10
            s[k] *= decay
            if n - d >= 1 and spikes[n - d - 1, i]:
                s[k] += 0.4 * (1 - s[k])
    return arriving


@pytest.mark.parametrize("name", list(SYNAPSES)[2:7])
def test_each_synapse_reads_its_own_delay_ago(name):
    options = "random(p = 0.6), weight = uniform(0, 1), delay = uniform(0 ms, 6 ms), synapse = s()"
    reference, x, result = ran(network(f"synapse s:\n{SYNAPSES[name]}", options))
    trace, first = result.traces[0]["a", "v"], first_values(reference, "a")
    arriving = loop(reference, x, np.vstack([first, trace]), result.spikes[0]["a"], name)
    v, decay = first_values(reference, "b"), np.exp(-STEP / TAU)
    for n in range(STEPS):
        v = v * decay + TAU * (1 - decay) * arriving[n] + 0.3 * x[n, :7]
        assert np.allclose(v, result.traces[0]["b", "v"][n], atol=1e-10), n
    assert result.spikes[0]["a"].sum() > 20


def first_values(reference, population):
    """The voltages before the first step, as the run draws them."""
    _, row = reference.program.place(population)
    counter = Counter(1, stream(f"{population}.v", "initial"), np.arange(row.size), 0, 0)
    return drawn_within(dict(row.initial)["v"], {}, counter, None)
