import os
import pickle

import numpy as np
import pytest

from sncc.runtime import load

WEIGHT = "x_output.weight"


def test_a_loaded_network_trains_on_with_the_same_bits(project, data, labels, tmp_path):
    a, b = load(project, seed=1), load(project, seed=9)
    a.fit(data, labels, epochs=2, seed=3)
    a.save(tmp_path / "w.npz")
    b.load(tmp_path / "w.npz")
    for network in (a, b):
        network.fit(data, labels, epochs=1, seed=4)
    assert np.array_equal(a.parameters[WEIGHT], b.parameters[WEIGHT])


def test_an_interrupted_fit_is_continued_along_its_schedule(project, data, labels, tmp_path):
    whole, first, second = (load(project, seed=1) for _ in range(3))
    whole.fit(data, labels, epochs=6, seed=3)

    def interrupt(network, epoch, history):
        network.save(tmp_path / "w.npz")
        if epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.fit(data, labels, epochs=6, seed=3, callbacks=[interrupt])
    second.load(tmp_path / "w.npz")
    assert second.progress.epoch == 4
    second.fit(data, labels, epochs=2, seed=3)
    assert np.array_equal(whole.parameters[WEIGHT], second.parameters[WEIGHT])


def test_parameters_alone_may_be_taken(project, data, labels, tmp_path):
    a, b = load(project), load(project)
    a.fit(data, labels, epochs=1)
    a.save(tmp_path / "w.npz")
    b.load(tmp_path / "w.npz", optimiser=False)
    assert np.array_equal(a.parameters[WEIGHT], b.parameters[WEIGHT])
    assert b.progress.epoch == 0 and b.library.get_count("get_optimiser_step") == 0


@pytest.fixture
def saved(network, data, labels, tmp_path):
    network.fit(data, labels, epochs=1)
    network.save(tmp_path / "w.npz")
    return tmp_path / "w.npz"


def rewritten(path, **changes):
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays |= changes
    np.savez(path, **{name: a for name, a in arrays.items() if a is not None})


def assert_refused(network, path, cause):
    network.parameters["hidden.theta"] = [0.1, 0.2, 0.3, 0.4]
    before = {key: network.parameters[key] for key in network.parameters}
    momentum = network.library.get("get_optimiser_state", (8, 3), 0, 0)
    with pytest.raises(ValueError, match=cause):
        network.load(path)
    assert all(np.array_equal(before[key], network.parameters[key]) for key in before)
    assert np.array_equal(momentum, network.library.get("get_optimiser_state", (8, 3), 0, 0))


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.9, -1])
def test_a_file_cut_short_is_refused(network, saved, kept):
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(kept * len(whole))] if isinstance(kept, float) else whole[:kept])
    assert_refused(network, saved, "no weights file, or it is damaged")


def test_a_flipped_bit_is_noticed_wherever_it_is(network, saved):
    whole = saved.read_bytes()
    place = whole.find(np.array(network.parameters[WEIGHT]).tobytes())
    assert place > 0
    for k in range(place, place + 192, 40):
        saved.write_bytes(whole[:k] + bytes([whole[k] ^ 16]) + whole[k + 1 :])
        assert_refused(network, saved, "damaged")
    listing = whole.index(b"PK\x01\x02")
    saved.write_bytes(whole[: listing + 8] + b"\1" + whole[listing + 9 :])  # "encrypted", a RuntimeError of Python's
    assert_refused(network, saved, "damaged")


@pytest.mark.parametrize(
    "changes, cause",
    [
        ({"format": None}, "no weights file of sncc"),
        ({"format_version": 2}, "version 2"),
        ({f"parameter/{WEIGHT}": np.zeros((3, 8))}, r"`x_output.weight` has the shape \(3, 8\), here \(8, 3\)"),
        ({f"parameter/{WEIGHT}": None}, "has no `x_output.weight`"),
        ({f"parameter/{WEIGHT}": np.full((8, 3), np.nan)}, "finite"),
        ({f"parameter/{WEIGHT}": np.full((8, 3), 6.0)}, "bound"),
        ({f"parameter/{WEIGHT}": np.full((8, 3), 1, np.int64)}, "damaged"),
        ({"parameter/other.weight": np.zeros(3)}, "`other.weight`, which this network has not"),
        ({f"unscaled/{WEIGHT}": np.full((8, 3), 0.5)}, "damaged: `unscaled/x_output.weight`"),
        ({f"optimiser/{WEIGHT}/m": None}, "optimiser=False"),
        ({"optimiser_step": np.array(-1)}, "optimiser_step"),
        ({"progress": np.zeros(2, int)}, "progress"),
        ({"progress": None}, "progress"),
        ({"progress": np.array([1, 5, 2])}, "progress"),
        ({"progress": np.array([2**62, 0, 2**62])}, "progress"),
    ],
)
def test_a_file_of_another_network_is_refused(network, saved, changes, cause):
    rewritten(saved, **changes)
    assert_refused(network, saved, cause)


def test_pickles_and_other_files_are_refused(network, tmp_path):
    path = tmp_path / "w.npz"
    path.write_bytes(pickle.dumps({"a": 1}))
    assert_refused(network, path, "damaged")
    np.savez(path, format=np.array(["sncc weights", None], object))
    assert_refused(network, path, "damaged")
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))
    assert_refused(network, path, "not a zip file")
    with pytest.raises(FileNotFoundError, match=r"absent\.npz"):
        network.load(tmp_path / "absent.npz")
    assert_refused(network, tmp_path, "folder")


def test_a_file_that_may_not_be_read_is_not_taken_for_a_damaged_one(network, saved, monkeypatch):
    def not_allowed(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("zipfile.ZipFile", not_allowed)
    with pytest.raises(PermissionError, match="cannot read .*: permission denied"):
        network.load(saved)


def test_saving_replaces_the_file_whole_or_not_at_all(network, saved, monkeypatch):
    before = saved.read_bytes()

    def broken(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError):
        network.save(saved)
    assert saved.read_bytes() == before and os.listdir(saved.parent) == ["w.npz"]


def test_a_load_that_fails_half_way_leaves_what_was_there(network, saved, monkeypatch):
    network.parameters["hidden.theta"] = [1, 2, 3, 4]
    weight = np.full((8, 3), 0.25)
    network.parameters[WEIGHT] = weight
    original, calls = network.library.set, []

    def interrupted(function, values, *indices):
        calls.append(function)
        if len(calls) == 2:
            raise KeyboardInterrupt
        original(function, values, *indices)

    monkeypatch.setattr(network.library, "set", interrupted)
    with pytest.raises(KeyboardInterrupt):
        network.load(saved)
    assert np.array_equal(network.parameters[WEIGHT], weight) and network.parameters["hidden.theta"][3] == 4


def test_a_pipe_is_refused_before_it_is_waited_for(project, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert_refused(load(project), tmp_path / "pipe", "a pipe or a device")
