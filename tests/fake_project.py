"""A project with a library of plain C in place of an emitted one, and its data."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sncc.runtime.manifest import ABI_VERSION

FAKE = Path(__file__).parent / "runtime" / "fake"


def build_fake(folder: Path, abi: int = ABI_VERSION) -> Path:
    """A project as sncc emits it: the manifest, and the library in lib/."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler")
    (folder / "lib").mkdir(parents=True)
    manifest = json.loads((FAKE / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({"abi": ABI_VERSION, **manifest}))
    library = folder / "lib" / "libfake_cpu_0123.so"
    subprocess.run(
        [compiler, "-O1", "-shared", "-fPIC", f"-DABI={abi}", "-o", library, FAKE / "fake.c", "-lm"], check=True
    )
    return folder


def pick(data: dict, chosen) -> dict:
    """Some of the samples."""
    return {"x": data["x"][chosen], "drive": data["drive"]}
