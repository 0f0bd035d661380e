"""Quotients over exp(x) - 1 that are 0 / 0 at a value of a state are told, with what to write instead."""

import re

import numpy as np
import pytest
from networks import model_of

from sncc.diagnostics import Diagnostics
from sncc.expressions.evaluate import evaluate
from sncc.model.resolve import model_of_text

TEXT = """
param far = 2
function vtrap(x, y) = x / (exp(x / y) - 1)
neuron Channel:
    param half = -35
    param drawn = uniform(-40, -30)
    param width = 7
    state v = -65
    state n = 0
    let factor = 0.01 * (v + 55)
    dv/dt = -v / (10 ms)
    dn/dt = ({rate}) / ms - n / ms
    spike when v > 0
network N:
    step = 0.1 ms
    population a: Channel[2]
    population b: Channel[2](width = 5)
"""
HODGKIN_HUXLEY = "0.1*(v+40)/(1-exp(-(v+40)/10))"


def told(rate, text=TEXT):
    """Message, place and first help of every warning."""
    diagnostics = Diagnostics()
    model_of_text(text.format(rate=rate), diagnostics=diagnostics)
    return [(d.message, d.span.text, d.help[0]) for d in diagnostics.sorted() if d.code == "zero-over-zero"]


@pytest.mark.parametrize(
    "rate, where, below",
    [
        (HODGKIN_HUXLEY, "at `v = -40`", "1-exp(-(v+40)/10)"),
        ("-(v + 40) / (exp(-0.1 * (v + 40)) - 1)", "at `v = -40`", "exp(-0.1 * (v + 40)) - 1"),
        ("0.01*(10 - v)/(exp((10 - v)/10) - 1)", "at `v = 10`", "exp((10 - v)/10) - 1"),
        ("factor / (1 - exp((v + 55) / -10))", "at `v = -55`", "1 - exp((v + 55) / -10)"),
        ("1 / (exp(v / 3) - 1) * 2 * v", "at `v = 0`", "exp(v / 3) - 1"),
        ("v * n / (exp(v / far) - 1)", "at `v = 0`", "exp(v / far) - 1"),
        (
            "(half - v) / (exp((half - v) / width) - 1)",
            "where `(half - v) / width` is 0",
            "exp((half - v) / width) - 1",
        ),
        ("(drawn - v) / (exp((drawn - v) / 2) - 1)", "where `(drawn - v) / 2` is 0", "exp((drawn - v) / 2) - 1"),
        ("vtrap(v + 40, 10)", "at `v = -40`", "exp(x / y) - 1"),
    ],
)
def test_a_quotient_of_two_zeros_is_told_once(rate, where, below):
    ((message, place, help),) = told(rate)
    assert (message, place) == (f"this divides 0 by 0 {where}", below)
    assert "bernoulli(" in help


@pytest.mark.parametrize(
    "rate",
    [
        "0.1 * (v + 41) / (1 - exp(-(v + 40) / 10))",  # infinite there, and another matter
        "(v + 40) / (1 + exp(-(v + 40) / 10))",
        "10 if abs(v + 40) < 1e-3 else " + HODGKIN_HUXLEY,
        "bernoulli(v / 10)",
        "(half - v) / (exp((drawn - v) / 2) - 1)",
        "v / (exp(2) - 1)",
        "v^2 / (2 - exp(v))",
    ],
)
def test_others_are_not(rate):
    assert told(rate) == []


@pytest.mark.parametrize(
    "rate", [HODGKIN_HUXLEY, "3 / (exp(2 * v - 8) - 1) * (8 - 2 * v)", "(v + 1) / (1 - exp(v + 1))"]
)
def test_what_is_proposed_is_the_quotient(rate):
    proposed, above, below = re.fullmatch("write `(.*)` for `(.*)` over `(.*)`", told(rate)[0][2]).groups()
    v = np.linspace(-60, 12, 50)  # none of which is a zero

    def values(text):
        return evaluate(
            model_of(TEXT.format(rate=text)).population("a").dynamics.equations[1].derivative, {"v": v, "n": 0}
        )

    assert np.allclose(values(proposed), values(f"({above}) / ({below})"), rtol=1e-12)


def test_a_synapse_is_looked_at_too():
    text = """
synapse graded:
    deliver weight * post.v / (exp(post.v) - 1) / ms
network N:
    step = 0.1 ms
    population a: LIF[2]
    connect a -> a: dense, weight = 1, delay = 1 ms, synapse = graded()
"""
    ((message, place, _),) = told("", text)
    assert (message, place) == ("this divides 0 by 0 where `post.v` is 0", "exp(post.v) - 1")
