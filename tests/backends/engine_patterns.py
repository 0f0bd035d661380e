"""Comparison of an engine with the reference over the patterns of `patterns.py`."""

from __future__ import annotations

import mixed_patterns
import numpy as np
import pytest
import synapses_forwards
from networks import program_of, seen, spikes
from patterns import CASES, inputs_of, values_of
from projects import handed_over, set_parameters

import sncc
from sncc.backends.reference.interpreter import Reference


def case_of(name: str, rule: str, samples: int = 3):
    """Program, reference and what both are given."""
    case, rng = CASES[name], np.random.default_rng(4)
    program = program_of(case.text(rule=rule))
    pairs = {k: tuple(np.array(a) for a in v) for k, v in case.pairs.items()}
    values = values_of(program, Reference(program, pairs=pairs).tables, rng)
    inputs = inputs_of(program, rng, samples)
    return program, Reference(program, values, pairs=pairs), values, inputs, [k % 3 for k in range(samples)], pairs


def agree(network, program, reference, inputs, labels, tolerance: float) -> None:
    """Loss, gradients, readout, spikes and states of a network equal the reference's."""
    run, data = reference.run(inputs, labels), handed_over(program, inputs)
    loss, gradients = network.gradients(data, np.array(labels))
    assert run.spikes[0]["hidden"].sum() > 5
    assert loss == pytest.approx(run.loss, rel=tolerance)
    si = {p.key: p.si for p in program.parameters}
    assert set(gradients) == set(run.gradients)
    for key, expected in run.gradients.items():
        got = np.asarray(gradients[key]) * si[key]
        assert np.shape(got) == np.shape(expected), key
        assert np.max(np.abs(got - expected)) <= tolerance * np.max(np.abs(expected)), key
    assert np.allclose(network.predict(data, per_step=False), run.outputs, rtol=tolerance, atol=tolerance)
    for half in (slice(0, 9), slice(9, 18)):  # what is on its way stays between runs
        one = {name: sample_of(value, half) for name, value in data_of(program, inputs[0]).items()}
        simulated = network.simulate(
            duration=9 * program.step * 1e-3, inputs=one, record=["hidden.v"], resume=half.start > 0
        )
        trace = np.asarray(simulated.trace["hidden.v"]).reshape(9, -1)
        assert np.allclose(trace, run.traces[0]["hidden", "v"][half], rtol=tolerance, atol=10 * tolerance)
    network.reset()


def data_of(program, sample):
    """One sample's arrays, signals in SI units."""
    return {s.name: sample[s.name] * (s.si if s.kind == "signal" else 1) for s in program.sources}


def sample_of(array, steps):
    """Some steps of it, as the binding takes them."""
    part = array[steps][None]
    return (
        part
        if part.dtype != np.dtype(float) or (part % 1).any()
        else sncc.Events.from_dense(part.astype(int), step=1e-3)
    )


def equals_the_reference(network, name: str, labels, program, reference, values, inputs, pairs) -> None:
    """What is drawn, then losses, gradients, spikes and states, then some steps of training."""
    drawn = Reference(program, pairs=pairs)
    for p in program.parameters:  # drawn alike, synapse by synapse
        if p.connection is not None and p.shape:
            assert np.allclose(np.asarray(network.parameters[p.key]) / p.si, drawn.parameters[p.key], rtol=1e-12), p.key
            assert np.array_equal(network.parameters[p.key].pre, drawn.tables[p.connection].source), p.key
    set_parameters(network, program, values)
    agree(network, program, reference, inputs, labels, 1e-9)
    for _ in range(3):
        reference.optimise(reference.run(inputs, labels).gradients)
    network.fit(handed_over(program, inputs), np.array(labels), epochs=3, batch=5, verbose=False)
    for p in program.parameters:
        if p.learnt:
            got = np.asarray(network.parameters[p.key]) / p.si
            off = ~np.eye(len(got), dtype=bool) if p.key == "again.weight" and "itself" in name else ...
            assert np.allclose(got[off], reference.parameters[p.key][off], rtol=1e-8, atol=1e-8), p.key


ONLINE = [  # rule, connection into the loss, loss, dropout
    ("feedback = adaptive, online = true", mixed_patterns.PLAIN, "mean(cross_entropy(output.v))", ""),
    pytest.param(
        "feedback = random, online = true, truncate = 9 ms", mixed_patterns.ONE,
        "cross_entropy(mean(output.v)) + mean(cross_entropy(output.v))", ", dropout = 0.3", marks=pytest.mark.slow,
    ),
]  # fmt: skip


def passing_equals_the_reference(load, rule: str, loss: str) -> None:
    """Gradients of a network whose synapses' states pass credit on."""
    text = synapses_forwards.text_of(rule, loss, ", hidden_other.start, other_output.tau")
    program, network = program_of(text), load(text)
    inputs, labels = spikes(np.random.default_rng(5), 3, 25), [0, 1, 2]
    run = Reference(program).run(inputs, labels)
    found, gradients = network.gradients(handed_over(program, inputs), np.array(labels))
    assert found == pytest.approx(run.loss, rel=1e-12)
    for p in (p for p in program.parameters if p.learnt):
        got, expected = np.asarray(gradients[p.key]) * p.si, run.gradients[p.key]
        assert np.max(np.abs(got - expected)) <= 1e-9 * np.max(np.abs(expected)), p.key


def keeping_equals_the_reference(load, text: str) -> None:
    """Gradients of a network whose synapses keep states one by one, and its numbers after an update at every step."""
    program, network = program_of(text), load(text)
    inputs = [{"x": x * 1.0} for x in np.random.default_rng(2).integers(0, 2, (3, 25, 6))]
    reference, labels, data = Reference(program), [0, 1, 2], handed_over(program, inputs)
    run, (found, gradients) = reference.run(inputs, labels), network.gradients(data, np.array(labels))
    assert found == pytest.approx(run.loss, rel=1e-12) and run.spikes[0]["hidden"].sum() > 20
    for p in (p for p in program.parameters if p.learnt):
        got, expected = np.asarray(gradients[p.key]) * p.si, run.gradients[p.key]
        assert np.any(expected) and np.max(np.abs(got - expected)) <= 1e-9 * np.max(np.abs(expected)), p.key
    reference.train_online(inputs, labels)
    network.fit(data, np.array(labels), epochs=1, batch=3, verbose=False)
    for p in (p for p in program.parameters if p.learnt):
        assert np.allclose(np.asarray(network.parameters[p.key]) / p.si, reference.parameters[p.key], rtol=1e-8), p.key


def mixed_equals_the_reference(load, text: str, tolerance: float = 1e-9) -> None:
    """What is drawn of a network of `mixed_patterns.py`, its gradients, and its numbers after two steps of training."""
    program, values, inputs, labels = mixed_patterns.prepared(text, 5)
    network, drawn = load(mixed_patterns.pairs()), Reference(program, pairs=mixed_patterns.pairs())
    for p in program.parameters:
        if p.storage != "compiled" and p.key != "other_other.weight":  # no neuron to itself
            first = seen(p, drawn.parameters[p.key])
            assert np.allclose(np.asarray(network.parameters[p.key]) / p.si, first, rtol=1e-12), p.key
        if p.connection is not None and p.shape:
            assert np.array_equal(network.parameters[p.key].pre, drawn.tables[p.connection].source), p.key
    set_parameters(network, program, values)
    reference, data = Reference(program, values, pairs=mixed_patterns.pairs()), handed_over(program, inputs)
    run, (loss, gradients) = reference.run(inputs, labels), network.gradients(data, np.array(labels))
    assert loss == pytest.approx(run.loss, rel=tolerance)
    assert set(gradients) == set(run.gradients)
    for p in program.parameters:
        if p.learnt:
            got, expected = np.asarray(gradients[p.key]) * p.si, run.gradients[p.key]
            assert np.max(np.abs(got - expected)) <= tolerance * np.max(np.abs(expected)), p.key
    if "dropout" in text:  # other neurons are left out in each epoch
        return
    for _ in range(2):
        if program.traces:
            reference.train_online(inputs, labels)
        else:
            reference.optimise(reference.run(inputs, labels).gradients)
    network.fit(data, np.array(labels), epochs=2, batch=5, verbose=False)
    for p in program.parameters:
        got, expected = np.asarray(network.parameters[p.key]) / p.si, seen(p, reference.parameters[p.key])
        off = ~np.eye(len(got), dtype=bool) if p.key == "other_other.weight" else ...
        assert np.allclose(got[off], expected[off], rtol=10 * tolerance, atol=10 * tolerance), p.key
