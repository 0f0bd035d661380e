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
    loss = cross_entropy(mean(y.v))
    optimiser = adam()
"""


def problems(rule="eventprop", more="", threshold="1", deliver="g", jump="1", noise=""):
    text = NETWORK.format(rule=rule, more=more, threshold=threshold, deliver=deliver, jump=jump, noise=noise)
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
        sncc.build(
            NETWORK.format(
                rule="eventprop", more=" + floor(3 * v) / (10 ms)", threshold="1", deliver="g", jump="1", noise=""
            ),
            emit_only=True,
        )


def test_eventprop_refuses_noise_of_synapses_and_jumps_of_theirs_that_read_the_time():
    assert "`s` draws random numbers" in problems(noise=" + 0.1 * noise / sqrt(1 ms)")[0]
    assert "a jump there reads `t`" in problems(jump="t / (10 ms)")[0]
    assert problems("bptt", jump="t / (10 ms)") == []
