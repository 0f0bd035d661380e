import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sncc.expressions.units import FIELD_UNITS, PLAIN, Unit, UnitError, parse_unit, symbol

# By hand and in floats: exponents of (kg, m, s, A) and the factor to SI.
BASE = {
    "V": (1, 2, -3, -1), "A": (0, 0, 0, 1), "S": (-1, -2, 3, 2), "F": (-1, -2, 4, 2), "Ohm": (1, 2, -3, -2),
    "s": (0, 0, 1, 0), "Hz": (0, 0, -1, 0), "m": (0, 1, 0, 0), "C": (0, 0, 1, 1),
}  # fmt: skip
PREFIX = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15, "k": 1e3, "M": 1e6, "G": 1e9}
factors = st.tuples(
    st.sampled_from("*/"), st.sampled_from(list(PREFIX)), st.sampled_from(list(BASE)), st.integers(-3, 3)
)


def written(parts):
    """The text of a product of units, its exponents and its factor to SI."""
    text, exponents, factor = "", [0, 0, 0, 0], 1.0
    for k, (operator, prefix, base, power) in enumerate(parts):
        text += ("" if k == 0 else operator) + prefix + base + ("" if power == 1 else f"^{power}")
        sign = -power if operator == "/" and k else power
        exponents = [e + sign * b for e, b in zip(exponents, BASE[base], strict=True)]
        factor *= PREFIX[prefix] ** sign
    return text, exponents, factor


@given(st.lists(factors, min_size=1, max_size=4))
def test_a_product_of_units_agrees_with_arithmetic_by_hand(parts):
    text, exponents, factor = written(parts)
    unit = parse_unit(text)
    assert list(unit.dimension[:4]) == exponents
    assert math.isclose(float(unit.scale), factor, rel_tol=1e-12)
    assert math.isclose(unit.in_memory * unit.to_si, factor, rel_tol=1e-12)


@given(st.lists(factors, min_size=1, max_size=3), st.lists(factors, min_size=1, max_size=3), st.integers(-3, 3))
def test_multiplication_division_and_powers_act_on_dimension_and_scale(a, b, power):
    left, right = parse_unit(written(a)[0]), parse_unit(written(b)[0])
    assert (left * right) / right == Unit(left.dimension, left.scale)
    assert left**power * left**-power == PLAIN
    assert (left / right) == (right / left) ** -1


@given(st.lists(factors, min_size=1, max_size=3))
def test_the_fields_unit_of_a_dimension_is_one_in_memory_and_parses_back(parts):
    unit = parse_unit(written(parts)[0])
    shown = str(Unit(unit.dimension))
    assert shown == "1" or parse_unit(shown).dimension == unit.dimension and parse_unit(shown).in_memory == 1.0


@pytest.mark.parametrize("name", [name for name, _ in FIELD_UNITS])
def test_the_consistent_system_needs_no_factor(name):
    assert parse_unit(name).in_memory == 1.0
    assert str(Unit(parse_unit(name).dimension)) == name


@pytest.mark.parametrize(
    "a, b, product",
    [("nS", "mV", "pA"), ("GOhm", "pA", "mV"), ("pF", "mV/ms", "pA"), ("nS", "GOhm", None), ("kHz", "ms", None)],
)
def test_laws_of_the_membrane_hold_without_factors(a, b, product):
    result = parse_unit(a) * parse_unit(b)
    assert result.in_memory == 1.0 and str(Unit(result.dimension)) == (product or "1")


@pytest.mark.parametrize(
    "text, si",
    [("20 ms", 0.02), ("6 nS", 6e-9), ("1 uF/cm^2", 0.01), ("5 Hz", 5.0), ("10 MOhm", 1e7), ("0.1 ms", 1e-4)],
)
def test_numbers_are_rounded_once(text, si):
    number, unit = text.split(" ")
    assert math.isclose(parse_unit(unit).from_text(number) * parse_unit(unit).to_si, si, rel_tol=1e-15)


def test_common_numbers_are_exact_in_memory():
    assert parse_unit("s").from_text("0.02") == 20.0 and parse_unit("s").from_text("2") == 2000.0
    assert parse_unit("ms").from_text("0.1") == 0.1 and parse_unit("V").from_text("-0.07") == -70.0


@pytest.mark.parametrize("text", ["mz", "mV/", "/mV", "", "mV mV", "cV", "mV**2", "2mV", "kkV"])
def test_what_is_no_unit_is_refused(text):
    with pytest.raises(UnitError):
        parse_unit(text)


def test_a_name_is_a_unit_or_nothing():
    assert symbol("ms") == parse_unit("ms") and symbol("tau") is None and symbol("cm") is not None
    assert symbol("Ω") == symbol("Ohm") == symbol("ohm")


def test_units_are_described_in_the_fields_words():
    assert parse_unit("nA").described() == "a current (nA)"
    assert Unit(parse_unit("nA").dimension).described() == "a current (pA)"
    assert PLAIN.described() == "a plain number"
    assert str(Unit(parse_unit("s").dimension) ** Fraction(-1, 2)) == "1/ms^(1/2)"
