"""What shares the weights of another connection finds each of its own there, or is refused at its place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from networks import program_of

import sncc
from sncc import compiler
from sncc.arguments import source_of
from sncc.backends.reference.interpreter import Reference

NETWORK = """
synapse clipped:
    state g = 0
    dg/dt = -g / (5 ms)
    on pre: g += weight * (1 - g)
    deliver g / (1 ms)

network N:
    step = 1 ms
    population a: LIF[6]
    population image: LIF[4, 4]
    population long: LIF[12]
    population y: LI[6]
    connect a -> y: dense, weight = normal(0, 1)
    connect image[0:3, 0:2] -> y: dense, weight = normal(0, 1)
    connect long -> y: dense, weight = normal(0, 1)
    connect owner = {owner}
    connect other = {other}

train:
    rule = bptt
    loss = cross_entropy(mean(y.v))
    optimiser = sgd(learning_rate = 1e-2)
"""
ALL, APART = "dense, weight = normal(0, 1), delay = 1 ms", "dense(self = false), weight = normal(0, 1), delay = 1 ms"
REFUSED = {
    "an owner without some pairs, transposed": (
        f"a[0:4] -> a[2:6]: {APART}", "a[2:6] -> a[0:4]: dense(self = false), share = owner transposed, delay = 1 ms",
    ),
    "an owner with gaps, transposed": (
        f"image[0:2, 0:2] -> a[0:4]: {ALL}", "a[0:4] -> a[2:6]: dense, share = owner transposed, delay = 1 ms",
    ),
    "gaps where the owner has none": (
        f"a -> a: {ALL}", "image[0:3, 0:2] -> a: dense, share = owner, delay = 1 ms",
    ),
    "an owner with gaps": (f"image[0:3, 0:2] -> a: {ALL}", "a -> a: dense, share = owner, delay = 1 ms"),
    "a part of a population for all of another": (
        f"a -> a: {APART}", "long[0:6] -> long[0:6]: dense(self = false), share = owner, delay = 1 ms",
    ),
    "parts that overlap elsewhere": (
        f"a[0:4] -> a[2:6]: {APART}", "a[1:5] -> a[2:6]: dense(self = false), share = owner, delay = 1 ms",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_shares_weights_that_lie_otherwise_is_refused_with_its_place(case):
    owner, other = REFUSED[case]
    (found,) = (d for d in sncc.check(NETWORK.format(owner=owner, other=other)) if d.code == "not-supported-yet")
    assert found.span is not None and found.span.text == "connect other = " + other


@pytest.mark.parametrize("ends", ["a[0:4] -> a[2:6]", "image[0:2, 0:3] -> image[1:3, 0:3]"])
def test_parts_that_leave_out_the_same_pairs_share_weights_synapse_by_synapse(ends):
    program = program_of(
        NETWORK.format(owner=f"{ends}: {APART}", other=f"{ends}: dense(self = false), share = owner, delay = 3 ms")
    )
    tables = Reference(program).tables
    for of in ("pre", "post", "element"):
        assert np.array_equal(getattr(tables["owner"], of), getattr(tables["other"], of))


MADE = """
synapse clipped:
    state g = 0
    dg/dt = -g / (5 ms)
    on pre: g += weight * (1 - g)
    deliver g / (1 ms)
synapse graded:
    deliver weight * pre.v / (1 ms)
network N:
    step = 1 ms
    population a: LIF[6]
    connect a -> a: random(p = 0.5), weight = normal(0, 1), delay = 1 ms{synapse}, stored = false
{train}
"""
TRAIN = """train:
    rule = bptt
    loss = mse(mean(a.v))
    optimiser = sgd(learning_rate = 1e-2)
    learn = a.bias
"""
CANNOT = {
    "states of each synapse": (", synapse = clipped()", "", "`clipped`, of which every synapse keeps states"),
    "values": (", synapse = graded()", "", "`graded`, which delivers all the time"),
}  # fmt: skip


@pytest.mark.parametrize("case", CANNOT)
def test_synapses_that_are_not_stored_are_refused_where_more_than_spikes_needs_them(case):
    synapse, train, message = CANNOT[case]
    (found,) = (d for d in sncc.check(MADE.format(synapse=synapse, train=train)) if d.code == "not-supported-yet")
    assert message in found.message and found.span is not None and "connect a -> a" in found.span.text
    assert "leave `stored = false` out" in found.help[0]


def test_with_its_neurons_spread_over_threads_a_network_to_be_trained_need_not_store_them():
    program = compiler.compile_program(
        compiler.scheduled(compiler.compile_model(source_of(MADE.format(synapse="", train=TRAIN))), "neuron_parallel")
    )
    assert not program.connection("a_a").stored


def test_a_kernel_is_not_plastic_as_its_weights_are_those_of_many_synapses():
    text = """
network N:
    step = 1 ms
    population x: input[3, 3]
    population a: LIF[3, 3, 2]
    connect x -> a: conv2d(kernel = [3, 3], padding = same, channels = 2), weight = each(0.5), plasticity = stdp()
"""
    (found,) = sncc.check(text)
    assert (
        found.code == "not-supported-yet" and "conv2d" in found.message and found.span.text.startswith("connect x -> a")
    )


def test_beside_training_that_learns_nothing_of_them_the_program_is_that_of_stored_ones():
    text = MADE.format(synapse=", synapse = tsodyks_markram()", train=TRAIN).replace(
        "normal(0, 1)", "normal(0 /ms, 1 /ms)"
    )
    program, stored = (
        compiler.compile_program(compiler.compile_model(source_of(t)))
        for t in (text, text.replace(", stored = false", ""))
    )
    assert program.schedule == "sample_parallel" and not program.connection("a_a").stored
    kept = tuple(replace(c, stored=True) for c in program.connections)
    assert replace(program, connections=kept) == stored
