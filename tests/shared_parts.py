"""A network whose connections share weights between parts that lie in other ways,
and which synapse has which number, written out.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from projects import handed_over

from sncc.backends.reference.interpreter import Reference

NETWORK = """
synapse clipped:
    state g = 0
    dg/dt = -g / (5 ms)
    on pre: g += weight * (1 - tanh(g))
    deliver g / (5 ms)

network Parts:
    step = 1 ms
    population x: input[6]
    population grid: LIF[4, 5](tau_m = 12 ms, theta = 0.7)
    population hidden: LIF[12](tau_m = 12 ms, theta = 0.7)
    population small: LIF[4](tau_m = 12 ms, theta = 0.7)
    population output: LI[3](tau_m = 10 ms)
    connect x -> grid: dense, weight = normal(0.3, 0.3)
    connect x -> hidden: dense, weight = normal(0.15, 0.3)
    connect x -> small: dense, weight = normal(0.1, 0.1)
    connect square = grid[1:4, 2:4] -> hidden[8:12]: dense, share = x_small{synapse}
    connect holes = grid[0:3, 0:2] -> hidden[0:5]: dense, weight = normal(0, 0.2), delay = 1 ms{synapse}
    connect line = hidden[4:10] -> hidden[2:7]: dense, share = holes, delay = 2 ms{synapse}
    connect back = hidden[0:5] -> grid[1:4, 3:5]: dense, share = holes transposed, delay = {delay}{synapse}
    connect apart = hidden[0:4] -> hidden[2:6]: dense(self = false), weight = normal(0, 0.2), delay = 1 ms{synapse}
    connect others = hidden[1:5] -> hidden[2:6]: dense(self = false), share = apart, delay = 2 ms{synapse}
    connect turned = grid[0, 0:4] -> grid[0:2, 1:3]: dense(self = false), share = apart transposed, delay = 1 ms{synapse}
    connect all = small -> small: dense(self = false), weight = normal(0, 0.2), delay = 1 ms{synapse}
    connect shifted = hidden[0:4] -> hidden[3:7]: dense(self = false), share = all, delay = 3 ms{synapse}
    connect same = small -> small: dense(self = false), share = all transposed, delay = 2 ms{synapse}
    connect more = hidden[2:6] -> small: dense, share = all, delay = 1 ms{synapse}
    connect fewer = small -> small: dense(self = false), share = whole, delay = 1 ms{synapse}
    connect whole = hidden[8:12] -> small: dense, weight = normal(0, 0.2), delay = 1 ms{synapse}
    connect ones = grid[0:2, 1:3] -> small: one_to_one, weight = normal(0.1, 0.3), delay = 1 ms{synapse}
    connect straight = small -> hidden[4:8]: one_to_one, share = ones, delay = 1 ms{synapse}
    connect grid -> output: dense, weight = normal(0, 0.3)
    connect hidden -> output: dense, weight = normal(0, 0.3)
    connect small -> output: dense, weight = normal(0, 0.3)

train:
    rule = {rule}
    loss = cross_entropy(mean(output.v))
    optimiser = sgd(learning_rate = 1e-2)
"""


def text_of(rule: str = "bptt", delay: str = "2 ms", synapse: str = "") -> str:
    """The network by a rule, with these delays of one connection, and another synapse."""
    text = NETWORK.format(rule=rule, delay=delay, synapse=f", synapse = {synapse}" if synapse else "")
    return text


GRID = np.arange(20).reshape(4, 5)
# the owner, sources, targets, whether transposed; in steps the delay
PARTS = {
    "square": ("x_small", GRID[1:4, 2:4].ravel(), np.arange(8, 12), False, 0),
    "holes": ("holes", GRID[0:3, 0:2].ravel(), np.arange(5), False, 1),
    "line": ("holes", np.arange(4, 10), np.arange(2, 7), False, 2),
    "back": ("holes", np.arange(5), GRID[1:4, 3:5].ravel(), True, 2),
    "apart": ("apart", np.arange(4), np.arange(2, 6), False, 1),
    "others": ("apart", np.arange(1, 5), np.arange(2, 6), False, 2),
    "turned": ("apart", GRID[0, 0:4].ravel(), GRID[0:2, 1:3].ravel(), True, 1),
    "all": ("all", np.arange(4), np.arange(4), False, 1),
    "shifted": ("all", np.arange(4), np.arange(3, 7), False, 3),
    "same": ("all", np.arange(4), np.arange(4), True, 2),
    "more": ("all", np.arange(2, 6), np.arange(4), False, 1),
    "fewer": ("whole", np.arange(4), np.arange(4), False, 1),
    "whole": ("whole", np.arange(8, 12), np.arange(4), False, 1),
    "ones": ("ones", GRID[0:2, 1:3].ravel(), np.arange(4), False, 1),
    "straight": ("ones", np.arange(4), np.arange(4, 8), False, 1),
}
APART, IN_LINE = ("apart", "others", "turned", "all", "shifted", "same", "fewer"), ("ones", "straight")


def places(name: str) -> list[tuple[int, int, int]]:
    """Of each synapse the source, the target, and the number in the owner's weight, row by row."""
    _, sources, targets, turned, _ = PARTS[name]
    if name in IN_LINE:
        return [(i, j, k) for k, (i, j) in enumerate(zip(sources, targets, strict=True))]
    found = []
    for r, i in enumerate(sources):
        for c, j in enumerate(targets):
            if name not in APART or i != j:
                found.append((i, j, c * len(sources) + r if turned else r * len(targets) + c))
    return found


def agrees(network, text: str) -> None:
    """Loss, gradients, what is learnt, and what a simulation emits are the reference's."""
    program = program_of(text)
    rng = np.random.default_rng(2)
    inputs, labels = [{"x": rng.poisson(0.3, (25, 6)).astype(float)} for _ in range(3)], [0, 1, 2]
    run, data = Reference(program).run(inputs, labels), handed_over(program, inputs)
    loss, gradients = network.gradients(data, np.array(labels))
    assert loss == pytest.approx(run.loss, rel=1e-10)
    for p in program.parameters:
        if p.learnt:
            g = run.gradients[p.key]
            assert np.max(np.abs(gradients[p.key] * p.si - g)) <= 1e-9 * np.max(np.abs(g)), p.key
    assert network.parameters["apart.weight"].shape == (4, 4) and network.parameters["ones.weight"].shape == (4,)
    before = {p.key: np.asarray(network.parameters[p.key]) for p in program.parameters if p.learnt}
    network.fit(data, np.array(labels), epochs=1, batch=3, verbose=False)
    for p in program.parameters:
        if p.learnt:
            moved, step = (np.asarray(network.parameters[p.key]) - before[p.key]) / p.si, -1e-2 * run.gradients[p.key]
            assert np.max(np.abs(moved - step)) <= 1e-9 * np.max(np.abs(step)), p.key


def simulates(network, text: str) -> None:
    """Without training, spikes and states are the reference's."""
    program = program_of(text, schedule="neuron_parallel")
    inputs = [{"x": np.random.default_rng(3).poisson(0.3, (40, 6)).astype(float)}]
    run = network.simulate(40e-3, inputs={"x": handed_over(program, inputs)["x"]}, record=["hidden.v", "grid.v"])
    expected = Reference(program).run(inputs, learns=False)
    for name in ("grid", "hidden", "small"):
        at, neurons = np.nonzero(expected.spikes[0][name])
        assert len(at) > 5 and np.array_equal(run.spikes[name].neurons, neurons)
        assert np.array_equal(np.round(run.spikes[name].times * 1e3), at + 1)
    for name in ("grid", "hidden"):
        assert np.allclose(np.asarray(run.trace[f"{name}.v"]), expected.traces[0][name, "v"], rtol=1e-9, atol=1e-12)
