"""Rates of channels such as a x / (b (exp(x / c) - 1)), written with `bernoulli`,
and their derivatives are the closed forms, at 0 too.
"""

from __future__ import annotations

import numpy as np
from networks import model_of

from sncc.expressions.calculus import derivative
from sncc.expressions.evaluate import evaluate

TEXT = """
param a = 0.3
param b = 2
param c = 4
neuron Gate:
    param x = each(0)
    state rate = 0
    each step:
        rate = a * c / b * bernoulli(x / c)
network N:
    step = 1 ms
    population gate: Gate[1]
"""
X = np.concatenate([[0.0], *(s * np.logspace(-12, 2, 57) for s in (1, -1))])


def test_a_quotient_that_is_0_by_0_has_its_limit_and_the_limits_slope():
    rate = model_of(TEXT).population("gate").dynamics.each_step[0].value
    u = np.longdouble(X) / 4
    near = np.abs(u) < 0.02
    v = np.where(near, 1, u)
    quotient, slope = v / np.expm1(v), (np.expm1(v) - v * np.exp(v)) / np.expm1(v) ** 2
    quotient = np.where(near, 1 - u / 2 + u**2 / 12 - u**4 / 720, quotient)
    slope = np.where(near, -0.5 + u / 6 - u**3 / 180 + u**5 / 5040, slope)
    assert np.allclose(evaluate(rate, {"x": X}), (0.3 * 4 / 2 * quotient).astype(float), rtol=1e-13, atol=0)
    with np.errstate(all="ignore"):  # of the side that is not taken
        found = evaluate(derivative(rate, "x"), {"x": X})
    assert np.allclose(found, (0.3 / 2 * slope).astype(float), rtol=1e-10, atol=1e-16)
