"""What the CUDA half cannot run is refused with its name, never computed as something else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from networks import program_of, recurrent
from projects import NETWORKS

from sncc.backends.cuda.emit import emit
from sncc.backends.cuda.supported import differences, unsupported
from sncc.building import chosen_backend
from sncc.diagnostics import DiagnosticError


@pytest.mark.parametrize("name", NETWORKS)
def test_what_runs_under_emulation_is_supported(name):
    assert unsupported(program_of(NETWORKS[name])) == ()


def test_a_build_for_cuda_says_which_synapses_are_stored_all_the_same():
    program = program_of(NETWORKS["targets"])
    first, *others = program.connections
    assert differences(program) == ()
    (told,) = differences(replace(program, connections=(replace(first, stored=False), *others)))
    assert f"synapses are stored, with `stored = false` too (`{first.name}`)" in told


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


BATCH = "firing_rate(hidden, target = 9 Hz, strength = 1e-4, over = batch)"
REFUSED = {
    "a penalty over the batch under `online = true` with a loss at every step": program_of(
        recurrent("LIF", rule="eprop(online = true)", penalty=BATCH)
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_is_named(what):
    assert unsupported(REFUSED[what]) == (what,)


def test_the_loss_at_the_end_and_no_bound_are_not_refused():
    assert unsupported(program_of(recurrent("LIF", penalty=BATCH))) == ()
    at_the_end = recurrent("LIF", rule="eprop(online = true)", penalty=BATCH, loss="cross_entropy(mean(output.v))")
    assert unsupported(program_of(at_the_end)) == ()
