"""Numbers of synapses beside their weights, in simulations:
a matrix (sources, targets) where a connection is `dense`, one for each neuron where it is `one_to_one`.
"""

from __future__ import annotations

import numpy as np
import pytest
from projects import needs_compiler

import sncc
from sncc import compiler
from sncc.arguments import source_of
from sncc.backends.reference.interpreter import Reference

TEXT = """
neuron Leaky:
    state v = 0
    input I
    dv/dt = -v / (20 ms) + I
    spike when v > 1:
        v = 0
synapse clipped:
    param tau = 5 ms
    param top = 3
    state g = 0
    dg/dt = -g / tau
    on pre: g += weight * (top - g)
    deliver g / tau
network Net:
    step = 1 ms
    population a: Leaky[5], v = uniform(0, 2)
    population b: Leaky[6], v = uniform(0, 2)
    population drive: poisson[11](rate = 300 Hz)
    connect drive[0:5] -> a: one_to_one, weight = 0.4
    connect drive[5:11] -> b: one_to_one, weight = 0.4
    connect others = a -> a: dense(self = false), weight = normal(0.1, 0.1), synapse = clipped(tau = uniform(2 ms, 8 ms))
    connect full = a -> b: dense, weight = normal(0.1, 0.1), synapse = clipped(tau = uniform(2 ms, 8 ms), top = uniform(1, 2))
    connect part = a[1:4] -> b[2:6]: dense, weight = 0.1, synapse = clipped(top = uniform(2, 8)), delay = uniform(1 ms, 4 ms)
    connect gaps = b[0:6] -> a[0:2]: dense, weight = 0.1, delay = 1 ms, synapse = clipped(top = uniform(2, 8))
    connect one = a -> a: one_to_one, weight = 0.1, delay = 1 ms, synapse = clipped(top = uniform(2, 8))
simulate:
    duration = 60 ms
    record spikes of a, b
"""
SHAPES = {
    "others.tau": (5, 5), "full.tau": (5, 6), "full.top": (5, 6), "part.top": (3, 4), "gaps.top": (6, 2),
    "one.top": (5,),
}  # fmt: skip


@pytest.fixture
def network():
    needs_compiler()
    return sncc.load(sncc.build(TEXT, backend="cpu", precision="float64"), seed=3)


@pytest.fixture
def reference():
    return Reference(compiler.compile_program(compiler.compile_model(source_of(TEXT)), "float64"), seed=3)


def same(run, expected):
    for population in ("a", "b"):
        n, i = np.nonzero(expected.spikes[0][population])
        found = run.spikes[population]
        assert n.size > 100 and np.array_equal(np.round(found.times / 1e-3), n + 1)
        assert np.array_equal(found.neurons, i)


def test_they_are_had_and_set_like_weights(network, reference):
    same(network.simulate(seed=4), reference.run([{}], steps=60, seed=4))
    rng = np.random.default_rng(0)
    for key, shape in SHAPES.items():
        own = np.asarray(network.parameters[key])
        joined = ~np.eye(5, dtype=bool) if key == "others.tau" else np.ones(shape, bool)
        factor = 1e3 if key.endswith("tau") else 1  # the reference has milliseconds
        assert own.shape == shape and np.allclose(own[joined] * factor, reference.parameters[key][joined])
        network.parameters[key] = own  # also where a neuron would be joined to itself
        changed = own.copy()
        changed[joined] = rng.permutation(own[joined])
        network.parameters[key] = changed
        assert np.allclose(np.asarray(network.parameters[key])[joined], changed[joined], rtol=1e-12)
        reference.parameters[key] = changed * factor
    same(network.simulate(seed=4), reference.run([{}], steps=60, seed=4))


def test_a_number_that_an_equation_divides_by_cannot_be_0(network):
    wrong = np.asarray(network.parameters["full.tau"]).copy()
    wrong[2, 3] = 0
    with pytest.raises(ValueError, match=r"`full.tau` cannot be 0, as it is at 2, 3"):
        network.parameters["full.tau"] = wrong
