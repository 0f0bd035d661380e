"""Synapses that are not stored are those that would be, to the last bit:
spikes, states, and what Python reads, for any number of workers.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from projects import needs_compiler
from unstored import RECORD, TEXT, same, unstored

import sncc
from sncc.backends.reference.interpreter import Reference


@pytest.fixture(scope="module", params=["float32", pytest.param("float64", marks=pytest.mark.slow)])
def projects(request):
    """The network stored, and not."""
    needs_compiler()
    return [sncc.build(text, backend="cpu", precision=request.param) for text in (TEXT, unstored(TEXT))]


@pytest.fixture(scope="module")
def load(projects):
    """The network with so many workers."""

    def loaded(stored, workers, seed=3):
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("SNCC_WORKERS", str(workers))
            return sncc.load(projects[not stored], seed=seed, threads=workers)

    return loaded


@pytest.fixture(scope="module")
def expected(load):
    """The stored network, and what it does."""
    network = load(True, 1)
    return network, network.simulate(record=RECORD, seed=4)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_run_has_the_bits_of_the_stored_network(load, expected, workers):
    network = load(False, workers)
    same([network.simulate(record=RECORD, seed=4)], expected[1])
    for key, wanted in expected[0].parameters.items():
        found = network.parameters[key]
        assert np.array_equal(found, wanted), key
        if wanted.ndim == 1 and hasattr(wanted, "pre"):
            assert np.array_equal(found.pre, wanted.pre) and np.array_equal(found.post, wanted.post), key


def test_a_state_is_stored_and_restored_by_other_workers(load, expected):
    first = load(False, 3)
    head = first.simulate(0.02, record=RECORD, seed=4)
    state = first.store()
    assert len(state) < 40_000  # none of the 100,000 weights is there
    second = load(False, 2)
    second.restore(state)
    same([head, second.simulate(0.04, record=RECORD, seed=4, resume=True)], expected[1])


def test_what_is_stored_nowhere_cannot_be_set_or_recorded(load):
    network = load(False, 1)
    with pytest.raises(ValueError, match=r"`a_a.weight` is stored nowhere .* leave `stored = false` out"):
        network.parameters["a_a.weight"] = network.parameters["a_a.weight"]
    with pytest.raises(ValueError, match=r"cannot record `a_a.weight`: it is stored nowhere"):
        network.simulate(0.01, record=["a_a.weight"])


def test_saved_numbers_are_for_the_seed_from_which_the_others_follow(load, tmp_path):
    load(False, 1).save(tmp_path / "numbers.npz")
    assert not [name for name in np.load(tmp_path / "numbers.npz") if name.endswith("weight")]
    load(False, 1).load(tmp_path / "numbers.npz")
    with pytest.raises(ValueError, match="load the network with seed 3"):
        load(False, 1, seed=5).load(tmp_path / "numbers.npz")


def test_no_memory_is_asked_for_synapses_that_are_not_stored(load, monkeypatch):
    monkeypatch.setenv("SNCC_MEMORY_LIMIT", "300000")
    with pytest.raises(MemoryError, match="the network needs .* of memory, 300 kB are free"):
        load(True, 1)
    assert load(False, 1).parameters["gained.weight"].size > 15_000


TRAINED = """
network Trained:
    step = 1 ms
    population x: input[6]
    population hidden: LIF[9](theta = 0.6)
    population output: LI[3]
    connect x -> hidden: dense, weight = normal(0.5, 0.3)
    connect hidden -> hidden: random(p = 0.4), weight = normal(0, 0.3), delay = 1 ms, stored = false
    connect far = hidden -> hidden: random(fan_out = 3), weight = normal(0 /ms, 0.2 /ms), delay = 2 ms, synapse = tsodyks_markram(), stored = false
    connect hidden -> output: dense, weight = normal(0, 0.5)

train:
    rule = bptt
    loss = cross_entropy(mean(output.v))
    learn = x_hidden.weight, hidden_output.weight
    optimiser = sgd(learning_rate = 1e-2)
"""


@pytest.mark.slow  # that it is the same Program: tests/lower
def test_beside_training_that_learns_nothing_of_them_they_are_stored_all_the_same():
    needs_compiler()
    with pytest.warns(UserWarning, match=r"stored, with `stored = false` too \(`hidden_hidden`, `far`\)"):
        project = sncc.build(TRAINED, backend="cpu", precision="float64")
    network = sncc.load(project, seed=4)
    stored = Reference(program_of(TRAINED.replace(", stored = false", "")), seed=4)
    spikes = (np.random.default_rng(0).random((2, 30, 6)) < 0.3).astype(int)
    expected = stored.run([{"x": s} for s in spikes], [0, 2])
    loss, gradients = network.gradients(sncc.Events.from_dense(spikes, step=1e-3), np.array([0, 2]))
    assert expected.spikes[0]["hidden"].sum() > 20 and loss == pytest.approx(expected.loss, rel=1e-12)
    for key, gradient in expected.gradients.items():
        assert np.allclose(gradients[key], gradient, rtol=1e-9, atol=1e-12)
    assert np.allclose(network.parameters["hidden_hidden.weight"], stored.parameters["hidden_hidden.weight"])
    network.parameters["far.weight"] = 2 * network.parameters["far.weight"]
