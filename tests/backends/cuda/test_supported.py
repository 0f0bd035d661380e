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
def sparse():
    """A Program with a sparse connection."""
    program = program_of(NETWORKS["targets"])
    first, *others = program.connections
    return replace(program, connections=(replace(first, pattern="sparse"), *others))


def test_a_build_for_cuda_says_what_is_missing(sparse):
    with pytest.raises(DiagnosticError, match="the CUDA backend does not support the pattern of `x_hidden` yet"):
        chosen_backend("cuda", sparse)
    assert chosen_backend("cpu", sparse) == chosen_backend("auto", sparse) == "cpu"


def test_the_project_has_no_cuda_half_then_and_cmake_says_why(sparse):
    files = emit(sparse)
    assert list(files) == ["cmake/cuda.cmake"] and "the pattern of `x_hidden`" in files["cmake/cuda.cmake"]
