from pathlib import Path

import numpy as np
import pytest

from sncc.data import load_data

SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def file(tmp_path):
    def save(**arrays):
        np.savez(tmp_path / "d.npz", **arrays)
        return f"npz:{tmp_path / 'd.npz'}"

    return save


COUNTS = np.random.default_rng(0).integers(0, 2, (20, 5, 3))
LABELS = np.arange(20) % 4


def test_counts_are_split_by_class(file):
    data = load_data(file(events=COUNTS, labels=LABELS), step=1e-3)
    assert len(data.train) == 16 and np.bincount(data.test_labels).tolist() == [1, 1, 1, 1] and data.shape == (3,)
    dense = np.concatenate([data.train.to_dense(), data.test.to_dense()])
    assert sorted(map(bytes, dense.astype(np.uint8))) == sorted(map(bytes, COUNTS.astype(np.uint8)))
    assert load_data(file(events=COUNTS, labels=LABELS) + ":split=0", step=1e-3).test is None


def test_a_part_to_test_on_may_be_in_the_file(file):
    data = load_data(file(events=COUNTS, labels=LABELS, test_events=COUNTS[:3], test_labels=LABELS[:3]), step=1e-3)
    assert len(data.train) == 20 and np.array_equal(data.test.to_dense(), COUNTS[:3])


def test_an_array_may_name_the_part_to_test_on(file):
    data = load_data(file(events=COUNTS, labels=LABELS, take=np.arange(20)) + ":test=take<5", step=1e-3)
    assert np.array_equal(data.test.to_dense(), COUNTS[:5]) and len(data.train) == 15


def test_times_are_binned(file):
    spec = file(times=np.array([0, 3, 1], np.uint16), channels=[1, 0, 1], offsets=[0, 2, 2, 3], labels=[0, 1, 0])
    data = load_data(f"{spec}:unit=0.0005,split=0,shape=2x2,steps=3", step=1e-3)
    assert data.shape == (2, 2) and data.train.to_dense().reshape(3, 3, 4)[0].tolist() == [
        [0, 1, 0, 0],
        [1, 0, 0, 0],
        [0] * 4,
    ]
    assert data.train.counts.tolist() == [2, 0, 1]


def test_channels_that_never_fire_are_channels_of_the_source(file):
    given = {"times": [0.0, 0.002], "channels": [1, 3], "offsets": [0, 1, 2], "labels": [0, 1]}
    tested = {
        f"test_{key}": [0] if key == "channels" else value[: 2 if key == "offsets" else 1]
        for key, value in given.items()
    }
    spec = file(**given, **tested)
    data = load_data(spec, step=1e-3, target=(2, 3))
    assert data.train.shape == data.test.shape == (2, 3) and data.train.to_dense()[1].reshape(3, 6)[2, 3] == 1
    assert load_data(spec + ":shape=7", step=1e-3, target=(2, 3)).train.shape == (7,)
    with pytest.raises(ValueError, match=r"neuron 3 of 3"):
        load_data(spec, step=1e-3, target=(3,))


def test_labels_of_every_step_and_a_number_for_none(file):
    labels = np.tile(LABELS[:, None], (1, 5)).astype(np.uint8)
    labels[0, 0] = 255
    data = load_data(file(events=COUNTS, labels=labels) + ":none=255,split=0", step=1e-3)
    assert data.train_labels.min() == -1 and data.train_labels.max() == 3


@pytest.mark.parametrize(
    "change, options, cause",
    [
        ({"labels": None}, "", "no array `labels`"),
        (
            {"events": np.array([np.zeros(2), np.zeros(3)], object)},
            "",
            "`events` holds Python objects, .*unequal length",
        ),
        ({"events": None}, "", "neither `events` nor `times`"),
        ({"events": COUNTS - 1}, "", "negative"),
        ({"labels": LABELS[:3]}, "", "20 samples and 3 labels"),
        ({}, ":test=take<5", "no array `take`"),
        ({"labels": np.array(3)}, "", "one number"),
        ({}, ":test=index<-.", "write e.g."),
        ({}, ":shape=2x3", "its own shape"),
        ({}, ":test=labels", "write e.g."),
        ({}, ":test=labels<9", "no samples are left"),
        ({"events": COUNTS[:0], "labels": LABELS[:0]}, "", "holds no samples"),
        ({"test_events": COUNTS}, "", "no array `test_labels`"),  # which would be left out in silence
        ({"test_labels": LABELS}, "", "neither `test_events` nor `test_times`"),
        (
            {"events": None, "times": np.zeros(2), "channels": np.array(["a", "b"]), "offsets": np.arange(21)},
            "",
            "are lists",
        ),
        (
            {"events": None, "times": np.zeros(2, int), "channels": np.zeros(2, int), "offsets": np.arange(21)},
            "",
            "unit=",
        ),
        (
            {"events": None, "times": np.zeros(2), "channels": np.zeros(2, int), "offsets": np.arange(21)},
            "",
            "`offsets`",
        ),
        ({"events": None, "times": np.zeros(2), "offsets": np.arange(21)}, "", "no array `channels`"),
        (
            {"events": None, "times": np.zeros(2), "channels": np.zeros(3, int), "offsets": [0, 2]},
            "",
            "2 `times` and 3",
        ),
        (
            {"events": None, "times": np.zeros(2), "channels": np.zeros(2, int), "offsets": [0, 2]},
            ":unit=-1",
            "`unit` is",
        ),
        ({"labels": np.full(20, 2**64 - 1, np.uint64)}, "", "a label of 18446744073709551615 is too large"),
        ({"test_events": COUNTS, "test_labels": LABELS}, ":test=index<3", "says by arrays of its own"),
        ({"events": None, "times": np.float64(3), "channels": np.int64(1), "offsets": np.arange(2)}, "", "are lists"),
    ],
)
def test_wrong_files_are_refused(file, change, options, cause):
    arrays = {"events": COUNTS, "labels": LABELS} | change
    spec = file(**{name: a for name, a in arrays.items() if a is not None})
    with pytest.raises(ValueError, match=cause):
        load_data(spec + options, step=1e-3)


def test_missing_and_broken_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.npz"):
        load_data(f"npz:{tmp_path / 'absent.npz'}", step=1e-3)
    (tmp_path / "a.npz").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="it is no `.npz` file; np.savez"):
        load_data(f"npz:{tmp_path / 'a.npz'}", step=1e-3)
    (tmp_path / "b.npz").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(ValueError, match="cannot read"):
        load_data(f"npz:{tmp_path / 'b.npz'}", step=1e-3)


def test_a_file_that_may_not_be_read_is_not_taken_for_a_broken_one(file, monkeypatch):
    spec = file(events=COUNTS, labels=LABELS)
    monkeypatch.setattr(Path, "open", not_allowed)
    with pytest.raises(PermissionError, match="cannot read .*: permission denied"):
        load_data(spec, step=1e-3)


def not_allowed(*_, **__):
    raise PermissionError(13, "Permission denied")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data sets are not here")
def test_the_spoken_digits_load_with_their_split():
    data = load_data(f"npz:{SHARED / 'spoken_digits.npz'}:unit=0.0005,test=takes<5", step=0.01)
    assert len(data.train) == 1800 and len(data.test) == 200 and data.shape == (64,)
