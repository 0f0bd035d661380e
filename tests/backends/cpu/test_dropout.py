"""Dropout in the C++ half: the reference's losses and gradients, with any number of threads;
nothing is left out elsewhere.
"""

from __future__ import annotations

import pytest
from dropout import DENSE, NETWORK, SYNAPTIC, agree
from networks import program_of
from projects import needs_compiler

import sncc


@pytest.fixture(autouse=True)
def compiler():
    needs_compiler()


@pytest.mark.parametrize(
    "text, rule",
    [(SYNAPTIC, "bptt"), pytest.param(NETWORK, "eventprop", marks=pytest.mark.slow)],
    ids=["bptt", "eventprop"],
)
def test_the_same_neurons_are_left_out_as_by_the_reference(text, rule):
    program = program_of(text, train__rule=rule)
    project = sncc.build(text, backend="cpu", precision="float64", settings={"train.rule": rule})
    agree(program, [sncc.load(project, threads=threads) for threads in (1, 2)])


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["eprop(feedback = random)", "eprop(online = true)"])
def test_feedback_and_traces(rule):
    program = program_of(DENSE, train__rule=rule)
    project = sncc.build(DENSE, backend="cpu", precision="float64", settings={"train.rule": rule})
    agree(program, [sncc.load(project, threads=threads) for threads in (1, 2)])
