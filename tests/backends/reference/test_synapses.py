"""The reference against plain loops over synapses: conductances, short-term plasticity, NMDA, gap junctions, delays."""

from __future__ import annotations

import numpy as np
from blocks import CONDUCTANCE, changed, synapse, with_synapses
from networks import model_of, program_of
from plain_neurons import STEP, Lif, given, network, run

from sncc.backends.reference.interpreter import Reference
from sncc.connectivity.build import build
from sncc.connectivity.patterns import Dense, Part, Random
from sncc.expressions.nodes import Apply, Number
from sncc.expressions.units import PLAIN
from sncc.lower.phases import lower
from sncc.model.nodes import Parameter
from sncc.program.operations import SynapseUpdate
from sncc.program.streams import stream


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
    g, v, spikes = np.zeros((6, 4)), np.zeros(4), []
    for n in range(200):
        slope = -1 / 20 - np.sum(g, axis=0)  # conductances held over the step, in which the voltage moves
        v = v + (slope * v + 2 * np.sum(g, axis=0)) * np.expm1(slope * STEP) / slope
        g *= np.exp(-STEP / 6)
        if n >= 2:
            g += x[n - 2][:, None] * w * (0.5 - g)
        spikes.append(v > 1)
        v = v - spikes[-1]
    assert np.sum(spikes) > 5
    assert np.array_equal(result.spikes[0]["y"], spikes)
    assert np.allclose(result.traces[0]["y", "v"][-1], v, rtol=1e-10)


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
