"""Interval arithmetic, against what NumPy draws."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
from networks import model_of

from sncc.expressions.evaluate import evaluate
from sncc.expressions.nodes import Apply, Number, Symbol, rewrite
from sncc.expressions.ranges import range_of

DELAYS = [
    "2 ms", "uniform(1 ms, 3 ms)", "normal(5 ms, 1 ms)", "exponential(2 ms)", "gamma(3, 2 ms)", "(1 ms) * lognormal(0.2, 0.5)",
    "1 ms + (2 ms) * uniform(-1, 2)^2", "uniform(1 ms, 2 ms) * (2 - cos(uniform(0, 9)))", "(3 ms) / uniform(0.5, 2)",
    "min(normal(5 ms, 9 ms), 7 ms) + step", "(0.1 ms) * abs(i - 2 * j)", "(1 ms if i > 2 else 4 ms) * sqrt(exp(uniform(-1, 1)))",
    "clip(uniform(-9 ms, 9 ms), 1 ms, 4 ms) - (1 ms) * tanh(i) * floor(uniform(0, 3)) * sigmoid(j)",
]  # fmt: skip


@pytest.mark.parametrize("written", DELAYS)
def test_what_is_drawn_lies_in_the_range_which_is_not_much_wider(written):
    text = f"network N:\n    step = 1 ms\n    population a: LIF[7]\n    population b: LIF[5]\n    connect a -> b: dense, weight = 1, delay = each({written})\n"
    value = model_of(text).connections[0].delay.value
    rng, size, draws = np.random.default_rng(1), 20_000, {}

    def change(node):
        if isinstance(node, Apply) and node.operation in ("normal", "uniform", "lognormal", "exponential", "gamma"):
            name = f"draw{len(draws)}"
            draws[name] = getattr(rng, node.operation)(*(evaluate(a, {}) for a in node.arguments), size)
            return Symbol(name)
        return node

    names = {"step": 1.0, "i": rng.integers(0, 7, size), "j": rng.integers(0, 5, size)}
    expression = rewrite(value, change)
    values = evaluate(expression, names | draws) * np.ones(size)
    low, high = range_of(value, {"step": (1.0, 1.0), "i": (0.0, 6.0), "j": (0.0, 4.0)})
    assert low <= values.min() and values.max() <= high < 12 * values.max()


def test_what_is_not_known_has_no_ends():
    assert range_of(Symbol("x"), {}) == (-inf, inf)
    assert range_of(Apply("div", (Number(1.0), Symbol("x"))), {"x": (-1.0, 1.0)}) == (-inf, inf)
    assert range_of(Apply("sub", (Symbol("x"), Symbol("x"))), {"x": (inf, inf)}) == (-inf, inf)
