"""Weights shared transposed in the emitted CUDA, run on the CPU."""

import pytest
from projects import Projects, needs_compiler
from tied import TIED, agrees

import sncc


@pytest.mark.parametrize("build", [pytest.param(build, marks=pytest.mark.slow) for build in ("plain", "checked")])
def test_the_kernels_compute_the_same(tmp_path, build):
    needs_compiler()
    _, project = Projects(tmp_path).emulated(TIED, build=build)
    agrees(sncc.load(project, backend="emulated"))
