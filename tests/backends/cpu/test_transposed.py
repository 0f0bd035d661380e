"""`share = a_b transposed`: the loss of a network with two matrices, one the other's transpose, and the sum of both gradients."""

from __future__ import annotations

import re

import numpy as np
import pytest
from networks import program_of
from projects import handed_over, needs_compiler

import sncc
from sncc.backends.reference.interpreter import Reference

TIED = """
network Tied:
    step = 1 ms
    population x: input[6]
    population hidden: CubaLIF[21](theta = 0.1)
    population back: CubaLIF[18](theta = 0.1)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.3, 1)
    connect hidden -> back: dense, weight = normal(0, 1), delay = 1 ms
    connect again = back -> hidden: dense, share = hidden_back transposed, delay = uniform(1 ms, 3 ms)
    connect round = hidden -> hidden: dense(self = false), weight = normal(0, 0.5), delay = 1 ms
    connect other = hidden -> hidden: dense(self = false), share = round transposed, delay = 3 ms, dropout = 0.3
    connect hidden -> output: dense, weight = normal(0, 1)
    connect seen = back -> output: dense, weight = normal(0, 1)

train:
    rule = bptt
    loss = cross_entropy(mean(output.v))
    learn = weights, hidden.tau_m
    optimiser = sgd(learning_rate = 1e-2)
"""
PAIRS = {"again": "hidden_back", "other": "round"}


def case(program):
    rng = np.random.default_rng(2)
    inputs = [{"x": rng.poisson(0.3, (25, 6)).astype(float)} for _ in range(3)]
    return inputs, [0, 1, 2]


@pytest.mark.parametrize("rule", ["bptt", "eprop", "eventprop"])
def test_the_gradient_is_the_sum_of_both_connections(rule):
    program = program_of(TIED, train__rule=rule)
    apart = program_of(re.sub(r"share = \w+ transposed", "weight = each(0)", TIED), train__rule=rule)
    inputs, labels = case(program)
    tied = Reference(program)
    values = dict(tied.parameters)
    for own, owner in PAIRS.items():
        values[f"{own}.weight"] = values[f"{owner}.weight"].T
    values["again.delay"] = values["again.delay"].reshape(18, 21)
    one, two = tied.run(inputs, labels), Reference(apart, values).run(inputs, labels)
    assert one.loss == pytest.approx(two.loss, rel=1e-13) and one.spikes[0]["back"].sum() > 5
    for own, owner in PAIRS.items():
        both = two.gradients[f"{owner}.weight"] + two.gradients[f"{own}.weight"].T
        assert np.allclose(one.gradients[f"{owner}.weight"], both, rtol=1e-10, atol=1e-12 * np.abs(both).max())
        assert rule == "eprop" or np.abs(two.gradients[f"{own}.weight"]).max() > 0
    assert np.allclose(one.gradients["x_hidden.weight"], two.gradients["x_hidden.weight"], rtol=1e-10)


def test_the_library_computes_the_same():
    needs_compiler()
    program = program_of(TIED)
    inputs, labels = case(program)
    run, data = Reference(program).run(inputs, labels), handed_over(program, inputs)
    network = sncc.load(sncc.build(TIED, backend="cpu", precision="float64"), threads=2)
    loss, gradients = network.gradients(data, np.array(labels))
    assert loss == pytest.approx(run.loss, rel=1e-10)
    for p in program.parameters:
        if p.learnt:
            g = run.gradients[p.key]
            assert np.max(np.abs(gradients[p.key] * p.si - g)) <= 1e-9 * np.max(np.abs(g)), p.key
    alone = network.simulate(25e-3, inputs={"x": data["x"][:1]})
    plain = Reference(program).run(inputs[:1], learns=False)
    assert len(alone.spikes["back"].times) == plain.spikes[0]["back"].sum()
