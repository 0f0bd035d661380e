"""`load`: where the library is found, what is refused, and that networks are independent."""

import gc
import json
import shutil
import sys

import numpy as np
import pytest
from fake_project import build_fake

from sncc.runtime import load
from sncc.runtime.manifest import ABI_VERSION


def test_loading_needs_a_project_with_a_library(tmp_path, project):
    with pytest.raises(FileNotFoundError, match="sncc build"):
        load(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match=r"manifest\.json"):
        load(tmp_path)
    shutil.copy(project / "manifest.json", tmp_path)
    with pytest.raises(FileNotFoundError, match="cmake -S"):
        load(tmp_path)
    (tmp_path / "manifest.json").write_bytes(b"\xff{")
    with pytest.raises(ValueError, match="cannot read"):
        load(tmp_path)


def test_a_library_is_found_in_build_folders_under_other_names(tmp_path, project):
    shutil.copy(project / "manifest.json", tmp_path)
    (tmp_path / "build-mine" / "cpu").mkdir(parents=True)
    shutil.copy(project / "lib" / "libfake_cpu_0123.so", tmp_path / "build-mine" / "cpu" / "libfake_cpu.so")
    assert load(tmp_path).backend == "cpu"
    (tmp_path / "build-mine" / "cpu" / "libfake_cpu.so").rename(tmp_path / "build-mine" / "cpu" / "libfake.so")
    assert load(tmp_path).backend == "cpu"
    (tmp_path / "build-mine" / "CMakeCache.txt").write_text("A:STRING=b\nSNCC_BACKEND:STRING=emulated\n")
    assert load(tmp_path).backend == "emulated"
    with pytest.raises(FileNotFoundError, match="for cuda"):
        load(tmp_path, backend="cuda")
    with pytest.raises(ValueError, match="no backend `gpu`"):
        load(tmp_path, backend="gpu")


def test_another_version_is_refused(tmp_path, project):
    with pytest.raises(ValueError, match=f"version {ABI_VERSION + 3}"):
        load(build_fake(tmp_path / "old", abi=ABI_VERSION + 3))
    manifest = json.loads((project / "manifest.json").read_text()) | {"abi": ABI_VERSION + 1}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=f"version {ABI_VERSION}"):
        load(tmp_path)


def test_what_is_no_library_is_refused(tmp_path, project):
    shutil.copytree(project, tmp_path / "p")
    (tmp_path / "p" / "lib" / "libfake_cpu_0123.so").write_bytes(b"nothing")
    with pytest.raises(OSError, match="cannot load"):
        load(tmp_path / "p")


@pytest.mark.skipif(sys.platform != "linux", reason="the format of libraries")
@pytest.mark.parametrize("kept", [63, 1000, 0.5, -1])
def test_a_library_cut_short_is_refused(tmp_path, project, kept):
    shutil.copytree(project, tmp_path / "p")
    library = tmp_path / "p" / "lib" / "libfake_cpu_0123.so"
    whole = library.read_bytes()
    library.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(OSError, match="a part of the file is missing"):
        load(tmp_path / "p")


@pytest.mark.parametrize(
    "change, cause",
    [
        ({"name": None}, "stands for a name"),
        ({"optimiser": {"name": "sgd", "learning_rate": 1, "states": [["m"]]}}, "stands for a name"),
        ({"parameters": "x"}, "cannot read"),
        ({"simulation": [1]}, "cannot read"),
        ({"sources": [{"name": "x", "kind": "events", "shape": [2, 3], "size": 7}]}, r"shape \(2, 3\) and the size 7"),
        ({"populations": [{"name": "x", "shape": [-1], "size": -1, "spiking": True, "states": []}]}, "size -1"),
    ],
)
def test_a_damaged_manifest_is_refused(tmp_path, project, change, cause):
    shutil.copytree(project, tmp_path / "p")
    manifest = json.loads((project / "manifest.json").read_text()) | change
    (tmp_path / "p" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=cause):
        load(tmp_path / "p")


@pytest.mark.parametrize(
    "arguments",
    [
        {"seed": -1},
        {"seed": 1.0},
        {"threads": 0},
        {"backend": np.array(["cpu", "cuda"])},
        {"connections": [1]},
        {"spike_times": "x"},
    ],
)
def test_wrong_arguments_of_load_are_refused(project, arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        load(project, **arguments)


def test_a_seed_beyond_the_largest_is_told_it(project):
    with pytest.raises(ValueError, match=f"`seed` is a whole number from 0 to {2**64 - 1}, not {2**64}"):
        load(project, seed=2**64)


@pytest.mark.parametrize("path", [None, 3, b"x", "", "a\0b"])
def test_what_is_no_path_is_refused(network, path):
    for call in (load, network.save, network.load):
        with pytest.raises(ValueError, match="`path` is a path"):
            call(path)


def test_networks_are_independent(project):
    a, b = load(project, seed=1), load(project, seed=1)
    a.parameters["hidden.theta"] = [1, 2, 3, 4]
    assert b.parameters["hidden.theta"].tolist() == [1, 1, 1, 1]
    del a
    gc.collect()
    assert b.parameters["hidden.theta"].tolist() == [1, 1, 1, 1]
