"""Deep R in the emitted CUDA, run on the CPU: the reference's synapses and weights after every step; saved and gone on with."""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from projects import Projects, needs_compiler
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


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    needs_compiler()
    project = Projects(tmp_path_factory.mktemp("rewired")).emulated(TEXT)[1]
    return lambda: sncc.load(project, backend="emulated", connections=PAIRS, seed=5)


def test_synapses_weights_and_delays_are_the_references(load):
    follows_the_reference(lambda program, reference: starts_like(load(), program, reference))


def test_a_simulation_goes_on_unless_delays_move(load):
    a_simulation_goes_on_unless_delays_move(load())


def test_training_goes_on_exactly_from_a_file(load, tmp_path):
    _, events, labels = batch()
    first, again = load(), load()
    first.fit(events, labels, epochs=3, batch=2, seed=1, verbose=False)
    first.save(tmp_path / "w.npz")
    again.load(tmp_path / "w.npz")
    for network in (first, again):
        network.fit(events, labels, epochs=3, batch=2, seed=1, verbose=False)
    for c in REWIRED:
        one, other = first.parameters[f"{c}.weight"], again.parameters[f"{c}.weight"]
        assert (
            np.array_equal(one, other) and np.array_equal(one.pre, other.pre) and np.array_equal(one.post, other.post)
        )


def test_synapses_that_cannot_be_change_nothing(load, tmp_path):
    network = load()
    network.save(tmp_path / "w.npz")
    arrays = dict(np.load(tmp_path / "w.npz"))
    before = network.parameters["drawn.weight"]
    np.savez(tmp_path / "other.npz", **{**arrays, "synapses/drawn/pre": arrays["synapses/drawn/pre"][::-1]})
    with pytest.raises(ValueError, match="cannot have these synapses"):
        network.load(tmp_path / "other.npz")
    assert np.array_equal(network.parameters["drawn.weight"].pre, before.pre)


def test_what_learning_keeps_on_the_device_is_not_asked_of_the_host(load, monkeypatch):
    sizes = [int(np.prod(p.shape)) for p in program_of(TEXT).parameters if -1 not in p.shape]
    monkeypatch.setenv("SNCC_MEMORY_LIMIT", "1")
    with pytest.raises(MemoryError, match=f"needs {8 * (sum(sizes) + max(sizes))} B of memory for its parameters"):
        load()
