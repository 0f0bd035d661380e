"""Dropout in the emitted CUDA, run on the CPU: the reference's losses and gradients, without a race."""

from __future__ import annotations

import pytest
from dropout import DENSE, NETWORK, SYNAPTIC, agree
from networks import program_of
from projects import Projects, needs_compiler

import sncc


@pytest.mark.parametrize(
    "rule, build",
    [
        pytest.param("bptt", "plain", marks=pytest.mark.slow),
        pytest.param("bptt", "checked", marks=pytest.mark.slow),
        pytest.param("eventprop", "checked", marks=pytest.mark.slow),
    ],
)
def test_the_same_neurons_are_left_out_as_by_the_reference(tmp_path, rule, build):
    needs_compiler()
    text = (SYNAPTIC if rule == "bptt" else NETWORK).replace(
        "population output", "population noise: poisson[40](rate = 50 Hz)\n    population output"
    )
    noise = "    connect noise -> hidden: dense, weight = normal(0, 0.5), dropout = 0.4\n    connect straight"
    text = text.replace("    connect straight", noise)
    program = program_of(text, train__rule=rule)
    _, project = Projects(tmp_path).emulated(text, build=build, train__rule=rule)
    agree(program, [sncc.load(project, backend="emulated")])


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["eprop(feedback = random)", "eprop(online = true)"])
def test_feedback_and_traces(tmp_path, rule):
    needs_compiler()
    program = program_of(DENSE, train__rule=rule)
    _, project = Projects(tmp_path).emulated(DENSE, build="checked", train__rule=rule)
    agree(program, [sncc.load(project, backend="emulated")])
