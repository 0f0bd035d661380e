"""Sums, products and folded constants of expressions: nodes in, nodes out, without sympy."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from sncc.expressions.nodes import DRAWS, Apply, Expression, Number, Symbol, apply, rewrite, symbols, walk

ZERO = Number(0.0)
ONE = Number(1.0)
_PLAIN: dict[str, Callable[..., float]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "neg": operator.neg,
}  # fmt: skip  # what Python's floats do as NumPy's


def add(left: Expression, right: Expression) -> Expression:
    """left + right, without adding zeros."""
    if left == ZERO:
        return right
    if right == ZERO:
        return left
    if isinstance(right, Apply) and right.operation == "neg":
        return sub(left, right.arguments[0])
    return fold(apply("add", left, right))


def sub(left: Expression, right: Expression) -> Expression:
    """left - right, without subtracting zeros."""
    if right == ZERO:
        return left
    if left == ZERO:
        return neg(right)
    return fold(apply("sub", left, right))


def neg(expression: Expression) -> Expression:
    """-expression."""
    match expression:
        case Number(value=value):
            return Number(-value if value else 0.0)
        case Apply(operation="neg", arguments=(inner,)):
            return inner
    return apply("neg", expression)


def mul(left: Expression, right: Expression) -> Expression:
    """left · right, without factors one and with zero absorbing."""
    if ZERO in (left, right):
        return ZERO
    if left == ONE:
        return right
    if right == ONE:
        return left
    if left == Number(-1.0):
        return neg(right)
    if right == Number(-1.0):
        return neg(left)
    return fold(apply("mul", left, right))


def div(left: Expression, right: Expression) -> Expression:
    """left / right."""
    if left == ZERO or right == ONE:
        return left
    return fold(apply("div", left, right))


def total(terms: Iterable[Expression]) -> Expression:
    """The sum of terms, from the left."""
    result: Expression = ZERO
    for term in terms:
        result = add(result, term)
    return result


def terms(expression: Expression) -> list[Expression]:
    """The addends of an expression, signs moved into them."""
    match expression:
        case Apply(operation="add", arguments=(a, b)):
            return terms(a) + terms(b)
        case Apply(operation="sub", arguments=(a, b)):
            return terms(a) + [neg(t) for t in terms(b)]
        case Apply(operation="neg", arguments=(a,)):
            return [neg(t) for t in terms(a)]
        case Apply(operation="div", arguments=(a, b)) if len(inner := terms(a)) > 1:
            return [div(t, b) for t in inner]
        case Apply(operation="mul", arguments=(a, b)) if len(inner := terms(a)) > 1:
            return [t for left in inner for t in terms(mul(left, b))]
        case Apply(operation="mul", arguments=(a, b)) if len(inner := terms(b)) > 1:
            return [mul(a, t) for t in inner]
    return [] if expression == ZERO else [expression]


def fold(expression: Expression) -> Expression:
    """The number, where all arguments of an operation are numbers; the expression itself elsewhere."""
    if not isinstance(expression, Apply) or expression.operation in DRAWS:
        return expression
    if not all(isinstance(argument, Number) for argument in expression.arguments):
        return expression
    numbers = [argument.value for argument in expression.arguments if isinstance(argument, Number)]
    if expression.operation in _PLAIN:
        return Number(float(_PLAIN[expression.operation](*numbers)))
    from sncc.expressions.evaluate import evaluate  # NumPy only where it is needed, so that `check` is quick

    return Number(float(evaluate(expression, {})))


def fold_all(expression: Expression) -> Expression:
    """Fold every constant part, drop neutral elements."""

    def change(node: Expression) -> Expression:
        match node:
            case Apply(operation="add", arguments=(a, b)):
                return add(a, b)
            case Apply(operation="sub", arguments=(a, b)):
                return sub(a, b)
            case Apply(operation="mul", arguments=(a, b)):
                return mul(a, b)
            case Apply(operation="div", arguments=(a, b)):
                return div(a, b)
            case Apply(operation="neg", arguments=(a,)):
                return neg(a)
            case Apply(operation="select", arguments=(Number(value=value), a, b)):
                return a if value else b
        return fold(node)

    return rewrite(expression, change)


def has_draws(expression: Expression) -> bool:
    """Whether an expression draws random numbers."""
    return any(isinstance(node, Apply) and node.operation in DRAWS for node in walk(expression))


def beside_draws(expression: Expression) -> set[str]:
    """The symbols of an expression that draws which stand outside of its draws."""
    if not has_draws(expression):
        return set()
    left_out = rewrite(expression, lambda node: ZERO if isinstance(node, Apply) and node.operation in DRAWS else node)
    return set(symbols(left_out))


_Affine = tuple[dict[str, Expression], Expression]  # coefficients, and the rest


def affine(expression: Expression, names: Sequence[str]) -> _Affine | None:
    """Coefficients and rest of an expression that is affine in the named symbols, or None.

    The coefficients and the rest are free of the names. `v / tau + R * I` in `v` gives ({v: 1 / tau}, R * I).
    """
    wanted = frozenset(names)
    if not symbols(expression) & wanted:
        return {}, expression
    match expression:
        case Symbol(name=name):
            return {name: ONE}, ZERO
        case Apply(operation="neg", arguments=(a,)):
            return _scale(affine(a, names), Number(-1.0))
        case Apply(operation="add", arguments=(a, b)):
            return _joined(affine(a, names), affine(b, names), add)
        case Apply(operation="sub", arguments=(a, b)):
            return _joined(affine(a, names), _scale(affine(b, names), Number(-1.0)), add)
        case Apply(operation="mul", arguments=(a, b)):
            if not symbols(a) & wanted:
                return _scale(affine(b, names), a)
            if not symbols(b) & wanted:
                return _scale(affine(a, names), b)
        case Apply(operation="div", arguments=(a, b)) if not symbols(b) & wanted:
            inner = affine(a, names)
            return inner and ({k: div(c, b) for k, c in inner[0].items()}, div(inner[1], b))
        case Apply(operation="select", arguments=(c, a, b)) if not symbols(c) & wanted:
            return _joined(affine(a, names), affine(b, names), partial(apply, "select", c))
    return None


def _joined(
    left: _Affine | None, right: _Affine | None, by: Callable[[Expression, Expression], Expression]
) -> _Affine | None:
    """Coefficient by coefficient, and the rests."""
    if left is None or right is None:
        return None
    keys = dict.fromkeys([*left[0], *right[0]])
    return {k: by(left[0].get(k, ZERO), right[0].get(k, ZERO)) for k in keys}, by(left[1], right[1])


def _scale(parts: _Affine | None, factor: Expression) -> _Affine | None:
    return parts and ({k: mul(factor, c) for k, c in parts[0].items()}, mul(factor, parts[1]))
