"""Deep R in the C++ half: the reference's synapses and weights after every step, with any number of threads; saved and gone on with."""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from projects import needs_compiler
from rewired import (
    PAIRS,
    REWIRED,
    TEXT,
    a_simulation_goes_on_unless_delays_move,
    batch,
    follows_the_reference,
    starts_like,
)

import sncc
from sncc.backends.reference.interpreter import Reference


@pytest.fixture(scope="module")
def project():
    needs_compiler()
    return sncc.build(TEXT, backend="cpu", precision="float64")


@pytest.fixture(scope="module")
def data():
    return batch()


def loaded(project, program, reference, threads=2):
    return starts_like(sncc.load(project, connections=PAIRS, seed=5, threads=threads), program, reference)


def test_synapses_and_weights_are_the_references(project):
    follows_the_reference(lambda program, reference: loaded(project, program, reference))


def test_a_simulation_goes_on_unless_delays_move(project):
    a_simulation_goes_on_unless_delays_move(sncc.load(project, connections=PAIRS, seed=5))


def test_training_goes_on_exactly_from_a_file_and_with_other_threads(project, data, tmp_path):
    program = program_of(TEXT)
    reference = Reference(program, seed=5, pairs=PAIRS)
    _, events, labels = data

    def fit(network, epochs):
        network.fit(events, labels, epochs=epochs, batch=2, seed=1, verbose=False)

    first = loaded(project, program, reference)
    fit(first, 4)
    first.save(tmp_path / "w.npz")
    kept = first.parameters["drawn.weight"]
    where = kept.pre.copy()
    fit(first, 4)
    assert np.array_equal(kept.pre, where)  # of a copy: the synapses that its numbers were of
    again = sncc.load(project, connections=PAIRS, seed=5, threads=1)
    again.load(tmp_path / "w.npz")
    fit(again, 4)
    for c in REWIRED:
        one, other = first.parameters[f"{c}.weight"], again.parameters[f"{c}.weight"]
        assert (
            np.array_equal(one, other) and np.array_equal(one.pre, other.pre) and np.array_equal(one.post, other.post)
        )


def test_a_file_with_synapses_that_cannot_be_changes_nothing(project, tmp_path):
    network = sncc.load(project, connections=PAIRS, seed=5)
    network.save(tmp_path / "w.npz")
    arrays = dict(np.load(tmp_path / "w.npz"))
    before = network.parameters["drawn.weight"]
    drawn, back = ([arrays[f"synapses/{c}/{end}"] for end in ("pre", "post")] for c in ("drawn", "back"))
    itself, apart = (np.where(np.arange(len(back[0])) == 0, x, back[1]) for x in (back[0][0], back[1][0] + 1))
    wrong = {
        "out of order": {"synapses/drawn/pre": drawn[0][::-1]},
        "of no part": {"synapses/drawn/pre": drawn[0] * 0},
        "one pair twice": {f"synapses/drawn/{end}": np.r_[x[1], x[1:]] for end, x in zip(("pre", "post"), drawn)},
        "a neuron and itself": {"synapses/back/post": itself},
        "more to one target": {"synapses/back/post": apart},
    }
    for what, changed in wrong.items():
        np.savez(tmp_path / "other.npz", **{**arrays, **changed})
        with pytest.raises(ValueError, match="cannot have these synapses"):
            network.load(tmp_path / "other.npz")
        assert np.array_equal(network.parameters["drawn.weight"].pre, before.pre), what


def test_parameters_alone_leave_nothing_of_an_optimiser_to_other_synapses(project, data, tmp_path):
    program = program_of(TEXT)
    _, events, labels = data
    first = loaded(project, program, Reference(program, seed=5, pairs=PAIRS))
    first.save(tmp_path / "w.npz")
    first.fit(events, labels, epochs=4, batch=2, seed=1, verbose=False)
    first.load(tmp_path / "w.npz", optimiser=False)
    first.save(tmp_path / "again.npz")
    kept = np.load(tmp_path / "again.npz")
    assert not np.any(kept["optimiser/drawn.weight/m"]) and np.any(kept["optimiser/hidden.tau_m/m"])
