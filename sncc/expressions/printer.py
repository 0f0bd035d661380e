"""Expressions as readable text, with parentheses only where precedence needs them."""

from __future__ import annotations

from sncc.expressions.nodes import Apply, Expression, Number, Symbol
from sncc.expressions.units import Unit

# How tightly an operation binds; a call or a name binds tightest.
CONDITIONAL, OR, AND, NOT, COMPARISON, SUM, PRODUCT, SIGN, POWER, ATOM = range(10)
_INFIX: dict[str, tuple[str, int]] = {
    "or": ("or", OR), "and": ("and", AND),
    "lt": ("<", COMPARISON), "le": ("<=", COMPARISON), "gt": (">", COMPARISON), "ge": (">=", COMPARISON),
    "eq": ("==", COMPARISON), "ne": ("!=", COMPARISON),
    "add": ("+", SUM), "sub": ("-", SUM), "mul": ("*", PRODUCT), "div": ("/", PRODUCT),
}  # fmt: skip


def print_expression(expression: Expression, units: bool = False) -> str:
    """Text of an expression in the language's syntax; with `units`, numbers carry theirs (`20 ms`)."""
    return _print(expression, units)[0]


def print_number(value: float, unit: Unit | None = None) -> str:
    """A number as short as it stays exact, with the consistent system's unit where one is given: `20 ms`, `0.1`."""
    text = repr(float(value))
    text = text.removesuffix(".0").replace("e-0", "e-").replace("e+", "e")
    return text if unit is None or unit.dimensionless else f"{text} {Unit(unit.dimension)}"


def _print(expression: Expression, units: bool) -> tuple[str, int]:
    """The text and how tightly its outermost operation binds."""
    match expression:
        case Number(value, unit):
            return print_number(value, unit if units else None), SIGN if value < 0 else ATOM
        case Symbol(name):
            return name, ATOM
        case Apply("select", (condition, then, otherwise)):
            words = (_within(then, OR, units), _within(condition, OR, units), _within(otherwise, CONDITIONAL, units))
            return f"{words[0]} if {words[1]} else {words[2]}", CONDITIONAL
        case Apply("neg", (argument,)):
            return f"-{_within(argument, PRODUCT, units)}", PRODUCT
        case Apply("not", (argument,)):
            return f"not {_within(argument, NOT, units)}", NOT
        case Apply("pow", (base, exponent)):
            return f"{_within(base, ATOM, units)}^{_within(exponent, SIGN, units)}", POWER
        case Apply(operation, (left, right)) if operation in _INFIX:
            sign, level = _INFIX[operation]
            # a - (b - c) and a / (b / c) keep their parentheses; comparisons do not chain
            tight_left = level + 1 if level == COMPARISON else level
            tight_right = level if operation in ("or", "and", "add", "mul") else level + 1
            return f"{_within(left, tight_left, units)} {sign} {_within(right, tight_right, units)}", level
        case Apply("first", (_, draw)):
            return _print(draw, units)
        case Apply(operation, arguments):
            return f"{operation}({', '.join(_print(a, units)[0] for a in arguments)})", ATOM
    raise TypeError(f"not an expression: {expression!r}")


def _within(expression: Expression, level: int, units: bool) -> str:
    text, binds = _print(expression, units)
    return text if binds >= level else f"({text})"
