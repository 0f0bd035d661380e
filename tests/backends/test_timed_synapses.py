"""eventprop through states of synapses: both halves give the reference's gradients,
in every pattern and with every delay.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from projects import Projects, handed_over, needs_compiler
from timed_synapses import MEAN, NEURON, SYNAPSES

import sncc
from sncc.backends.reference.interpreter import Reference

TEXT = f"""{NEURON}
synapse depressing:{SYNAPSES["depressing"]}
synapse saturating:{SYNAPSES["saturating"]}
synapse each_by_itself:{SYNAPSES["of one time constant each"]}
synapse gap:{SYNAPSES["a gap junction"]}
synapse squared:
    state s = 0
    ds/dt = (pre.v * pre.v - s) / (6 ms)
    deliver weight * s * (0.1 /ms)
synapse moved:{SYNAPSES["moved by both sides and the time"]}
synapse bent:{SYNAPSES["bent by both sides"]}
plasticity seeing:
    param up = 0.1
    modulator reward
    pre state x = 0
    post state y = 0
    state e = 0
    dx/dt = -x / (12 ms)
    dy/dt = -y / (9 ms)
    de/dt = -e / (8 ms) + x * post.v * reward * (0.3 /ms)
    on pre:
        weight -= up * (1 + y) * tanh(pre.i + reward)
        x += 1
    on post:
        weight += up * (e + tanh(post.i + pre.v)) * (1 - weight)
        y += 1
    bound weight in [-1, 1]
network Timed:
    step = 0.5 ms
    population x: input[6]
    population hidden: Soma[8]
    population dopamine: Soma[1]
    population output: Soma[2]
    connect hidden -> dopamine.D: dense, weight = normal(0.3, 0.1), delay = 0 ms
    connect x -> hidden.I: dense, weight = normal(1.2, 1), delay = 0.5 ms
    connect fast = x -> hidden.D: random(p = 0.5), weight = normal(0, 1), delay = uniform(1 ms, 3 ms), synapse = depressing()
    connect late = hidden -> hidden.D: random(p = 0.4), weight = normal(0, 1), delay = each(1.2 ms), synapse = saturating()
    connect own = hidden[0:5] -> hidden[3:8].D: sparse, weight = normal(0, 1), delay = each(1.7 ms), synapse = each_by_itself()
    connect square = hidden -> hidden.D: dense, weight = normal(0, 1), delay = 1 ms, synapse = each_by_itself()
    connect both = hidden[2:6] -> hidden.D: random(p = 0.3), weight = normal(0, 1), delay = 1 ms, synapse = bent()
    connect curved = hidden -> hidden.D: random(p = 0.3), weight = normal(0, 1), delay = each(1.7 ms), synapse = squared()
    connect meets = hidden -> hidden[1:7].D: random(p = 0.5), weight = normal(0, 1), delay = each(1.2 ms), synapse = moved()
    connect left = hidden -> hidden.D: dense, weight = normal(0, 0.3), delay = 1 ms, synapse = moved()
    connect touch = hidden -> hidden.D: one_to_one, weight = 0.3, synapse = gap()
    connect hidden -> output.I: dense, weight = normal(0.5, 1), delay = 0 ms
    connect sees = hidden[0:5] -> hidden.D: random(p = 0.3), weight = normal(0, 0.5), delay = 1 ms, synapse = bent(), plasticity = seeing(reward = dopamine.v)
    connect heard = hidden[2:6] -> output.I: random(p = 0.7), weight = normal(0, 0.5), delay = 1.5 ms, plasticity = seeing(reward = output.i), post_delay = 1 ms
    connect down = hidden -> output.D: random(p = 0.6), weight = normal(0, 1), delay = 1 ms, synapse = each_by_itself()
train:
    rule = eventprop
    loss = {MEAN} + cross_entropy(max(output.v, from = 10 ms))
    learn = weights, hidden.theta, late.delay, own.delay, own.tau, square.tau, late.use, curved.delay, meets.delay, meets.tau, left.use, sees.plasticity.up, heard.plasticity.up
    optimiser = adam()
"""
PAIRS = {"own": (np.array([0, 0, 1, 2, 4, 4]), np.array([4, 7, 3, 6, 5, 7]))}


@pytest.mark.parametrize("half", ["cpu", pytest.param("emulated", marks=pytest.mark.slow)])
def test_gradients_equal_the_reference(tmp_path, half):
    needs_compiler()
    if half == "emulated":
        project = Projects(tmp_path).emulated(TEXT, build="checked")[1]
        network = sncc.load(project, backend="emulated", connections=PAIRS)
    else:
        network = built()
    program = program_of(TEXT)
    si, drawn = {p.key: p.si for p in program.parameters}, Reference(program, pairs=PAIRS)
    for key in network.parameters:
        assert np.allclose(np.asarray(network.parameters[key]) / si[key], drawn.parameters[key], rtol=1e-13), key
    inputs = events(60)
    loss, gradients = network.gradients(handed_over(program, inputs), np.array([1, 0]))
    expected = drawn.run(inputs, [1, 0])
    assert all(run["hidden"].sum() > 20 for run in expected.spikes)
    assert loss == pytest.approx(expected.loss, rel=1e-12)
    for key, gradient in expected.gradients.items():
        assert np.max(np.abs(gradient)) > 0, key
        assert np.max(np.abs(gradients[key] * si[key] - gradient)) <= 1e-9 * np.max(np.abs(gradient)), key


@pytest.mark.slow
def test_segments_of_a_sequence_give_the_same_numbers():
    """What jumped in the last step of a segment is delivered in the first of the next."""
    needs_compiler()
    program, labels = program_of(TEXT), np.array([1, 0])
    inputs = handed_over(program, events(2400))
    whole, cut = built().gradients(inputs, labels), built("60 MB").gradients(inputs, labels)
    assert cut[0] == whole[0]
    for key, gradient in whole[1].items():
        assert np.array_equal(cut[1][key], gradient), key


def built(memory=None):
    project = sncc.build(TEXT, backend="cpu", precision="float64", memory=memory)
    return sncc.load(project, connections=PAIRS, threads=1)


def events(steps):
    rng = np.random.default_rng(5)
    return [{"x": (rng.random((steps, 6)) < 0.1) * 1.0} for _ in range(2)]
