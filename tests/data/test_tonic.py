"""Event data sets in their own layouts, written here: tonic reads them, sncc bins and keeps them."""

import sys

import numpy as np
import pytest

from sncc.data import converted, load_data


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def nmnist_file(path, events):
    """Events (x, y, t in µs, p) as N-MNIST's five bytes each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [(x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255) for x, y, t, p in events]
    path.write_bytes(np.array(rows, np.uint8).tobytes())


@pytest.fixture
def folder(tmp_path):
    for part in ("Train", "Test"):
        for digit in range(3):
            nmnist_file(
                tmp_path / "NMNIST" / part / str(digit) / f"{digit:05}.bin", [(33, digit, 1500, 1), (0, 2, 99_000, 0)]
            )
    return tmp_path


@pytest.fixture
def shd(tmp_path):
    """Two parts of three samples, spike k of sample s at (k + 1/2) ms in channel 100 s + k."""
    h5py = pytest.importorskip("h5py")
    (tmp_path / "SHD").mkdir()
    for part in ("train", "test"):
        with h5py.File(tmp_path / "SHD" / f"shd_{part}.h5", "w") as file:
            times = file.create_dataset("spikes/times", (3,), h5py.vlen_dtype("f4"))
            units = file.create_dataset("spikes/units", (3,), h5py.vlen_dtype("u2"))
            for sample in range(3):
                times[sample] = (np.arange(4) + 0.5) * 1e-3
                units[sample] = 100 * sample + np.arange(4)
            file["labels"] = np.array([4, 0, 19], "u2")
            file["extra/speaker"], file["extra/keys"] = np.zeros(3, "u2"), np.array([b"null"])
    return tmp_path


@pytest.fixture
def gestures(tmp_path):
    """Two users, one gesture each in each part: columns x, y, p, t in ms."""
    for part in ("Train", "Test"):
        for user, label in ((2, 7), (1, 10)):
            path = tmp_path / "DVSGesture" / f"ibmGesture{part}" / f"user{user:02}_led"
            path.mkdir(parents=True)
            np.save(path / f"{label}.npy", np.array([[127, 5, 1, 0], [64, 127, 0, 3], [64, 126, 1, 3]], float))
    return tmp_path


def test_nmnist_is_read_by_tonic(folder):
    pytest.importorskip("tonic")
    data = load_data(f"nmnist:{folder}", step=1e-3)
    assert data.shape == (34, 34, 2) and len(data.train) == len(data.test) == 3 and data.train.steps == 100
    assert data.train_labels.tolist() == [0, 1, 2]
    dense = data.train.to_dense()
    for k, digit in enumerate(data.train_labels):
        assert dense[k, 1, digit, 33, 1] == dense[k, 99, 2, 0, 0] == 1 and dense[k].sum() == 2
    cut = load_data(f"nmnist:{folder / 'NMNIST'}:steps=10,limit=2", step=1e-3)
    assert len(cut.train) == 2 and cut.train.steps == 10 and cut.train.counts.tolist() == [1, 1]


def test_images_are_reduced_as_the_network_or_the_options_say(folder):
    pytest.importorskip("tonic")
    half = load_data(f"nmnist:{folder}:size=17x17", step=1e-3)
    assert half.shape == (17, 17, 2) and half.train.to_dense()[2, 1, 1, 16, 1] == 1
    follows = load_data(f"nmnist:{folder}", step=1e-3, target=(17, 17))
    assert follows.shape == (17, 17) and follows.train.to_dense()[2, 1, 1, 16] == 1  # polarities together
    assert load_data(f"nmnist:{folder}", step=1e-3, target=(34, 34, 2)).shape == (34, 34, 2)
    for polarity, row in (("on", 0), ("off", 2)):
        one = load_data(f"nmnist:{folder}:polarity={polarity}", step=1e-3)
        assert one.shape == (34, 34) and one.train.counts.tolist() == [1, 1, 1]
        assert np.argwhere(one.train.to_dense()[0])[0, 1] == row
    for option in ("size=40x40", "size=17", "size=0x3", "polarity=up"):
        with pytest.raises(ValueError, match=option.partition("=")[0]):
            load_data(f"nmnist:{folder}:{option}", step=1e-3)


def test_shd_is_read_and_neighbouring_channels_put_together(shd):
    pytest.importorskip("tonic")
    data = load_data(f"shd:{shd}", step=1e-3)
    assert data.shape == (700,) and data.train_labels.tolist() == [4, 0, 19]
    assert np.argwhere(data.test.to_dense()[1]).tolist() == [[k, 100 + k] for k in range(4)]
    fewer = load_data(f"shd:{shd}", step=2e-3, target=(70,))
    assert fewer.shape == (70,) and fewer.train.to_dense()[2].sum(1).tolist() == [2, 2]
    assert np.argwhere(fewer.train.to_dense()[2]).tolist() == [[0, 20], [1, 20]]


def test_gestures_are_read_in_the_order_of_their_files(gestures):
    pytest.importorskip("tonic")
    data = load_data(f"dvsgesture:{gestures}", step=1e-3, target=(32, 32, 2))
    assert data.shape == (32, 32, 2) and data.train_labels.tolist() == [10, 7] and data.train.steps == 4
    dense = data.train.to_dense()[0]
    assert dense[0, 1, 31, 1] == dense[3, 31, 16, 0] == dense[3, 31, 16, 1] == 1 and dense.sum() == 3


def test_what_was_converted_is_read_again_until_a_file_changes(folder, monkeypatch):
    pytest.importorskip("tonic")
    first = load_data(f"nmnist:{folder}", step=1e-3)
    with monkeypatch.context() as patch:
        patch.setattr("sncc.data.tonic.Samples", None)  # converting again would call it
        again = load_data(f"nmnist:{folder}", step=1e-3)
    assert np.array_equal(again.train.to_dense(), first.train.to_dense()) and again.train.step == 1e-3
    assert np.array_equal(again.test_labels, first.test_labels)
    nmnist_file(folder / "NMNIST" / "Train" / "9" / "00009.bin", [(1, 1, 10, 0)])
    assert len(load_data(f"nmnist:{folder}", step=1e-3).train) == 4
    coarse = load_data(f"nmnist:{folder}", step=10e-3)
    assert coarse.train.steps == 10


def test_a_damaged_file_in_the_cache_is_made_again(folder):
    pytest.importorskip("tonic")
    first = load_data(f"nmnist:{folder}", step=1e-3)
    (file,) = (converted.location() / "events").glob("*.npz")
    whole = file.read_bytes()
    names = whole.index(b"PK\x01\x02")  # where the archive says what it holds: what is packed how, and encrypted
    for damaged in (whole[:200], b"", whole[: names + 8] + b"\xff" * 4 + whole[names + 12 :]):
        file.write_bytes(damaged)
        assert np.array_equal(load_data(f"nmnist:{folder}", step=1e-3).train.to_dense(), first.train.to_dense())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nmnist", "NMNIST/Train/DIGIT/ID.bin"),
        ("shd", "SHD/shd_train.h5"),
        ("dvsgesture", "DVSGesture/ibmGestureTrain/userNN_LIGHT/LABEL.npy"),
    ],
)
def test_a_missing_folder_says_what_belongs_there(name, expected, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no folder .*{expected}"):
        load_data(f"{name}:{tmp_path / 'absent'}", step=1e-3)


def test_a_missing_part_is_named(folder):
    for file in (folder / "NMNIST" / "Test").rglob("*.bin"):
        file.unlink()
    with pytest.raises(FileNotFoundError, match="no files in .*Test"):
        load_data(f"nmnist:{folder}", step=1e-3)


def test_channels_are_put_together_exactly(shd):
    """Channel c of 700 becomes c * 70 // 700: no factor in floating point rounds the first of some groups down."""
    pytest.importorskip("tonic")
    h5py = pytest.importorskip("h5py")
    with h5py.File(shd / "SHD" / "shd_train.h5", "r+") as file:
        file["spikes/units"][0], file["spikes/times"][0] = np.arange(700, dtype="u2"), np.zeros(700, "f4")
    dense = load_data(f"shd:{shd}:channels=180", step=1e-3).train.to_dense()
    assert np.array_equal(dense[0, 0], np.bincount(np.arange(700) * 180 // 700))


def text(file):
    file.write_text("no events, but words")


def cut(file):
    file.write_bytes(file.read_bytes()[:-4])


def renamed(name):
    def rename(file):
        target = file.parents[1] / name
        target.parent.mkdir(exist_ok=True)
        file.rename(target)

    return rename


def holding(*rows, dtype=float):
    return lambda file: np.save(file, np.array(rows, dtype))


def empty(file):
    file.write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (text, "00001.bin: x from 32 to 1"),
        (cut, "00001.bin is cut short: it has 6 bytes"),  # what was left of the second event was dropped
        (renamed("13/00001.bin"), "called by their digit"),  # which was taken for a 3
        (renamed("00001.bin"), "called by their digit"),
    ],
)
def test_a_broken_sample_of_nmnist_is_named(damage, cause, folder):
    pytest.importorskip("tonic")
    damage(folder / "NMNIST" / "Train" / "1" / "00001.bin")
    with pytest.raises(ValueError, match=cause):
        load_data(f"nmnist:{folder}", step=1e-3)


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (empty, "10.npy is empty"),  # which click took for the end of what a user types
        (text, "10.npy is no array"),
        (cut, "10.npy is no array"),
        (holding((1, 2, 1)), r"shape \(events, 4\)"),
        (holding(1, 2, 1, 0), r"shape \(events, 4\)"),
        (holding((65537, 2, 1, 0)), "x up to 65537"),  # which 16 bits took for 1
        (holding((1.5, 2, 1, 0)), "whole numbers"),
        (holding((np.nan, 2, 1, 0)), "finite numbers"),
        (holding((1, 2, 1, 70), dtype=np.uint16), "no room for times in µs"),  # 70,000 µs became 4,464
        (renamed("user01_led/wave.npy"), "called by their gesture"),
        (renamed("user01_led/-1.npy"), "called by their gesture"),
        (renamed("extra/10.npy"), "folders are called userNN_LIGHT"),
    ],
)
def test_a_broken_sample_of_gestures_is_named(damage, cause, gestures):
    pytest.importorskip("tonic")
    damage(gestures / "DVSGesture" / "ibmGestureTrain" / "user01_led" / "10.npy")
    with pytest.raises(ValueError, match=cause):
        load_data(f"dvsgesture:{gestures}", step=1e-3)


@pytest.mark.parametrize(
    ("name", "values", "cause"),
    [
        ("labels", None, "has no array `labels`"),
        ("extra/keys", None, "has no array `extra/keys`"),
        ("labels", [1, 2], "3 samples in `spikes/times`, 3 in `spikes/units` and 2 labels"),
        ("labels", [1.5, 2, 3], "`labels` are whole numbers"),
        ("spikes/units", [[5], [1, 2, 3, 4], [0]], r"sample 0: \(4,\) times and \(1,\) units"),  # one for all four
        ("spikes/units", [[5, 6, 7, 700]] * 3, "shd_train.h5, sample 0: x from 5 to 700"),
        ("spikes/times", [[np.nan, 0, 0, 0]] * 3, "sample 0: times are seconds"),
    ],
)
def test_a_broken_file_of_shd_is_named(name, values, cause, shd):
    pytest.importorskip("tonic")
    h5py = pytest.importorskip("h5py")
    with h5py.File(shd / "SHD" / "shd_train.h5", "r+") as file:
        kind = file[name].dtype
        del file[name]
        if values is not None and "/" not in name:
            file[name] = np.array(values)
        elif values is not None:
            for k, row in enumerate(values):
                file.require_dataset(name, (3,), kind)[k] = np.array(row)
    with pytest.raises(ValueError, match=cause):
        load_data(f"shd:{shd}", step=1e-3)
    text(shd / "SHD" / "shd_train.h5")
    with pytest.raises(ValueError, match="shd_train.h5 is no HDF5 file"):
        load_data(f"shd:{shd}", step=1e-3)


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ("denoise=-1", "`denoise` is a number of ms from 0, not -1"),
        ("denoise=nan", "`denoise`"),
        ("limit=-1", "`limit` is a whole number from 0"),
        ("steps=-1", "`steps` is a whole number from 0"),
        ("limit", "`limit`: options behind a path are NAME=VALUE, joined by commas"),
        ("limit=2:steps=3", "options behind a path are NAME=VALUE, joined by commas"),
        ("limit=2,limit=3", "`limit` is given twice"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, cause, folder):
    with pytest.raises(ValueError, match=cause):
        load_data(f"nmnist:{folder}:{options}", step=1e-3)


def test_a_folder_may_be_called_like_an_option(folder, tmp_path):
    pytest.importorskip("tonic")
    (tmp_path / "runs:size=1").mkdir()
    (folder / "NMNIST").rename(tmp_path / "runs:size=1" / "NMNIST")
    assert len(load_data(f"nmnist:{tmp_path / 'runs:size=1'}", step=1e-3).train) == 3


def test_without_tonic_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "tonic", None)
    with pytest.raises(ValueError, match=r"pip install 'sncc\[tonic\]'"):
        load_data(f"nmnist:{folder}", step=1e-3)
