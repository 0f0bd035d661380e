"""Values of statements in NumPy float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sncc.expressions.evaluate import evaluate
from sncc.expressions.nodes import Expression
from sncc.program.statements import Assign, Fire, Reduce, Repeat, Statement

Array = Any
Moves = tuple[tuple[str, Expression], ...]


def statement_value(statement: Statement, values: Mapping[str, Array]) -> Array:
    """The value of a statement whose symbols are in `values`; a `Draw` takes a counter instead."""
    match statement:
        case Assign(_, value):
            return evaluate(value, values)
        case Fire(_, distance, strict, gate):
            u = np.asarray(evaluate(distance, values))
            fired = u > 0 if strict else u >= 0
            return np.asarray(fired & (np.asarray(_gate(gate, values)) != 0), float)
        case Reduce(_, operation, value):
            x = evaluate(value, values)
            return np.sum(x) if operation == "sum" else np.max(x)
        case Repeat(_, count, start, body, result):
            return _repeated(np.asarray(evaluate(count, values)), start, body, values)[result]
    raise TypeError(f"not a statement: {statement!r}")


def _repeated(count: Array, start: Moves, body: Moves, values: Mapping[str, Array]) -> dict[str, Array]:
    """Every number of a `Repeat` in the end; elements differ in how often the body runs."""
    now = {symbol: evaluate(value, values) for symbol, value in start}
    for k in range(int(count.max(initial=0))):
        for symbol, value in body:
            now[symbol] = np.where(k < count, evaluate(value, {**values, **now}), now[symbol])
    return now


def _gate(gate: Expression | None, values: Mapping[str, Array]) -> Array:
    return 1.0 if gate is None else evaluate(gate, values)
