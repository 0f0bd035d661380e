"""The C++ half over every pattern of synapses: the reference's losses, gradients, spikes and states,
with any number of threads.
"""

from __future__ import annotations

import numpy as np
import pytest
from engine_patterns import (
    ONLINE,
    agree,
    case_of,
    equals_the_reference,
    keeping_equals_the_reference,
    mixed_equals_the_reference,
    passing_equals_the_reference,
)
from mixed_patterns import DELAYS, DRAWN, LEARNT, ONE, text_of
from networks import program_of
from patterns import CASES, inputs_of, values_of
from projects import handed_over, needs_compiler, set_parameters
from synapses_forwards import keeping

import sncc
from sncc.backends.reference.interpreter import Reference


@pytest.fixture(autouse=True)
def compiler():
    needs_compiler()


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if k % 2 or k > 2 else ()) for k, n in enumerate(CASES)]
)
def test_every_pattern_equals_the_reference(name):
    program, reference, values, inputs, labels, pairs = case_of(name, "bptt", 5)
    project = sncc.build(CASES[name].text(), backend="cpu", precision="float64")
    network = sncc.load(project, connections=pairs, threads=2)
    equals_the_reference(network, name, labels, program, reference, values, inputs, pairs)


@pytest.mark.parametrize(
    "name",
    [
        "drawn pairs, also of a signal",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("convolution", "a delay for every synapse")),
    ],
)
def test_threads_do_not_change_a_bit(name):
    program, _, values, inputs, labels, pairs = case_of(name, "bptt", 21)
    project = sncc.build(CASES[name].text(), backend="cpu", precision="float64")
    gradients = []
    for threads in (1, 2):
        network = sncc.load(project, connections=pairs, threads=threads)
        set_parameters(network, program, values)
        network.fit(handed_over(program, inputs), np.array(labels), epochs=2, batch=8, verbose=False)
        gradients.append(network.gradients(handed_over(program, inputs), np.array(labels))[1])
    assert all(np.array_equal(gradients[0][key], gradients[1][key]) for key in gradients[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["drawn pairs, also of a signal", "a delay for every synapse", "learnt delays"])
def test_times_of_spikes_over_patterns(name):
    text = (
        CASES[name]
        .text(rule="eventprop")
        .replace("hidden: LIF", "hidden: CubaLIF")
        .replace("theta = 0.7", "theta = 0.1")
    )
    program, rng = program_of(text), np.random.default_rng(4)
    pairs = {k: tuple(np.array(a) for a in v) for k, v in CASES[name].pairs.items()}
    values = values_of(program, Reference(program, pairs=pairs).tables, rng)
    inputs, labels = inputs_of(program, rng, 3), [0, 1, 2]
    network = sncc.load(sncc.build(text, backend="cpu", precision="float64"), connections=pairs, threads=2)
    set_parameters(network, program, values)
    agree(network, program, Reference(program, values, pairs=pairs), inputs, labels, 1e-9)


@pytest.mark.slow  # test_bundles.py has one in a simulation
def test_a_delay_that_is_too_long_is_refused_and_changes_nothing():
    program, reference, values, inputs, labels, _ = case_of("a delay for every synapse", "bptt", 5)
    network = sncc.load(sncc.build(CASES["a delay for every synapse"].text(), backend="cpu", precision="float64"))
    set_parameters(network, program, values)
    delays = np.asarray(network.parameters["x_hidden.delay"]).copy()
    delays[0] = 65.536
    with pytest.raises(ValueError, match="`x_hidden`: a delay of 65536 ms is 65536 steps, at most 65535 are possible"):
        network.parameters["x_hidden.delay"] = delays
    agree(network, program, reference, inputs, labels, 1e-9)


@pytest.mark.slow
def test_float32_is_close():
    program, reference, values, inputs, labels, pairs = case_of("convolution", "bptt")
    network = sncc.load(sncc.build(CASES["convolution"].text(), backend="cpu"), connections=pairs)
    set_parameters(network, program, values)
    agree(network, program, reference, inputs, labels, 2e-4)


@pytest.mark.parametrize("late", [DRAWN, *(pytest.param(late, marks=pytest.mark.slow) for late in (ONE, LEARNT))])
def test_feedback_by_numbers_of_its_own(late):
    text = text_of("feedback = adaptive", late)
    project = sncc.build(text, backend="cpu", precision="float64")
    mixed_equals_the_reference(lambda pairs: sncc.load(project, connections=pairs, threads=2), text)


@pytest.mark.parametrize("rule, late, loss, dropout", ONLINE)
def test_traces_of_synapses_forwards(rule, late, loss, dropout):
    text = text_of(rule, late, loss, dropout=dropout, learn=DELAYS)
    project = sncc.build(text, backend="cpu", precision="float64")
    mixed_equals_the_reference(lambda pairs: sncc.load(project, connections=pairs, threads=2), text)


@pytest.mark.slow
def test_traces_go_through_states_of_synapses():
    def load(text):
        return sncc.load(sncc.build(text, backend="cpu", precision="float64"), threads=2)

    passing_equals_the_reference(load, "feedback = random, online = true", "mean(cross_entropy(output.v))")


@pytest.mark.slow
def test_traces_follow_states_of_each_synapse():
    def load(text):
        return sncc.load(sncc.build(text, backend="cpu", precision="float64"), threads=2)

    keeping_equals_the_reference(load, keeping("feedback = adaptive, online = true"))
