"""Synapses that their targets carry: the same voltages and gradients as synapse by synapse, and as closed forms."""

from __future__ import annotations

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad
from blocks import ALPHA, CONDUCTANCE, DUAL, EXPONENTIAL, synapse, with_synapses
from networks import model_of, spikes
from oracle import constant, fire
from scipy.integrate import solve_ivp
from scipy.linalg import expm

import sncc
from sncc.backends.reference.interpreter import Reference
from sncc.compiler import compile_program
from sncc.lower.phases import lower

ONE = """
network One:
    step = 0.5 ms
    population x: input[3]
    population y: LI[2](tau_m = 10 ms)
    connect x -> y: dense, weight = normal(0, 1), delay = 1 ms
"""


def events(steps=120, size=3, seed=1):
    return np.random.default_rng(seed).poisson(0.1, (steps, size)).astype(float)


def voltages(block, weight, given, **parameters):
    program = compile_program(with_synapses(model_of(ONE), x_y=block), "float64")
    run = Reference(program, {"x_y.weight": weight, "y.bias": np.zeros(2), **parameters}).run([{"x": given}])
    return run.traces[0]["y", "v"]


MATRICES = {  # d(v, states)/dt, and what a spike of weight one adds
    "exponential": ([[-1 / 10, 1], [0, -1 / 5]], [0, 1]),
    "alpha": ([[-1 / 10, 0, 1], [0, -1 / 4, 0], [0, 1 / 4, -1 / 4]], [0, 1, 0]),
    "dual": ([[-1 / 10, 1, -1], [0, -1 / 6, 0], [0, 0, -1]], [0, 1, 1]),
}


@pytest.mark.parametrize("block", [EXPONENTIAL, ALPHA, DUAL], ids=lambda b: b.model)
def test_a_linear_synapse_and_its_neuron_are_one_exact_system(block):
    weight, given = np.random.default_rng(0).normal(size=(3, 2)), events()
    matrix, jump = (np.array(a, float) for a in MATRICES[block.model])
    propagator = expm(matrix * 0.5)
    state = np.zeros((3, len(jump), 2))  # one system per synapse: source, variable, target
    expected = []
    for n in range(120):
        state = np.einsum("ab,ibj->iaj", propagator, state)
        if n >= 2:
            state += given[n - 2][:, None, None] * jump[None, :, None] * weight[:, None, :]
        expected.append(state[:, 0].sum(axis=0))
    assert np.allclose(voltages(block, weight, given), expected, rtol=1e-11, atol=1e-12)


def test_a_conductance_follows_the_equations_to_the_order_of_its_method():
    weight, given = np.random.default_rng(0).uniform(0.01, 0.04, (3, 2)), events()
    text = ONE.replace("step = 0.5 ms", "step = 0.01 ms").replace("delay = 1 ms", "delay = 0 ms")
    fine = np.zeros((120 * 50, 3))
    fine[49::50] = given
    program = compile_program(with_synapses(model_of(text), x_y=CONDUCTANCE), "float64")
    values = {"x_y.weight": weight, "y.bias": np.zeros(2)}
    got = Reference(program, values).run([{"x": fine}]).traces[0]["y", "v"][49::50]
    v, g = np.zeros(2), np.zeros(2)
    for n in range(120):
        for j in range(2):
            flow = solve_ivp(
                lambda t, s: [-s[0] / 10 + s[1] * (2 - s[0]), -s[1] / 5], (0, 0.5), [v[j], g[j]], rtol=1e-9, atol=1e-12
            )
            v[j], g[j] = flow.y[:, -1]
        g += given[n] @ weight
        assert np.allclose(got[n], v, rtol=2e-3, atol=1e-5)


def test_weights_may_multiply_at_the_jump_or_at_the_delivery():
    later = synapse({"tau": 5}, {"g": 0}, {"g": "-g / tau"}, "g += 1", "weight * g", "exponential")
    weight, given = np.random.default_rng(0).normal(size=(3, 2)), events()
    assert np.allclose(voltages(later, weight, given), voltages(EXPONENTIAL, weight, given), rtol=1e-12, atol=1e-14)


COBA = """
network Coba:
    step = 0.1 ms
    population noise: input[8]
    population exc: LIF[8]
    population inh: LIF[2]
    connect noise -> exc: one_to_one, weight = 0.2
    connect ei = exc -> inh: dense, weight = 0.6, delay = 1.5 ms
    connect ii = inh -> inh: dense, weight = 0.5, delay = 0.8 ms
    connect ie = inh -> exc: dense, weight = 0.7, delay = 0.8 ms
    connect ee = exc -> exc: dense, weight = 0.6, delay = 1.5 ms
"""
INHIBITION = synapse(
    {"tau": 10, "reversal": -2}, {"g": 0}, {"g": "-g / tau"}, "g += weight", "g * (reversal - post.v)", "conductance"
)


def test_equal_synapses_share_their_states_and_populations_merge():
    blocks = {"noise_exc": CONDUCTANCE, "ei": CONDUCTANCE, "ii": INHIBITION, "ie": INHIBITION, "ee": CONDUCTANCE}
    program = lower(with_synapses(model_of(COBA), **blocks))
    assert program.groups[0].states == ("v", "synapse1.g", "synapse2.g")
    assert {c.name: c.input for c in program.connections if c.target == "exc"} == {
        "noise_exc": "in.synapse2!", "ie": "in.synapse1!", "ee": "in.synapse2!",
    }  # fmt: skip
    assert {"ie.tau", "ee.tau", "noise_exc.reversal"} <= {p.key for p in program.parameters}
    merged = compile_program(with_synapses(model_of(COBA), **blocks))
    assert [[row.population for row in g.rows] for g in merged.groups] == [["exc", "inh"]]


def test_a_learnt_time_constant_has_a_state_of_its_own():
    blocks = {"noise_exc": CONDUCTANCE, "ee": synapse(
        {"tau": 5, "reversal": 2}, {"g": 0}, {"g": "-g / tau"}, "g += weight", "g * (reversal - post.v)", storage="shared"
    )}  # fmt: skip
    program = lower(with_synapses(model_of(COBA), **blocks))
    assert [s for s in program.groups[0].states if s != "v"] == ["synapse1.g", "synapse2.g"]


TRAINED = """
network Trained:
    step = 1 ms
    population x: input[6]
    population hidden: LIF[4](theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0, 1)
    connect hidden -> hidden: dense, weight = normal(0, 1), delay = 2 ms
    connect hidden -> output: dense, weight = normal(0, 1)

train:
    rule = RULE
    loss = cross_entropy(mean(output.v))
    optimiser = adam(learning_rate = 1e-3)
    learn = weights, hidden.tau_m
"""


def trained_loss(p, given, labels, rule, conducting):
    """The network above with its synapses one by one: exponential into hidden and output, in autograd.

    conducting: hidden receives conductances, integrated by exponential Euler.
    """

    def exact(tau_m, tau_s):  # of dv/dt = -v / tau_m + g, dg/dt = -g / tau_s over 1 ms
        a, b = 1 / tau_m, 1 / tau_s
        return anp.exp(-a), anp.exp(-b), (anp.exp(-b) - anp.exp(-a)) / (a - b)

    total = 0.0
    for x, label in zip(given, labels):
        v, emitted, out = anp.zeros(4), [], anp.zeros(3)
        g_in, g_rec, g_out, seen = anp.zeros((6, 4)), anp.zeros((4, 4)), anp.zeros((4, 3)), 0.0
        tau_in, tau_m = p["x_hidden.tau"], p["hidden.tau_m"]
        for n in range(len(x)):
            if conducting:
                g = anp.sum(g_in, 0) + anp.sum(g_rec, 0)
                drive = anp.sum(g_in, 0) * (2 - v) + anp.sum(g_rec, 0) * (2 - v)
                slope = -1 / tau_m - g
                v = v + (-v / tau_m + drive) * (anp.exp(slope) - 1) / slope
            else:
                pv, _, pg = exact(tau_m, tau_in)
                _, _, pr = exact(tau_m, 5.0)
                v = pv * v + pg * anp.sum(g_in, 0) + pr * anp.sum(g_rec, 0)
            g_in, g_rec = g_in * anp.exp(-1 / tau_in), g_rec * anp.exp(-1 / 5.0)
            g_in = g_in + x[n][:, None] * p["x_hidden.weight"]
            if n >= 2:
                z = constant(emitted[n - 2]) if rule == "eprop" else emitted[n - 2]
                g_rec = g_rec + z[:, None] * p["hidden_hidden.weight"]
            u = v - 0.5
            psi = (0.3 / 0.5) * np.maximum(0.0, 1 - np.abs(constant(u)) / 0.5)
            z = fire(u, psi, True)
            v = v - 0.5 * constant(z)
            emitted.append(z)
            po, ps, pg = exact(10.0, 5.0)
            out = po * out + pg * anp.sum(g_out, 0)
            g_out = g_out * ps + z[:, None] * p["hidden_output.weight"]
            seen = seen + out
        mean = seen / len(x)
        total = total + anp.log(anp.sum(anp.exp(mean))) - mean[label]
    return total / len(given)


@pytest.mark.parametrize("rule", ["eprop", "bptt"])
@pytest.mark.parametrize("block", [EXPONENTIAL, CONDUCTANCE], ids=lambda b: b.model)
def test_gradients_through_synapses_are_those_of_automatic_differentiation(block, rule):
    from dataclasses import replace

    from sncc.model.training_nodes import Learnt

    model = model_of(TRAINED.replace("RULE", rule))
    learnt = replace(
        block, parameters=tuple(replace(q, storage="shared") if q.name == "tau" else q for q in block.parameters)
    )
    model = with_synapses(model, x_hidden=learnt, hidden_hidden=block, hidden_output=EXPONENTIAL)
    training = replace(model.training, learn=(*model.training.learn, Learnt("x_hidden.tau")))
    program = compile_program(replace(model, training=training), "float64")
    rng = np.random.default_rng(3)
    scale = 0.05 if block is CONDUCTANCE else 0.1
    values = {
        "x_hidden.weight": rng.normal(1, 1, (6, 4)) * scale, "hidden_hidden.weight": rng.normal(0, 1, (4, 4)) * scale,
        "hidden_output.weight": rng.normal(0, 1, (4, 3)), "x_hidden.tau": np.array(4.0), "hidden.tau_m": np.array(20.0),
        "hidden.bias": np.zeros(4), "output.bias": np.zeros(3),
    }  # fmt: skip
    inputs, labels = spikes(rng, 3, 30), [0, 2, 1]
    run = Reference(program, values).run(inputs, labels)
    assert 0.03 < np.mean([s["hidden"] for s in run.spikes]) < 0.8
    given = [s["x"] for s in inputs]
    names = ["x_hidden.weight", "hidden_hidden.weight", "hidden_output.weight", "x_hidden.tau", "hidden.tau_m"]
    free = {k: values[k] for k in names}
    conducting = block is CONDUCTANCE
    assert run.loss == pytest.approx(float(trained_loss(free, given, labels, rule, conducting)), rel=1e-10)
    expected = grad(lambda p: trained_loss(p, given, labels, rule, conducting))(free)
    for name in names:
        assert np.max(np.abs(run.gradients[name] - expected[name])) < 1e-9 * np.max(np.abs(expected[name])), name


REFUSED = {
    "`post.I`, an input of a neuron, in the synapses of `a_b`": (
        "synapse own:\n    state s = 0\n    ds/dt = -s / (5 ms) + 0.1 * post.I\n"
        "    on pre: s += weight * (1 - s)\n    deliver s / (1 ms)\n", "LIF[4]", "synapse = own()",
    ),
    "a pre state of a plasticity that reads `m`": (
        "plasticity moving:\n    modulator m\n    pre state p = 0\n    dp/dt = (m - p) / (20 ms)\n"
        "    on pre:\n        p += 1\n        weight += 0.1 * p\n", "LIF[4]", "plasticity = moving()",
    ),
    "a part of a population of 5 dimensions whose neurons do not follow each other": ("", "LIF[2, 1, 2, 2, 1]", "plasticity = stdp()"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_no_engine_moves_is_refused_with_its_place(what):
    blocks, population, rules = REFUSED[what]
    text = f"""{blocks}
network N:
    step = 1 ms
    population a: {population}
    population b: LIF[4]
    connect a{"[0:2, 0, 0, 0:2, 0]" if "," in population else ""} -> b: random(p = 0.5), weight = each(0.1), {rules}
"""
    (diagnostic,) = (d for d in sncc.check(text) if d.code == "not-supported-yet")
    assert diagnostic.span is not None and diagnostic.help
    assert diagnostic.message == f"{what} is not supported yet" and "synapse." not in str(diagnostic.help)
