"""Units: of inputs from equations and use, of weights from their target, of signals from their first weight."""

import pytest
from resolving import HEAD, coba, mistakes, model, parameter, small

from sncc.expressions.nodes import Number
from sncc.expressions.printer import print_expression


def test_inputs_get_their_unit_from_the_equations():
    inputs = model(coba("")).population("h").dynamics.inputs
    assert [(i.name, str(i.unit)) for i in inputs] == [("I", "pA"), ("G", "nS/ms")]


@pytest.mark.parametrize(
    "source, target, weight, good",
    [
        ("x", "G", "6 nS", True), ("x", "G", "6", False), ("x", "I", "3 pA * 1 ms", True), ("x", "I", "3 pA", False),
        ("s", "I", "3 pA", True), ("x", "G", "0", True), ("x", "G", "normal(0, 1 nS)", True), ("x", "G", "normal(1, 1 nS)", False),
    ],
)  # fmt: skip
def test_a_weight_has_the_unit_that_its_target_asks_for(source, target, weight, good):
    text = coba(f"    connect {source} -> h.{target}: dense, weight = {weight}\n")
    if good:
        model(text)
    else:
        assert [code for code, _ in mistakes(text)] == ["wrong-unit"]


def test_a_signal_takes_its_unit_from_its_first_weight():
    m = model(coba("    connect s -> h.I: one_to_one, weight = 20\n"))
    assert str(m.population("s").unit) == "pA"
    assert model(coba("    connect s -> h.I: one_to_one, weight = 20 pA\n")).population("s").unit.dimensionless


def test_plain_numbers_drive_a_plain_network():
    m = model(small(more="    population x: input[2]\n    connect x -> h: dense, weight = 2\n"))
    assert str(m.population("h").dynamics.inputs[0].unit) == "kHz" and m.connections[0].weight.unit.dimensionless


def test_in_a_map_a_weight_is_a_plain_addend():
    text = """
neuron Map:
    state v = 0 mV
    input I
    each step: v = 0.9 * v + I
    spike when v > 1 mV: reset v -= 1 mV
network N:
    step = 1 ms
    population x: input[2]
    population h: Map[2]
    connect x -> h: dense, weight = 2 mV
"""
    assert str(model(text).population("h").dynamics.inputs[0].unit) == "mV"
    assert mistakes(text.replace("2 mV\n", "2\n")) == [("wrong-unit", 11)]


def test_an_input_that_equations_leave_open_follows_its_use():
    text = """
neuron Product:
    state v = 0
    input a
    input b
    dv/dt = -v / (20 ms) + a * b
network N:
    step = 1 ms
    population s: signal[2]
    population h: Product[2]
    connect first = s -> h.a: dense, weight = 2 mV
"""
    a, b = model(text).population("h").dynamics.inputs
    assert str(a.unit) == "mV" and str(b.unit) == "1/mV/ms"


def test_functions_take_defaults_keywords_and_any_unit():
    head = "function scaled(x, by = 2) = x * by\n" + HEAD
    assert parameter(small("Leaky[n](tau = scaled(10 ms))", head=head)).value == Number(20.0)
    assert parameter(small("Leaky[n](theta = scaled(by = 3, x = 1))", head=head), "theta").value == Number(3.0)


def test_a_unit_is_a_name_where_something_is_called_so():
    text = """
neuron HH:
    state m = 0
    input I
    dm/dt = (1 - m) / (1/kHz) + I
network N:
    step = 1 ms
    population h: HH[2]
"""
    equation = model(text).population("h").dynamics.equations[0]
    assert print_expression(equation.derivative).startswith("(1 - m) /")


def test_functions_are_looked_at_where_nothing_calls_them_too():
    head = "function one(x, by = zz) = x * by\nfunction two(x) = three(x) + 2 mV\n"
    head += "function four(x) = four(x - 1)\nfunction fine(x) = x / (2 mV) if x > 0 mV else 1\n"
    found = mistakes(small(head=head + HEAD))
    assert found == [("unknown-name", 1), ("unknown-name", 2), ("recursion", 3)]
