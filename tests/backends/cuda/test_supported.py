"""What the CUDA half cannot run is refused with its name, never computed as something else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from networks import program_of
from projects import NETWORKS

from sncc.backends.cuda.emit import emit
from sncc.backends.cuda.supported import unsupported
from sncc.compiler import chosen_backend
from sncc.diagnostics import DiagnosticError


@pytest.mark.parametrize("name", NETWORKS)
def test_what_runs_under_emulation_is_supported(name):
    assert unsupported(program_of(NETWORKS[name])) == ()


@pytest.fixture
def plastic():
    """A Program with a plastic connection."""
    program = program_of(NETWORKS["targets"])
    first, *others = program.connections
    return replace(program, connections=(replace(first, plastic=True), *others))


def test_a_build_for_cuda_says_what_is_missing(plastic):
    with pytest.raises(DiagnosticError, match="the CUDA backend does not support the plasticity of `x_hidden` yet"):
        chosen_backend("cuda", plastic)
    assert chosen_backend("cpu", plastic) == chosen_backend("auto", plastic) == "cpu"


def test_the_project_has_no_cuda_half_then_and_cmake_says_why(plastic):
    files = emit(plastic)
    assert list(files) == ["cmake/cuda.cmake"] and "the plasticity of `x_hidden`" in files["cmake/cuda.cmake"]
