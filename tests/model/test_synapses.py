"""Synapses and plasticity: parameters, units from use, what `pre` and `post` mean, mistakes at their place."""

import pytest

from sncc.diagnostics import DiagnosticError, Diagnostics
from sncc.expressions.nodes import Number
from sncc.expressions.printer import print_expression
from sncc.model.resolve import model_of_text

CONDUCTANCE = """
synapse conductance:
    param tau = 5 ms
    param reversal = 0 mV
    state g = 0 nS
    dg/dt = -g / tau
    on pre: g += weight
    deliver g * (reversal - post.v)
"""
ISTDP = """
plasticity istdp:
    param tau = 20 ms
    param rate = 1 pS
    param target = 3 Hz
    pre state x = 0
    post state y = 0
    dx/dt = -x / tau
    dy/dt = -y / tau
    on pre:
        weight += rate * (y - 2 * target * tau)
        x += 1
    on post:
        weight += rate * x
        y += 1
    bound weight in [0 nS, 100 nS]
"""
NEURON = """
neuron Cell:
    param c = 200 pF
    state v = -70 mV
    input I
    dv/dt = (10 nS * (-70 mV - v) + I) / c
    spike when v > -50 mV: reset v = -60 mV
"""
PLAIN = """
neuron Plain:
    state v = 0
    input I
    dv/dt = -v / (20 ms) + I
    spike when v > 1: reset v = 0
"""


def network(*connects, head=CONDUCTANCE + ISTDP + NEURON, models=("Cell", "Cell"), learn=""):
    lines = [
        "network N:", "    step = 0.1 ms", "    population x: input[4]", f"    population a: {models[0]}[4]",
        f"    population b: {models[1]}[4]", *(f"    connect {line}" for line in connects),
    ]  # fmt: skip
    if learn:
        lines += [
            "train:",
            "    rule = bptt",
            "    loss = mse(mean(b.v))",
            "    optimiser = adam()",
            f"    learn = {learn}",
        ]
    return head + "\n".join(lines) + "\n"


def connection(*connects, **options):
    return model_of_text(network(*connects, **options)).connections[0]


def mistakes(text):
    with pytest.raises(DiagnosticError) as error:
        model_of_text(text)
    return [(d.code, d.span.text, d.message) for d in error.value.diagnostics if d.severity == "error"]


ALL = "weight = 2 nS, synapse = conductance(tau = 10 ms), plasticity = istdp(rate = 2 pS)"


def test_numbers_of_a_connection_replace_the_defaults():
    synapse = connection(f"a -> b: dense, {ALL}").synapse
    assert {p.name: (p.value, p.storage) for p in synapse.parameters} == {
        "tau": (Number(10.0), "compiled"),
        "reversal": (Number(0.0), "compiled"),
    }


@pytest.mark.parametrize(
    "written, storage",
    [("each(10 ms)", "each"), ("uniform(5 ms, 9 ms)", "each"), ("10 ms adjustable", "shared"), ("10 ms", "compiled")],
)
def test_numbers_of_a_synapse_are_stored_like_those_of_a_neuron(written, storage):
    synapse = connection(f"a -> b: dense, weight = 2 nS, synapse = conductance(tau = {written})").synapse
    assert synapse.parameters[0].storage == storage


def test_a_weight_has_the_unit_that_the_synapse_uses_it_with():
    found = connection(f"a -> b: dense, {ALL}")
    assert str(found.weight.unit) == "nS" and str(found.synapse.deliver_unit) == "pA"
    ((code, text, _),) = mistakes(network("a -> b: dense, weight = 2 mV, synapse = conductance()"))
    assert (code, text) == ("wrong-unit", "2 mV")


def test_a_weight_may_get_its_unit_from_what_is_delivered():
    head = NEURON + "synapse gap:\n    deliver weight * (pre.v - post.v)\n"
    found = connection("a -> b: dense, weight = 2 nS, synapse = gap()", head=head)
    assert print_expression(found.synapse.deliver) == "weight * (pre.v - post.v)"
    ((code, text, _),) = mistakes(network("a -> b: dense, weight = 2 mV, synapse = gap()", head=head))
    assert (code, text) == ("wrong-unit", "2 mV")


def test_a_plastic_weight_is_one_number_per_synapse():
    assert connection("a -> b: dense, weight = 2 nS, synapse = conductance()").weight.storage == "compiled"
    assert connection(f"a -> b: dense, {ALL}").weight.storage == "each"


def test_a_plasticity_keeps_its_traces_apart():
    plasticity = connection(f"a -> b: dense, {ALL}").plasticity
    assert [s.name for s in plasticity.pre_states] == ["x"] and [s.name for s in plasticity.post_states] == ["y"]
    assert [(a.state, print_expression(a.value)) for a in plasticity.on_pre] == [
        ("weight", "weight + rate * (y - 2 * target * tau)"),
        ("x", "x + 1"),
    ]
    ((name, low, high),) = plasticity.bounds
    assert (name, low, high) == ("weight", Number(0.0), Number(100.0))
    assert {p.name: p.value for p in plasticity.parameters}["rate"] == Number(0.002)


def test_plasticity_of_an_impulse_has_the_impulses_unit():
    found = connection("a -> b: dense, weight = 2 pA * 1 ms, plasticity = istdp(rate = 1 fC)",
        head=CONDUCTANCE + ISTDP.replace("1 pS", "1 fC").replace("0 nS, 100 nS", "0 fC, 9 fC") + NEURON)  # fmt: skip
    assert found.plasticity is not None and str(found.weight.unit) == "fC"


def test_what_does_not_fit_a_connection_is_told_there():
    ((code, text, message),) = mistakes(
        network(
            "a -> b: dense, weight = 1, synapse = conductance()", head=CONDUCTANCE + PLAIN, models=("Plain", "Plain")
        )
    )
    assert (code, text) == ("wrong-unit", "synapse = conductance()")
    assert message.startswith("`conductance` does not fit this connection: ")
    head = NEURON + "synapse odd:\n    deliver weight * post.w\n"
    ((code, text, message),) = mistakes(network("a -> b: dense, weight = 1 nS, synapse = odd()", head=head))
    assert code == "unknown-name" and "has no `w`" in message


@pytest.mark.parametrize(
    "old, new, code, text",
    [
        ("g += weight", "h += weight", "unknown-name", "h"),
        ("g += weight", "reset g += weight", "misplaced", "reset g += weight"),
        ("state g = 0 nS", "state g = 0 nS\n    state weight = 0", "reserved", "weight"),
        ("dg/dt = -g / tau", "dg/dt = -g", "wrong-unit", "-g"),
        ("g += weight", "weight += 1 nS", "unknown-name", "weight"),
        ("g * (reversal - post.v)", "normal(0, 1 pA)", "misplaced", "normal(0, 1 pA)"),
        ("g * (reversal - post.v)", "g * (reversal - pst.v)", "unknown-name", "pst.v"),
        ("x += 1", "y += 1", "misplaced", "y += 1"),
        ("x += 1", "x += y", "misplaced", "x += y"),
        ("dx/dt = -x / tau", "dweight/dt = -weight / tau", "misplaced", "weight"),
        ("bound weight", "bound x2", "unknown-name", "x2"),
        ("[0 nS, 100 nS]", "[0 nS, x * 1 nS]", "not-constant", "x * 1 nS"),
        ("[0 nS, 100 nS]", "[0 nS]", "wrong-argument", "[0 nS]"),
        ("[0 nS, 100 nS]", "[9 nS, 1 nS]", "wrong-argument", "[9 nS, 1 nS]"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_definition_is_found_once_where_it_stands(old, new, code, text):
    source = network(f"a -> b: dense, {ALL}", f"second = a -> b: dense, {ALL}")
    assert [(c, t) for c, t, _ in mistakes(source.replace(old, new, 1)) if c == code] == [(code, text)]


def test_a_definition_that_nothing_uses_is_checked_too():
    text = network("x -> a: dense, weight = 1 pA * 1 ms").replace("-g / tau", "-g / tua")
    assert [(c, t) for c, t, _ in mistakes(text)] == [("unknown-name", "tua")]


@pytest.mark.parametrize(
    "line, code, text",
    [
        ("a -> b: dense, weight = 1 nS, synapse = conductnce()", "unknown-model", "conductnce"),
        ("a -> b: dense, weight = 1 nS, synapse = conductance", "wrong-argument", "conductance"),
        ("a -> b: dense, weight = 1 nS, synapse = conductance(), plasticity = istdp", "wrong-argument", "istdp"),
        ("a -> b: dense, weight = 1 nS, synapse = istdp()", "wrong-argument", "istdp"),
        ("a -> b: dense, weight = 1 nS, synapse = conductance(tua = 3 ms)", "unknown-name", "tua"),
        ("a -> b: dense, weight = 1 nS, synapse = conductance(tau = 3 mV)", "wrong-unit", "3 mV"),
        ("a -> b: dense, weight = 1 nS, synapse = conductance(3 ms)", "wrong-argument", "3 ms"),
        ("x -> a: dense, weight = 1 nS, synapse = conductance(), plasticity = istdp(dopamine = a.v)", "unknown-name", "dopamine"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_connections_choice(line, code, text):
    assert [(c, t) for c, t, _ in mistakes(network(line))] == [(code, text)]


REWARD = (
    PLAIN
    + """
plasticity rewarded:
    modulator reward
    state e = 0
    de/dt = -e / (1 s) + reward / (1 s)
    on pre: e += 1
    on post: weight += e * reward
"""
)


def test_a_modulator_is_set_by_a_population_or_from_outside():
    options = {"head": REWARD, "models": ("Plain", "Plain")}
    found = connection("x -> a: dense, weight = 1, plasticity = rewarded(reward = b.v)", **options)
    assert found.modulators == (("reward", "b", "v"),) and [m.name for m in found.plasticity.modulators] == ["reward"]
    assert connection("x -> a: dense, weight = 1, plasticity = rewarded()", **options).modulators == ()
    wrong = mistakes(network("x -> a: dense, weight = 1, plasticity = rewarded(reward = b.w)", **options))
    assert [(c, t) for c, t, _ in wrong] == [("unknown-name", "b.w")]


def test_a_silent_neuron_can_only_deliver_its_state():
    silent = NEURON + NEURON.replace("Cell", "Silent").replace("    spike when v > -50 mV: reset v = -60 mV\n", "")
    gap = "synapse gap:\n    deliver weight * (pre.v - post.v)\n"
    options = {"head": silent + gap + CONDUCTANCE, "models": ("Silent", "Cell")}
    assert connection("a -> b: dense, weight = 1 nS, synapse = gap()", **options).synapse.model == "gap"
    for line in ("weight = 1 nS, synapse = conductance()", "weight = 1 fC"):
        assert [c for c, _, _ in mistakes(network(f"a -> b: dense, {line}", **options))] == ["missing-spike"]


def test_noise_and_draws_stand_where_they_mean_something():
    text = network("a -> b: dense, weight = 1 nS, synapse = release()", head=NEURON + """
synapse release:
    state g = 0 nS
    dg/dt = -g / (5 ms) + 1 nS / sqrt(5 ms) * noise
    on pre: g += weight * (uniform(0, 1) < 0.5)
    deliver g * (0 mV - post.v)
""")  # fmt: skip
    diagnostics = Diagnostics()
    synapse = model_of_text(text, diagnostics=diagnostics).connections[0].synapse
    assert "noise.1" in print_expression(synapse.equations[0].derivative)
    assert "uniform(0, 1)" in print_expression(synapse.on_pre[0].value)


@pytest.mark.parametrize(
    "block, help",
    [
        ("plasticity p:\n    on pre: v_post += weight", "a spike delivers the weight by itself"),
        ("plasticity p:\n    on post: w = 0", "the weight is called `weight`"),
        ("plasticity p:\n    on pre: weight += v_post", "did you mean `post.v`?"),
        ("synapse p:\n    on pre: I_post += weight\n    deliver weight / (1 ms)", "reaches its target by `deliver`"),
        ("synapse p:\n    deliver weight * (v_pre - post.v) / (1 ms)", "did you mean `pre.v`?"),
    ],
)
def test_names_of_brian_2_for_weights_and_the_two_neurons_are_told_what_they_are_here(block, help):
    lines = ["network N:", "    step = 1 ms", "    population a: LIF[2]"]
    connect = f"    connect a -> a: dense, weight = 1, delay = 1 ms, {block.split()[0]} = p()"
    with pytest.raises(DiagnosticError) as error:
        model_of_text("\n".join([block, *lines, connect]))
    assert any(help in line for d in error.value.diagnostics for line in d.help)
