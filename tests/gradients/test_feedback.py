"""Random and adaptive feedback over any pattern of synapses: a number for each weight, or each synapse, stands for it on the way back."""

from __future__ import annotations

import numpy as np
import pytest
from mixed_patterns import DRAWN, LEARNT, ONE, PLAIN, case, pairs, prepared, text_of
from networks import model_of, program_of, recurrent
from oracle import loss_and_gradients
from patterns import matrices

from sncc.backends.reference.interpreter import Reference
from sncc.diagnostics import DiagnosticError


@pytest.mark.parametrize("late", [PLAIN, DRAWN, LEARNT])
def test_gradients_equal_automatic_differentiation(late):
    text = text_of("feedback = random", late)
    program, values, inputs, labels = prepared(text, 1, 24)
    run = Reference(program, values, pairs=pairs()).run(inputs, labels)
    assert all(run.spikes[0][p].sum() > 5 for p in ("hidden", "other", "third"))
    synapses = {
        name: found for name, found in matrices(program, case(), values).items()
        if name != "late" or late != LEARNT
    }  # fmt: skip
    loss, gradients = loss_and_gradients(model_of(text), values, inputs, labels, "eprop", synapses)
    assert run.loss == pytest.approx(loss, rel=1e-12)
    assert "late.delay" in run.gradients or late != LEARNT
    for key, got in run.gradients.items():
        assert np.shape(got) == np.shape(gradients[key]), key
        assert np.max(np.abs(got - gradients[key])) <= 1e-9 * np.max(np.abs(gradients[key])), key
        assert np.max(np.abs(got)) > 0, key


def test_a_number_for_each_weight_or_for_each_synapse_of_one_weight():
    program, values, inputs, labels = prepared(text_of("feedback = adaptive", ONE))
    tables = Reference(program, pairs=pairs()).tables
    shapes = {p.key: p.shape for p in program.parameters if p.key.endswith(".feedback")}
    assert shapes["hidden_output.feedback"] == (3, 2, 2, 3) == program.parameter("hidden_output.weight").shape
    assert shapes["all.feedback"] == (12, 9)  # between whole populations (outputs, neurons)
    for name in ("other_output", "late"):
        assert values[f"{name}.feedback"].shape == (len(tables[name].pre),)
    reference = Reference(program, values, pairs=pairs())
    before = {key: value.copy() for key, value in reference.parameters.items()}
    reference.optimise(reference.run(inputs, labels).gradients)
    change = {key: value - before[key] for key, value in reference.parameters.items()}
    for key in shapes:
        weight = change[key.replace(".feedback", ".weight")]
        assert np.max(np.abs(weight)) > 0, key
        assert np.allclose(change[key], weight.T if key == "all.feedback" else weight, atol=1e-15), key


def test_it_is_drawn_by_how_many_outputs_a_neuron_reaches():
    text = recurrent("ALIF", size=2000, rule="eprop(feedback = random)")
    text = text.replace("LI[3]", "LI[40]").replace("hidden -> output: dense", "hidden -> output: random(fan_out = 4)")
    drawn = Reference(program_of(text)).parameters["hidden_output.feedback"]
    assert drawn.shape == (8000,)
    assert np.std(drawn) == pytest.approx(0.5, rel=0.03)


def test_synapses_that_training_moves_are_refused():
    text = recurrent("ALIF", rule="eprop(feedback = random)")
    text = text.replace("hidden -> output: dense", "hidden -> output: random(p = 0.5), rewire = deep_r()")
    with pytest.raises(DiagnosticError, match="over synapses that training moves"):
        program_of(text)
