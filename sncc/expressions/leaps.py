"""Whether an expression is continuous in some of its names, found by looking at its values.

Conditions, `floor` and `sign` may leap; `max(0, x)`, or `x if x > 0 else 0`, only bends. Where a condition changes,
values close by on both sides are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from sncc.expressions.nodes import Apply, Expression, Number, Symbol, symbols

SWITCHES = frozenset({"lt", "le", "gt", "ge", "eq", "ne", "sign", "floor"})
SURROUNDINGS = 6  # so often are the other names' values drawn
FOLLOWED = 4  # of the places where a condition changes along one name
SMALL = 1e-5  # a leap is larger than this part of values around: guards such as `if abs(x) < 1e-4` are not


def leaps(expression: Expression, moving: Iterable[str], known: Mapping[str, Expression]) -> bool:
    """Whether the value changes at once somewhere along a name in `moving`; `known`: numbers of some other names.

    The expression is one without draws.
    """
    names = frozenset(moving)
    return _leaps(expression, [s for s in _switches(expression) if symbols(s) & names], names, known)


def leaps_in_time(expression: Expression, name: str, known: Mapping[str, Expression]) -> bool:
    """Whether the value changes at once at a time that depends on that name."""
    switches = [s for s in _switches(expression) if {name, "t"} <= symbols(s)]
    return _leaps(expression, switches, frozenset({name}), known)


def _leaps(
    expression: Expression, switches: Sequence[Expression], moving: frozenset[str], known: Mapping[str, Expression]
) -> bool:
    if not switches:
        return False
    import numpy as np

    from sncc.expressions.evaluate import evaluate  # NumPy only where it is needed, so that `check` is quick

    numbers = {name: value.value for name, value in known.items() if isinstance(value, Number)}
    rng = np.random.default_rng(0)
    sizes = np.logspace(-3, 4, 300)
    line = np.concatenate([-sizes[::-1], [0.0], sizes])
    for draw in range(SURROUNDINGS):
        size = (1.0, 100.0)[draw % 2]  # plain numbers, and mV
        values = {name: rng.uniform(-size, size) for name in sorted(symbols(expression))} | numbers
        for switch in switches:
            for name in sorted(symbols(switch) & moving):
                at = np.broadcast_to(evaluate(switch, values | {name: line}), line.shape)
                for k in np.flatnonzero(at[1:] != at[:-1])[:FOLLOWED]:
                    low, high = line[k], line[k + 1]
                    for _ in range(60):
                        middle = (low + high) / 2
                        same = evaluate(switch, values | {name: middle}) == at[k]
                        low, high = (middle, high) if same else (low, middle)
                    around = np.array([line[k], low, high, line[k + 1]])
                    told = np.broadcast_to(evaluate(expression, values | {name: around}), around.shape)
                    gap, whole = abs(told[2] - told[1]), np.max(np.abs(told))
                    if np.isfinite(gap) and gap > SMALL * (whole if np.isfinite(whole) else 1.0):
                        return True
    return False


def _switches(expression: Expression) -> Iterator[Expression]:
    match expression:
        case Number() | Symbol():
            return
        case Apply(operation=operation, arguments=arguments):
            if operation in SWITCHES:
                yield expression
            for argument in arguments:
                yield from _switches(argument)
