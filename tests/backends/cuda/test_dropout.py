"""Dropout in the emitted CUDA, run on the CPU: the reference's losses and gradients, without a race."""

from __future__ import annotations

import pytest
from dropout import NETWORK, agree
from networks import program_of
from projects import Projects, needs_compiler

import sncc


@pytest.mark.parametrize("rule", ["bptt", pytest.param("eventprop", marks=pytest.mark.slow)])
def test_the_same_neurons_are_left_out_as_by_the_reference(tmp_path, rule):
    needs_compiler()
    program = program_of(NETWORK, train__rule=rule)
    _, project = Projects(tmp_path).emulated(NETWORK, build="checked", train__rule=rule)
    agree(program, [sncc.load(project, backend="emulated")])
