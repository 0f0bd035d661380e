"""Deep R in the emitted CUDA, run on the CPU: the reference's synapses and weights after every step;
saved and gone on with.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from projects import Projects, needs_compiler
from rewired import (
    FED_BACK,
    FORWARDS,
    LOCKSTEP,
    PAIRS,
    TEXT,
    a_simulation_goes_on_unless_delays_or_states_move,
    follows_the_reference,
    goes_on_exactly_from_a_file,
    refuses_synapses_that_cannot_be,
    starts_like,
)

import sncc

pytestmark = pytest.mark.slow  # those of the C++ half are quick


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    needs_compiler()
    project = Projects(tmp_path_factory.mktemp("rewired")).emulated(TEXT)[1]
    return lambda: sncc.load(project, backend="emulated", connections=PAIRS, seed=5)


def test_synapses_weights_and_delays_are_the_references(load):
    follows_the_reference(lambda program, reference: starts_like(load(), program, reference))


@pytest.mark.parametrize("text", [FED_BACK, FORWARDS, LOCKSTEP], ids=["reverse", "forwards", "step by step"])
def test_what_stands_for_weights_on_the_way_back_goes_with_its_synapse(tmp_path, text):
    needs_compiler()
    project = Projects(tmp_path).emulated(text)[1]
    network = sncc.load(project, backend="emulated", connections=PAIRS, seed=5)
    follows_the_reference(lambda program, reference: starts_like(network, program, reference), text)


def test_a_simulation_goes_on_unless_delays_or_states_move(load):
    a_simulation_goes_on_unless_delays_or_states_move(load())


def test_training_goes_on_exactly_from_a_file(load, tmp_path):
    goes_on_exactly_from_a_file(load(), load(), tmp_path / "w.npz")


def test_synapses_that_cannot_be_change_nothing(load, tmp_path):
    refuses_synapses_that_cannot_be(load(), tmp_path)


def test_what_learning_keeps_on_the_device_is_not_asked_of_the_host(load, monkeypatch):
    found = [p.dimensions if p.shape else () for p in program_of(TEXT).parameters]
    sizes = [int(np.prod(shape)) for shape in found if -1 not in shape]
    monkeypatch.setenv("SNCC_MEMORY_LIMIT", "1")
    with pytest.raises(MemoryError, match=f"needs {8 * (sum(sizes) + max(sizes))} B of memory for its parameters"):
        load()
