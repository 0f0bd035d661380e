"""The emitted CUDA over every pattern of synapses, run on the CPU: the reference's numbers, without a race."""

from __future__ import annotations

import pytest
from engine_patterns import (
    ONLINE,
    case_of,
    equals_the_reference,
    keeping_equals_the_reference,
    mixed_equals_the_reference,
    passing_equals_the_reference,
)
from mixed_patterns import DELAYS, DRAWN, LEARNT, ONE, text_of
from patterns import CASES
from projects import Projects, needs_compiler
from synapses_forwards import keeping

import sncc


@pytest.fixture(scope="session")
def projects(tmp_path_factory):
    needs_compiler()
    return Projects(tmp_path_factory.mktemp("patterns"))


CHOSEN = [name for name in CASES if name.split()[0] in ("pairs", "convolution", "pooling", "a", "learnt")]


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if k else ()) for k, n in enumerate(CHOSEN)])
def test_every_pattern_equals_the_reference_without_a_race(projects, name):
    program, reference, values, inputs, labels, pairs = case_of(name, "bptt")
    _, project = projects.emulated(CASES[name].text(), build="checked")
    network = sncc.load(project, backend="emulated", connections=pairs)
    equals_the_reference(network, name, labels, program, reference, values, inputs, pairs)


@pytest.mark.slow
@pytest.mark.parametrize("late", [ONE, DRAWN, LEARNT])
def test_feedback_by_numbers_of_its_own(projects, late):
    text = text_of("feedback = adaptive", late)
    _, project = projects.emulated(text, build="checked")
    mixed_equals_the_reference(lambda pairs: sncc.load(project, backend="emulated", connections=pairs), text)


@pytest.mark.slow
@pytest.mark.parametrize("rule, late, loss, dropout", ONLINE)
def test_traces_of_synapses_forwards(projects, rule, late, loss, dropout):
    text = text_of(rule, late, loss, dropout=dropout, learn=DELAYS)
    _, project = projects.emulated(text, build="checked")
    mixed_equals_the_reference(lambda pairs: sncc.load(project, backend="emulated", connections=pairs), text)


@pytest.mark.slow
def test_traces_go_through_states_of_synapses(projects):
    def load(text):
        return sncc.load(projects.emulated(text, build="checked")[1], backend="emulated")

    passing_equals_the_reference(load, "feedback = random, online = true", "mean(cross_entropy(output.v))")


@pytest.mark.slow
def test_traces_follow_states_of_each_synapse(projects):
    def load(text):
        return sncc.load(projects.emulated(text, build="checked")[1], backend="emulated")

    keeping_equals_the_reference(load, keeping("feedback = adaptive, online = true"))
