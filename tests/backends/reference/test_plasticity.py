"""The reference against plain loops over synapses: plasticity, traces, modulators."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from blocks import changed, expression, plasticity
from networks import model_of
from plain_neurons import STEP, Lif, given, network, run

from sncc.connectivity.patterns import Part
from sncc.expressions.nodes import Number
from sncc.expressions.units import PLAIN
from sncc.model.nodes import Input, Parameter, Simulation, Stimulus

STDP = plasticity(
    {"tau_p": 20, "tau_m": 30, "up": 0.02, "down": 0.015}, {"x": 0}, {"y": 0}, {},
    {"x": "-x / tau_p", "y": "-y / tau_m"}, "weight -= down * y; x += 1", "weight += up * x; y += 1", ("0", "0.4"),
)  # fmt: skip


def pair_stdp(x, w, delay, post_delay=0, own=None):
    """Pair-based STDP one synapse at a time, in the order of a step: arrival, on pre, spike, on post."""
    steps = len(x)
    pre, post = np.zeros(w.shape), np.zeros(w.shape)  # traces as each synapse sees them
    neurons, spikes, w = Lif(w.shape[1]), [], w.copy()
    delays = np.full(w.shape, delay) if own is None else own
    for n in range(steps):
        impulse = np.zeros(w.shape[1])
        pre, post = pre * np.exp(-STEP / 20), post * np.exp(-STEP / 30)
        for i in range(w.shape[0]):
            for j in range(w.shape[1]):
                if n >= delays[i, j] and x[n - delays[i, j], i]:
                    impulse[j] += w[i, j]
                    w[i, j] = min(max(w[i, j] - 0.015 * post[i, j], 0), 0.4)
                    pre[i, j] += 1
        spikes.append(neurons.move(impulse))
        if n >= post_delay:
            for j in np.flatnonzero(spikes[n - post_delay]):
                w[:, j] = np.clip(w[:, j] + 0.02 * pre[:, j], 0, 0.4)
                post[:, j] += 1
    return np.array(spikes), w


@pytest.mark.parametrize("delay, post_delay", [(0, 0), (3, 0), (1, 2)])
def test_spike_timing_dependent_plasticity_pair_by_pair(delay, post_delay):
    text = network("    population x: input[7]\n    population y: LIF[3]",
                   f"    connect x -> y: dense, weight = 0.2, delay = {delay * STEP} ms")  # fmt: skip
    model = changed(model_of(text), "x_y", plasticity=STDP, post_delay_steps=post_delay,
                    weight=Parameter("weight", Number(0.2), PLAIN, "each"))  # fmt: skip
    x, w = given(300, 7, 0.12), np.random.default_rng(2).uniform(0.1, 0.35, (7, 3))
    _, result = run(model, 300, {"x": x}, {"x_y.weight": w})
    spikes, learnt = pair_stdp(x, w, delay, post_delay)
    assert np.sum(spikes) > 20 and np.max(np.abs(learnt - w)) > 0.05
    assert np.array_equal(result.spikes[0]["y"], spikes)
    assert np.allclose(result.weights[0]["x_y.weight"].reshape(7, 3), learnt, rtol=1e-11)


def test_a_post_state_of_neurons_that_do_not_spike_follows_them():
    following = plasticity(
        {"tau": 8}, {}, {"y": 0.3}, {}, {"y": "(post.v - y) / tau"}, "weight += 0.01 * (2 - y)", "", ("0", "0.6")
    )
    text = network("    population x: input[5]\n    population y: LI[3]", "    connect x -> y: dense, weight = 0.2")
    model = changed(model_of(text), "x_y", plasticity=following, weight=Parameter("weight", Number(0.2), PLAIN, "each"))
    x, w = given(120, 5, 0.1), np.random.default_rng(3).uniform(0.1, 0.3, (5, 3))
    _, result = run(model, 120, {"x": x}, {"x_y.weight": w})
    v, y = np.zeros(3), np.full(3, 0.3)
    for n in range(120):
        y = y + (v - y) * (1 - np.exp(-STEP / 8))
        v = v * np.exp(-STEP / 20) + x[n] @ w
        w = np.where(x[n][:, None] > 0, np.clip(w + 0.01 * (2 - y), 0, 0.6), w)
    assert np.ptp(w) > 0.1
    assert np.allclose(result.weights[0]["x_y.weight"].reshape(5, 3), w, rtol=1e-11)


def test_each_of_several_spikes_in_a_step_is_a_spike():
    """All deliver the weight from before the first; then each runs `on pre`, which sees what the one before left of
    weight and own states, and of `pre` states what was there before them all; then these jump, once for each.
    """
    several = plasticity(
        {"tau": 20}, {"x": 0}, {}, {"s": 0}, {"x": "-x / tau", "s": "-s / tau"},
        "weight += 0.01 * (1 + x) + 0.02 * s * (1 - weight); s += 0.5 * (1 - s); x += 1 + 0.5 * x", "", ("0", "0.6"),
    )  # fmt: skip
    text = network(
        "    population x: input[4]\n    population y: LI[1]", "    connect x -> y: dense, weight = 0.2, delay = 1.5 ms"
    )
    model = changed(model_of(text), "x_y", plasticity=several, weight=Parameter("weight", Number(0.2), PLAIN, "each"))
    spikes = np.random.default_rng(4).poisson(0.4, (60, 4)).astype(float)
    assert spikes.max() >= 3
    _, result = run(model, 60, {"x": spikes}, {"x_y.weight": np.full((4, 1), 0.2)})
    decay, v, voltages = np.exp(-STEP / 20), 0.0, []
    w, x, s = np.full(4, 0.2), np.zeros(4), np.zeros(4)
    for n in range(60):
        v, x, s = v * decay, x * decay, s * decay
        arriving = spikes[n - 3].astype(int) if n >= 3 else np.zeros(4, int)
        v += float(arriving @ w)
        for i in range(4):
            before = x[i]
            for _ in range(arriving[i]):
                w[i] = min(max(w[i] + 0.01 * (1 + before) + 0.02 * s[i] * (1 - w[i]), 0), 0.6)
                s[i] += 0.5 * (1 - s[i])
                x[i] += 1 + 0.5 * x[i]
        voltages.append(v)
    assert np.allclose(result.traces[0]["y", "v"][:, 0], voltages, rtol=1e-11)
    assert np.allclose(result.weights[0]["x_y.weight"].ravel(), w, rtol=1e-11)


def test_plasticity_with_a_delay_of_each_synapse():
    text = network("    population x: input[7]\n    population y: LIF[3]", "    connect x -> y: dense, weight = 0.2")
    own = np.random.default_rng(5).integers(1, 8, (7, 3))
    model = changed(model_of(text), "x_y", plasticity=STDP, weight=Parameter("weight", Number(0.2), PLAIN, "each"),
                    delay=Parameter("delay", Number(0.0), PLAIN, "each"), delay_steps=0)  # fmt: skip
    x, w = given(300, 7, 0.12), np.random.default_rng(2).uniform(0.1, 0.35, (7, 3))
    _, result = run(model, 300, {"x": x}, {"x_y.weight": w, "x_y.delay": own * STEP})
    spikes, learnt = pair_stdp(x, w, 0, own=own)
    assert np.sum(spikes) > 20
    assert np.array_equal(result.spikes[0]["y"], spikes)
    assert np.allclose(result.weights[0]["x_y.weight"].reshape(7, 3), learnt, rtol=1e-11)


def test_passes_change_nothing():
    text = network(
        "    population x: input[7]\n    population y: LIF[3]", "    connect x -> y: dense, weight = 0.2, delay = 1 ms"
    )
    model = changed(model_of(text), "x_y", plasticity=STDP, weight=Parameter("weight", Number(0.2), PLAIN, "each"))
    x, w = given(100, 7, 0.2), np.random.default_rng(2).uniform(0.1, 0.35, (7, 3))
    runs = [run(model, 100, {"x": x}, {"x_y.weight": w}, passes)[1] for passes in (False, True)]
    assert np.array_equal(runs[0].spikes[0]["y"], runs[1].spikes[0]["y"]) and runs[0].spikes[0]["y"].sum() > 0
    assert np.allclose(runs[0].weights[0]["x_y.weight"], runs[1].weights[0]["x_y.weight"], rtol=1e-12)


def test_a_modulated_eligibility_per_synapse():
    """Three factors: spikes fill an eligibility of each synapse, which moves the weight while the modulator is on."""
    rule = plasticity(
        {"tau": 10, "tau_e": 40}, {"x": 0}, {"y": 0}, {"e": 0},
        {"x": "-x / tau", "y": "-y / tau", "e": "-e / tau_e"}, "e -= 0.1 * y; x += 1; weight += reward * e",
        "e += 0.1 * x; y += 1",
    )  # fmt: skip
    rule = replace(rule, modulators=(Input("reward", PLAIN),))
    text = network("    population x: input[5]\n    population y: LIF[3]", "    connect x -> y: dense, weight = 0.3")
    model = changed(model_of(text), "x_y", plasticity=rule, weight=Parameter("weight", Number(0.3), PLAIN, "each"))
    x, w = given(200, 5, 0.15), np.full((5, 3), 0.3)
    _, result = run(model, 200, {"x": x}, {"x_y.weight": w, "x_y.plasticity.reward": np.array(0.05)})
    pre, post, e, neurons, spikes = np.zeros(5), np.zeros(3), np.zeros((5, 3)), Lif(3), []
    for n in range(200):
        pre, post, e = pre * np.exp(-STEP / 10), post * np.exp(-STEP / 10), e * np.exp(-STEP / 40)
        impulse = x[n] @ w
        for i in np.flatnonzero(x[n]):
            e[i] -= 0.1 * post
            w[i] += 0.05 * e[i]
        pre = pre + x[n]
        z = neurons.move(impulse)
        for j in np.flatnonzero(z):
            e[:, j] += 0.1 * pre
        post = post + z
        spikes.append(z)
    assert np.sum(spikes) > 10
    assert np.array_equal(result.spikes[0]["y"], spikes)
    assert np.allclose(result.weights[0]["x_y.weight"].reshape(5, 3), w, rtol=1e-11)


def test_jumps_at_arrival_read_the_target_after_its_flow():
    """A voltage rule: a spike that arrives moves its weight by where the voltage stands,
    before any arrival moves it.
    """
    rule = plasticity({"rate": 0.1, "level": 0.3}, {}, {}, {}, {}, "weight += rate * (post.v - level)", "", ("0", "1"))
    text = network(
        "    population x: input[6]\n    population y: LIF[3]", "    connect x -> y: dense, weight = 0.3, delay = 1 ms"
    )
    model = changed(model_of(text), "x_y", plasticity=rule, weight=Parameter("weight", Number(0.3), PLAIN, "each"))
    x, w = given(200, 6, 0.2), np.full((6, 3), 0.3)
    _, result = run(model, 200, {"x": x}, {"x_y.weight": w})
    v, spikes = np.zeros(3), []
    for n in range(200):
        v = v * np.exp(-STEP / 20)
        impulse = x[n - 2] @ w if n >= 2 else np.zeros(3)
        for i in np.flatnonzero(x[n - 2]) if n >= 2 else ():
            w[i] = np.clip(w[i] + 0.1 * (v - 0.3), 0, 1)
        v = v + impulse
        z = (v > 1).astype(float)
        v = v - z
        spikes.append(z)
    assert np.sum(spikes) > 10 and np.array_equal(result.spikes[0]["y"], spikes)
    assert np.allclose(result.weights[0]["x_y.weight"].reshape(6, 3), w, rtol=1e-11)


def test_a_post_state_may_follow_the_voltage():
    rule = plasticity(
        {"tau": 15, "rate": 0.05}, {}, {"y": 0}, {}, {"y": "(post.v - y) / tau"}, "weight += rate * y", ""
    )
    text = network("    population x: input[6]\n    population y: LIF[3]", "    connect x -> y: dense, weight = 0.3")
    model = changed(model_of(text), "x_y", plasticity=rule, weight=Parameter("weight", Number(0.3), PLAIN, "each"))
    x, w = given(150, 6, 0.2), np.full((6, 3), 0.3)
    _, result = run(model, 150, {"x": x}, {"x_y.weight": w})
    neurons, y, decay = Lif(3), np.zeros(3), np.exp(-STEP / 15)
    for n in range(150):
        y = y * decay + neurons.v * (1 - decay)  # the voltage of the step before, held
        impulse = x[n] @ w
        for i in np.flatnonzero(x[n]):
            w[i] += 0.05 * y
        neurons.move(impulse)
    assert np.allclose(result.weights[0]["x_y.weight"].reshape(6, 3), w, rtol=1e-11)


@pytest.mark.parametrize("variable, size", [("v", 1), ("spikes", 3)])
def test_a_population_may_set_a_modulator(variable, size):
    rule = plasticity({}, {}, {}, {}, {}, "weight += 0.05 * reward", "")
    rule = replace(rule, modulators=(Input("reward", PLAIN),))
    text = network(
        f"    population x: input[6]\n    population y: LIF[3]\n    population m: LIF[{size}]",
        "    connect x -> y: dense, weight = 0.2\n    connect x -> m: dense, weight = 0.4",
    )
    model = changed(
        model_of(text), "x_y", plasticity=rule, weight=Parameter("weight", Number(0.2), PLAIN, "each"),
        modulators=(("reward", "m", variable),),
    )  # fmt: skip
    x, w = given(150, 6, 0.2), np.full((6, 3), 0.2)
    _, result = run(model, 150, {"x": x}, {"x_y.weight": w})
    neurons, reward = Lif(size), np.zeros(size)
    for n in range(150):
        for i in np.flatnonzero(x[n]):
            w[i] += 0.05 * reward
        z = neurons.move(np.full(size, 0.4 * x[n].sum()))
        reward = neurons.v if variable == "v" else z
    assert np.ptp(w) > 0
    assert np.allclose(result.weights[0]["x_y.weight"].reshape(6, 3), w, rtol=1e-11)


@pytest.mark.parametrize("variable", ["v", "spikes"])
def test_equations_of_synapses_see_it_as_it_was_when_their_step_began(variable):
    rule = """
plasticity driven:
    modulator reward
    state c = 0
    dc/dt = -c / (20 ms) + reward / (1 ms)
    on pre: weight += 0.05 * c
"""
    text = rule + network(
        "    population x: input[6]\n    population y: LIF[3]\n    population m: LIF[1], v = 0.3",
        "    connect x -> y: dense, weight = each(0.2), plasticity = driven(reward = m.VARIABLE)\n    connect x -> m: dense, weight = 0.4",
    ).replace("m.VARIABLE", "m" if variable == "spikes" else f"m.{variable}")
    x, w = given(150, 6, 0.2), np.full((6, 3), 0.2)
    _, result = run(model_of(text), 150, {"x": x}, {"x_y.weight": w})
    neurons, c, reward = Lif(1), 0.0, 0.0 if variable == "spikes" else 0.3
    neurons.v[:] = 0.3
    for n in range(150):
        c = c * np.exp(-STEP / 20) + 20 * (1 - np.exp(-STEP / 20)) * reward
        for i in np.flatnonzero(x[n]):
            w[i] += 0.05 * c
        z = neurons.move(np.full(1, 0.4 * x[n].sum()))
        reward = float((neurons.v if variable == "v" else z)[0])
    assert np.ptp(w) > 0
    assert np.allclose(result.weights[0]["x_y.weight"].reshape(6, 3), w, rtol=1e-11)


def test_stimuli_reach_inputs_and_modulators():
    rule = replace(plasticity({}, {}, {}, {}, {}, "weight += reward", ""), modulators=(Input("reward", PLAIN),))
    text = network(
        "    population x: input[2]\n    population y: LI[4](tau_m = 10 ms)", "    connect x -> y: dense, weight = 0.2"
    )
    model = changed(model_of(text), "x_y", plasticity=rule, weight=Parameter("weight", Number(0.2), PLAIN, "each"))
    stimuli = (
        Stimulus("y", "I", expression("0.1 + 0.01 * t"), (10, 30), Part((4,), ((1, 3),))),
        Stimulus("x_y", "reward", Number(0.5), (20, None)),
    )
    model = replace(model, simulation=Simulation(60, (), stimuli))
    x, w, v = given(60, 2, 0.3), np.full((2, 4), 0.2), np.zeros(4)
    _, result = run(model, 60, {"x": x}, {"x_y.weight": w})
    for n in range(60):
        drive = np.zeros(4)
        if 10 <= n < 30:
            drive[1:3] = 0.1 + 0.01 * n * STEP
        v = v * np.exp(-STEP / 10) + drive * 10 * (1 - np.exp(-STEP / 10)) + x[n] @ w
        w = w + (0.5 if n >= 20 else 0) * x[n][:, None]
    assert np.allclose(result.traces[0]["y", "v"][-1], v, rtol=1e-12)
    assert np.allclose(result.weights[0]["x_y.weight"].reshape(2, 4), w, rtol=1e-12)
