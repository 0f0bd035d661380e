"""By what equations divide is not 0, wherever that is written; below 0 is suspicious for a time constant."""

import pytest

from sncc.compiler import compile_program
from sncc.diagnostics import DiagnosticError, Diagnostics
from sncc.model.resolve import model_of_text

NEURON = """
neuron Cell:
    param tau = 20 ms
    param c = 2
    param scale = 3
    param guarded = 5 ms
    state v = 0
    state w = 0
    input I
    dv/dt = (exp((v - 1) / scale) - v) / (c * tau) + I
    dw/dt = (v - w) / guarded if guarded > 0 ms else 0 / (1 ms)
    spike when v + w > 1:
        v = 0
"""
NETWORK = """
network N:
    step = 1 ms
    population x: input[3]
    population a: Cell[3]{numbers}
    connect x -> a: dense, weight = 1 / (1 ms), synapse = exponential({tau})
    connect learns = x -> a: dense, weight = 1, plasticity = stdp({window})
"""


def found(numbers="", tau="", window="", neuron=NEURON):
    """Severity, place and message of all that is said."""
    diagnostics = Diagnostics()
    try:
        model_of_text(neuron + NETWORK.format(numbers=numbers, tau=tau, window=window), diagnostics=diagnostics)
    except DiagnosticError:
        pass
    return [(d.severity, d.span.text, d.message) for d in diagnostics.sorted()]


def divided(name, model="Cell"):
    return f"`{name}` is 0, and an equation of `{model}` divides by it"


@pytest.mark.parametrize(
    "given, text, message",
    [
        ({"numbers": "(tau = 0 ms)"}, "0 ms", divided("tau")),
        ({"numbers": "(tau = each(0 ms))"}, "each(0 ms)", divided("tau")),
        ({"numbers": "(c = 0 adjustable)"}, "0", divided("c")),
        ({"numbers": "(scale = 0)"}, "0", divided("scale")),
        ({"tau": "tau = 0 ms"}, "0 ms", divided("tau", "exponential")),
        ({"window": "tau_plus = 0 ms"}, "0 ms", divided("tau_plus", "stdp")),
        ({"neuron": NEURON.replace("c * tau", "tau - 20 ms")}, "tau - 20 ms", "an equation of `Cell` divides by zero"),
    ],
)
def test_a_zero_is_told_where_it_is_written(given, text, message):
    assert found(**given) == [("error", text, message)]


def test_what_a_condition_leaves_out_is_no_division():
    assert found("(guarded = 0 ms)") == []


@pytest.mark.parametrize(
    "value, says",
    [
        ("-20 ms", "is"), ("each(-20 ms)", "is"), ("normal(20 ms, 5 ms)", "may be drawn"), ("uniform(-1 ms, 9 ms)", "may be drawn"),
        ("normal(20 ms, 5 ms, clip = [1 ms, 50 ms])", None), ("normal(20 ms, 2 ms)", None), ("lognormal(3, 1) * (1 ms)", None),
    ],
)  # fmt: skip
def test_a_time_constant_below_zero_is_a_warning(value, says):
    message = f"the time constant `tau` {says} below zero"
    assert found(f"(tau = {value})") == ([("warning", value, message)] if says else [])
    assert found("(c = -2)") == []  # which is no time


def test_python_knows_by_which_parameters_equations_divide():
    text = NEURON + NETWORK.format(numbers="(tau = each(20 ms))", tau="tau = 5 ms adjustable", window="")
    known = {p.key: p.divisor for p in compile_program(model_of_text(text)).parameters}
    expected = {
        "a.tau": "time",
        "a.c": "number",
        "a.scale": "number",
        "x_a.tau": "time",
        "learns.plasticity.tau_plus": "time",
    }
    assert expected.items() <= known.items()
    assert {known[k] for k in ("a.guarded", "x_a.weight", "learns.plasticity.a_plus")} == {""}
