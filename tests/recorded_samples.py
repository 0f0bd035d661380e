"""A network whose samples are spread: what is recorded of its synapses in simulations, whose state is stored;
for the tests of both halves and of the reference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sncc

TEXT = """
synapse shunt:
    param tau = 5 ms
    state g = 0 /ms
    dg/dt = -g / tau
    on pre: g += weight
    deliver g * (2 - post.v)

synapse clipped:
    state g = 0
    dg/dt = -g / (6 ms)
    on pre: g += weight * (1.5 - tanh(g))
    deliver g / (10 ms)

synapse reading:
    state s = 0
    ds/dt = -s / (9 ms)
    on pre: s += weight * (1 + post.v)
    deliver s / (10 ms)

plasticity pairs:
    param rate = 0.02
    modulator reward
    pre state x = 0
    post state y = 0
    state e = 0
    dx/dt = -x / (20 ms)
    dy/dt = -y / (20 ms)
    de/dt = -e / (30 ms)
    on pre:
        weight -= rate * y
        x += 1
        e += 1
    on post:
        weight += rate * x * (1 + reward)
        y += 1
        e += 0.5 * x
    bound weight in [-0.5, 0.6]

network Recorded:
    step = 1 ms
    population x: input[6]
    population level: signal[2]
    population noise: poisson[3](rate = 100 Hz)
    population hidden: LIF[8](theta = 0.6), v = uniform(0, 0.3)
    population output: LI[3]
    connect x -> hidden: random(p = 0.7), weight = normal(0.2 /ms, 0.1 /ms), delay = 2 ms, synapse = shunt()
    connect wide = x -> hidden: dense, weight = normal(0.02 /ms, 0.1 /ms), synapse = tsodyks_markram()
    connect bent = x -> hidden: random(p = 0.5), weight = normal(0, 0.3), delay = uniform(1 ms, 5 ms), synapse = clipped()
    connect read = x -> hidden: dense, weight = normal(0, 0.3), delay = 1 ms, synapse = reading()
    connect hidden -> hidden: dense, weight = normal(0, 0.2), delay = 2 ms, plasticity = pairs()
    connect other = hidden[0:5] -> hidden[2:8]: dense, weight = normal(0, 0.1), delay = 1 ms, plasticity = pairs(), synapse = clipped()
    connect loop = hidden -> hidden: dense(self = false), weight = normal(0 /ms, 0.1 /ms), delay = 1 ms, synapse = shunt()
    connect level -> hidden: dense, weight = normal(0 /ms, 0.05 /ms), delay = 3 ms
    connect noise -> hidden: dense, weight = normal(0.1, 0.1)
    connect hidden -> output: dense(self = false), weight = normal(0, 0.5)

train:
    rule = bptt
    loss = mean(cross_entropy(output.v))
    optimiser = sgd(learning_rate = 1e-2)

simulate:
    duration = 40 ms
    record g of x_hidden
    record u of wide
    record g of loop
    record weight of hidden_hidden every 2 ms
    record weight of other
    stimulate other.reward: 1 + sin(t / (5 ms)) from 7 ms to 31 ms
"""
ASKED = (  # seldom: each point is a launch or two on a device
    *((state, 8e-3) for state in ("x_hidden.g", "wide.u", "loop.g", "bent.g", "read.s", "other.e", "other.g")),
    *((state, 8e-3) for state in ("hidden_hidden.weight", "hidden_hidden.e")), ("other.weight", 8e-3), "hidden.v",
)  # fmt: skip
# of a plasticity: where neurons are spread for the block to record
SHARED = (("hidden_hidden.x", 8e-3), ("hidden_hidden.y", 8e-3))


def without_training(text: str) -> str:
    """The text without its block that trains."""
    before, _, block = text.partition("train:")
    return f"{before}simulate:{block.partition('simulate:')[2]}"


def samples() -> list[dict[str, np.ndarray]]:
    """Two, as the reference takes them."""
    rng = np.random.default_rng(0)
    return [{"x": (rng.random((40, 6)) < 0.3).astype(int), "level": rng.normal(0, 1, (40, 2))} for _ in range(2)]


def inputs(count: int = 1, first: int = 0, last: int = 40) -> dict[str, Any]:
    """Steps of so many samples, as the binding takes them."""
    found = samples()[:count]
    spikes, level = (np.array([s[name][first:last] for s in found]) for name in ("x", "level"))
    return {"x": sncc.Events.from_dense(spikes, step=1e-3), "level": level}


def recorded(network, *more: tuple[str, float], count: int = 1) -> dict[str, Any]:
    """Of one sample: where neurons are spread weights are kept from one to the next."""
    return dict(network.simulate(inputs=inputs(count), record=[*ASKED, *more]).trace)


def goes_on_with_the_same_bits(network, other, steps: int = 40, first: int = 25) -> None:
    """A run of which the state after its `first` steps is stored; `other` is the same network, loaded once more."""
    record = [("hidden.v", 5e-3), ("output.v", 5e-3), ("other.weight", 5e-3)]  # seldom; spikes tell of every step

    def run(network, begin: int, end: int, resume: bool = False):
        given = inputs(first=begin, last=end)
        return network.simulate((end - begin) * 1e-3, given, resume=resume, record=record, seed=5)

    whole = run(network, 0, steps)
    assert len(whole.spikes["hidden"]) > steps // 2
    run(network, 0, first)
    state = network.store()
    rest = run(network, first, steps, resume=True)
    for name, trace in rest.trace.items():
        assert len(trace) > 0 and np.array_equal(trace, whole.trace[name][-len(trace) :]), name
    run(network, 0, 3)
    for restored in (network, other):
        restored.restore(state)
        again = run(restored, first, steps, resume=True)
        assert np.array_equal(again.spikes["hidden"].neurons, rest.spikes["hidden"].neurons)
        assert np.array_equal(again.spikes["hidden"].times, rest.spikes["hidden"].times)
        for name, trace in rest.trace.items():
            assert np.array_equal(again.trace[name], trace), name
    other.reset()
    other.restore(other.store())  # of no run: the next one begins anew
    anew = run(other, 0, steps, resume=True)
    assert np.array_equal(anew.trace["hidden.v"], whole.trace["hidden.v"])


def spikes_move_by_the_modulator_of_their_step(network) -> None:
    """One that is set later changes nothing of what a step's spikes do, though that is done ahead of the next step."""
    record, key = [("other.weight", 1e-3)], "other.plasticity.reward"
    whole = network.simulate(20e-3, inputs(last=20), record=record, seed=5)
    steps = np.round(whole.spikes["hidden"].times * 1e3).astype(int)
    spiked = np.zeros((21, 8), bool)
    spiked[steps, whole.spikes["hidden"].neurons] = True
    last = next(k for k in range(5, 19) if np.any(spiked[k, 2:] & ~spiked[k + 1, 2:]))
    network.simulate(last * 1e-3, inputs(last=last), record=record, seed=5)
    network.parameters[key] = 50.0
    step = network.simulate(1e-3, inputs(first=last, last=last + 1), record=record, seed=5, resume=True)
    network.parameters[key] = 0.0
    silent = ~spiked[last + 1, 2:]
    got, expected = (
        trace.reshape(-1, 5, 6)[-1] for trace in (step.trace["other.weight"], whole.trace["other.weight"][: last + 1])
    )
    assert np.array_equal(got[:, silent], expected[:, silent])
    assert silent.all() or not np.array_equal(got, expected)


def refuses_states_of_others(network, other) -> None:
    """`other` has other synapses."""
    network.simulate(2e-3)
    with pytest.raises(ValueError, match="of other synapses than the network has now"):
        other.restore(network.store())
