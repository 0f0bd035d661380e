import sys

import numpy as np
import pytest

from sncc.data import load_data


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


def test_nmnist_is_read_by_tonic(folder):
    pytest.importorskip("tonic")
    data = load_data(f"nmnist:{folder}", step=1e-3)
    assert data.shape == (34, 34, 2) and len(data.train) == len(data.test) == 3 and data.train.steps == 100
    assert sorted(data.train_labels) == [0, 1, 2]
    dense = data.train.to_dense()
    for k, digit in enumerate(data.train_labels):
        assert dense[k, 1, digit, 33, 1] == dense[k, 99, 2, 0, 0] == 1 and dense[k].sum() == 2
    cut = load_data(f"nmnist:{folder / 'NMNIST'}:steps=10,limit=2", step=1e-3)
    assert len(cut.train) == 2 and cut.train.steps == 10 and cut.train.counts.tolist() == [1, 1]


@pytest.mark.parametrize("name", ["nmnist", "shd", "dvsgesture"])
def test_a_missing_folder_is_named(name, tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        load_data(f"{name}:{tmp_path / 'absent'}", step=1e-3)


def test_without_tonic_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "tonic", None)
    with pytest.raises(ValueError, match=r"pip install 'sncc\[tonic\]'"):
        load_data(f"nmnist:{folder}", step=1e-3)
