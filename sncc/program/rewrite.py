"""Statements with other expressions in place of theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sncc.expressions.nodes import Expression
from sncc.program.statements import Assign, Draw, Fire, Reduce, Repeat, Statement


def rewritten(statement: Statement, change: Callable[[Expression], Expression]) -> Statement:
    """The statement with `change` done to each of its expressions; names stay."""
    match statement:
        case Assign() | Reduce():
            return replace(statement, value=change(statement.value))
        case Fire():
            gate = change(statement.gate) if statement.gate is not None else None
            return replace(statement, distance=change(statement.distance), gate=gate)
        case Draw():
            whose = change(statement.whose) if statement.whose is not None else None
            at = change(statement.at) if statement.at is not None else None
            return replace(statement, arguments=tuple(change(a) for a in statement.arguments), whose=whose, at=at)
        case Repeat():
            start = tuple((name, change(v)) for name, v in statement.start)
            body = tuple(rewritten(s, change) for s in statement.body)
            return replace(statement, count=change(statement.count), start=start, body=body)  # type: ignore[arg-type]
