"""Neurons that stand for synapses where only the library knows which there are:
some stand for none, and see 0 of all neurons and weights.

What they do moves nothing, but a number that is none there would be one in the sum of all, the gradient of what
synapses share. So by what may be 0 for no other reason nothing is divided there, and no logarithm is taken of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from sncc.expressions.algebra import ONE
from sncc.expressions.nodes import Apply, Expression, Number, Symbol, apply, rewrite, symbols
from sncc.model.divisors import factors_of

THERE = Symbol("synapse.there")  # an input: 1 of synapses that there are; a user's names hold no dot


def guarded(expression: Expression, seen: Collection[str], there: Callable[[], Expression]) -> Expression:
    """The expression with 1 in place of what it divides by, or takes a root or logarithm of, where no synapse is;
    `seen`: what is 0 there.

    `there()` is 1 where a synapse is, and is asked for only where that is needed.
    """

    def is_open(value: Expression) -> bool:
        return any(symbols(f) & set(seen) and not _is_guarded(f) for f in factors_of(value))

    def safe(value: Expression) -> Expression:
        return apply("select", apply("gt", there(), 0.5), value, ONE) if is_open(value) else value

    def change(node: Expression) -> Expression:
        match node:
            case Apply("div", (above, below)) if is_open(below):
                return Apply("div", (above, safe(below)), node.unit, node.span)
            case Apply("log" | "sqrt", (inner,)) if is_open(inner):
                return Apply(node.operation, (safe(inner),), node.unit, node.span)
            case Apply("pow", (base, power)) if is_open(base) and not (isinstance(power, Number) and power.value >= 1):
                return Apply("pow", (safe(base), power), node.unit, node.span)
        return node

    return rewrite(expression, change)


def _is_guarded(factor: Expression) -> bool:
    """Whether it is 1 already where no synapse is."""
    match factor:
        case Apply("select", (Apply("gt", (there, _)), _, _)) if there == THERE:
            return True
        case Apply("select", (Apply("eq", (number, Number(0.0))), Number(1.0), same)) if number == same:
            return True
    return False
