"""A batch that is announced is copied while the one before it runs:
with the same bits, whatever comes in its place or fails meanwhile.
"""

from __future__ import annotations

import numpy as np
import pytest
from projects import Projects, needs_compiler
from stand_in import needs_emulation
from trained_networks import NETWORKS

import sncc
from sncc.runtime.dataset import labelled_set, run_batch, selected

pytestmark = needs_emulation  # allocations that fail

SAMPLES = 12
PARTS = [slice(0, 5), slice(5, 10), slice(10, 12)]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    needs_compiler()
    return Projects(tmp_path_factory.mktemp("announced")).emulated(NETWORKS["merged populations"], "float32")[1]


@pytest.fixture
def network(built):
    return sncc.load(built, backend="emulated")


@pytest.fixture
def data(network):
    """Samples of different lengths, the longest ones last."""
    rng = np.random.default_rng(0)
    x = rng.poisson(0.5, (SAMPLES, 30, 6))
    events = sncc.Events.from_dense(x, lengths=np.arange(SAMPLES) + 19)
    return labelled_set(network.manifest, events, np.arange(SAMPLES) % 3)


def batches_of(data):
    order, keys = np.arange(SAMPLES), np.arange(SAMPLES, dtype=np.uint32)
    return [selected(data, order[part], keys[part]) for part in PARTS]


def train(network, batches, announced):
    losses = []
    for batch, after in zip(batches, announced, strict=True):
        if after is not None:
            network.library.call("announce", *after)
        losses.append(run_batch(network.library, "train", batch, 1.0).loss)
    return losses, {key: np.array(network.parameters[key]) for key in network.parameters}


@pytest.fixture
def expected(built, data):
    """Losses and parameters where nothing is announced."""
    return train(sncc.load(built, backend="emulated"), batches_of(data), [None] * len(PARTS))


def equal(found, expected):
    return found[0] == expected[0] and all(np.array_equal(found[1][key], expected[1][key]) for key in expected[1])


@pytest.mark.parametrize("comes", [[1, 2, None], [2, 0, 1], [1, None, 0]], ids=["what is announced", "another", "some"])
def test_the_same_bits(network, data, expected, comes):
    batches = batches_of(data)
    assert equal(train(network, batches, [None if k is None else batches[k] for k in comes]), expected)


def test_it_is_copied_during_the_run_before_and_forgotten_when_told(network, data):
    first, second, _ = batches_of(data)
    labels = data.native.classes

    def second_loss(forgets):
        network.library.call("announce", *second)
        before = run_batch(network.library, "gradients", first).loss
        kept = [labels[k] for k in range(5, 10)]
        for k in range(5, 10):
            labels[k] = (labels[k] + 1) % 3
        if forgets:
            network.library.call("announce", None, None, 0, None)
        found = run_batch(network.library, "gradients", second).loss
        for k in range(5, 10):
            labels[k] = kept[k - 5]
        return before, found

    copied, read = second_loss(forgets=False), second_loss(forgets=True)
    assert copied[0] == read[0]
    assert copied[1] == run_batch(network.library, "gradients", second).loss != read[1]


def test_a_run_of_another_kind_prepares_anew(network, data):
    first, second, _ = batches_of(data)
    alone = run_batch(network.library, "evaluate", second, None, None).loss
    network.library.call("announce", *second)
    run_batch(network.library, "gradients", first)
    assert run_batch(network.library, "evaluate", second, None, None).loss == alone


def test_what_cannot_be_prepared_is_said_when_it_runs(network, data, expected, monkeypatch):
    batches = batches_of(data)
    outside = selected(data, np.array([SAMPLES]), None)
    network.library.call("announce", *outside)
    loss = run_batch(network.library, "train", batches[0], 1.0).loss
    with pytest.raises(ValueError, match="a sample outside the data set"):
        run_batch(network.library, "train", outside, 1.0)

    network.library.call("announce", *batches[2])
    losses = [loss, run_batch(network.library, "train", batches[1], 1.0).loss]
    many = selected(data, np.tile(np.arange(SAMPLES), 9), None)
    network.library.call("announce", *many)
    monkeypatch.setenv("SNCC_EMULATION_FAIL_MALLOC", "1")
    losses.append(run_batch(network.library, "train", batches[2], 1.0).loss)
    with pytest.raises(MemoryError, match="no room on the device"):
        run_batch(network.library, "train", many, 1.0)
    monkeypatch.delenv("SNCC_EMULATION_FAIL_MALLOC")
    assert equal((losses, {key: np.array(network.parameters[key]) for key in network.parameters}), expected)


def test_fit_and_evaluate_announce_and_forget(network, data, monkeypatch):
    calls = []
    true_call, forget = network.library.call, network.library._functions["announce"]
    monkeypatch.setattr(network.library, "call", lambda name, *rest: (calls.append(name), true_call(name, *rest))[1])
    monkeypatch.setitem(network.library._functions, "announce", lambda *a: (calls.append("told"), forget(*a))[1])
    x = sncc.Events.from_dense(np.random.default_rng(1).poisson(0.5, (SAMPLES, 20, 6)))
    network.fit(x, np.arange(SAMPLES) % 3, epochs=1, batch=5, verbose=False)
    assert [c for c in calls if c in ("announce", "told", "train")] == [
        "announce", "told", "train", "announce", "told", "train", "train", "told",
    ]  # fmt: skip
