"""Expressions that leap, as against those that only bend."""

import pytest

import sncc
from sncc.diagnostics import DiagnosticError
from sncc.expressions.leaps import leaps
from sncc.expressions.nodes import Number, Symbol, apply

V, T = Symbol("v"), Symbol("t")


def above(a, b=0.5):
    return apply("gt", a, b)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (apply("select", above(V), 1.0, 0.0), True),
        (apply("select", above(V, -52.5), 1.0, 0.0), True),  # mV
        (apply("add", apply("floor", apply("mul", 3.0, V)), V), True),
        (apply("sign", apply("sub", V, Symbol("a"))), True),
        (apply("select", apply("and", above(V), above(T)), V, 0.0), True),
        (apply("mul", V, apply("sign", V)), False),  # |v|
        (apply("select", above(V, 0.0), V, 0.0), False),
        (apply("select", above(V, Symbol("theta")), apply("sub", V, Symbol("theta")), 0.0), False),
        (apply("select", above(T), V, 0.0), False),  # at a time that nothing moves
        (apply("clip", V, 0.0, 1.0), False),
        (apply("select", apply("lt", apply("abs", V), 1e-4), apply("add", 1.0, apply("div", V, 2.0)), apply("div", apply("sub", apply("exp", V), 1.0), V)), False),
    ],
)  # fmt: skip
def test_values_close_by_tell(expression, expected):
    assert leaps(expression, {"v", "a"}, {"theta": Number(0.7)}) is expected


NETWORK = """
neuron Own:
    param tau_m = 20 ms
    param onset = 8 ms
    state v = 0
    state i = 0
    input I
    dv/dt = (i - v) / tau_m{more}
    di/dt = -i / (5 ms) + I
    spike when v > {threshold}: reset v = 0
synapse s:
    state g = 0
    dg/dt = -g / (5 ms){noise}
    on pre: g += {jump}
    deliver weight * {deliver} / (1 ms)
network N:
    step = 1 ms
    population x: input[2]
    population a: Own[2]
    population y: LI[2]
    connect x -> a: dense, weight = each(1)
    connect a -> y: dense, weight = each(1), synapse = s()
train:
    rule = {rule}
    loss = {loss}
    learn = {learn}
    optimiser = adam()
"""


AS_IT_IS = {
    "more": "",
    "threshold": "1",
    "deliver": "g",
    "jump": "1",
    "noise": "",
    "loss": "cross_entropy(mean(y.v))",
    "learn": "weights",
}


def problems(rule="eventprop", **changes):
    text = NETWORK.format(rule=rule, **AS_IT_IS | changes)
    return [str(d.message) for d in sncc.check(text) if d.code == "no-event-times"]


def test_eventprop_refuses_leaps_of_states_wherever_they_flow():
    leap = "(1 if {} > 0.5 else 0)"
    assert problems() == []
    assert "`dv/dt` of `Own` leaps" in problems(more=f" + {leap.format('v')} / (10 ms)")[0]
    assert "the threshold of `Own` leaps" in problems(threshold=f"(1 + {leap.format('i')})")[0]
    assert "`deliver` of `s` leaps" in problems(deliver=leap.format("g"))[0]
    assert problems(more=" + (1 if t > 10 ms else 0) / (10 ms)") == problems(deliver="max(g, 0.1)") == []
    assert problems(rule="bptt", more=f" + {leap.format('v')} / (10 ms)") == []


def test_nothing_is_built_where_one_is_refused():
    with pytest.raises(DiagnosticError, match="leaps where a state passes some value"):
        text = NETWORK.format(rule="eventprop", **AS_IT_IS | {"more": " + floor(3 * v) / (10 ms)"})
        sncc.build(text, emit_only=True)


def test_eventprop_refuses_noise_of_synapses_and_not_jumps_of_theirs_that_read_the_time():
    assert "`s` draws random numbers" in problems(noise=" + 0.1 * noise / sqrt(1 ms)")[0]
    assert problems(jump="t / (10 ms)") == []


@pytest.mark.parametrize(
    ("loss", "leaps"),
    [
        ("mean(1 if y.v > 1 else 0)", True),
        ("sum((1 if y.v > label else 0.5) * y.v)", True),
        ("mean((y.v - label)^2 if y.v > label else 0)", False),
        ("mean(huber(y.v))", False),
        ("(1 if mean(y.v) > 1 else 0)", False),  # flat, but where it leaps; no event is near
    ],
)
def test_a_loss_of_every_step_may_not_leap(loss, leaps):
    assert problems("bptt", loss=loss) == []
    found = problems(loss=loss)
    assert any("the loss of every step leaps" in message for message in found) is leaps == bool(found)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"more": " + (1 if t > onset else 0) / (10 ms)"}, "a.onset"),
        ({"more": " + floor(t / onset) / (10 ms)"}, "a.onset"),
        ({"threshold": "(1 if t > onset else 2)"}, "a.onset"),
        ({"deliver": "(g if t > pre.onset else 0)"}, "a.onset"),
        ({"deliver": "(g if t / (20 ms) > weight else 0)"}, "a_y.weight"),
    ],
)
def test_a_leap_at_a_time_that_is_learnt_is_refused_and_one_at_a_fixed_time_is_not(changes, key):
    others = [k for k in ("x_a.weight", "a_y.weight", "a.tau_m") if k != key]
    (message,) = problems(**changes, learn=", ".join([*others, key]))
    assert f"at a time that `{key}` moves" in message
    assert problems(**changes, learn=", ".join(others)) == []
    assert problems("bptt", **changes, learn=key) == []


def test_what_bends_at_a_learnt_time_and_leaps_of_constants_are_followed():
    assert problems(more=" + max(0, t - onset) / (10 ms)^2", learn="a.onset") == []
    assert problems(more=" + (1 if tau_m > 20 ms else 2) / (10 ms)", learn="a.tau_m") == []
