"""Deep R in the C++ half: the reference's synapses and weights after every step, with any number of threads;
saved and gone on with.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from projects import needs_compiler
from rewired import (
    FED_BACK,
    FORWARDS,
    LOCKSTEP,
    PAIRS,
    TEXT,
    a_simulation_goes_on_unless_delays_or_states_move,
    batch,
    follows_the_reference,
    goes_on_exactly_from_a_file,
    refuses_synapses_that_cannot_be,
    starts_like,
)

import sncc
from sncc.backends.reference.interpreter import Reference


@pytest.fixture(scope="module")
def project():
    needs_compiler()
    return sncc.build(TEXT, backend="cpu", precision="float64")


def loaded(project, program, reference, threads=2):
    return starts_like(sncc.load(project, connections=PAIRS, seed=5, threads=threads), program, reference)


def test_synapses_and_weights_are_the_references(project):
    follows_the_reference(lambda program, reference: loaded(project, program, reference))


@pytest.mark.slow
@pytest.mark.parametrize("text", [FED_BACK, FORWARDS, LOCKSTEP], ids=["reverse", "forwards", "step by step"])
def test_what_stands_for_weights_on_the_way_back_goes_with_its_synapse(text):
    needs_compiler()
    project = sncc.build(text, backend="cpu", precision="float64")
    follows_the_reference(lambda program, reference: loaded(project, program, reference), text)


def test_a_simulation_goes_on_unless_delays_or_states_move(project):
    a_simulation_goes_on_unless_delays_or_states_move(sncc.load(project, connections=PAIRS, seed=5))


def test_training_goes_on_exactly_from_a_file_and_with_other_threads(project, tmp_path):
    program = program_of(TEXT)
    first = loaded(project, program, Reference(program, seed=5, pairs=PAIRS))
    again = sncc.load(project, connections=PAIRS, seed=5, threads=1)
    goes_on_exactly_from_a_file(first, again, tmp_path / "w.npz")


def test_a_file_with_synapses_that_cannot_be_changes_nothing(project, tmp_path):
    refuses_synapses_that_cannot_be(sncc.load(project, connections=PAIRS, seed=5), tmp_path)


def test_parameters_alone_leave_nothing_of_an_optimiser_to_other_synapses(project, tmp_path):
    program = program_of(TEXT)
    _, events, labels = batch()
    first = loaded(project, program, Reference(program, seed=5, pairs=PAIRS))
    first.save(tmp_path / "w.npz")
    first.fit(events, labels, epochs=4, batch=2, seed=1, verbose=False)
    first.load(tmp_path / "w.npz", optimiser=False)
    with pytest.raises(
        ValueError, match=r"has \d+ synapses, and \d+ where this file was saved: load the network with seed 5"
    ):
        sncc.load(project, connections=PAIRS, seed=6).load(tmp_path / "w.npz")
    first.save(tmp_path / "again.npz")
    kept = np.load(tmp_path / "again.npz")
    assert not np.any(kept["optimiser/drawn.weight/m"]) and np.any(kept["optimiser/hidden.tau_m/m"])
