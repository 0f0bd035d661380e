"""The data that the benchmarks of training make."""

import sys
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    yield
    for name in ("train_tasks", "train_event_data"):
        sys.modules.pop(name, None)


def test_evidence_is_labelled_by_the_side_with_more_cues(benchmarks):
    import train_tasks

    events, labels = train_tasks.evidence(200, 1200, seed=1)
    counts = events.to_dense()
    assert counts.shape == (200, 1350, 40) and 0.3 < labels.mean() < 0.7
    assert not counts[:, :1200, 20:30].any() and not counts[:, 1200:, :20].any()
    cues = [counts[:, 50 + 150 * k : 150 + 150 * k].sum(1) for k in range(7)]  # 100 ms of cue, 50 ms between
    right = sum((c[:, 10:20].sum(1) > c[:, :10].sum(1)).astype(int) for c in cues)
    assert np.array_equal(labels, right > 3)
    assert counts[:, :, :20].sum() == sum(c[:, :20].sum() for c in cues)  # nothing outside the cues
    assert abs(counts[:, :, 30:].mean() - 0.010) < 3e-4 and abs(counts[:, 1200:, 20:30].mean() - 0.040) < 2e-3


def test_mnist_becomes_evenly_spaced_spikes(benchmarks, tmp_path):
    import gzip

    import train_event_data

    images = np.zeros((20, 28, 28), np.uint8)
    images[:, 0, 0], images[:, 0, 1], images[:, 0, 2] = 255, 128, 1
    header = b"".join(int(n).to_bytes(4, "big") for n in (0x803, *images.shape))
    (tmp_path / "mnist-t10k-first8000-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + images.tobytes(), 1))
    header = b"".join(int(n).to_bytes(4, "big") for n in (0x801, 20))
    labels = (np.arange(20) % 10).astype(np.uint8)
    (tmp_path / "mnist-t10k-first8000-labels-idx1-ubyte.gz").write_bytes(gzip.compress(header + labels.tobytes(), 1))
    data = train_event_data.mnist(tmp_path, tested_from=15)
    assert len(data.train) == 15 and len(data.test) == 5 and data.test_labels[0] == 5
    spikes = data.train[0].to_dense()[0].reshape(25, 784)
    assert spikes.sum(0)[:3].tolist() == [13, 6, 0] and spikes.max() == 1
    assert set(np.diff(np.flatnonzero(spikes[:, 0]))) == {2} and set(np.diff(np.flatnonzero(spikes[:, 1]))) <= {3, 4}
