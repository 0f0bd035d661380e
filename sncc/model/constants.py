"""Expressions that are known when the network is compiled, as numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from sncc.expressions.nodes import Apply, Expression, Number


def _sign(x: float) -> float:
    return float((x > 0) - (x < 0))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else 1 - _sigmoid(-x)


_OPERATIONS: dict[str, Callable[..., float]] = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "pow": lambda a, b: math.pow(a, b), "neg": lambda a: -a,
    "lt": lambda a, b: float(a < b), "le": lambda a, b: float(a <= b), "gt": lambda a, b: float(a > b),
    "ge": lambda a, b: float(a >= b), "eq": lambda a, b: float(a == b), "ne": lambda a, b: float(a != b),
    "and": lambda a, b: float(bool(a) and bool(b)), "or": lambda a, b: float(bool(a) or bool(b)),
    "not": lambda a: float(not a), "select": lambda c, a, b: a if c else b,
    "exp": math.exp, "log": math.log, "sqrt": math.sqrt, "abs": abs, "sign": _sign,
    "floor": lambda a: float(math.floor(a)), "sin": math.sin, "cos": math.cos, "tanh": math.tanh,
    "sigmoid": _sigmoid, "min": min, "max": max, "clip": lambda x, a, b: min(max(x, a), b),
}  # fmt: skip


def fold(expression: Expression) -> Expression:
    """The expression with every constant part computed; raises ArithmeticError or ValueError (division by zero, …).

    Of `A if C else B` with a constant C only the chosen side is computed.
    """
    match expression:
        case Apply("select", (condition, then, otherwise)) if isinstance(known := fold(condition), Number):
            return fold(then if known.value else otherwise)
        case Apply(operation, arguments):
            parts = tuple(fold(a) for a in arguments)
            values = [p.value for p in parts if isinstance(p, Number)]
            if operation in _OPERATIONS and len(values) == len(parts):
                return Number(_OPERATIONS[operation](*values), expression.unit, expression.span)
            return Apply(operation, parts, expression.unit, expression.span)
    return expression


def round_half_up(value: float, step: float) -> int:
    """`value / step` to the nearest whole number, halves up, as the user's decimal digits say."""
    return math.floor(Fraction(repr(value)) / Fraction(repr(step)) + Fraction(1, 2))
