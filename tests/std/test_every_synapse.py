"""Every synapse of the standard library goes the whole way, unnamed: check, both IRs, explanation, C++, gradients.

Without spikes behind the synapse the loss is smooth, so that central differences of the forward run are the oracle.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import model_of, program_of
from projects import needs_compiler

import sncc
from sncc.backends.reference.interpreter import Reference
from sncc.diagnostics import DiagnosticError
from sncc.model.scope import library
from sncc.program.printer import print_program
from sncc.syntax import tree

ALL = sorted(name for name, d in library().items() if isinstance(d, tree.Synapse))
SYNAPSES = [name for name in ALL if any(isinstance(p, tree.OnPre) for p in library()[name].parts)]
WEIGHTS = {"pA": 60.0, "nS": 1.5}


def text_of(units: dict[str, str], learn: str = "weights") -> str:
    """Four inputs onto three membranes through the synapses named, with weights in these units."""
    connects = "\n".join(
        f"    connect {name} = x -> output: dense, weight = normal(0 {unit}, 1 {unit}), delay = 1 ms, synapse = {name}()"
        for name, unit in units.items()
    )
    return f"""
neuron Passive:
    "A membrane of 100 pF and 5 nS, and its filtered potential without a unit, for the loss."
    state v = -62 mV
    state r = 0
    input I
    dv/dt = (5 nS * (-65 mV - v) + I) / (100 pF)
    dr/dt = ((v + 65 mV) / (10 mV) - r) / (10 ms)

network N:
    step = 0.5 ms
    population x: input[4]
    population output: Passive[3]
{connects}

train:
    rule = bptt
    loss = mse(mean(output.r))
    learn = {learn}
    optimiser = sgd(learning_rate = 1e-3)
"""


def unit_of(name: str) -> str:
    """The unit that a synapse asks of its weights, for this target."""
    for unit in WEIGHTS:
        try:
            model_of(text_of({name: unit}))
        except DiagnosticError:
            continue
        return unit
    raise AssertionError(f"{name} takes neither a current nor a conductance")


def waiting(text: str) -> list[str]:
    """What `sncc check` says that a later stage cannot do yet; anything else it says is a failure."""
    found = sncc.check(text)
    assert all(d.code == "not-supported-yet" for d in found), found
    return [d.message for d in found]


def everything(name: str, unit: str) -> str:
    synapse = model_of(text_of({name: unit})).connections[0].synapse
    return ", ".join(["weights", *(f"{name}.{p.name}" for p in synapse.parameters)])


def example(program, units: dict[str, str]):
    rng = np.random.default_rng(6)
    values = {}
    for name, unit in units.items():
        values[f"{name}.weight"] = rng.uniform(0.5, 1.5, (4, 3)) * WEIGHTS[unit] / len(units)
    inputs = [{"x": rng.poisson(0.1, (60, 4)).astype(float)} for _ in range(2)]
    labels = [np.array([0.5, 0.2, 0.1]), np.array([1.5, 0.0, 0.4])]
    return values, inputs, labels


@pytest.mark.parametrize("name", SYNAPSES)
def test_gradients_of_weights_and_numbers_are_central_differences(name):
    unit = unit_of(name)
    text = text_of({name: unit}, everything(name, unit))
    assert "output" in sncc.explain(text)
    program = program_of(text)
    assert "update" in print_program(program)
    values, inputs, labels = example(program, {name: unit})
    reference = Reference(program, values)
    run = reference.run(inputs, labels)
    shared = {p.key: np.asarray(reference.parameters[p.key]) for p in program.parameters if p.learnt}
    assert len(run.gradients) == len(shared) > 1
    for key, got in run.gradients.items():
        for index in [(), *([(0, 1), (3, 2)] if got.shape else [])][int(bool(got.shape)) :]:
            losses = []
            width = 1e-5 * max(1.0, abs(float(shared[key][index])))
            for sign in (1, -1):
                moved = np.array(shared[key], float)
                moved[index] += sign * width
                losses.append(Reference(program, {**values, key: moved}).run(inputs, labels).loss)
            expected = (losses[0] - losses[1]) / (2 * width)
            assert float(got[index]) == pytest.approx(expected, rel=2e-5, abs=1e-9), (key, index)


def test_all_of_them_compiled_give_the_references_numbers():
    needs_compiler()
    units = {name: unit_of(name) for name in SYNAPSES}
    units = {name: unit for name, unit in units.items() if not waiting(text_of({name: unit}))}
    text = text_of(units)
    program = program_of(text)
    values, inputs, labels = example(program, units)
    expected = Reference(program, values).run(inputs, labels)
    network = sncc.load(sncc.build(text, backend="cpu", precision="float64"))
    si = {p.key: p.si for p in program.parameters}
    for key, value in values.items():
        network.parameters[key] = value * si[key]
    data = sncc.Events.from_dense(np.array([s["x"] for s in inputs]).astype(int), step=0.5e-3)
    loss, gradients = network.gradients(data, np.array(labels))
    assert loss == pytest.approx(expected.loss, rel=1e-9)
    assert len(expected.gradients) == len(units) > 4
    for key, gradient in expected.gradients.items():
        got = np.asarray(gradients[key]) * si[key]
        assert np.max(np.abs(got - gradient)) <= 1e-8 * np.max(np.abs(gradient)), key
