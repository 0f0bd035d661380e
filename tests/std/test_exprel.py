"""Brian 2's `exprel` is (exp(x) - 1) / x, at 0 too, and its inverse is `bernoulli`."""

from __future__ import annotations

import numpy as np
from networks import model_of

from sncc.expressions.calculus import derivative
from sncc.expressions.evaluate import evaluate

TEXT = """
neuron Gate:
    param x = each(0)
    state rate = 0
    state one = 0
    each step:
        rate = exprel(x)
        one = exprel(x) * bernoulli(x)
network N:
    step = 1 ms
    population gate: Gate[1]
"""
X = np.concatenate([[0.0], *(s * np.logspace(-12, 1.5, 57) for s in (1, -1))])


def test_a_quotient_that_is_0_by_0_has_its_limit_and_the_limits_slope():
    rate, one = (step.value for step in model_of(TEXT).population("gate").dynamics.each_step)
    x = np.longdouble(X)
    v = np.where(x == 0, 1, x)
    expected = np.where(x == 0, 1, np.expm1(v) / v)
    assert np.allclose(evaluate(rate, {"x": X}), expected.astype(float), rtol=1e-13, atol=0)
    assert np.allclose(evaluate(one, {"x": X}), 1, rtol=1e-13, atol=0)
    near = np.abs(x) < 0.02
    v = np.where(near, 1, x)
    slope = np.where(near, 0.5 + x / 3 + x**2 / 8 + x**3 / 30 + x**4 / 144, (v * np.exp(v) - np.expm1(v)) / v**2)
    with np.errstate(all="ignore"):  # of the side that is not taken
        found = evaluate(derivative(rate, "x"), {"x": X})
    assert np.allclose(found, slope.astype(float), rtol=1e-10, atol=0)
