"""Dynamics of a neuron: equations, thresholds, jumps, refractory times and surrogates."""

import math

import pytest
from resolving import HEAD, NETWORK, coba, mistakes, model, small

from sncc.diagnostics import DiagnosticError
from sncc.expressions.evaluate import evaluate
from sncc.expressions.nodes import Number
from sncc.expressions.printer import print_expression


def test_lets_and_functions_are_substituted_and_jumps_written_out():
    d = model(coba("")).population("h").dynamics
    assert print_expression(d.equations[0].derivative) == "(g_l * (e_l - v) + g * (0 - v) + I) / c_m"
    assert [(a.state, print_expression(a.value), a.reset) for a in d.spike.jumps] == [
        ("v", "e_l", True),
        ("g", "g * 0.5", False),
    ]
    assert print_expression(d.surrogate) == "0.3 / 10 * max(0, 1 - abs(u) / 10)"


@pytest.mark.parametrize(
    "written, distance, strict",
    [
        ("v > theta", "v - theta", True),
        ("v >= theta", "v - theta", False),
        ("theta < v", "v - theta", True),
        ("theta <= v", "v - theta", False),
    ],
)
def test_a_threshold_is_the_distance_to_it(written, distance, strict):
    spike = model(small(head=HEAD.replace("v > theta", written))).population("h").dynamics.spike
    assert print_expression(spike.distance) == distance and spike.strict is strict


def test_each_step_refractory_and_method():
    text = HEAD.replace("    surrogate", "    refractory 2 ms hold v\n    method = heun\n    surrogate")
    d = model(small(head=text)).population("h").dynamics
    assert d.refractory.duration == Number(2.0) and d.refractory.hold == ("v",) and d.method == "heun"


def test_a_neuron_that_no_population_uses_is_checked_too():
    assert mistakes(
        NETWORK.replace("Leaky[n]", "LIF[4]").replace("LI[2]", "LI[4]") + HEAD.replace("/ tau", "/ tua")
    ) == [("unknown-name", 17)]


def test_a_declaration_that_is_missing_is_one_mistake_wherever_it_would_be_used():
    text = small("Leaky[n], v = uniform(0, 1)")
    assert mistakes(text.replace("    state v = 0\n", "")) == [("unknown-name", 7)]
    assert mistakes(text.replace("    param theta = 1\n", "")) == [("unknown-name", 8)]
    assert mistakes(text.replace("theta:", "thetta:").replace("-= theta", "-= thetta")) == [  # two slips of the pen
        ("unknown-name", 9),
        ("unknown-name", 10),
    ]


def test_a_function_that_nothing_calls_is_checked_too():
    for function, mistake in [
        ("f(x) = x + y", "unknown-name"),
        ("f(x, y = z) = x + y", "unknown-name"),
        ("f(x) = f(x - 1)", "recursion"),
        ("f(x, x) = x", "duplicate"),
        ("f(x) = exp(x, 2)", "wrong-argument"),
    ]:
        assert mistakes(f"function {function}\n" + small()) == [(mistake, 1)], function
    assert model("function f(x, k = 2 * x, y = step) = x * k / y + normal(0, 1) * pi\n" + small())


def test_the_distance_is_no_argument_of_a_surrogate():
    text = small(head=HEAD.replace("triangle(width = theta, height = 0.3 / theta)", "triangle(u, height = 2)"))
    with pytest.raises(DiagnosticError, match=r"leave it out: `triangle\(height = 2\)`"):
        model(text)


@pytest.mark.parametrize(
    "call, formula",
    [
        ("triangle(width = 0.6, height = 0.5)", lambda u: 0.5 * max(0, 1 - abs(u) / 0.6)),
        ("fast_sigmoid(slope = 5, height = 2)", lambda u: 2 / (1 + 5 * abs(u)) ** 2),
        ("atan(alpha = 3)", lambda u: 1.5 / (1 + (math.pi / 2 * 3 * u) ** 2)),
        ("sigmoid(slope = 4)", lambda u: 4 * math.exp(-4 * u) / (1 + math.exp(-4 * u)) ** 2),
        ("gaussian(sigma = 0.4, height = 1.5)", lambda u: 1.5 * math.exp(-u * u / (2 * 0.16))),
        ("boxcar(width = 0.3, height = 2)", lambda u: 2.0 if abs(u) < 0.3 else 0.0),
        ("exp(-u * u)", lambda u: math.exp(-u * u)),
    ],
)
def test_surrogates_are_their_formulas(call, formula):
    text = small(head=HEAD.replace("triangle(width = theta, height = 0.3 / theta)", call))
    surrogate = model(text).population("h").dynamics.surrogate
    for u in (-1.3, -0.25, 0.0, 0.1, 0.45, 2.0):
        assert math.isclose(float(evaluate(surrogate, {"u": u})), formula(u), rel_tol=1e-12, abs_tol=1e-15)


@pytest.mark.parametrize("written, at", [("-1 ms", "-1 ms"), ("wait", "-1 ms"), ("2 * wait", "2 * wait")])
def test_a_refractory_time_below_zero_is_refused_where_its_number_stands(written, at):
    head = HEAD.replace("    surrogate", f"    param wait = -1 ms\n    refractory {written}\n    surrogate")
    with pytest.raises(DiagnosticError) as caught:
        model(small(head=head))
    (mistake,) = [d for d in caught.value.diagnostics if d.severity == "error"]
    assert mistake.message == "a refractory time cannot be negative" and mistake.span.text == at
