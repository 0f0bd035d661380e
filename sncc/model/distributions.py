"""Whether the numbers of a distribution, where they are known when compiling, make one that can be drawn from."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

from sncc.diagnostics import Diagnostics, Span
from sncc.expressions.nodes import Expression, Number
from sncc.model.constants import fold

LEAST_KEPT = 0.005  # of all draws; the libraries draw a thousand times before they take the nearer bound

_Limits = tuple[tuple[Callable[[float], bool], str] | None, ...]
_NOT_NEGATIVE = (lambda x: x >= 0, "cannot be negative")
_ABOVE_ZERO = (lambda x: x > 0, "must be above zero")
_LIMITS: dict[str, _Limits] = {
    "normal": (None, _NOT_NEGATIVE),
    "lognormal": (None, _NOT_NEGATIVE),
    "uniform": (None, None),
    "gamma": (_ABOVE_ZERO, _ABOVE_ZERO),
    "exponential": (_NOT_NEGATIVE,),
}


def check_numbers(
    name: str, formals: Sequence[str], given: Sequence[tuple[Expression, Span]], diagnostics: Diagnostics
) -> None:
    """Report a negative deviation, a mean or shape that no such distribution has, and exchanged ends."""
    numbers = [_number(expression) for expression, _ in given]
    for limit, formal, number, (_, span) in zip(_LIMITS[name], formals, numbers, given, strict=True):
        if limit is not None and number is not None and not limit[0](number):
            diagnostics.error("wrong-argument", span, f"`{formal}` of `{name}` {limit[1]}")
    low, high = numbers[0], numbers[-1]
    if name == "uniform" and low is not None and high is not None and low > high:
        diagnostics.error("wrong-argument", given[1][1], "`uniform` goes from `low` to `high`: its ends are exchanged")


def check_clip(
    name: str, arguments: Sequence[Expression], clip: tuple[float, float], span: Span, diagnostics: Diagnostics
) -> None:
    """Report a `clip` that hardly any draw lies in."""
    numbers = [number for argument in arguments if (number := _number(argument)) is not None]
    if len(numbers) < len(arguments):
        return
    kept = _share(name, numbers, *clip)
    if kept is not None and kept < LEAST_KEPT:
        label = "no draw lies in it" if kept <= 0 else f"{kept:.2g} of all draws lie in it"
        diagnostics.error("wrong-argument", span, f"too few draws of `{name}` lie in this `clip`", label)


def _number(expression: Expression) -> float | None:
    try:
        known = fold(expression)
    except (ArithmeticError, ValueError):
        return None  # reported with the value
    return known.value if isinstance(known, Number) else None


def _share(name: str, numbers: Sequence[float], low: float, high: float) -> float | None:
    """The share of a distribution between two bounds; None where it is not known."""
    first, last = numbers[0], numbers[-1]
    if name in ("normal", "lognormal") and last > 0:
        if name == "lognormal":
            low, high = (math.log(x) if x > 0 else -math.inf for x in (low, high))
        normal = statistics.NormalDist(first, last)
        return normal.cdf(high) - normal.cdf(low)
    if name == "uniform" and last > first:
        return (min(high, last) - max(low, first)) / (last - first)
    if name == "exponential" and first > 0:
        return math.exp(-max(low, 0.0) / first) - math.exp(-max(high, 0.0) / first)
    return 0.0 if name == "gamma" and high <= 0 else None
