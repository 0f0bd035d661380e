"""The reference against plain loops over synapses: conductances, short-term plasticity, NMDA, gap junctions, delays, plasticity."""

from __future__ import annotations

import numpy as np
import pytest
from blocks import CONDUCTANCE, changed, plasticity, synapse, with_synapses
from networks import model_of, program_of

from sncc.backends.reference.interpreter import Reference
from sncc.compiler import compile_program
from sncc.connectivity.build import build
from sncc.connectivity.patterns import Dense, Part, Random
from sncc.expressions.nodes import Apply, Number
from sncc.expressions.units import PLAIN
from sncc.lower.phases import lower
from sncc.model.nodes import Parameter
from sncc.program.operations import SynapseUpdate
from sncc.program.streams import stream

STEP = 0.5


def network(neurons: str, connects: str) -> str:
    return f"network Tested:\n    step = 0.5 ms\n{neurons}\n{connects}\n"


def given(steps: int, size: int, rate: float = 0.05, seed: int = 3) -> np.ndarray:
    return (np.random.default_rng(seed).random((steps, size)) < rate).astype(float)


class Lif:
    """`LIF` with tau_m = 20 ms, theta = 1, no bias: exact between spikes where the drive is held."""

    def __init__(self, size: int) -> None:
        self.v = np.zeros(size)

    def move(self, impulse, drive=0.0):
        decay = np.exp(-STEP / 20)
        self.v = self.v * decay + drive * 20 * (1 - decay) + impulse
        z = (self.v > 1).astype(float)
        self.v = self.v - z
        return z


def run(model, steps, inputs=None, parameters=None, passes=True):
    program = compile_program(model, "float64") if passes else lower(model, "float64")
    sizes = {r.population: r.size for g in program.groups for r in g.rows}
    zeros = {p.key: np.zeros(p.shape) for p in program.parameters if p.key.endswith(".bias")}
    reference = Reference(program, {**zeros, **(parameters or {})}, seed=7)
    result = reference.run([inputs or {}], steps=steps)
    assert sizes
    return reference, result


def test_sparse_conductances_with_delays_and_refractory_neurons():
    neurons = "    population x: input[30]\n    population exc: LIF[25]\n    population inh: LIF[10]"
    connects = """    connect x -> exc: dense, weight = 0.04
    connect ei = exc -> inh: dense, weight = 0.06, delay = 1.5 ms
    connect ie = inh -> exc: dense, weight = 0.05, delay = 1 ms
    connect ee = exc -> exc: dense, weight = 0.03, delay = 2 ms"""
    inhibition = synapse(
        {"tau": 10, "reversal": -2},
        {"g": 0},
        {"g": "-g / tau"},
        "g += weight",
        "g * (reversal - post.v)",
        "conductance",
    )
    model = with_synapses(
        model_of(network(neurons, connects)), x_exc=CONDUCTANCE, ei=CONDUCTANCE, ie=inhibition, ee=CONDUCTANCE
    )
    patterns = {
        "x_exc": Random("p", 0.2),
        "ei": Random("fan_in", 6),
        "ie": Random("fan_out", 8),
        "ee": Random("p", 0.3, self_connections=False),
    }
    for name, pattern in patterns.items():
        model = changed(model, name, pattern=pattern)
    x = given(300, 30, 0.1)
    reference, result = run(model, 300, {"x": x})
    sizes = {"x": 30, "exc": 25, "inh": 10}
    found = {
        c.name: build(
            patterns[c.name], Part.whole((sizes[c.source],)), Part.whole((sizes[c.target],)),
            stream(c.name, "connectivity"), 7,
        )
        for c in model.connections
    }  # fmt: skip
    taus = {"x_exc": (5, 2, 0.04), "ei": (5, 2, 0.06), "ie": (10, -2, 0.05), "ee": (5, 2, 0.03)}
    g = {name: np.zeros(len(s)) for name, s in found.items()}  # one conductance per synapse
    v = {"exc": np.zeros(25), "inh": np.zeros(10)}
    emitted = {"x": list(x), "exc": [], "inh": []}
    for n in range(300):
        for population in ("exc", "inh"):
            slope, drive = np.full(sizes[population], -1 / 20.0), np.zeros(sizes[population])
            for c in model.connections:
                if c.target == population:
                    tau, reversal, _ = taus[c.name]
                    np.add.at(slope, found[c.name].post, -g[c.name])
                    np.add.at(drive, found[c.name].post, g[c.name] * reversal)
            v[population] = v[population] + (slope * v[population] + drive) * np.expm1(slope * STEP) / slope
        for c in model.connections:
            g[c.name] *= np.exp(-STEP / taus[c.name][0])
            if n >= c.delay_steps:
                g[c.name] += taus[c.name][2] * emitted[c.source][n - c.delay_steps][found[c.name].pre]
        for population in ("exc", "inh"):
            z = (v[population] > 1).astype(float)
            v[population] -= z
            emitted[population].append(z)
    for population in ("exc", "inh"):
        assert 20 < np.sum(emitted[population])
        assert np.array_equal(result.spikes[0][population], np.array(emitted[population]))
        assert np.allclose(result.traces[0][population, "v"][-1], v[population], rtol=1e-9)


def test_short_term_plasticity_moves_once_per_source():
    """Tsodyks and Markram: u and x of the source, the current of the target."""
    block = synapse(
        {"U": 0.4, "tau_f": 50, "tau_d": 100, "tau": 3}, {"u": 0, "x": 1, "g": 0},
        {"u": "-u / tau_f", "x": "(1 - x) / tau_d", "g": "-g / tau"},
        "u += U * (1 - u); g += weight * u * x; x -= u * x", "g",
    )  # fmt: skip
    text = network(
        "    population x: input[4]\n    population y: LIF[3]", "    connect x -> y: dense, weight = 0.1, delay = 1 ms"
    )
    model = with_synapses(model_of(text), x_y=block)
    program = lower(model)
    assert not program.synapses and program.connection("x_y").gain == ("x_y.pre", "trace.gain")
    x, w = given(200, 4, 0.15), np.random.default_rng(0).normal(0.2, 0.3, (4, 3))
    x[::7] *= 9  # any number of spikes of a step, one after the other
    model = changed(model, "x_y", weight=Parameter("weight", Number(0.0), PLAIN, "each"))
    _, result = run(model, 200, {"x": x}, {"x_y.weight": w})
    u, r, g, v, spikes = np.zeros((4, 3)), np.ones((4, 3)), np.zeros((4, 3)), np.zeros(3), []
    a, b = np.exp(-STEP / 20), np.exp(-STEP / 3)
    for n in range(200):
        v = v * a + g.sum(0) * (b - a) / (1 / 20 - 1 / 3)
        u, r, g = u * np.exp(-STEP / 50), 1 + (r - 1) * np.exp(-STEP / 100), g * b
        for i in range(4):
            for _ in range(int(x[n - 2, i]) if n >= 2 else 0):
                for j in range(3):
                    u[i, j] += 0.4 * (1 - u[i, j])
                    g[i, j] += w[i, j] * u[i, j] * r[i, j]
                    r[i, j] -= u[i, j] * r[i, j]
        z = (v > 1).astype(float)
        v = v - z
        spikes.append(z)
    assert 0 < np.sum(spikes)
    assert np.array_equal(result.spikes[0]["y"], spikes)
    assert np.allclose(result.traces[0]["y", "v"][-1], v, rtol=1e-9)


def test_a_saturating_gate_is_summed_over_the_sources():
    """NMDA after Wang 1999: ds/dt = -s / tau_d + alpha x (1 - s), with a voltage-dependent block at the target."""
    block = synapse(
        {"tau_d": 100, "tau_r": 2, "alpha": 0.5}, {"x": 0, "s": 0},
        {"x": "-x / tau_r", "s": "-s / tau_d + alpha * x * (1 - s)"},
        "x += 1", "weight * s * (2 - post.v) / (1 + exp(-post.v))",
    )  # fmt: skip
    text = network(
        "    population x: input[5]\n    population y: LIF[4]", "    connect x -> y: dense, weight = 0.1, delay = 1 ms"
    )
    model = with_synapses(model_of(text), x_y=block)
    w = np.random.default_rng(0).uniform(0, 0.03, (5, 4))
    model = changed(model, "x_y", weight=Parameter("weight", Number(0.0), PLAIN, "each"))
    program = lower(model)
    assert not program.synapses and program.connection("x_y").values == "s"
    x = given(250, 5, 0.1)
    _, result = run(model, 250, {"x": x}, {"x_y.weight": w})
    gate, drive, v, spikes = np.zeros(5), np.zeros(5), np.zeros(4), []

    def slope(v, s):
        return -v / 20 + (s @ w) * (2 - v) / (1 + np.exp(-v))

    for n in range(250):
        # the gate's flow is linear in each state: exponential Euler; the voltage's is not: fourth order, the sum held
        k1 = slope(v, gate)
        k2 = slope(v + STEP / 2 * k1, gate)
        k3 = slope(v + STEP / 2 * k2, gate)
        k4 = slope(v + STEP * k3, gate)
        v = v + STEP / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        rate = -1 / 100 - 0.5 * drive
        gate, drive = (
            gate + (-gate / 100 + 0.5 * drive * (1 - gate)) * np.expm1(rate * STEP) / rate,
            drive * np.exp(-STEP / 2),
        )
        if n >= 2:
            drive = drive + x[n - 2]
        z = (v > 1).astype(float)
        v = v - z
        spikes.append(z)
    assert 0 < np.sum(spikes)
    assert np.array_equal(result.spikes[0]["y"], spikes)
    assert np.allclose(result.traces[0]["y", "v"][-1], v, rtol=1e-9)


def test_a_gap_junction_couples_voltages_of_the_step_before():
    text = network("    population x: input[3]\n    population y: LIF[3]",
                   "    connect x -> y: one_to_one, weight = 0.5\n    connect gap = y -> y: dense, weight = 0.02")  # fmt: skip
    block = synapse({}, {}, {}, "", "weight * (pre.v - post.v)")
    model = with_synapses(model_of(text), gap=block)
    x = given(150, 3, 0.1)
    _, result = run(model, 150, {"x": x})
    v, trace = np.zeros(3), []
    for n in range(150):
        own = -1 / 20 - 3 * 0.02  # every neuron has three junctions, one with itself
        drive = 0.02 * v.sum()
        v = v + (own * v + drive) * np.expm1(own * STEP) / own + 0.5 * x[n]
        v = v - (v > 1)
        trace.append(v)
    assert np.allclose(result.traces[0]["y", "v"], trace, rtol=1e-10, atol=1e-13)


def test_each_synapse_may_have_its_own_delay():
    text = network("    population x: input[6]\n    population y: LIF[5]",
                   "    connect x -> y: dense, weight = 0.3, delay = 0.5 ms\n    connect y -> y: dense, weight = 0.1, delay = 1 ms")  # fmt: skip
    model = changed(model_of(text), "x_y", pattern=Random("p", 0.5),
                    delay=Parameter("delay", Apply("uniform", (Number(0.1), Number(5.0))), PLAIN, "each"), delay_steps=0)  # fmt: skip
    model = changed(model, "y_y", delay=Parameter("delay", Number(0.0), PLAIN, "each"), delay_steps=1)
    x = given(200, 6, 0.15)
    own = np.random.default_rng(1).uniform(0, 4, (5, 5))
    reference, result = run(model, 200, {"x": x}, {"y_y.delay": own})
    found = build(Random("p", 0.5), Part.whole((6,)), Part.whole((5,)), stream("x_y", "connectivity"), 7)
    first = np.floor(reference.parameters["x_y.delay"] / STEP + 0.5).astype(int)
    assert len(first) == len(found) and len(np.unique(first)) > 3 and first.max() <= 10
    second = np.maximum(np.floor(own / STEP + 0.5).astype(int), 1)
    neurons, spikes = Lif(5), []
    for n in range(200):
        impulse = np.zeros(5)
        for s in range(len(found)):
            if n >= first[s]:
                impulse[found.post[s]] += 0.3 * x[n - first[s], found.pre[s]]
        for i in range(5):
            for j in range(5):
                if n >= second[i, j]:
                    impulse[j] += 0.1 * spikes[n - second[i, j]][i]
        spikes.append(neurons.move(impulse))
    assert np.sum(spikes) > 10 and np.array_equal(result.spikes[0]["y"], spikes)


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


def test_a_state_per_synapse_that_nothing_replaces():
    """A saturating conductance: each synapse's jump depends on its own state and its own weight."""
    block = synapse({"tau": 6, "top": 0.5}, {"g": 0}, {"g": "-g / tau"}, "g += weight * (top - g)", "g * (2 - post.v)")
    text = network(
        "    population x: input[6]\n    population y: LIF[4]", "    connect x -> y: dense, weight = 0.1, delay = 1 ms"
    )
    model = changed(
        with_synapses(model_of(text), x_y=block), "x_y", weight=Parameter("weight", Number(0), PLAIN, "each")
    )
    w, x = np.random.default_rng(0).uniform(0, 0.5, (6, 4)), given(200, 6, 0.15)
    assert any(isinstance(o, SynapseUpdate) for o in lower(model).forward)
    _, result = run(model, 200, {"x": x}, {"x_y.weight": w})
    g, neurons, spikes = np.zeros((6, 4)), Lif(4), []
    for n in range(200):
        drive = np.sum(g * (2 - neurons.v), axis=0)  # held over the step
        g *= np.exp(-STEP / 6)
        if n >= 2:
            g += x[n - 2][:, None] * w * (0.5 - g)
        spikes.append(neurons.move(0.0, drive))
    assert np.sum(spikes) > 5
    assert np.array_equal(result.spikes[0]["y"], spikes)
    assert np.allclose(result.traces[0]["y", "v"][-1], neurons.v, rtol=1e-10)


def test_a_modulated_eligibility_per_synapse():
    """Three factors: spikes fill an eligibility of each synapse, which moves the weight while the modulator is on."""
    from dataclasses import replace

    from sncc.model.nodes import Input

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


def test_passes_change_nothing():
    text = network(
        "    population x: input[7]\n    population y: LIF[3]", "    connect x -> y: dense, weight = 0.2, delay = 1 ms"
    )
    model = changed(model_of(text), "x_y", plasticity=STDP, weight=Parameter("weight", Number(0.2), PLAIN, "each"))
    x, w = given(100, 7, 0.2), np.random.default_rng(2).uniform(0.1, 0.35, (7, 3))
    runs = [run(model, 100, {"x": x}, {"x_y.weight": w}, passes)[1] for passes in (False, True)]
    assert np.array_equal(runs[0].spikes[0]["y"], runs[1].spikes[0]["y"]) and runs[0].spikes[0]["y"].sum() > 0
    assert np.allclose(runs[0].weights[0]["x_y.weight"], runs[1].weights[0]["x_y.weight"], rtol=1e-12)


def test_parts_reach_their_own_neurons():
    text = network(
        "    population x: input[6]\n    population y: LI[8](tau_m = 10 ms)", "    connect x -> y: dense, weight = 0.2"
    )
    part = Part((6,), ((1, 4),)), Part((8,), ((5, 8),))
    model = changed(model_of(text), "x_y", source_part=part[0], target_part=part[1], pattern=Dense(),
                    weight=Parameter("weight", Number(0), PLAIN, "each"))  # fmt: skip
    x, w = given(50, 6, 0.3), np.random.default_rng(0).normal(size=(3, 3))
    _, result = run(model, 50, {"x": x}, {"x_y.weight": w})
    v = np.zeros(8)
    for n in range(50):
        v = v * np.exp(-STEP / 10)
        v[5:8] += x[n, 1:4] @ w
    assert np.allclose(result.traces[0]["y", "v"][-1], v, rtol=1e-12)


def test_jumps_at_arrival_read_the_target_after_its_flow():
    """A voltage rule: a spike that arrives moves its weight by where the voltage stands, before any arrival moves it."""
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
    from dataclasses import replace

    from sncc.model.nodes import Input

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


def test_stimuli_reach_inputs_and_modulators():
    from dataclasses import replace

    from blocks import expression

    from sncc.model.nodes import Input, Simulation, Stimulus

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


def test_every_synapse_draws_for_every_spike():
    """Of three spikes in a step each synapse lets through a number of a binomial distribution; the weights walk by a variance each."""
    text = """
synapse releasing:
    param p = 0.3
    state s = 0
    on pre: s += 1 if uniform(0, 1) < p else 0
    deliver weight * s / (1 ms)
plasticity wandering:
    on pre: weight += normal(0, 0.1)
neuron Sum:
    state v = 0
    input I
    dv/dt = I
""" + network(
        "    population x: input[20]\n    population y: Sum[400]",
        "    connect a = x -> y: dense, weight = 1, synapse = releasing()\n"
        "    connect b = x -> y: dense, weight = 5, plasticity = wandering()",
    )
    x = np.zeros((4, 20))
    x[0] = 3
    reference, result = run(model_of(text), 4, {"x": x})
    v = np.asarray(result.traces[0]["y", "v"])
    let_through = (v[2] - v[1]) / STEP  # of all 20 sources
    assert np.mean(let_through) == pytest.approx(20 * 3 * 0.3, abs=4 * np.sqrt(60 * 0.21 / 400))
    assert np.var(let_through) == pytest.approx(60 * 0.21, rel=0.35)
    weights = np.asarray(result.weights[0]["b.weight"]).reshape(-1)
    assert len(np.unique(weights)) == 8000
    assert np.std(weights - 5) == pytest.approx(0.1 * np.sqrt(3), rel=0.05)
    again = reference.run([{"x": x}], steps=4, seed=1).traces[0]["y", "v"]
    assert not np.array_equal(again, v)


def test_a_delay_of_each_synapse_breaks_a_cycle_as_one_delay_does():
    """Inhibition by depressing synapses comes back to neurons that excite without a delay."""
    text = """
network Loop:
    step = 1 ms
    population x: input[6]
    population exc: LIF[6]
    population inh: LIF[6](tau_m = 10 ms)
    connect x -> exc: dense, weight = 0.2
    connect exc -> inh: dense, weight = 0.4
    connect inh -> exc: dense, weight = each(-0.6 kHz), delay = {}, synapse = tsodyks_markram(tau_rec = 50 ms)
"""
    inputs = [{"x": np.random.default_rng(1).poisson(0.3, (60, 6)).astype(float)}]
    one, each = (Reference(program_of(text.format(d))).run(inputs) for d in ("2 ms", "each(2 ms)"))
    assert one.spikes[0]["inh"].sum() > 10
    assert np.allclose(one.traces[0]["exc", "v"], each.traces[0]["exc", "v"], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "slope, first, variance",
    [("-g / tau + s * noise", 200, 0.2**2 * 2 / 2), ("s * g * noise", 15, np.exp(0.2**2 * 0.75) - 1)],
)
def test_every_synapse_has_noise_of_its_own(slope, first, variance):
    """Sums of 60 have 60 times the variance of one, with the noise added, or times the state."""
    text = f"""
synapse noisy:
    param tau = 2 ms
    param s = 0.2 / (1 ms)^0.5
    state g = 1
    dg/dt = {slope}
    deliver weight * g
neuron Hears:
    state v = 0
    input I
    each step: v = I

network N:
    step = 0.05 ms
    population x: LI[60]
    population y: Hears[80]
    connect x -> y: dense, weight = 1, synapse = noisy()
"""
    v = Reference(program_of(text)).run([{}], steps=2 * first, seed=3).traces[0]["y", "v"]
    sums = v[first::40]  # (steps, targets), so far apart that they are nearly independent
    assert np.var(sums) == pytest.approx(60 * variance, rel=0.2)
