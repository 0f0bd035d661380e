"""Weights that move within a sample, and those that synapses one by one share:
both halves give the reference's gradients.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of, seen
from plastic_networks import case, text_of
from projects import Projects, handed_over, needs_compiler
from sparse_synapses import LATE, TURNED

import sncc
from sncc.backends.reference.interpreter import Reference


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, rule",
    [
        ("drawn", "eprop(feedback = adaptive)"),
        ("delays", "bptt"),
        ("images", "eprop(feedback = adaptive)"),
        ("dense", "eprop(feedback = adaptive, online = true)"),
    ],
)
@pytest.mark.parametrize("half", ["cpu", "emulated"])
def test_gradients_equal_the_reference(tmp_path, half, name, rule):
    needs_compiler()
    text = text_of(name, rule)
    program, values, inputs, labels, pairs = case(name, rule)
    if half == "cpu":
        project = sncc.build(text, backend="cpu", precision="float64")
        network = sncc.load(project, connections=pairs, threads=1)
    else:
        project = Projects(tmp_path).emulated(text, build="checked")[1]
        network = sncc.load(project, backend="emulated", connections=pairs)
    si, drawn = {p.key: p.si for p in program.parameters}, Reference(program, pairs=pairs)
    for key in network.parameters:
        assert np.allclose(
            np.asarray(network.parameters[key]) / si[key],
            seen(program.parameter(key), drawn.parameters[key]),
            rtol=1e-14,
        ), key
    for key, value in values.items():
        network.parameters[key] = seen(program.parameter(key), value * si[key])
    loss, gradients = network.gradients(handed_over(program, inputs), np.array(labels))
    expected = Reference(program, values, pairs=pairs).run(inputs, labels)
    assert loss == pytest.approx(expected.loss, rel=1e-12)
    for key, gradient in expected.gradients.items():
        assert np.max(np.abs(gradients[key] * si[key] - gradient)) <= 1e-9 * np.max(np.abs(gradient)), key
    if name == "delays":
        one = {source: events[:1] for source, events in handed_over(program, inputs).items()}
        trace = network.simulate(inputs=one, record=["hidden_output.weight"]).trace["hidden_output.weight"]
        recorded = Reference(program, values, pairs=pairs).run(inputs[:1]).traces[0]["hidden_output", "weight"]
        assert np.allclose(trace.reshape(len(trace), -1), recorded[:, : trace[0].size], rtol=1e-12, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("text", [TURNED.format(rule="bptt"), LATE], ids=["shared transposed", "learnt delays"])
@pytest.mark.parametrize("half", ["cpu", "emulated"])
def test_synapses_one_by_one_equal_the_reference(tmp_path, half, text):
    needs_compiler()
    program = program_of(text)
    inputs = [{"x": (np.random.default_rng(2).random((25, 6)) < 0.25) * 1.0}]
    if half == "cpu":
        network = sncc.load(sncc.build(text, backend="cpu", precision="float64"), threads=1)
    else:
        network = sncc.load(Projects(tmp_path).emulated(text, build="checked")[1], backend="emulated")
    drawn = Reference(program)
    for key in network.parameters:
        p = program.parameter(key)
        found, first = np.asarray(network.parameters[key]) / p.si, seen(p, drawn.parameters[key])
        apart = 1 - np.eye(len(first)) if key == "round.weight" else 1.0
        assert np.allclose(found, first * apart, rtol=1e-14), key
    loss, gradients = network.gradients(handed_over(program, inputs), np.array([1]))
    expected = drawn.run(inputs, [1])
    assert loss == pytest.approx(expected.loss, rel=1e-12)
    for key, gradient in expected.gradients.items():
        si = program.parameter(key).si
        assert np.max(np.abs(gradients[key] * si - gradient)) <= 1e-9 * np.max(np.abs(gradient)), key
