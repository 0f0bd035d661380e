"""The binding is tested on a small library of plain C, and in `test_built.py` on one that sncc built."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sncc.runtime import Events, Network, load

FAKE = Path(__file__).parent / "fake"


def build_fake(folder: Path, abi: int = 1) -> Path:
    """A project as sncc emits it: the manifest, and the library in lib/."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler")
    (folder / "lib").mkdir(parents=True)
    shutil.copy(FAKE / "manifest.json", folder)
    library = folder / "lib" / "libfake_cpu_0123.so"
    subprocess.run(
        [compiler, "-O1", "-shared", "-fPIC", f"-DABI={abi}", "-o", library, FAKE / "fake.c", "-lm"], check=True
    )
    return folder


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


def pick(data: dict, chosen) -> dict:
    """Some of the samples."""
    return {"x": data["x"][chosen], "drive": data["drive"]}
