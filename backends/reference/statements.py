"""Values of statements in NumPy float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sncc.expressions.evaluate import evaluate
from sncc.expressions.nodes import Expression
from sncc.program.statements import Assign, Draw, Fire, Reduce, Repeat, Statement

Array = Any
# what draws: a statement, the values of its symbols, how often it has drawn in this step
Drawn = Callable[[Draw, Mapping[str, Array], int], Array]


def nothing_drawn(draw: Draw, values: Mapping[str, Array], repeat: int) -> Array:
    """Where nothing is random."""
    raise TypeError(f"a draw: {draw!r}")


def statement_value(statement: Statement, values: Mapping[str, Array], drawn: Drawn = nothing_drawn) -> Array:
    """The value of a statement whose symbols are in `values`."""
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
        case Draw():
            return drawn(statement, values, 0)
        case Repeat():
            return _repeated(statement, values, drawn)
    raise TypeError(f"not a statement: {statement!r}")


def _repeated(repeat: Repeat, values: Mapping[str, Array], drawn: Drawn) -> Array:
    """The number that is wanted of a `Repeat` in the end; elements differ in how often the body runs."""
    count = np.asarray(evaluate(repeat.count, values))
    now = {symbol: evaluate(value, values) for symbol, value in repeat.start}
    for k in range(round(float(count.max(initial=0)))):
        for s in repeat.body:
            if isinstance(s, Draw):
                now[s.name] = drawn(s, {**values, **now}, k)
            else:
                now[s.name] = np.where(count > k + 0.5, evaluate(s.value, {**values, **now}), now[s.name])
    return now[repeat.result]


def _gate(gate: Expression | None, values: Mapping[str, Array]) -> Array:
    return 1.0 if gate is None else evaluate(gate, values)
