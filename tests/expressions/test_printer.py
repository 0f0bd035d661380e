import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sncc.diagnostics import Diagnostics
from sncc.expressions.nodes import Apply, Number, Symbol, apply
from sncc.expressions.printer import print_expression, print_number
from sncc.expressions.units import parse_unit
from sncc.model.infer import Elaborator
from sncc.model.scope import Scope
from sncc.model.terms import Term, Typed
from sncc.syntax.parse import parse_expression

A, B, C = Symbol("a"), Symbol("b"), Symbol("c")


@pytest.mark.parametrize(
    "expression, text",
    [
        (apply("sub", A, apply("sub", B, C)), "a - (b - c)"),
        (apply("sub", apply("sub", A, B), C), "a - b - c"),
        (apply("div", A, apply("mul", B, C)), "a / (b * c)"),
        (apply("neg", apply("add", A, B)), "-(a + b)"),
        (apply("pow", apply("neg", A), 2), "(-a)^2"),
        (apply("neg", apply("pow", A, 2)), "-a^2"),
        (apply("select", apply("lt", A, B), A, 0.25), "a if a < b else 0.25"),
        (apply("add", A, apply("select", A, B, C)), "a + (b if a else c)"),
        (apply("and", apply("gt", A, 0), apply("or", B, C)), "a > 0 and (b or c)"),
        (apply("exp", apply("div", A, B)), "exp(a / b)"),
    ],
)
def test_parentheses_stand_only_where_precedence_needs_them(expression, text):
    assert print_expression(expression) == text


def test_numbers_are_short_and_carry_units_on_request():
    assert [print_number(x) for x in (20.0, 0.1, 1e-7, 1e22)] == ["20", "0.1", "1e-7", "1e22"]
    expression = apply("div", A, Number(20.0, parse_unit("ms")))
    assert print_expression(expression) == "a / 20" and print_expression(expression, units=True) == "a / 20 ms"


leaves = st.one_of(st.sampled_from([A, B, C]), st.integers(0, 9).map(lambda k: Number(float(k))))


def grown(inner):
    two = st.tuples(st.sampled_from(["add", "sub", "mul", "div", "min", "max"]), inner, inner)
    one = st.tuples(st.sampled_from(["neg", "exp", "abs", "tanh"]), inner)
    choice = st.tuples(inner, inner, inner, inner).map(lambda t: apply("select", apply("lt", t[0], t[1]), t[2], t[3]))
    return st.one_of(two.map(lambda t: apply(*t)), one.map(lambda t: apply(*t)), choice)


def value(expression, names):
    """The value of an expression. Raises ZeroDivisionError where there is none."""
    match expression:
        case Number(number):
            return number
        case Symbol(name):
            return names[name]
        case Apply(operation, arguments):
            given = [value(a, names) for a in arguments]
            return {
                "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "neg": lambda a: -a,
                "div": lambda a, b: a / b, "min": min, "max": max, "abs": abs, "tanh": math.tanh,
                "exp": lambda a: math.exp(min(a, 50.0)), "lt": lambda a, b: a < b, "select": lambda c, a, b: a if c else b,
            }[operation](*given)  # fmt: skip


@given(st.recursive(leaves, grown, max_leaves=12))
def test_what_is_printed_means_the_same_when_it_is_read(expression):
    names = {name: Typed(Symbol(name), Term()) for name in "abc"}
    elaborator = Elaborator(Scope(), Diagnostics(), names)
    again = elaborator.elaborate(parse_expression(print_expression(expression), "test")).expression
    numbers = {"a": 0.7, "b": -1.3, "c": 2.1}
    try:
        one = value(expression, numbers)
    except ZeroDivisionError:
        return
    assert not elaborator.diagnostics.errors
    two = value(again, numbers)
    assert one == two or math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-9) or (math.isnan(one) and math.isnan(two))
