"""A network that is trained, its state of a simulation stored and restored: for the tests of both halves."""

from __future__ import annotations

import numpy as np
import pytest

import sncc

NETWORK = """
plasticity pairs:
    param rate = 0.05
    pre state x = 0
    post state y = 0
    dx/dt = -x / (20 ms)
    dy/dt = -y / (20 ms)
    on pre:
        weight -= rate * y
        x += 1
    on post:
        weight += rate * x
        y += 1

network Stored:
    step = 1 ms
    population x: input[6]
    population level: signal[2]
    population noise: poisson[3](rate = 100 Hz)
    population hidden: LIF[20](theta = 0.6), v = uniform(0, 0.3)
    population output: LI[3]
    connect x -> hidden: random(p = 0.7), weight = normal(0.5, 0.2), delay = uniform(1 ms, 6 ms)
    connect level -> hidden: dense, weight = normal(0, 0.05), delay = 3 ms
    connect noise -> hidden: dense, weight = normal(0.1, 0.1)
    connect hidden -> hidden: dense, weight = normal(0, 0.2), delay = 2 ms, plasticity = pairs()
    connect hidden -> output: dense, weight = normal(0 kHz, 0.5 kHz), delay = 4 ms, synapse = tsodyks_markram()

train:
    rule = bptt
    loss = mean(cross_entropy(output.v))
    optimiser = sgd(learning_rate = 1e-2)
"""


def goes_on_with_the_same_bits(network, other) -> None:
    """`other` is the same network, loaded once more."""
    rng = np.random.default_rng(2)
    spikes, values = rng.random((1, 40, 6)) < 0.2, rng.normal(0, 1, (1, 40, 2))
    asked = {"record": ["hidden.v", "output.v"], "seed": 5}

    def inputs(first: int, last: int) -> dict:
        return {
            "x": sncc.Events.from_dense(spikes[:, first:last].astype(int), step=1e-3),
            "level": values[:, first:last],
        }

    whole = network.simulate(inputs=inputs(0, 40), **asked)
    assert len(whole.spikes["hidden"]) > 20
    network.simulate(inputs=inputs(0, 25), **asked)
    state = network.store()
    rest = network.simulate(inputs=inputs(25, 40), resume=True, **asked)
    for name, trace in rest.trace.items():
        assert np.array_equal(trace, whole.trace[name][25:])
    network.simulate(inputs=inputs(0, 3), **asked)
    for restored in (network, other):
        restored.restore(state)
        again = restored.simulate(inputs=inputs(25, 40), resume=True, **asked)
        assert np.array_equal(again.spikes["hidden"].neurons, rest.spikes["hidden"].neurons)
        assert np.array_equal(again.spikes["hidden"].times, rest.spikes["hidden"].times)
        for name, trace in rest.trace.items():
            assert np.array_equal(again.trace[name], trace)
    other.reset()
    other.restore(other.store())  # of no run: the next one begins anew
    first = other.simulate(inputs=inputs(0, 40), resume=True, **asked)
    assert np.array_equal(first.trace["hidden.v"], whole.trace["hidden.v"])


def refuses_others_states(network, other) -> None:
    """`other` has other synapses."""
    network.simulate(0.01)
    with pytest.raises(ValueError, match="of other synapses than the network has now"):
        other.restore(network.store())
