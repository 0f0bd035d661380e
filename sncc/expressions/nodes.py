"""Scalar expression nodes of both IRs.

An expression is a `Number`, a `Symbol` or an `Apply` of an operation to arguments. Equality ignores where a node was
written and which unit it had, so two expressions are equal when they compute the same thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from sncc.diagnostics import Span
from sncc.expressions.units import Unit

# Every operation of the language with its number of arguments; None where it takes any number.
ARITY: dict[str, int | None] = {
    "add": 2, "sub": 2, "mul": 2, "div": 2, "pow": 2, "neg": 1,
    "lt": 2, "le": 2, "gt": 2, "ge": 2, "eq": 2, "ne": 2, "and": 2, "or": 2, "not": 1,
    "select": 3,  # select(condition, then, else): `A if C else B`
    "exp": 1, "log": 1, "sqrt": 1, "abs": 1, "sign": 1, "floor": 1, "sin": 1, "cos": 1, "tanh": 1, "sigmoid": 1,
    "min": 2, "max": 2, "clip": 3,
    "normal": 2, "uniform": 2, "lognormal": 2, "exponential": 1, "gamma": 2,  # draws
    "first": 2,  # first(stream, draw): what an element's state is drawn to start at, the same wherever it stands
    "shared": 3,  # shared(key, draw, ago): one draw wherever it stands, of so many steps ago; lowering takes it apart
    "orthogonal": 1,  # orthogonal(gain): an entry of a random matrix with orthonormal rows or columns; of weights alone
    "stop": 1,  # the value, held constant for the gradient
    "jump": 3,  # jump(spike, after, before): `after` where the spike (0 or 1) is 1; its derivative: after - before
    "phi1": 1, "phi2": 1,  # (exp(x) - 1) / x and (phi1(x) - 1) / x, with their limits at 0
    "expdd": None,  # expdd(h, a, b, ...): divided difference of exp(h x) at the points a, b, ...
    "expm": None,  # expm(i, j, n, h, a11, a12, ...): entry (i, j) of exp(h A) for an n x n matrix A
    "expmd": None,  # expmd(i, j, k, l, n, h, a11, ...): derivative of that entry by A[k, l]
}  # fmt: skip
DRAWS = frozenset({"normal", "uniform", "lognormal", "exponential", "gamma"})


@dataclass(frozen=True, slots=True)
class Number:
    """A number in the consistent system of units (mV, ms, pA, nS, pF, GOhm, kHz)."""

    value: float
    unit: Unit | None = field(default=None, compare=False)
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Symbol:
    """A named value: a state, a parameter, an input, a local of an update, or `t`, `step`, `u`."""

    name: str
    unit: Unit | None = field(default=None, compare=False)
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation (a key of `ARITY`) applied to its arguments."""

    operation: str
    arguments: tuple[Expression, ...]
    unit: Unit | None = field(default=None, compare=False)
    span: Span | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        arity = ARITY[self.operation]
        if arity is not None and arity != len(self.arguments):
            raise TypeError(f"{self.operation} takes {arity} arguments, got {len(self.arguments)}")


Expression = Number | Symbol | Apply


def apply(operation: str, *arguments: Expression | float) -> Apply:
    """Shorthand that wraps plain numbers."""
    return Apply(operation, tuple(a if isinstance(a, Number | Symbol | Apply) else Number(float(a)) for a in arguments))


def walk(expression: Expression) -> Iterator[Expression]:
    """The node and all below it, parents first."""
    waiting = [expression]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, Apply):
            waiting += reversed(node.arguments)


def symbols(expression: Expression) -> frozenset[str]:
    """Names of all symbols in an expression."""
    return frozenset(node.name for node in walk(expression) if isinstance(node, Symbol))


def rewrite(expression: Expression, change: Callable[[Expression], Expression]) -> Expression:
    """Rebuild an expression from its leaves upwards, each node passed through `change`."""
    if isinstance(expression, Apply):
        arguments = tuple(rewrite(argument, change) for argument in expression.arguments)
        if any(new is not old for new, old in zip(arguments, expression.arguments, strict=True)):
            expression = Apply(expression.operation, arguments, expression.unit, expression.span)
    return change(expression)


def substitute(expression: Expression, values: Mapping[str, Expression]) -> Expression:
    """Replace symbols by expressions, all at once."""
    return rewrite(expression, lambda node: values.get(node.name, node) if isinstance(node, Symbol) else node)
