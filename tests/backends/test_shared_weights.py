"""Weights that are shared between parts that lie in other ways, in both halves of a project and in both schedules.

Some of the same stands in `tied.py` for a quick run."""

from __future__ import annotations

import pytest
from projects import Projects, needs_compiler
from shared_parts import agrees, simulates, text_of

import sncc

pytestmark = pytest.mark.slow
DELAY = "uniform(1 ms, 3 ms)"


@pytest.mark.parametrize("rule, delay, synapse", [
    ("bptt", DELAY, ""), ("bptt", "2 ms", "clipped()"), ("eprop(online = true)", DELAY, ""),
])  # fmt: skip
def test_the_library_computes_what_the_reference_does(rule, delay, synapse):
    needs_compiler()
    text = text_of(rule, delay, synapse)
    agrees(sncc.load(sncc.build(text, backend="cpu", precision="float64"), threads=2), text)


@pytest.mark.parametrize("rule, delay, synapse, build", [
    ("bptt", DELAY, "", "plain"), ("bptt", DELAY, "", "checked"), ("bptt", "2 ms", "clipped()", "plain"),
    ("eprop(online = true)", DELAY, "", "plain"),
])  # fmt: skip
def test_the_kernels_compute_the_same(tmp_path, rule, delay, synapse, build):
    needs_compiler()
    text = text_of(rule, delay, synapse)
    _, project = Projects(tmp_path).emulated(text, build=build)
    agrees(sncc.load(project, backend="emulated"), text)


@pytest.mark.parametrize("delay, synapse", [(DELAY, ""), ("2 ms", "clipped()")])
def test_with_neurons_spread_a_simulation_is_the_references(delay, synapse):
    needs_compiler()
    text = text_of("bptt", delay, synapse)
    built = sncc.build(text, backend="cpu", precision="float64", schedule="neuron_parallel")
    simulates(sncc.load(built, threads=2), text)


@pytest.mark.parametrize("delay, synapse", [(DELAY, ""), ("2 ms", "clipped()")])
def test_with_neurons_spread_the_kernels_do_the_same(tmp_path, delay, synapse):
    needs_compiler()
    text = text_of("bptt", delay, synapse)
    _, project = Projects(tmp_path).emulated(text, schedule="neuron_parallel")
    simulates(sncc.load(project, backend="emulated"), text)
