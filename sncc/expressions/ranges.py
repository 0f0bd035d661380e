"""Between which numbers an expression lies, by interval arithmetic: what is drawn without an end by its likely ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import exp, floor, inf, isfinite, isnan, log, sqrt, tanh

from sncc.expressions.nodes import Apply, Expression, Number, Symbol

Range = tuple[float, float]
EVERYTHING: Range = (-inf, inf)
LIKELY = 6.0  # standard deviations: two of 10^9 normal draws lie beyond
RARELY = 24.0  # means: four of 10^11 exponential draws lie beyond

_RISING: dict[str, Callable[[float], float]] = {
    "exp": lambda x: exp(min(x, 700.0)), "log": lambda x: log(x) if x > 0 else -inf, "sqrt": lambda x: sqrt(max(x, 0.0)),
    "tanh": tanh, "floor": lambda x: floor(x) if isfinite(x) else x,
    "sigmoid": lambda x: 1 / (1 + exp(-min(max(x, -700.0), 700.0))),
}  # fmt: skip


def range_of(expression: Expression, symbols: Mapping[str, Range]) -> Range:
    """The least and the largest value, infinite where nothing is known; `symbols`: between what each name lies."""
    match expression:
        case Number(value):
            return value, value
        case Symbol(name):
            return symbols.get(name, EVERYTHING)
        case Apply(operation, arguments):
            found = _applied(operation, [range_of(a, symbols) for a in arguments])
            return EVERYTHING if any(isnan(end) for end in found) else found
    return EVERYTHING


def _applied(operation: str, given: list[Range]) -> Range:
    match operation, given:
        case "add", [a, b]:
            return a[0] + b[0], a[1] + b[1]
        case "sub", [a, b]:
            return a[0] - b[1], a[1] - b[0]
        case "neg", [a]:
            return -a[1], -a[0]
        case "mul", [a, b]:
            return _product(a, b)
        case "div", [a, b] if not b[0] <= 0 <= b[1]:
            return _product(a, (1 / b[1], 1 / b[0]))
        case "pow", [a, b] if b[0] == b[1] and b[0] > 0:
            return _power(a, b[0])
        case "abs", [a]:
            return max(a[0], -a[1], 0.0), max(-a[0], a[1])
        case "min" | "max", [a, b]:
            chosen = min if operation == "min" else max
            return chosen(a[0], b[0]), chosen(a[1], b[1])
        case "clip", [a, low, high]:
            return min(max(a[0], low[0]), high[0]), min(max(a[1], low[1]), high[1])
        case "select", [_, a, b]:
            return min(a[0], b[0]), max(a[1], b[1])
        case "sin" | "cos" | "sign", _:
            return -1.0, 1.0
        case _, [a] if operation in _RISING:
            rising = _RISING[operation]
            return rising(a[0]), rising(a[1])
    return _drawn(operation, given)


def _power(base: Range, exponent: float) -> Range:
    low, high = base
    if low < 0 and exponent % 2 == 0:
        low, high = max(-high, 0.0), max(-low, high)
    elif low < 0 and exponent % 2 != 1:
        return EVERYTHING
    try:
        return low**exponent, high**exponent
    except OverflowError:
        return EVERYTHING


def _product(a: Range, b: Range) -> Range:
    products = [0.0 if 0 in (x, y) else x * y for x in a for y in b]
    return min(products), max(products)


def _drawn(operation: str, given: list[Range]) -> Range:
    match operation, given:
        case "uniform", [low, high]:
            return low[0], high[1]
        case "normal", [mean, deviation]:
            return mean[0] - LIKELY * deviation[1], mean[1] + LIKELY * deviation[1]
        case "lognormal", [mean, deviation]:
            return 0.0, exp(min(mean[1] + LIKELY * deviation[1], 700.0))
        case "exponential", [mean]:
            return 0.0, RARELY * mean[1]
        case "gamma", [shape, scale]:
            return 0.0, (shape[1] + LIKELY * sqrt(max(shape[1], 0.0)) + RARELY) * scale[1]
    return EVERYTHING
