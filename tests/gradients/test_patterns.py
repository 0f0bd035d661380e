"""Gradients over every pattern of synapses equal automatic differentiation of the same synapses as whole matrices."""

from __future__ import annotations

import numpy as np
import pytest
from networks import model_of, program_of
from oracle import loss_and_gradients
from patterns import CASES, MORE_CASES, inputs_of, matrices, values_of

from sncc.backends.reference.interpreter import Reference

ALL = CASES | MORE_CASES


@pytest.mark.parametrize("rule", ["eprop", "bptt"])
@pytest.mark.parametrize("name", ALL)
def test_gradients_equal_those_of_whole_matrices(name, rule):
    case, rng = ALL[name], np.random.default_rng(4)
    text = case.text(rule=rule)
    model, program = model_of(text), program_of(text)
    pairs = {k: tuple(np.array(a) for a in v) for k, v in case.pairs.items()}
    values = values_of(program, Reference(program, pairs=pairs).tables, rng)
    inputs, labels = inputs_of(program, rng), [0, 2]
    run = Reference(program, values, pairs=pairs).run(inputs, labels)
    loss, gradients = loss_and_gradients(model, values, inputs, labels, rule, matrices(program, case, values))
    assert run.spikes[0]["hidden"].sum() > 5
    assert run.loss == pytest.approx(loss, rel=1e-12)
    assert len(run.gradients) >= 4
    for key, got in run.gradients.items():
        assert np.shape(got) == np.shape(gradients[key]), key
        assert np.max(np.abs(got - gradients[key])) <= 1e-9 * np.max(np.abs(gradients[key])), key
        assert np.max(np.abs(got)) > 0, key
