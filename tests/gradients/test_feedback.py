"""Random and adaptive feedback over any pattern of synapses:
a number for each weight, or each synapse, stands for it on the way back.
"""

from __future__ import annotations

import numpy as np
import pytest
from mixed_patterns import DRAWN, LEARNT, ONE, PLAIN, case, pairs, prepared, text_of
from networks import model_of, program_of, recurrent
from oracle import loss_and_gradients
from patterns import matrices
from rewired import FED_BACK, PAIRS, REWIRED, TEXT, batch

from sncc.backends.reference.interpreter import Reference


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


@pytest.mark.parametrize("feedback", ["random", "adaptive"])
def test_it_goes_with_synapses_that_training_moves(feedback):
    text = FED_BACK.replace("= adaptive", f"= {feedback}")
    program, counts = program_of(text), [{"x": sample} for sample in batch()[0]]
    reference = Reference(program, seed=5, pairs=PAIRS)

    def kept(c):
        """What stays with each synapse: its feedback or, where that follows the weight,
        how far it is from it; and its delay.
        """
        own = reference.parameters[f"{c}.feedback"] - (feedback == "adaptive") * reference.parameters[f"{c}.weight"]
        return np.sort(own)

    outputs = ("hidden_output", "other", "plastic")
    before = {c: (kept(c), [*zip(reference.tables[c].pre, reference.tables[c].post)]) for c in outputs}
    for _ in range(4):
        reference.optimise(reference.run(counts, [0, 1, 2, 1]).gradients)
    for c, (numbers, synapses) in before.items():
        assert np.allclose(kept(c), numbers, rtol=0, atol=1e-12), c
        assert [*zip(reference.tables[c].pre, reference.tables[c].post)] != synapses, c
    symmetric = Reference(program_of(text.replace(f"= {feedback}", "= symmetric")), reference.parameters, 5, PAIRS)
    for c in (*REWIRED, "plastic"):
        symmetric.tables.move(c, reference.tables[c].source, reference.tables[c].target)
    for c in outputs:
        reference.parameters[f"{c}.feedback"] = reference.parameters[f"{c}.weight"]
    expected = symmetric.run(counts, [0, 1, 2, 1])
    for key, got in reference.run(counts, [0, 1, 2, 1]).gradients.items():
        assert np.max(np.abs(got - expected.gradients[key])) <= 1e-12 * np.max(np.abs(expected.gradients[key])), key


def test_it_is_that_of_the_synapses_which_there_are_once_some_have_moved():
    """Against automatic differentiation over these, in lockstep forwards,
    where weights and what follows them have changed after every step.
    """
    text = TEXT.replace("rule = bptt", "rule = eprop(feedback = adaptive, online = true)").replace(", each.most", "")
    text = "\n".join(line for line in text.split("\n") if "connect each" not in line).replace("total = 20", "p = 0.6")
    text = text.replace("weight = each(0.05),", "weight = each(0.05), delay = uniform(1 ms, 3 ms),")
    program, model, counts = program_of(text), model_of(text), [{"x": sample[:16]} for sample in batch()[0][:2]]
    reference = Reference(program, seed=5, pairs=PAIRS)
    before = {c.name: set(zip(*_ends(reference, c), strict=True)) for c in program.connections}
    reference.train_online(counts, [0, 1])
    synapses, moved = {}, 0
    for c in model.connections:
        ends = _ends(reference, c)
        moved += set(zip(*ends, strict=True)) != before[c.name]
        place, there = (np.zeros((model.population(c.source).size, model.population(c.target).size)) for _ in range(2))
        place[ends], there[ends] = np.arange(len(ends[0])), 1.0
        place = place.astype(int)

        def matrix(w, place=place, there=there):
            return w * there if isinstance(w, float) else w[place] * there

        synapses[c.name] = matrix, c.delay_steps if c.delay is None else matrix
    run, values = reference.run(counts[:1], [1]), reference.parameters
    kept = {p.key: values[p.key] for p in program.parameters if p.storage != "compiled"}
    loss, gradients = loss_and_gradients(model, kept, counts[:1], [1], "eprop", synapses)
    assert run.loss == pytest.approx(loss, rel=1e-12)
    for key, got in run.gradients.items():
        assert np.max(np.abs(got - gradients[key])) <= 1e-9 * np.max(np.abs(gradients[key])), key
    assert moved >= 3 and np.any(run.gradients["drawn.weight"]) and np.any(run.gradients["hidden_output.weight"])


def _ends(reference, c):
    return reference.tables[c.name].source, reference.tables[c.name].target
