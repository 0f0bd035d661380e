"""What the CUDA half cannot run is refused with its name, never computed as something else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from networks import program_of, recurrent
from trained_networks import NETWORKS
from unstored import TEXT, unstored

from sncc.backends.cuda.emit import emit
from sncc.backends.cuda.supported import differences, unsupported
from sncc.building import chosen_backend
from sncc.diagnostics import DiagnosticError


@pytest.mark.parametrize("name", NETWORKS)
def test_what_runs_under_emulation_is_supported(name):
    assert unsupported(program_of(NETWORKS[name])) == ()


def test_a_build_for_cuda_says_which_synapses_are_stored_all_the_same():
    assert differences(program_of(TEXT)) == ()
    (told,) = differences(program_of(unstored(TEXT)))
    assert "synapses of `repeats = true` are stored, with `stored = false` too (`near`)" in told


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
RANDOM = recurrent("LIF").replace("-> hidden: dense,", "-> hidden: random(p = 0.5),")


def test_what_is_refused_is_named():
    program = program_of(RANDOM)
    first, second, *others = program.connections
    assert first.weight != second.weight and unsupported(program) == ()
    shared = replace(program, connections=(first, replace(second, weight=first.weight), *others))
    assert unsupported(shared) == ("the shared weight of `x_hidden`", "the shared weight of `hidden_hidden`")


@pytest.mark.parametrize("rule", ["bptt", "eprop(online = true)"])
@pytest.mark.parametrize("loss", ["mean(cross_entropy(output.v))", "cross_entropy(mean(output.v))"])
def test_penalties_over_the_batch_are_not_refused(rule, loss):
    assert unsupported(program_of(recurrent("LIF", rule=rule, penalty=BATCH, loss=loss))) == ()
