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
    file.write_bytes(file.read_bytes()[:200])
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


def test_without_tonic_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "tonic", None)
    with pytest.raises(ValueError, match=r"pip install 'sncc\[tonic\]'"):
        load_data(f"nmnist:{folder}", step=1e-3)
