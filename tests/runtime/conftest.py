"""The binding is tested on a small library of plain C, and in `test_built.py` on networks that sncc built."""

from pathlib import Path

import numpy as np
import pytest
from fake_project import build_fake

from sncc.runtime import Events, Network, load


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Path:
    return build_fake(tmp_path_factory.mktemp("fake") / "project")


@pytest.fixture
def network(project) -> Network:
    return load(project, seed=1)


@pytest.fixture(scope="session")
def labels() -> np.ndarray:
    return np.arange(20) % 3


@pytest.fixture(scope="session")
def data(labels) -> dict:
    """Each class has two channels of its own; the drive is constant."""
    rng = np.random.default_rng(0)
    spikes = rng.random((20, 10, 6)) < 0.1
    for k, label in enumerate(labels):
        spikes[k, :, 2 * label : 2 * label + 2] |= rng.random((10, 2)) < 0.6
    return {"x": Events.from_dense(spikes.reshape(20, 10, 2, 3)), "drive": np.full(2, 0.1)}
