"""Every neuron, synapse and plasticity of the library is documented or resolves at a connection,
in volts or in plain numbers.
"""

import pytest
from networks import unit_of_an_impulse

from sncc.diagnostics import DiagnosticError, Diagnostics
from sncc.expressions.nodes import walk
from sncc.model.resolve import model_of_text
from sncc.model.scope import library, library_files
from sncc.syntax import tree

DEFINITIONS = library()
NEURONS = sorted(name for name, d in DEFINITIONS.items() if isinstance(d, tree.Neuron))
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
    with pytest.raises(DiagnosticError, match="does not fit this connection") as error:
        resolved("CobaLIF", "weight = 1 nS, synapse = conductance(), plasticity = stdp()")
    (found,) = (d for d in error.value.diagnostics if d.severity == "error")
    assert found.help == ("give `w_max` that unit: `stdp(w_max = 100 nS)`",)


@pytest.mark.parametrize("name", NEURONS)
def test_a_standard_neuron_is_documented_and_takes_weights(name):
    found = Diagnostics()
    text = f"network N:\n    step = 0.1 ms\n    population x: input[2]\n    population h: {name}[2]\n"
    weight = f"0.5{unit_of_an_impulse(name)}"
    m = model_of_text(text + f"    connect x -> h: dense, weight = {weight}\n", diagnostics=found)
    assert m.connections[0].weight.unit.dimensionless == (weight == "0.5") and not found.found
    d = m.population("h").dynamics
    assert len(m.population("h").doc) > 60 and (d.spike is None) == (d.surrogate is None)
    assert all(node.span is None or node.span.source.path for e in d.equations for node in walk(e.derivative))


def test_a_library_file_is_named_like_what_it_defines():
    names = {path.stem for path in library_files()}
    assert names == {name.lower() for name in DEFINITIONS} and {"lif", "cobalif", "adex", "hodgkinhuxley"} <= names
