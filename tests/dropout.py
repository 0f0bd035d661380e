"""A network with dropout on every kind of connection, and what it computes without:
weights of the rows that are left.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from projects import handed_over

from sncc.backends.reference.interpreter import Reference
from sncc.connectivity.philox import philox
from sncc.program.groups import Connection
from sncc.program.nodes import Program
from sncc.program.streams import stream

NETWORK = """
network Dropout:
    step = 1 ms
    population x: input[6]
    population level: signal[2]
    population hidden: CubaLIF[21](theta = 0.2)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.3, 1), dropout = 0.3
    connect level -> hidden: dense, weight = normal(0, 0.3), dropout = 0.4
    connect late = x -> hidden: random(p = 0.6), weight = normal(0, 1), delay = uniform(0 ms, 4 ms), dropout = 0.5
    connect hidden -> hidden: dense, weight = normal(0, 0.5), delay = 1 ms, dropout = 0.5
    connect again = hidden -> hidden: one_to_one, weight = each(0.2), delay = each(2.3 ms), dropout = 0.3
    connect moved = x -> hidden: dense, weight = normal(0, 0.5), delay = each(1.6 ms), dropout = 0.4
    connect some = hidden -> hidden: random(p = 0.5), weight = normal(0, 0.5), delay = 1 ms, dropout = 0.5
    connect slow = hidden -> hidden: random(p = 0.5), weight = normal(0, 0.5), delay = uniform(1 ms, 3 ms), dropout = 0.6
    connect hidden -> output: dense, weight = normal(0, 1), dropout = 0.2
    connect straight = x -> output: dense, weight = normal(0, 1)

train:
    rule = bptt
    loss = cross_entropy(mean(output.v))
    learn = weights, hidden.tau_m, again.delay(in = [1 ms, 5 ms]), moved.delay(in = [0 ms, 4 ms])
    optimiser = sgd(learning_rate = 1e-2)
"""

DENSE = """
network Dense:
    step = 1 ms
    population x: input[6]
    population hidden: ALIF[21](theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.3, 1), dropout = 0.3
    connect hidden -> hidden: dense, weight = normal(0, 0.5), delay = 1 ms, dropout = 0.5
    connect again = hidden -> hidden: one_to_one, weight = each(0.2), delay = 2 ms
    connect hidden -> output: dense, weight = normal(0, 1), dropout = 0.4
    connect straight = x -> output: dense, weight = normal(0, 1)

train:
    rule = eprop(feedback = random)
    loss = mean(cross_entropy(output.v))
    learn = weights, hidden.tau_m
    optimiser = sgd(learning_rate = 1e-2)
"""

DEFINITIONS = """
synapse clipped:
    param most = 1.5
    state g = 0
    dg/dt = -g / (6 ms)
    on pre: g += weight * (most - tanh(g))
    deliver g * (1.2 - tanh(post.v)) / (20 ms)
"""
CONNECTIONS = """
    connect depressing = hidden -> hidden: dense, weight = normal(0, 0.3 /ms), dropout = 0.3,
        synapse = tsodyks_markram(tau_rec = 30 ms)
    connect few = x -> hidden: random(p = 0.5), weight = normal(0, 0.3 /ms), delay = uniform(1 ms, 3 ms), dropout = 0.5,
        synapse = tsodyks_markram(tau_rec = 40 ms)
    connect gap = hidden -> hidden: one_to_one, weight = each(0.1 /ms), delay = 2 ms, dropout = 0.4, synapse = gap_junction()
    connect own = x -> hidden: dense, weight = normal(0, 0.1), dropout = 0.5, synapse = clipped()
    connect pairs = hidden -> output: random(fan_in = 6), weight = normal(0, 0.1), dropout = 0.5, synapse = clipped()
"""
SYNAPTIC = DEFINITIONS + NETWORK.replace("\ntrain", f"{CONNECTIONS}\ntrain")


def inputs_of(program: Program) -> list[dict[str, np.ndarray]]:
    """Counts, two events of a channel in a step among them, and values."""
    rng = np.random.default_rng(5)
    sizes = {s.name: (s.size, s.kind) for s in program.sources}
    return [
        {
            name: rng.normal(0, 1, (24, size)) if kind == "signal" else rng.poisson(0.3, (24, size)).astype(float)
            for name, (size, kind) in sizes.items()
        }
        for _ in range(3)
    ]


def plain(program: Program) -> Program:
    """The same operations without dropout: with it, 1 / (1 - p) goes into the weights."""
    return replace(program, connections=tuple(replace(c, dropout=0.0) for c in program.connections))


def factors(c: Connection, size: int, sample: int) -> np.ndarray:
    """What each neuron of the source delivers of its weight in a sample: nothing, or 1 / (1 - p) of it."""
    word = philox(0, stream(c.name, "dropout"), np.arange(size), 0, sample)[0]
    return (word >= np.floor(c.dropout * 2.0**32 + 0.5)) / (1 - c.dropout)


def sample_by_hand(program: Program, reference: Reference, inputs, labels, k: int):
    """Loss and gradients of one sample by a network without dropout, whose weights are those times the factors."""
    sizes = {s.name: s.size for s in program.sources} | {r.population: r.size for g in program.groups for r in g.rows}
    values, by_weight = dict(reference.parameters), {}
    for c in program.connections:
        if c.dropout:
            own = factors(c, sizes[c.source], k)
            element = own[reference.tables[c.name].source] if c.pattern == "sparse" else own
            by_weight[c.weight] = element[:, None] if c.pattern == "dense" else element
            values[c.weight] = values[c.weight] * by_weight[c.weight]
            if f"{c.name}.feedback" in values:  # in place of the weights, for the same neurons
                values[f"{c.name}.feedback"] = values[f"{c.name}.feedback"] * own
    other = Reference(plain(program), values)
    run = other.run([inputs[k]], [labels[k]], learns=False)
    return run, {key: g * by_weight.get(key, 1.0) for key, g in run.gradients.items()}


def agree(program, networks) -> None:
    """Networks drawn with seed 0 compute what the reference does, to the last bit alike."""
    inputs = inputs_of(program)
    data = handed_over(program, inputs)
    learning, expected = (Reference(program).run(inputs, [0, 1, 2], learns=learns) for learns in (True, False))
    found, si = [], {p.key: p.si for p in program.parameters}
    for network in networks:
        loss, gradients = network.gradients(data, np.array([0, 1, 2]))
        assert loss == pytest.approx(learning.loss, rel=1e-9)
        for key, g in learning.gradients.items():
            assert np.max(np.abs(gradients[key] * si[key] - g)) <= 1e-9 * np.max(np.abs(g)), key
        assert network.evaluate(data, np.array([0, 1, 2]))["loss"] == pytest.approx(expected.loss, rel=1e-9)
        assert np.allclose(network.predict(data), expected.outputs, rtol=1e-9)
        one = {name: value[:1] for name, value in data.items()}
        run = network.simulate(duration=len(inputs[0]["x"]) * 1e-3, inputs=one)
        assert len(run.spikes["hidden"].times) == expected.spikes[0]["hidden"].sum() > 20
        network.fit(data, np.array([0, 1, 2]), epochs=2, batch=2, verbose=False, seed=3)  # other samples, other neurons
        found.append({**gradients, **{key: network.parameters[key] for key in gradients}})
    assert all(np.array_equal(found[0][key], other[key]) for other in found for key in found[0])
