"""Quotients such as x / (exp(x) - 1), the form of a channel's rates: 0 / 0 where x is 0, and inexact near by.

The standard library has the quotient with its limit, `bernoulli`. What stands under a condition is not looked at: that
may be there to leave the 0 out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sncc.diagnostics import Diagnostics, Span
from sncc.expressions.nodes import Apply, Expression, Number, substitute, symbols
from sncc.expressions.units import Unit
from sncc.model.constants import fold
from sncc.model.nodes import Model, Parameter, State
from sncc.model.wording import short

_AT = (0.0, 1.0, -2.0)  # what lies on a straight line here is taken for one: exponents are sums and products
_EXACT = 1e-9  # how far apart two zeros are the same one, written differently


@dataclass(frozen=True)
class _Both:
    """A quotient whose `above` and `below` are 0 at `root` of `variable`; `exponent` is what then is 0."""

    above: Expression
    below: Expression
    exponent: Expression
    variable: str
    root: float
    ratio: float  # the quotient is this times bernoulli(exponent)


def check_quotients(model: Model, diagnostics: Diagnostics) -> None:
    """Warn of quotients over exp(x) - 1 whose both sides vanish at one value of a state."""
    told: set[Span | None] = set()
    for parameters, states, values in _blocks(model):
        numbers = {p.name: p.value for p in parameters if isinstance(p.value, Number)}
        units = {s.name: s.unit for s in states} | {"t": None}
        for value in values:
            for above, below in _products(value):
                found = _vanishing(above, below, numbers)
                if found is not None and found.below.span not in told:
                    told.add(found.below.span)
                    _warn(found, units.get(found.variable), diagnostics)


def _blocks(model: Model) -> Iterator[tuple[tuple[Parameter, ...], tuple[State, ...], list[Expression]]]:
    """Of every neuron, synapse and plasticity its parameters, its states, and what it computes."""
    for dynamics, parameters in ((p.dynamics, p.parameters) for p in model.populations):
        if dynamics is not None:
            jumps = dynamics.spike.jumps if dynamics.spike is not None else ()
            values = [e.derivative for e in dynamics.equations] + [a.value for a in (*dynamics.each_step, *jumps)]
            yield parameters, dynamics.states, values
    for synapse in (c.synapse for c in model.connections if c.synapse is not None):
        values = [e.derivative for e in synapse.equations] + [a.value for a in synapse.on_pre]
        values += [synapse.deliver] if synapse.deliver is not None else []
        yield synapse.parameters, synapse.states, values
    for plasticity in (c.plasticity for c in model.connections if c.plasticity is not None):
        values = [e.derivative for e in plasticity.equations]
        values += [a.value for a in (*plasticity.on_pre, *plasticity.on_post)]
        yield plasticity.parameters, (), values


def _products(expression: Expression) -> Iterator[tuple[list[Expression], list[Expression]]]:
    """Of every product that is no factor of another the factors above and below the line."""
    if not isinstance(expression, Apply) or expression.operation == "select":
        return
    above: list[Expression] = list(expression.arguments)
    below: list[Expression] = []
    if expression.operation in ("mul", "div", "neg"):
        above, below = _factors(expression)
        yield above, below
    for part in (*above, *below):
        yield from _products(part)


def _factors(expression: Expression) -> tuple[list[Expression], list[Expression]]:
    match expression:
        case Apply("neg", (inner,)):
            return _factors(inner)
        case Apply("mul" | "div" as operation, (left, right)):
            (above, below), (above_right, below_right) = _factors(left), _factors(right)
            if operation == "div":
                above_right, below_right = below_right, above_right
            return above + above_right, below + below_right
    return [expression], []


def _vanishing(above: list[Expression], below: list[Expression], numbers: Mapping[str, Expression]) -> _Both | None:
    for divisor in below:
        match divisor:
            case Apply("sub", (Apply("exp", (exponent,)), Number(1.0))):
                sign = 1.0
            case Apply("sub", (Number(1.0), Apply("exp", (exponent,)))):
                sign = -1.0
            case _:
                continue
        for variable in sorted(symbols(exponent) - set(numbers)):
            line = _line(exponent, variable, numbers)
            if line is None or line[1] == 0:
                continue
            root = -line[0] / line[1]
            for factor in above:
                other = _line(factor, variable, numbers)
                if other is None or other[1] == 0:
                    continue
                if abs(other[0] + other[1] * root) <= _EXACT * (abs(other[0]) + abs(other[1] * root)):
                    return _Both(factor, divisor, exponent, variable, root, sign * other[1] / line[1])
    return None


def _line(expression: Expression, variable: str, numbers: Mapping[str, Expression]) -> tuple[float, float] | None:
    """Offset and slope by a variable, or None where it is no straight line; other names are as good as any number."""
    others = sorted(symbols(expression) - {variable} - set(numbers))
    known = dict(numbers) | {name: Number(2.0**0.5 + 3.0**0.5 * k) for k, name in enumerate(others)}
    found = []
    for at in _AT:
        try:
            value = fold(substitute(expression, known | {variable: Number(at)}))
        except (ArithmeticError, ValueError):
            return None
        if not isinstance(value, Number):
            return None
        found.append(value.value)
    offset, slope = found[0], found[1] - found[0]
    straight = abs(found[2] - (offset - 2 * slope)) <= _EXACT * (abs(offset) + abs(slope))
    return (offset, slope) if straight else None


def _warn(found: _Both, unit: Unit | None, diagnostics: Diagnostics) -> None:
    exponent, above, below = (_text(part) for part in (found.exponent, found.above, found.below))
    where = f"where `{exponent}` is 0"
    if unit is not None and symbols(found.exponent) == {found.variable}:
        where = f"at `{found.variable} = {_shown(found.root, unit)}`"
    help = f"write it with `bernoulli({exponent})`: `bernoulli(x)` is x / (exp(x) - 1), and 1 at 0"
    alone = symbols(found.exponent) | symbols(found.above) == {found.variable}
    if alone and found.above.unit is not None and re.search(rf"\b{re.escape(found.variable)}\b", exponent):
        factor = _shown(found.ratio, found.above.unit)
        help = f"write `{factor} * bernoulli({exponent})` for `{above}` over `{below}`"
    label = f"0 there, as is `{above}` above it; inexact near by"
    diagnostics.warning("zero-over-zero", found.below.span, f"this divides 0 by 0 {where}", label, help=help)


def _text(expression: Expression) -> str:
    return short(expression.span) if expression.span is not None else "x"


def _shown(value: float, unit: Unit) -> str:
    number = f"{value / unit.in_memory + 0.0:.6g}"  # and no minus before 0
    return number if unit.dimensionless else f"{number} {unit}"
