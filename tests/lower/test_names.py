"""What the user calls things changes no number: no name of the compiler's is one that a user can write."""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of, spikes

from sncc.backends.reference.interpreter import Reference

NETWORK = """
neuron Cell:
    param {P} = 10 ms
    state {V} = 0
    state w = 0
    input {I}
    d{V}/dt = -{V} / {P} + {I}
    dw/dt = -w / (30 ms)
    spike when {V} > 1 + w:
        {V} = 0
        w += 1
    refractory 2 ms
    surrogate triangle(width = 1, height = 1)

synapse depressing:
    param {A} = 3 ms
    param {B} = 4 ms
    state {X} = 1
    state {G} = 0
    d{X}/dt = (1 - {X}) / {A}
    d{G}/dt = -{G} / {B}
    on pre:
        {G} += weight * {X}
        {X} -= 0.3 * {X}
    deliver {G} / (5 ms)

synapse saturating:
    param {A} = 3 ms
    state {X} = 0
    d{X}/dt = -{X} / {A}
    on pre: {X} += 0.3 * (1 - {X})
    deliver weight * tanh({X}) / (5 ms)

synapse clipped:
    param {A} = 3 ms
    state {X} = 0
    d{X}/dt = -{X} / {A}
    on pre: {X} += weight * (1 - {X})
    deliver {X} / (5 ms)

network N:
    step = 1 ms
    population x: input[6]
    population hidden: Cell[6]
    population y: LI[3]
    connect x -> hidden: dense, weight = each(0.3)
    connect hidden -> hidden: dense, weight = each(0.5), {synapse}delay = 1 ms
    connect hidden -> y: dense, weight = normal(0, 1)

train:
    rule = {rule}
    loss = mean(cross_entropy(y.v))
    learn = weights, hidden.{P}
    optimiser = sgd(learning_rate = 1e-2)
"""
PLAIN = {k: f"{k.lower()}{k.lower()}" for k in "PVIABXG"}
OF_THE_COMPILERS = [
    {"P": "refractory", "V": "spike", "I": "surrogate", "A": "sum1", "B": "in", "X": "gain", "G": "sum1g"},
    {"P": "surrogate", "V": "refractory", "I": "spike", "A": "value1", "B": "sum1", "X": "delivered", "G": "gain"},
    {"P": "spike", "V": "surrogate", "I": "refractory", "A": "gain", "B": "delivered", "X": "value1", "G": "in"},
]


def result(names, rule, synapse):
    program = program_of(NETWORK.format(**names, rule=rule, synapse=synapse))
    run = Reference(program, seed=1).run(spikes(np.random.default_rng(1), 1, 20), [1])
    assert run.spikes[0]["hidden"].sum() > 5
    return [run.loss, *(np.abs(g).sum() for g in run.gradients.values())]


@pytest.mark.parametrize(
    "rule, synapse",
    [
        ("bptt", "synapse = depressing(), "), ("bptt", "synapse = saturating(), "), ("bptt", "synapse = clipped(), "),
        ("eprop(online = true)", ""), ("eventprop", ""),
    ],
)  # fmt: skip
def test_no_number_depends_on_the_names(rule, synapse):
    expected = result(PLAIN, rule, synapse)
    for names in OF_THE_COMPILERS:
        assert result(names, rule, synapse) == expected


def test_a_readout_that_does_not_jump_does_not_where_a_state_of_its_synapses_has_its_name():
    text = NETWORK.replace("hidden -> y: dense,", "hidden -> y: dense, synapse = exponential_as_v(),")
    text += """
synapse exponential_as_v:
    state v = 0
    dv/dt = -v / (4 ms)
    on pre: v += weight
    deliver v / (5 ms)
"""
    program = program_of(text.format(**PLAIN, rule="eventprop", synapse=""))
    assert not any(state.endswith(".before") for group in program.groups for state in group.states)


PLASTIC = """
synapse clipped:
    param {A} = 3 ms
    state {X} = 0.1
    d{X}/dt = -{X} * (1 + 0.2 * tanh(post.v)) / {A}
    on pre: {X} += weight * (1 - {X})
    deliver {X} / (2 ms)

plasticity paired:
    param {B} = 8 ms
    pre state {P} = 0
    state {E} = 0
    modulator {M}
    d{P}/dt = -{P} / {B}
    d{E}/dt = -{E} / {B}
    on pre:
        weight += 0.01 * {P} + 0.05 * {M}
        {P} += 1
    on post: {E} += 0.1

network N:
    step = 1 ms
    population x: input[6]
    population y: LIF[4](theta = 0.3)
    connect x -> y: dense, weight = each(0.3), synapse = clipped({A} = 4 ms), plasticity = paired({B} = 9 ms)
simulate:
    duration = 40 ms
    stimulate x_y.{M}: 1 from 20 ms
"""
APART = {"A": "a", "X": "x", "B": "b", "P": "p", "E": "e", "M": "m"}


@pytest.mark.parametrize("alike", [{"B": "a"}, {"P": "a"}, {"E": "x"}, {"P": "x"}, {"M": "a"}, {"E": "a", "P": "x"}])
def test_a_synapse_and_its_plasticity_may_use_the_same_names(alike):
    """`param tau` in both, with numbers of its own in each."""
    inputs = spikes(np.random.default_rng(1), 1, 40)
    expected, run = (
        Reference(program_of(PLASTIC.format(**(APART | names)))).run(inputs, steps=40) for names in ({}, alike)
    )
    assert np.ptp(expected.weights[0]["x_y.weight"]) > 0 and expected.spikes[0]["y"].sum() > 5
    assert np.array_equal(run.weights[0]["x_y.weight"], expected.weights[0]["x_y.weight"])
    assert np.array_equal(run.traces[0]["y", "v"], expected.traces[0]["y", "v"])
