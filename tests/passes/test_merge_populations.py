"""Populations with equal dynamics share one update, and train to the same numbers as apart."""

from __future__ import annotations

import numpy as np
import pytest
from networks import model_of, spikes

from sncc.backends.reference.interpreter import Reference
from sncc.gradients.reverse import differentiate
from sncc.lower.phases import lower
from sncc.passes import PIPELINE
from sncc.passes.merge_populations import merge_populations
from sncc.program.operation_printer import print_operation
from sncc.program.operations import Update

TWO = """
network Two:
    step = 1 ms
    population x: input[6]
    population exc: LIF[80](tau_m = 20 ms)
    population inh: LIF[20](tau_m = 10 ms, theta = 0.8)
    population output: LI[3]
    for k in exc, inh:
        connect x -> {k}: dense, weight = normal(0.2, 0.2)
        connect {k} -> output: dense, weight = normal(0, 0.3)
    connect inh -> exc: dense, weight = normal(-0.1, 0.1), delay = 2 ms
    connect exc -> inh: dense, weight = normal(0.1, 0.1), delay = 1 ms

train:
    rule = RULE
    loss = mean(cross_entropy(output.v))
    optimiser = adam(learning_rate = 1e-2)
    learn = weights, exc.bias, inh.bias
"""


def updates(program) -> list[str]:
    found = [o for o in program.forward if isinstance(o, Update)]
    return ["\n".join(print_operation(o, program)) for o in found]


def test_two_populations_that_differ_in_numbers_become_one_update():
    before = lower(model_of(TWO.replace("RULE", "bptt")))
    after = merge_populations(before)
    exc, inh, _ = updates(before)
    assert exc.replace("g0", "g1") == inh
    assert updates(after)[0] == exc
    assert len(updates(after)) == 2
    group = after.groups[0]
    assert [(row.population, row.offset, row.size) for row in group.rows] == [("exc", 0, 80), ("inh", 80, 20)]
    assert [c.target_offset for c in after.connections if c.target == "inh"] == [80, 80]


def test_folding_keeps_as_arrays_only_the_numbers_that_differ():
    program = merge_populations(lower(model_of(TWO.replace("RULE", "bptt"))))
    for optimise in PIPELINE:
        program = optimise(program)
    assert "theta" in program.groups[0].arrays and "P.v.v" in program.groups[0].arrays
    same = lower(model_of(TWO.replace("RULE", "bptt").replace("(tau_m = 10 ms, theta = 0.8)", "(tau_m = 20 ms)")))
    for optimise in PIPELINE:
        same = optimise(same)
    assert same.groups[0].arrays == ("K.v",)  # the learnt bias alone


def test_a_population_that_drives_the_other_within_the_step_stays_apart():
    text = TWO.replace("RULE", "bptt").replace(", delay = 2 ms", ", delay = 0 ms")
    assert len(merge_populations(lower(model_of(text))).groups) == 3


@pytest.mark.parametrize("rule", ["eprop(feedback = symmetric)", "bptt"])
def test_merged_populations_train_to_the_same_numbers(rule):
    model = model_of(TWO.replace("RULE", rule))
    apart = differentiate(lower(model, "float64"), model.training)
    together = apart
    for optimise in PIPELINE:
        together = optimise(together)
    assert len(together.groups) == 2 and len(apart.groups) == 3
    rng = np.random.default_rng(1)
    values = {p.key: rng.normal(0.1, 0.3, p.shape) for p in apart.parameters if p.storage == "each"}
    inputs, labels = spikes(rng, 2, 30), [0, 2]
    networks = [Reference(program, values) for program in (apart, together)]
    for _ in range(3):
        runs = [network.run(inputs, labels) for network in networks]
        assert runs[0].spikes[0]["exc"].sum() > 0 and runs[0].spikes[0]["inh"].sum() > 0
        for network, run in zip(networks, runs):
            network.optimise(run.gradients)
    for key, value in networks[0].parameters.items():
        assert np.allclose(value, networks[1].parameters[key], rtol=1e-12, atol=1e-14), key
