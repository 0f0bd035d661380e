"""A simulation whose states become infinite or no numbers stops: population, state, neuron and time are named."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from networks import program_of
from projects import Projects, needs_compiler

import sncc
from sncc.backends.reference.interpreter import Reference

EXPLODING = """
neuron Growing:
    "Of some neurons the last spike was infinitely long ago."
    param tau = each(1 ms)
    state last = log(floor(uniform(0, 2))) * 1 ms
    state v = 0
    input I
    dv/dt = v * v / tau + I
    spike when -v > (1 if t - last > 5 ms else 2):
        v = 0
        last = t
    surrogate triangle(width = 1, height = 0.3)

network Exploding:
    step = 1 ms
    population calm: LIF[70]
    population hidden: Growing[80]
    population output: LI[3]
    connect calm -> hidden: dense, weight = 0.1
    connect hidden -> output: dense, weight = 0.1

simulate:
    duration = 40 ms
    stimulate hidden[10:20].I: -2 / (1 ms) from 5 ms to 15 ms
    stimulate hidden[77:78].I: 1 / (1 ms) from 20 ms
"""
TRAINED = """
train:
    rule = bptt
    loss = cross_entropy(mean(output.v))
    optimiser = sgd(learning_rate = 1e-3)
"""
SAYS = r"the state `v` of `hidden` is not finite: it is (inf|nan) in neuron 77 after steps {} to {} \({} s to {} s\)"


@pytest.fixture(
    scope="module",
    params=[("cpu", ""), *(pytest.param(p, marks=pytest.mark.slow) for p in (("emulated", ""), ("cpu", TRAINED), ("emulated", TRAINED)))],
    ids=["cpu, neurons", "cuda, neurons", "cpu, samples", "cuda, samples"],
)  # fmt: skip
def network(request, tmp_path_factory):
    """A network over whose neurons, or samples, threads are spread."""
    needs_compiler()
    backend, train = request.param
    if backend == "cpu":
        return sncc.load(sncc.build(EXPLODING + train, backend="cpu"))
    project = Projects(tmp_path_factory.mktemp("emulated")).emulated(EXPLODING + train, "float32", "plain")[1]
    return sncc.load(project, backend="emulated")


def test_an_exploding_state_is_named_and_what_is_meant_to_be_infinite_is_not(network):
    network.reset()
    assert len(network.simulate(0.02).spikes["hidden"]) > 10
    with pytest.raises(FloatingPointError, match=SAYS.format(21, 40, 0.02, 0.04)):
        network.simulate(0.02, resume=True)
    with pytest.raises(FloatingPointError, match=SAYS.format(41, 50, 0.04, 0.05)):  # nor is it forgotten
        network.simulate(0.01, resume=True)
    with pytest.raises(FloatingPointError, match=SAYS.format(51, 51, 0.05, 0.051)):
        network.step()
    assert len(network.simulate(0.02).spikes["hidden"]) > 10


def test_the_state_before_can_be_restored(network):
    if network.manifest.rule:
        pytest.skip("it stores no state where threads share out samples")
    network.simulate(0.02)
    kept = network.store()
    with pytest.raises(FloatingPointError, match="neuron 77"):
        network.simulate(0.02, resume=True)
    network.restore(kept)
    network.simulate(0.001, resume=True)


def test_a_number_by_which_an_equation_divides_cannot_be_zero(network, tmp_path):
    ones = np.full(80, 1e-3)
    with pytest.raises(ValueError, match=r"`hidden.tau` cannot be 0, as it is at 3: an equation divides by it"):
        network.parameters["hidden.tau"] = np.where(np.arange(80) == 3, 0, ones)
    with pytest.raises(ValueError, match="hidden.tau cannot be 0"):  # nor for who calls the C functions
        network.library.set("set_parameter", 0 * ones, network.parameters.describe("hidden.tau").index)
    assert np.allclose(network.parameters["hidden.tau"], ones)
    network.parameters["calm.bias"] = np.zeros(70)
    with pytest.warns(UserWarning, match=r"`hidden.tau` is below zero, as it is at 7: .* grows"):
        network.parameters["hidden.tau"] = np.where(np.arange(80) < 7, ones, -ones)
    network.parameters["hidden.tau"] = ones


def test_the_reference_says_so_too():
    reference = Reference(program_of(EXPLODING))
    reference.run([{}], steps=20)
    with pytest.raises(FloatingPointError, match=SAYS.format(1, 40, 0, 0.04)):
        reference.run([{}], steps=40)


def test_the_command_line_says_so_in_a_sentence(tmp_path):
    needs_compiler()
    (tmp_path / "exploding.snn").write_text(EXPLODING)
    words = ("simulate", "exploding.snn", "--backend", "cpu", "--out", "run.npz")
    done = subprocess.run([sys.executable, "-m", "sncc.cli", *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "\nerror: the state `v` of `hidden` is not finite" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["exploding.snn"]
