"""A network with connections that share their weights transposed, one with dropout, one with drawn delays,
parts with gaps, and one number for two.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from projects import handed_over

from sncc.backends.reference.interpreter import Reference

TIED = """
network Tied:
    step = 1 ms
    population x: input[6]
    population hidden: CubaLIF[3, 7](theta = 0.1)
    population back: CubaLIF[18](theta = 0.1)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.3, 1)
    connect hidden -> back: dense, weight = normal(0, 1), delay = 1 ms
    connect again = back -> hidden: dense, share = hidden_back transposed, delay = uniform(1 ms, 3 ms)
    connect round = hidden -> hidden: dense(self = false), weight = normal(0, 0.5), delay = 1 ms
    connect other = hidden -> hidden: dense(self = false), share = round transposed, delay = 3 ms, dropout = 0.3
    connect drawn = hidden -> hidden: dense(self = false), share = even, delay = uniform(1 ms, 3 ms)
    connect even = hidden -> hidden: dense(self = false), weight = 0.2, delay = 2 ms
    connect holes = hidden[0:2, 1:5] -> back[0:6]: dense, weight = normal(0, 0.5), delay = 1 ms
    connect into = back[4:10] -> hidden[1:3, 2:6]: dense, share = holes transposed, delay = 2 ms
    connect hidden -> output: dense, weight = normal(0, 1)
    connect seen = back -> output: dense, weight = normal(0, 1)

train:
    rule = bptt
    loss = cross_entropy(mean(output.v))
    learn = weights, hidden.tau_m
    optimiser = sgd(learning_rate = 1e-2)
"""


def case(program):
    rng = np.random.default_rng(2)
    inputs = [{"x": rng.poisson(0.3, (25, 6)).astype(float)} for _ in range(3)]
    return inputs, [0, 1, 2]


def agrees(network) -> None:
    """Loss and gradients are the reference's, and what a simulation emits, without dropout."""
    program = program_of(TIED)
    inputs, labels = case(program)
    run, data = Reference(program).run(inputs, labels), handed_over(program, inputs)
    loss, gradients = network.gradients(data, np.array(labels))
    assert loss == pytest.approx(run.loss, rel=1e-10)
    for p in program.parameters:
        if p.learnt:
            g = run.gradients[p.key]
            assert np.max(np.abs(gradients[p.key] * p.si - g)) <= 1e-9 * np.max(np.abs(g)), p.key
    alone = network.simulate(25e-3, inputs={"x": data["x"][:1]})
    plain = Reference(program).run(inputs[:1], learns=False)
    assert len(alone.spikes["back"].times) == plain.spikes[0]["back"].sum()
    before = {p.key: np.asarray(network.parameters[p.key]) for p in program.parameters}
    network.fit(data, np.array(labels), epochs=1, batch=3, verbose=False)
    for p in program.parameters:
        if p.learnt:
            moved = (np.asarray(network.parameters[p.key]) - before[p.key]) / p.si
            step = -1e-2 * run.gradients[p.key]
            assert np.max(np.abs(moved - step)) <= 1e-9 * np.max(np.abs(step)), p.key
