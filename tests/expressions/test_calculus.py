"""Derivatives by sympy against differences of what they are of."""

from __future__ import annotations

import pytest

from sncc.expressions.algebra import ONE, ZERO, mul, sub
from sncc.expressions.calculus import derivative
from sncc.expressions.evaluate import evaluate
from sncc.expressions.nodes import Symbol, apply

X, Y = Symbol("x"), Symbol("y")
CONDITIONAL = mul(Y, apply("select", apply("lt", X, ZERO), ONE, X))


@pytest.mark.parametrize("operation, others", [("clip", (-2.0, 2.0)), ("min", (2.0,)), ("max", (-2.0,))])
@pytest.mark.parametrize("name", ["x", "y"])
def test_what_holds_a_conditional_is_compared(operation, others, name):
    of = apply(operation, sub(CONDITIONAL, Y), *others)
    by = derivative(of, name)
    for x, y in ((-0.5, 1.3), (0.7, 1.1), (1.7, 0.4), (3.0, 9.0), (3.0, -9.0)):
        values = {"x": x, "y": y}
        ends = [evaluate(of, {**values, name: values[name] + shift}) for shift in (1e-6, -1e-6)]
        assert evaluate(by, values) == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-8)
