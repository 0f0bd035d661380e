"""The CUDA half configures and builds with nvcc on a machine without a GPU, for sm_80 and sm_90, without a warning."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from projects import NETWORKS, Projects

from sncc.toolchain import find_cmake, find_ninja

pytestmark = pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not installed")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    _, project = Projects(tmp_path_factory.mktemp("nvcc")).write(NETWORKS["layers, delays, a signal"], "float32")
    build = project / "build"
    words = [find_cmake(), "-S", project, "-B", build, "-DSNCC_BACKEND=cuda"]
    if find_ninja():
        words += ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={find_ninja()}"]
    for command in (words, [find_cmake(), "--build", build, "--verbose"]):
        done = subprocess.run([str(w) for w in command], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return project, done.stdout + done.stderr


def test_it_builds_for_both_architectures_without_a_warning(built):
    _, log = built
    assert "warning" not in log.lower()
    assert "sm_80" in log and "sm_90" in log and "-fmad=false" in log


@pytest.mark.skipif(os.path.exists("/dev/nvidia0"), reason="there is a GPU")
def test_without_a_driver_it_says_so_in_one_line(built):
    project, _ = built
    (project / "lib").mkdir(exist_ok=True)
    shutil.copy(project / "build" / "libdeep.so", project / "lib" / "libdeep_cuda.so")
    code = f"import sncc; sncc.load({str(project)!r}, backend='cuda')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "NVIDIA GPU with a driver" in done.stderr.strip().splitlines()[-1]
