"""Expression nodes → C++ text, by precedence.

Every multiplication that feeds an addition is printed as `m_fma`, so the same roundings happen on every compiler and
device: the compilers themselves are told to fuse nothing. Conditions are numbers, 1 or 0; only a selection reads them
as truth. Functions come from `sncc/math.h`, which is free of branches.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sncc.expressions.nodes import DRAWS, Apply, Expression, Number, Symbol

Scalar = Literal["float", "double"]

# How tightly an operation binds in C++.
TERNARY, OR, AND, EQUALITY, RELATION, SUM, PRODUCT, UNARY, ATOM = range(9)
_COMPARISONS = {
    "lt": ("<", RELATION), "le": ("<=", RELATION), "gt": (">", RELATION), "ge": (">=", RELATION),
    "eq": ("==", EQUALITY), "ne": ("!=", EQUALITY),
}  # fmt: skip
_CONDITIONS = frozenset(_COMPARISONS) | {"and", "or", "not"}
_FUNCTIONS = {
    "exp": "m_exp", "log": "m_log", "sqrt": "m_sqrt", "abs": "m_abs", "sign": "m_sign", "floor": "m_floor",
    "sin": "m_sin", "cos": "m_cos", "tanh": "m_tanh", "sigmoid": "m_sigmoid", "min": "m_min", "max": "m_max",
    "clip": "m_clip", "pow": "m_pow", "phi1": "m_phi<1>", "phi2": "m_phi<2>",
}  # fmt: skip


class Unsupported(Exception):
    """The backend has no code for something that a Program may hold; the message says what, in the user's words."""


@dataclass(frozen=True, slots=True)
class Printer:
    """Prints expressions for one scalar type; `names` gives each symbol its C++ text.

    `scope` prefixes the functions of the headers.
    """

    scalar: Scalar
    names: Mapping[str, str]
    scope: str = "sncc::"

    def __call__(self, expression: Expression) -> str:
        """The text of an expression."""
        return self._print(expression)[0]

    def condition(self, expression: Expression) -> str:
        """The text of an expression as a truth value."""
        return self._condition(expression)[0]

    def number(self, value: float) -> str:
        """A literal of the scalar type."""
        return literal(value, self.scalar)

    def _print(self, expression: Expression) -> tuple[str, int]:
        match expression:
            case Number(value):
                return self.number(value), UNARY if math.copysign(1, value) < 0 else ATOM
            case Symbol(name):
                return self.names[name], ATOM
            case Apply("stop", (argument,)):
                return self._print(argument)
            case Apply("neg", (Number(value),)):
                return self._print(Number(-value))
            case Apply("neg", (argument,)):
                return f"-{self._within(argument, ATOM)}", UNARY
            case Apply("add" | "sub", (left, right)):
                return self._sum(expression.operation, left, right)
            case Apply("mul", (left, right)):
                return f"{self._within(left, PRODUCT)} * {self._within(right, UNARY)}", PRODUCT
            case Apply("div", (left, right)):
                return f"{self._within(left, PRODUCT)} / {self._within(right, UNARY)}", PRODUCT
            case Apply("pow", (base, Number(exponent))):
                return self._power(base, exponent)
            case Apply("select", (condition, then, otherwise)):
                return self._select(condition, then, otherwise)
            case Apply("jump", (spike, after, before)):
                return self._select(Apply("ne", (_value(spike), Number(0.0))), after, before)
            case Apply(operation) if operation in _CONDITIONS:
                return self._select(expression, Number(1.0), Number(0.0))
            case Apply("expdd" | "expm" | "expmd"):
                return self._propagator(expression), ATOM
            case Apply(operation) if operation in DRAWS:
                raise Unsupported(f"the draw `{operation}` where nothing is random")
            case Apply(operation, arguments):
                return self._call(_FUNCTIONS[operation], arguments), ATOM
        raise TypeError(f"not an expression: {expression!r}")

    def _within(self, expression: Expression, level: int) -> str:
        text, binds = self._print(expression)
        return text if binds >= level else f"({text})"

    def _call(self, function: str, arguments: tuple[Expression, ...]) -> str:
        return f"{self.scope}{function}({', '.join(self(argument) for argument in arguments)})"

    def _sum(self, operation: str, left: Expression, right: Expression) -> tuple[str, int]:
        match operation, left, right:
            case "add", Apply("mul", (a, b)), c:
                return self._call("m_fma", (a, b, c)), ATOM
            case "add", c, Apply("mul", (a, b)):
                return self._call("m_fma", (a, b, c)), ATOM
            case "sub", Apply("mul", (a, b)), c:
                return self._call("m_fma", (a, b, _negated(c))), ATOM
            case "sub", c, Apply("mul", (a, b)):
                return self._call("m_fma", (_negated(a), b, c)), ATOM
            case "add", c, (Apply("neg", (d,))):
                return self._sum("sub", c, d)
        sign = "+" if operation == "add" else "-"
        return f"{self._within(left, SUM)} {sign} {self._within(right, PRODUCT)}", SUM

    def _power(self, base: Expression, exponent: float) -> tuple[str, int]:
        match exponent:
            case 0.0:
                return self.number(1.0), ATOM
            case 1.0:
                return self._print(base)
            case 0.5:
                return self._call("m_sqrt", (base,)), ATOM
            case -1.0:
                return self._print(Apply("div", (Number(1.0), base)))
        if exponent == int(exponent) and abs(exponent) <= 16:
            text = f"{self.scope}m_ipow<{int(exponent)}>({self(base)})"
            return text, ATOM
        return self._call("m_pow", (base, Number(exponent))), ATOM

    def _select(self, condition: Expression, then: Expression, otherwise: Expression) -> tuple[str, int]:
        test, binds = self._condition(condition)
        test = test if binds > TERNARY else f"({test})"
        # In parentheses, as a conditional among sums is easily misread.
        return f"({test} ? {self._within(then, OR)} : {self._within(otherwise, OR)})", ATOM

    def _condition(self, expression: Expression) -> tuple[str, int]:
        match expression:
            case Apply(operation, (left, right)) if operation in _COMPARISONS:
                sign, level = _COMPARISONS[operation]
                return f"{self._within(left, SUM)} {sign} {self._within(right, SUM)}", level
            case Apply("and", (left, right)):
                # `&` evaluates both sides: no branch.
                return f"{self._truth(left)} & {self._truth(right)}", AND
            case Apply("or", (left, right)):
                return f"{self._truth(left)} | {self._truth(right)}", OR
            case Apply("not", (argument,)):
                return f"!{self._truth(argument)}", UNARY
        return f"{self._within(expression, SUM)} != {self.number(0.0)}", EQUALITY

    def _truth(self, expression: Expression) -> str:
        return f"({self._condition(expression)[0]})"

    def _propagator(self, expression: Apply) -> str:
        """A matrix exponential's entry, in double."""
        text = self._entry(expression)
        return text if self.scalar == "double" else f"static_cast<{self.scalar}>({text})"

    def _entry(self, expression: Apply) -> str:
        arguments = expression.arguments
        match expression.operation:
            case "expdd":
                text = ", ".join(self(a) for a in arguments)
                return f"{self.scope}expdd<{len(arguments) - 1}>({text})"
            case "expm":
                indices, values = arguments[:3], arguments[3:]
            case _:
                indices, values = arguments[:5], arguments[5:]
        constants = ", ".join(str(_integer(index)) for index in (indices[-1], *indices[:-1]))
        text = ", ".join(self(a) for a in values)
        return f"{self.scope}{expression.operation}<{constants}>({text})"


def literal(value: float, scalar: Scalar) -> str:
    """A C++ literal that rounds to the value."""
    if math.isinf(value):
        return "-INFINITY" if value < 0 else "INFINITY"
    if math.isnan(value):
        return "NAN"
    text = repr(value) if scalar == "double" else _float_text(value)
    if "e" not in text and "." not in text:
        text += ".0"
    return text if scalar == "double" else f"{text}f"


def _float_text(value: float) -> str:
    """The shortest decimal that rounds to the same float32."""
    packed = struct.pack("f", value)  # in native order: what is too large becomes infinite
    (rounded,) = struct.unpack("f", packed)
    if math.isinf(rounded):
        return "3.4028235e+38" if value > 0 else "-3.4028235e+38"
    for digits in range(1, 10):
        text = f"{rounded:.{digits}g}"
        if struct.pack("f", float(text)) == packed:
            return text
    return repr(rounded)


def _value(expression: Expression) -> Expression:
    """The expression without a `stop` around it."""
    match expression:
        case Apply("stop", (argument,)):
            return argument
    return expression


def _negated(expression: Expression) -> Expression:
    match expression:
        case Number(value):
            return Number(-value)
        case Apply("neg", (argument,)):
            return argument
    return Apply("neg", (expression,))


def _integer(expression: Expression) -> int:
    if not isinstance(expression, Number):
        raise TypeError(f"not a constant index: {expression!r}")
    return int(expression.value)
