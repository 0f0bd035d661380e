"""Gradients through the states of synapses equal automatic differentiation
in which every synapse has states of its own.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from networks import model_of, program_of, spikes
from starting_states import starting
from synapse_gradients import agreeing, all_moves, relative_error, values_of

from sncc.backends.reference.interpreter import Reference
from sncc.compiler import compile_program

DEPRESSING = "tsodyks_markram(tau = 5 ms, tau_rec = 40 ms, tau_facil = 30 ms, use = 0.4)"
NETWORK = """
{definitions}
network Net:
    step = 1 ms
    population x: input[6]
    population hidden: LIF[5](tau_m = 10 ms, theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
{connections}

train:
    rule = {rule}
    loss = mean(cross_entropy(output.v))
    learn = weights{learn}
    optimiser = sgd(learning_rate = 1e-3)
"""
ALL = """
    connect x -> hidden: dense, weight = normal(0 {unit}, 1 {unit}), synapse = {synapse}
    connect hidden -> hidden: dense, weight = normal(0 {unit}, 1 {unit}), delay = 2 ms, synapse = {synapse}
    connect hidden -> output: dense, weight = normal(0 {unit}, 1 {unit}), synapse = {synapse}
"""
JUNCTIONS = """
    connect x -> hidden: dense, weight = normal(0, 1)
    connect gap = hidden -> hidden: dense, weight = normal(0 kHz, 1 kHz), synapse = gap_junction()
    connect late = hidden -> hidden: one_to_one, weight = each(0.1 kHz), synapse = gap_junction(), delay = 3 ms
    connect hidden -> output: dense, weight = normal(0 kHz, 1 kHz), synapse = graded()
    connect plain = hidden -> output: dense, weight = normal(0, 1)
"""
GRADED = """
synapse graded:
    param slope = 2
    deliver weight * tanh(slope * pre.v)
"""
SATURATING = """
synapse saturating:
    "Opens a part of what is closed, and lets current through by a slow variable of its own."
    param tau = 8 ms
    param part = 0.3
    state s = 0
    state r = 0.1
    ds/dt = -s / tau + r * (1 - s) / (5 ms)
    dr/dt = -r / (3 ms)
    on pre: r += part * (1 - r)
    deliver weight * s * (1.5 - post.v)
"""
CLIPPED = """
synapse clipped:
    "A conductance of which each synapse has at most so much; it leaks faster where its target is excited."
    param tau = 6 ms
    param most = 1.5
    state g = 0
    state h = 0.1
    dg/dt = -g * (1 + 0.2 * tanh(post.v)) / tau + 0.1 * h / (1 ms)
    dh/dt = -tanh(h) / (4 ms)
    on pre:
        g += weight * (most - tanh(g))
        h += 0.2 * g
    deliver g * (1.2 - tanh(post.v) + 0.2 * tanh(pre.v)) / (5 ms)
"""
ONE_BY_ONE = """
    connect x -> hidden: dense, weight = normal(0.2, 0.3), synapse = clipped_of_inputs()
    connect hidden -> hidden: dense, weight = normal(0, 0.3), delay = 1 ms, synapse = clipped()
    connect again = hidden -> hidden: one_to_one, weight = each(0.2), delay = 2 ms, synapse = clipped()
    connect hidden -> output: dense, weight = normal(0, 0.3), synapse = clipped()
"""
OF_INPUTS = CLIPPED.replace(" + 0.2 * tanh(pre.v)", "").replace("clipped", "clipped_of_inputs")
CASES = {
    "depressing": (
        ALL.format(synapse=DEPRESSING, unit="kHz"),
        "",
        "x_hidden.use, hidden_hidden.use, hidden_hidden.tau_rec, hidden_output.tau_facil, hidden_output.tau",
    ),
    "junctions": (JUNCTIONS, GRADED, "hidden.theta, hidden.tau_m, hidden_output.slope"),
    "one by one": (
        ONE_BY_ONE,
        CLIPPED + OF_INPUTS,
        "x_hidden.tau, hidden_hidden.most, hidden_output.tau, hidden.theta",
    ),
    "saturating": (
        ALL.format(synapse="saturating()", unit="kHz"),
        SATURATING,
        "hidden_hidden.tau, hidden_output.part, output.tau_m",
    ),
}


def text_of(name: str, rule: str) -> str:
    connections, definitions, learn = CASES[name]
    return NETWORK.format(
        rule=rule, connections=connections, definitions=definitions, learn=f", {learn}" if learn else ""
    )


@pytest.mark.parametrize("name", CASES)
def test_a_network_that_is_trained_draws_and_does_what_it_draws_and_does_untrained(name):
    model, inputs = model_of(text_of(name, "bptt")), spikes(np.random.default_rng(1), 1, 24)
    trained, alone = (Reference(compile_program(m, "float64")) for m in (model, replace(model, training=None)))
    assert all(np.array_equal(value, trained.parameters[key]) for key, value in alone.parameters.items())
    values = values_of(trained.program, np.random.default_rng(1))
    trained, alone = (Reference(r.program, values).run(inputs) for r in (trained, alone))
    assert all(np.array_equal(trained.spikes[0][p], z) for p, z in alone.spikes[0].items() if "." not in p)
    populations = {p.name for p in model.populations}
    for state, trace in alone.traces[0].items():
        if state[0] in populations:
            assert np.allclose(trained.traces[0][state], trace, rtol=1e-12, atol=1e-12)


CUT = [pytest.param(rule, marks=pytest.mark.slow) for rule in ("bptt(truncate = 7 ms)", "eprop(truncate = 9 ms)")]


@pytest.mark.parametrize("rule", ["bptt", pytest.param("eprop", marks=pytest.mark.slow), *CUT])
@pytest.mark.parametrize("name", CASES)
def test_gradients_equal_those_of_synapses_one_by_one(name, rule):
    run, _, _ = agreeing(text_of(name, rule))
    all_moves(run)
    assert run.spikes[0]["hidden"].sum() < 100 and len(run.gradients) >= 4


@pytest.mark.parametrize("rule", ["bptt", pytest.param("eprop", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", CASES)
def test_dropout_leaves_out_what_synapses_of_a_neuron_deliver(name, rule):
    text = text_of(name, rule)
    run, values, inputs = agreeing(re.sub(r"(    connect .*synapse = .*)", r"\1, dropout = 0.3", text))
    whole = Reference(program_of(text), values).run(inputs, [2])
    assert run.loss != pytest.approx(whole.loss, rel=1e-6)
    moving = sum(bool(np.any(gradient)) for gradient in run.gradients.values())
    assert moving >= len(run.gradients) - 1  # `again`: none is left that spikes


RELAXING = """
synapse relaxing:
    "Rests until a spike arrives, partly open: so its source can tell what it is a delay later."
    param tau = 8 ms
    param part = 0.3
    param start = 0.4
    state s = start
    state r = 0
    ds/dt = (start - s) / tau + r * (1 - s) / (5 ms)
    dr/dt = -r / (3 ms)
    on pre: r += part * (1 - r)
    deliver weight * s * (1.5 - post.v)
"""
DELAYED = f"""
    connect x -> hidden: dense, weight = normal(0 kHz, 1 kHz), delay = uniform(0 ms, 4 ms), synapse = relaxing()
    connect gap = hidden -> hidden: dense, weight = normal(0 kHz, 1 kHz), delay = uniform(1 ms, 5 ms), synapse = gap_junction()
    connect again = hidden -> hidden: one_to_one, weight = each(0.2 kHz), delay = uniform(1 ms, 4 ms), synapse = relaxing()
    connect hidden -> output: dense, weight = normal(0 kHz, 1 kHz), delay = uniform(0 ms, 5 ms), synapse = {DEPRESSING}
    connect few = hidden -> output: random(p = 0.6), weight = normal(0 kHz, 1 kHz), delay = uniform(0 ms, 5 ms), synapse = relaxing()
"""
LEARNT = ", ".join(["", *(f"{c}.delay(in = [0 ms, 6 ms])" for c in ("x_hidden", "gap", "again", "hidden_output"))])


@pytest.mark.parametrize("rule", ["bptt", pytest.param("eprop", marks=pytest.mark.slow), *CUT])
@pytest.mark.parametrize("learn", ["", LEARNT], ids=["drawn", "learnt"])
def test_each_synapse_delivers_states_of_its_source_a_delay_of_its_own_later(learn, rule):
    text = NETWORK.format(
        rule=rule, connections=DELAYED, definitions=RELAXING, learn=f", x_hidden.part, again.tau, hidden.tau_m{learn}"
    )
    run, _, _ = agreeing(text)
    all_moves(run)
    assert sum(key.endswith(".delay") for key in run.gradients) == (4 if learn else 0)


STARTS = "initial(hidden.v), x_hidden.start, again.start, few.start"


@pytest.mark.parametrize(
    "rule", ["bptt", *(pytest.param(r, marks=pytest.mark.slow) for r in ("eprop", "eprop(feedback = random)")), *CUT]
)
@pytest.mark.parametrize("drawn", [False, True], ids=["one delay", "delays"])
def test_what_is_delivered_before_the_first_step_has_a_gradient(drawn, rule):
    connections = DELAYED if drawn else re.sub(r"uniform\(. ms, (. ms)\)", r"\1", DELAYED)
    text = NETWORK.format(rule=rule, connections=connections, definitions=RELAXING, learn=f", {STARTS}")
    all_moves(agreeing(text)[0])


def test_so_it_has_by_feedback_of_every_shape_and_forwards():
    all_moves(agreeing(starting("eprop(feedback = random)"))[0])
    texts = [starting(f"eprop(feedback = random, truncate = 9 ms{o})", more="") for o in ("", ", online = true")]
    values = values_of(program_of(texts[0]), np.random.default_rng(1))
    inputs = spikes(np.random.default_rng(1), 1, 24)
    reverse, forwards = (Reference(program_of(text), values).run(inputs, [2]).gradients for text in texts)
    for key, expected in reverse.items():
        assert relative_error(forwards[key], expected) < 1e-12, key


OWN = """
    connect x -> hidden: dense, weight = normal(0.2, 0.3), delay = uniform(0 ms, 4 ms),
        synapse = clipped_of_inputs(most = uniform(1, 2))
    connect hidden -> hidden: dense, weight = normal(0, 0.3), delay = uniform(1 ms, 5 ms), synapse = clipped()
    connect again = hidden -> hidden: dense, share = hidden_hidden, delay = 2 ms, synapse = clipped()
    connect few = hidden -> output: random(fan_in = 3), weight = normal(0, 0.3), delay = uniform(0 ms, 4 ms),
        synapse = clipped(tau = uniform(5 ms, 9 ms))
    connect hidden -> output: dense, weight = normal(0, 1)
    connect late = hidden -> output: dense, share = hidden_output, delay = 3 ms, dropout = 0.2, synapse = clipped_of_inputs()
"""


def single_spikes(rng):
    return [{"x": rng.integers(0, 2, (24, 6)).astype(float)}]


@pytest.mark.parametrize("rule", ["bptt", pytest.param("eprop", marks=pytest.mark.slow)])
def test_synapses_one_by_one_have_delays_and_numbers_of_their_own_and_shared_weights(rule):
    text = NETWORK.format(
        rule=rule,
        connections=OWN,
        definitions=CLIPPED + OF_INPUTS,
        learn=", x_hidden.tau, x_hidden.most, again.most, few.tau",
    )
    all_moves(agreeing(text, single_spikes, ("again.weight", "late.weight"))[0])


@pytest.mark.parametrize("name", ["depressing", "saturating"])
def test_without_connections_to_itself_a_neuron_is_left_out_as_by_a_weight_of_zero(name):
    whole = text_of(name, "bptt")
    apart = whole.replace("hidden -> hidden: dense", "hidden -> hidden: dense(self = false)")
    values = values_of(program_of(whole), np.random.default_rng(1))
    zero = values | {"hidden_hidden.weight": values["hidden_hidden.weight"] * (1 - np.eye(5))}
    inputs = spikes(np.random.default_rng(1), 1, 24)
    expected, run = (Reference(program_of(t), v).run(inputs, [2]) for t, v in ((whole, zero), (apart, values)))
    assert run.loss == pytest.approx(expected.loss, rel=1e-12)
    expected.gradients["hidden_hidden.weight"] *= 1 - np.eye(5)
    for key, got in run.gradients.items():
        assert relative_error(got, expected.gradients[key]) < 1e-12, key


@pytest.mark.parametrize("name", ["depressing", "saturating"])
def test_drawn_synapses_without_connections_to_itself_have_none_in_training(name):
    text = text_of(name, "bptt").replace("hidden -> hidden: dense", "hidden -> hidden: random(p = 0.9, self = false)")
    pairs = Reference(program_of(text)).tables["hidden_hidden"]
    assert len(pairs.source) > 10 and not np.any(pairs.source == pairs.target)


ADDED = """
synapse {name}:
    param tau = 6 ms
    state s = 0
    ds/dt = {flow} / tau
    on pre: s += {jump}
    deliver {delivered} / (5 ms)
"""


@pytest.mark.parametrize(
    "blocks",
    [{"flow": "-s", "jump": "0.2", "delivered": "weight * tanh(s)"}, {"flow": "-tanh(s)", "jump": "0.2 * weight", "delivered": "s"}],
    ids=["states of the source", "states of each"],
)  # fmt: skip
def test_any_number_of_spikes_of_a_step_is_followed_where_their_jumps_add_up(blocks):
    text = NETWORK.format(
        rule="bptt", learn=", x_hidden.tau", definitions=ADDED.format(name="added", **blocks),
        connections=ONE_BY_ONE.replace("clipped_of_inputs()", "added()").replace("synapse = clipped()", "synapse = added()"),
    )  # fmt: skip
    all_moves(agreeing(text, lambda rng: [{"x": rng.poisson(0.3, (24, 6)) * 6.0}])[0])


@pytest.mark.parametrize("name", ["depressing", "junctions"])
def test_feedback_by_the_transposed_weights_is_symmetric(name):
    values = values_of(program_of(text_of(name, "eprop")), np.random.default_rng(1))
    into_loss = [c for c in ("hidden_output", "plain") if f"{c}.weight" in values]
    turned = values | {f"{c}.feedback": values[f"{c}.weight"].T for c in into_loss}
    inputs = spikes(np.random.default_rng(1), 1, 24)
    symmetric = Reference(program_of(text_of(name, "eprop")), values).run(inputs, [2])
    random = Reference(program_of(text_of(name, "eprop(feedback = random)")), turned).run(inputs, [2])
    for key, expected in symmetric.gradients.items():
        assert relative_error(random.gradients[key], expected) < 1e-12, key


ONLINE = f"""
    connect x -> hidden: dense, weight = normal(0 kHz, 1 kHz), synapse = {DEPRESSING}
    connect hidden -> hidden: dense, weight = normal(0 kHz, 1 kHz), delay = 2 ms, synapse = saturating(), dropout = 0.3
    connect hidden -> output: dense, weight = normal(0, 1)
"""


def test_e_prop_forwards_counts_what_states_of_sources_deliver():
    texts = [
        NETWORK.format(rule=rule, connections=ONLINE, definitions=SATURATING, learn=", hidden.tau_m")
        for rule in ("eprop", "eprop(online = true)")
    ]
    values = values_of(program_of(texts[0]), np.random.default_rng(1))
    inputs = spikes(np.random.default_rng(1), 1, 24)
    reverse, forwards = (Reference(program_of(text), values).run(inputs, [2]).gradients for text in texts)
    for key, expected in reverse.items():
        assert relative_error(forwards[key], expected) < 1e-12, key
