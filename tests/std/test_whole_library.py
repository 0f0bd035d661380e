"""Every neuron and function of the standard library goes the whole way: check, both IRs, explanation, C++, gradients.

Gradients against an independent differentiation are in `tests/gradients`; here the compiled library gives the
reference's.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of, recurrent, unit_of_an_impulse
from projects import needs_compiler
from stepping import run

import sncc
from sncc.backends.reference.interpreter import Reference
from sncc.expressions.units import parse_unit
from sncc.model.scope import library
from sncc.program.printer import print_program
from sncc.syntax import tree

NEURONS = sorted(name for name, d in library().items() if isinstance(d, tree.Neuron))
SPIKING = [n for n in NEURONS if any(isinstance(p, tree.Spike) for p in library()[n].parts)]
SURROGATES = sorted(
    name for name, d in library().items() if isinstance(d, tree.Function) and d.formals[0].name.name == "u"
)


@pytest.mark.parametrize("name", SPIKING)
def test_a_neuron_is_checked_printed_and_explained_under_every_rule(name):
    for rule in ("eprop(feedback = symmetric)", "bptt"):
        text = recurrent(name, rule=rule).replace("step = 1 ms", "step = 0.1 ms")
        assert sncc.check(text) == ()
        assert "hidden" in sncc.explain(text)
        assert "update" in print_program(program_of(text))


def everything(rule: str) -> str:
    """One population of each neuron, all of them between the same inputs and outputs, some with each surrogate."""
    lines = ["network Everything:", "    step = 0.5 ms", "    population x: input[6]", "    population output: LI[3]"]
    for name in SPIKING:
        unit = unit_of_an_impulse(name)
        lines += [
            f"    population p_{name}: {name}[5]",
            f"    connect x -> p_{name}: dense, weight = normal(0{unit}, 1{unit})",
            f"    connect p_{name} -> output: dense, weight = normal(0, 1)",
        ]
    neurons = []
    for surrogate in SURROGATES:
        neurons += [f"neuron With_{surrogate}:", "    state v = 0", "    input I", "    dv/dt = -v / (20 ms) + I"]
        neurons += ["    spike when v > 1:", "        v -= 1", f"    surrogate {surrogate}()"]
        lines += [
            f"    population s_{surrogate}: With_{surrogate}[5]",
            f"    connect x -> s_{surrogate}: dense, weight = normal(0, 1)",
            f"    connect s_{surrogate} -> output: dense, weight = normal(0, 1)",
        ]
    train = ["train:", f"    rule = {rule}", "    loss = cross_entropy(mean(output.v))", "    learn = weights"]
    return "\n".join([*neurons, *lines, *train, "    optimiser = sgd(learning_rate = 1e-3)", ""])


def test_every_neuron_and_surrogate_compiled_gives_the_references_numbers():
    needs_compiler()
    text = everything("bptt")
    program = program_of(text)
    rng = np.random.default_rng(2)
    inputs = [{"x": rng.poisson(0.2, (60, 6)).astype(float)} for _ in range(2)]
    per_charge = parse_unit("fC").to_si
    values = {}
    for p in program.parameters:
        if p.storage == "compiled":
            continue
        if p.key.startswith("x_"):  # a charge of some pC, or a plain weight, brings a neuron near its threshold
            values[p.key] = rng.normal(0.5, 0.5, p.shape) * (3000 if p.si == per_charge else 1)
        elif p.key.endswith("weight"):
            values[p.key] = rng.normal(0, 0.4, p.shape)
    for p in program.parameters:
        if p.key in values and p.key.startswith("x_p_Izhikevich"):
            values[p.key] = values[p.key] * 20
    network = sncc.load(sncc.build(text, backend="cpu", precision="float64"))
    si = {p.key: p.si for p in program.parameters}
    for key, value in values.items():
        network.parameters[key] = value * si[key]
    expected = Reference(program, values).run(inputs, [0, 2])
    data = sncc.Events.from_dense(np.array([s["x"] for s in inputs]).astype(int), step=0.5e-3)
    loss, gradients = network.gradients(data, np.array([0, 2]))
    silent = [p for p, z in expected.spikes[0].items() if z.sum() == 0]
    assert not silent
    assert loss == pytest.approx(expected.loss, rel=1e-10)
    for key, gradient in expected.gradients.items():
        got, wanted = np.asarray(gradients[key]) * si[key], gradient
        assert np.max(np.abs(wanted)) > 0, key
        assert np.max(np.abs(got - wanted)) < 1e-9 * np.max(np.abs(wanted)), key


@pytest.mark.parametrize("name", SPIKING)
def test_no_input_makes_a_state_that_is_no_number(name):
    """Impulses of either sign, up to a hundred times what brings a neuron to its threshold."""
    plain = not unit_of_an_impulse(name)
    impulses = np.zeros((60, 8))
    impulses[5::7] = np.outer(np.ones(8), np.array([1, -1, 10, -10, 40, -40, 100, -100])) * (1.0 if plain else 5000.0)
    got = run(name, 0.5, 30, 8, impulses=impulses)
    assert all(np.all(np.isfinite(trace)) for trace in got.states.values())
