"""What cannot be lowered is refused at its place."""

from __future__ import annotations

from dataclasses import replace

import pytest

import sncc
from sncc import compiler
from sncc.arguments import source_of

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
