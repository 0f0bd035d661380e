"""Derivatives by sympy, used as a calculator: nodes in, nodes out.

Operations that sympy lacks, or whose derivative it states with distributions, are functions with a derivative of their
own here: `sign` and `floor` are flat, `min` and `max` choose a side, `stop` is constant, and the propagators' divided
differences are closed under differentiation (by a point: that point once more).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sympy

from sncc.expressions.algebra import ONE, ZERO, add, div, mul, neg
from sncc.expressions.nodes import DRAWS, Apply, Expression, Number, Symbol, apply, rewrite


class _Flat(sympy.Function):  # type: ignore[misc]
    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return sympy.Integer(0)


class sign_(_Flat):
    pass


class floor_(_Flat):
    pass


class stop_(_Flat):
    pass


class abs_(sympy.Function):  # type: ignore[misc]
    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return sign_(self.args[0])


class sigmoid_(sympy.Function):  # type: ignore[misc]
    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return self * (1 - self)


class phi1_(sympy.Function):  # type: ignore[misc]
    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return self - phi2_(self.args[0])


class phi2_(sympy.Function):  # type: ignore[misc]
    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        raise NotImplementedError("second derivatives of phi1 are never taken")


class min_(sympy.Function):  # type: ignore[misc]
    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        one, other = self.args if argindex == 1 else reversed(self.args)
        return select_(sympy.Le(one, other) if argindex == 1 else sympy.Lt(one, other), 1, 0)


class max_(sympy.Function):  # type: ignore[misc]
    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        one, other = self.args if argindex == 1 else reversed(self.args)
        return select_(sympy.Ge(one, other) if argindex == 1 else sympy.Gt(one, other), 1, 0)


class select_(sympy.Function):  # type: ignore[misc]
    is_commutative = True  # which its condition does not tell: what it is compared with would not be ordered
    is_extended_real = True

    @classmethod
    def eval(cls, condition: Any, then: Any, otherwise: Any) -> Any:
        if condition is sympy.true:
            return then
        if condition is sympy.false:
            return otherwise
        return then if then == otherwise else None

    def _eval_derivative(self, symbol: Any) -> Any:
        condition, then, otherwise = self.args
        return select_(condition, then.diff(symbol), otherwise.diff(symbol))


class jump_(sympy.Function):  # type: ignore[misc]
    def _eval_derivative(self, symbol: Any) -> Any:
        spike, after, before = self.args
        by_after, by_before = after.diff(symbol), before.diff(symbol)
        # equal derivatives on both sides need no spike: v -= theta passes dv through unchanged
        kept = by_after if by_after == by_before else spike * by_after + (1 - spike) * by_before
        return sympy.expand(kept) + spike.diff(symbol) * (after - before)


class expdd_(sympy.Function):  # type: ignore[misc]
    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        if argindex == 1:
            raise NotImplementedError("the step is a constant")
        step, *points = self.args
        return expdd_(step, points[argindex - 2], *points)


class expm_(sympy.Function):  # type: ignore[misc]
    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        i, j, size, step, *entries = self.args
        if argindex <= 4:
            return sympy.Integer(0)
        k, l = divmod(argindex - 5, int(size))  # noqa: E741
        return expmd_(i, j, k, l, size, step, *entries)


class expmd_(sympy.Function):  # type: ignore[misc]
    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        raise NotImplementedError("second derivatives of expm are never taken")


_OWN: dict[str, Any] = {
    "sign": sign_, "floor": floor_, "stop": stop_, "abs": abs_, "sigmoid": sigmoid_, "phi1": phi1_, "phi2": phi2_,
    "min": min_, "max": max_, "select": select_, "jump": jump_, "expdd": expdd_, "expm": expm_, "expmd": expmd_,
}  # fmt: skip
_SYMPY: dict[str, Any] = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b, "neg": lambda a: -a,
    "lt": sympy.Lt, "le": sympy.Le, "gt": sympy.Gt, "ge": sympy.Ge, "eq": sympy.Eq, "ne": sympy.Ne,
    "and": sympy.And, "or": sympy.Or, "not": sympy.Not,
    "exp": sympy.exp, "log": sympy.log, "sqrt": sympy.sqrt, "sin": sympy.sin, "cos": sympy.cos, "tanh": sympy.tanh,
    "clip": lambda x, low, high: max_(min_(x, high), low),
}  # fmt: skip
_NAMES = {function: name for name, function in _OWN.items()} | {
    sympy.exp: "exp", sympy.log: "log", sympy.sin: "sin", sympy.cos: "cos", sympy.tanh: "tanh",
}  # fmt: skip
_RELATIONS = {
    sympy.StrictLessThan: "lt", sympy.LessThan: "le", sympy.StrictGreaterThan: "gt", sympy.GreaterThan: "ge",
    sympy.Equality: "eq", sympy.Unequality: "ne", sympy.And: "and", sympy.Or: "or", sympy.Not: "not",
}  # fmt: skip


def derivative(expression: Expression, name: str) -> Expression:
    """Partial derivative of an expression by a symbol; draws and `stop` are constants."""
    return _derivative(expression, name)


@lru_cache(maxsize=4096)
def _derivative(expression: Expression, name: str) -> Expression:
    draws: dict[sympy.Symbol, Expression] = {}
    return _from_sympy(sympy.diff(_to_sympy(expression, draws), sympy.Symbol(name, real=True)), draws)


def without_stop(expression: Expression) -> Expression:
    """An expression of values only: what `stop` held constant for the gradient is now just a value."""

    def change(node: Expression) -> Expression:
        if isinstance(node, Apply) and node.operation == "stop":
            return node.arguments[0]
        return node

    return rewrite(expression, change)


def expanded(expression: Expression) -> Expression:
    """The same value with products multiplied out and equal terms taken together, so that what cancels is gone."""
    draws: dict[sympy.Symbol, Expression] = {}
    value = sympy.expand(_to_sympy(expression, draws), power_exp=False, power_base=False, log=False)
    return _from_sympy(value, draws)


def _to_sympy(expression: Expression, draws: dict[sympy.Symbol, Expression]) -> Any:
    match expression:
        case Number(value=value):
            return sympy.Integer(int(value)) if value == int(value) and abs(value) < 1e15 else sympy.Float(value)
        case Symbol(name=name):
            return sympy.Symbol(name, real=True)
        case Apply(operation=operation) if operation in DRAWS or operation == "first":
            drawn = sympy.Dummy(real=True)
            draws[drawn] = expression
            return drawn
        case Apply(operation=operation, arguments=arguments):
            function = _OWN.get(operation) or _SYMPY[operation]
            return function(*(_to_sympy(argument, draws) for argument in arguments))
    raise TypeError(f"not an expression: {expression!r}")


def _from_sympy(value: Any, draws: dict[sympy.Symbol, Expression]) -> Expression:

    def back(inner: Any) -> Expression:
        return _from_sympy(inner, draws)

    if value in draws:
        return draws[value]
    if value.is_Symbol:
        return Symbol(value.name)
    if value.is_Number:
        return Number(float(value))
    if value.is_Add:
        result: Expression = ZERO
        for term in value.args:
            result = add(result, back(term))
        return result
    if value.is_Mul:
        return _product(value, draws)
    if value.is_Pow:
        return _power(value.base, value.exp, draws)
    if value in (sympy.true, sympy.false):
        return Number(1.0 if value == sympy.true else 0.0)
    name = _RELATIONS.get(value.func) or _NAMES[value.func]
    arguments = [back(argument) for argument in value.args]
    if name in ("and", "or"):
        result = arguments[0]
        for argument in arguments[1:]:
            result = apply(name, result, argument)
        return result
    return Apply(name, tuple(arguments))


def _product(value: Any, draws: dict[sympy.Symbol, Expression]) -> Expression:
    above: Expression = ONE
    below: Expression = ONE
    negative = False
    for factor in value.args:
        if factor == -1:
            negative = not negative
        elif factor.is_Pow and factor.exp.is_number and factor.exp.is_negative:
            below = mul(below, _power(factor.base, -factor.exp, draws))
        elif factor.is_Rational and not factor.is_Integer:
            above, below = mul(above, Number(float(factor.p))), mul(below, Number(float(factor.q)))
        else:
            above = mul(above, _from_sympy(factor, draws))
    result = div(above, below)
    return neg(result) if negative else result


def _power(base: Any, exponent: Any, draws: dict[sympy.Symbol, Expression]) -> Expression:
    inner = _from_sympy(base, draws)
    if exponent == 1:
        return inner
    if exponent == sympy.Rational(1, 2):
        return apply("sqrt", inner)
    if exponent.is_number and exponent.is_negative:
        return div(ONE, _power(base, -exponent, draws))
    return apply("pow", inner, _from_sympy(exponent, draws))
