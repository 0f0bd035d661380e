"""Every synapse and plasticity of the library resolves at a connection, in volts or in plain numbers."""

import pytest

from sncc.diagnostics import DiagnosticError
from sncc.model.resolve import model_of_text
from sncc.model.scope import library
from sncc.syntax import tree

DEFINITIONS = library()
SYNAPSES = sorted(name for name, d in DEFINITIONS.items() if isinstance(d, tree.Synapse))
PLASTICITIES = sorted(name for name, d in DEFINITIONS.items() if isinstance(d, tree.Plasticity))
WEIGHTS = ("1", "1 nS", "1 pA", "1/ms")


def resolved(model, options):
    text = f"network N:\n    step = 0.1 ms\n    population a: {model}[4]\n    population b: {model}[4]\n"
    text += f"    connect a -> b: dense, {options}\n"
    return model_of_text(text).connections[0]


@pytest.mark.parametrize("name", SYNAPSES)
def test_a_synapse_of_the_library_fits_a_neuron(name):
    fitting = []
    for model in ("CobaLIF", "LIF", "CubaLIF"):
        for weight in WEIGHTS:
            try:
                fitting.append(resolved(model, f"weight = {weight}, synapse = {name}()").synapse.model)
            except DiagnosticError:
                continue
    assert fitting


@pytest.mark.parametrize("name", PLASTICITIES)
def test_a_plasticity_of_the_library_fits_plain_weights_or_conductances(name):
    fitting = []
    for model, weight in (("LIF", "1"), ("CobaLIF", "1 nS, synapse = conductance()")):
        try:
            fitting.append(resolved(model, f"weight = {weight}, plasticity = {name}()").plasticity.model)
        except DiagnosticError:
            continue
    assert fitting


def test_a_state_that_starts_at_zero_and_a_plain_number_take_the_unit_of_their_use():
    current = resolved("CobaLIF", "weight = 30 pA, synapse = exponential()")
    assert [str(s.unit) for s in current.synapse.states] == ["pA"] and str(current.weight.unit) == "pA"
    plastic = resolved("CobaLIF", "weight = 1 nS, synapse = conductance(), plasticity = stdp(w_max = 9 nS)")
    assert plastic.plasticity.bounds[0][2].name == "w_max"
    with pytest.raises(DiagnosticError, match="does not fit this connection"):
        resolved("CobaLIF", "weight = 1 nS, synapse = conductance(), plasticity = stdp()")
