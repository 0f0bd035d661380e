"""Numbers beside the draws that states start at:
the derivative by one is what each neuron, or synapse, has drawn in each sample.
"""

from __future__ import annotations

import numpy as np
import pytest
from beside_draws import OTHERS, VARIED
from event_case import Case, network
from event_driven import EventDriven
from given_draws import with_given_draws
from networks import model_of, program_of, recurrent, spikes
from oracle import Simulation, loss_and_gradients
from oracle_plasticity import PlasticSimulation
from oracle_synapses import SynapseSimulation
from synapse_gradients import relative_error

import sncc
from sncc.backends.reference.interpreter import Reference

OF_NEURONS = recurrent("Varied", VARIED, learn="weights, hidden.m, hidden.k, hidden.s, hidden.tau_m, hidden.theta")

OF_SYNAPSES = OTHERS.replace("{kind}", "synapse = varied()").replace("{learn}", "x_hidden.m, x_hidden.e, x_hidden.tau")
OF_RULES = OTHERS.replace("{kind}", "plasticity = moving()").replace(
    "{learn}", ", ".join(f"x_hidden.plasticity.{n}" for n in ("m", "k", "rate"))
)

# states that stand still at each draw alone, which is written where it is written among the draws of the state that
# they are called after
ALONE = {
    "hidden.v.0": "normal(1, 0.4)",
    "hidden.d.0": "normal(0, 1)",
    "hidden.d.1": "1e-30 * normal(0, 1) + uniform(0.1, 0.4)",
    "x_hidden.g.0": "normal(1, 0.3)",
    "x_hidden.h.0": "normal(0, 1)",
    "x_hidden.plasticity.x.0": "uniform(0.5, 1.5)",
    "x_hidden.plasticity.x.1": "1e-30 * uniform(0, 1) + normal(0, 1)",
    "x_hidden.plasticity.y.0": "normal(0, 1)",
    "x_hidden.plasticity.z.0": "normal(1, 0.5)",
}
STILL = """
neuron Still:
    {neuron}
    input I
synapse still:
    {synapse}
    on pre: w = 1 * weight
    deliver w
plasticity still_rule:
    {rule}
    on pre: weight += {name}
network N:
    step = 1 ms
    population x: input[6]
    population hidden: Still[5]
    connect x -> hidden.I: {pattern}, weight = 0, {kind}
simulate:
    duration = 3 ms
    record {seen}
"""


def drawn(name: str, pattern: str, samples: int, draw: str = "") -> list[np.ndarray]:
    """What each sample has drawn at one place, for each neuron or, in training, each synapse."""
    owner, state, _ = name.rsplit(".", 2)
    where = {"hidden": "neuron", "x_hidden": "synapse"}.get(owner, "rule")
    kind = {"x": "pre state", "y": "post state"}.get(state, "state")
    blocks = {"neuron": "state q = 0", "synapse": "state w = 0", "rule": "state w = 0"}
    blocks[where] = f"{kind} {state} = {draw or ALONE[name]}\n    {blocks[where] if where == 'synapse' else ''}"
    text = STILL.format(
        **blocks, name=state if where == "rule" else "w", pattern=pattern,
        kind="plasticity = still_rule()" if where == "rule" else "synapse = still()",
        seen={"neuron": f"{state} of hidden", "synapse": f"{state} of x_hidden", "rule": "weight of x_hidden"}[where],
    )  # fmt: skip
    program = program_of(text, schedule="sample_parallel")
    traces = Reference(program).run([{"x": np.eye(3)[:1].T * np.ones(6)}] * samples).traces
    variable = "weight" if where == "rule" else state
    return [np.asarray(t[owner.partition(".")[0], variable])[-1] for t in traces]


SLOW = pytest.mark.slow
CASES = {
    "neurons": (OF_NEURONS, Simulation, "hidden."),
    "synapses": (OF_SYNAPSES, SynapseSimulation, "x_hidden.g x_hidden.h"),
    "rules": (OF_RULES, PlasticSimulation, "x_hidden.plasticity."),
}


def case_of(name: str, rule: str, pattern: str = "dense", delay: str = "2 ms"):
    """Text, Program and values of a case, with inputs and labels of three samples."""
    text = CASES[name][0].replace("{pattern}", pattern).replace("{delay}", delay)
    text = text.replace("eprop(feedback = symmetric)", rule)
    program = program_of(text)
    values = {p.key: np.asarray(Reference(program).parameters[p.key]) for p in program.parameters if p.learnt}
    inputs = [{"x": x["x"] > 0} for x in spikes(np.random.default_rng(2), 3, 24)]
    return text, program, values, inputs, [0, 2, 1]


@pytest.mark.parametrize("rule", ["bptt", *(pytest.param(r, marks=SLOW) for r in ("eprop", "bptt(truncate = 9 ms)"))])
@pytest.mark.parametrize("name", ["neurons", *(pytest.param(n, marks=SLOW) for n in ("synapses", "rules"))])
def test_gradients_are_those_of_automatic_differentiation_with_the_draws_as_numbers(name, rule):
    text, program, values, inputs, labels = case_of(name, rule)
    _, oracle, owners = CASES[name]
    run = Reference(program, values).run(inputs, labels)
    found = {n: drawn(n, "dense", 3) for n in ALONE if n.startswith(tuple(owners.split()))}
    shape = {"neurons": (5,), "synapses": (6, 5), "rules": (30,)}[name]
    samples = iter(range(3))

    def simulation(model, parameters, *others):
        k = next(samples)
        given = {n: np.reshape(x[k][: np.prod(shape)], shape) for n, x in found.items()}
        return oracle(model, dict(parameters.items()) | given, *others)

    model = with_given_draws(model_of(text))
    loss, expected = loss_and_gradients(model, values, inputs, labels, rule.partition("(")[0], simulation=simulation)
    assert run.loss == pytest.approx(loss, rel=1e-12) and sum(s["hidden"].sum() for s in run.spikes) > 20
    for key, gradient in run.gradients.items():
        assert np.any(gradient) and relative_error(gradient, expected[key]) < 1e-9, key


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    "pattern, delay, options",
    [
        ("random(p = 0.8)", "uniform(1 ms, 4 ms)", "truncate = 9 ms"),
        *(
            pytest.param(*case, marks=SLOW)
            for case in (("dense", "2 ms", "feedback = symmetric"), ("dense", "2 ms", "feedback = random"))
        ),
    ],
)
def test_forwards_is_reverse(name, pattern, delay, options):
    _, reverse, values, inputs, labels = case_of(name, f"eprop({options})", pattern, delay)
    _, forwards, *_ = case_of(name, f"eprop({options}, online = true)", pattern, delay)
    expected, got = (Reference(p, values).run(inputs, labels).gradients for p in (reverse, forwards))
    for key, gradient in expected.items():
        assert np.any(gradient) and relative_error(got[key], gradient) < 1e-12, key


BEGUN = """
neuron Begun:
    param tau_m = 20 ms
    param tau_syn = 5 ms
    param m = 0.35
    param k = 0.3
    state v = m * exp(k * normal(0, 1))
    state i = m * normal(1, 0.3)
    input I
    dv/dt = (i - v) / tau_m
    di/dt = -i / tau_syn + I
    spike when v > 1:
        v = 0
"""
BEGINNING = {"hidden.v.0": "normal(0, 1)", "hidden.i.0": "normal(1, 0.3)"}


@SLOW
def test_eventprop_follows_what_is_drawn_as_root_found_spike_times_do():
    text = network("Begun", BEGUN, learn="weights, hidden.m, hidden.k")
    draws = {name: drawn(name, "dense", 1, draw)[0][:3] for name, draw in BEGINNING.items()}

    def simulate(model, values, *others):
        return EventDriven(with_given_draws(model), values | draws, *others)

    case = Case(text, 4, 1.3, simulate=simulate)
    coarse, fine = case.errors_at(0.1), case.errors_at(0.02)
    for key, error in fine.items():
        assert error < 0.5 * coarse[key] + 0.01, (key, coarse, fine)
    assert all(np.max(np.abs(case.exact[key][1])) > 1e-3 for key in ("hidden.m", "hidden.k"))


DELIVERED = """
synapse gap:
    deliver weight * (pre.v - post.v)
neuron Source:
    param m = 0.4
    param k = each(0.3)
    state v = m * exp(k * normal(0, 1))
    dv/dt = -v / (10 ms)
neuron Target:
    param m = 0.4
    state v = m * normal(1, 1)
    input I
    dv/dt = -v / (10 ms) + I
network Net:
    step = 1 ms
    population hidden: Source[5]
    population output: Target[3]
    connect hidden -> output: dense, weight = uniform(0 kHz, 0.1 kHz), delay = 3 ms, synapse = gap()
train:
    rule = bptt
    loss = mean(cross_entropy(output.v))
    learn = weights, hidden.m, hidden.k, output.m
    optimiser = sgd(learning_rate = 1e-3)
"""


def test_so_it_is_for_what_is_delivered_before_the_first_step():
    """Without spikes gradients are those of differences, with the same draws."""
    program, rng = program_of(DELIVERED), np.random.default_rng(2)
    values = {p.key: np.asarray(Reference(program).parameters[p.key]) for p in program.parameters if p.learnt}

    def loss(**moved):
        return Reference(program, values | moved).run([{}, {}], [2, 0], steps=6)

    for key, gradient in loss().gradients.items():
        turn = rng.normal(0, 1, np.shape(gradient))
        up, down = (loss(**{key: values[key] + s * 1e-5 * turn}).loss for s in (1, -1))
        assert np.sum(gradient * turn) == pytest.approx((up - down) / 2e-5, rel=1e-6) and np.any(gradient), key


def test_the_derivation_names_what_each_sample_draws():
    explained = sncc.explain(OF_NEURONS)
    assert "v.start.m~ = v~ * normal(1, 0.4), each sample's own" in explained
