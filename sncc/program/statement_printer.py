"""Statements of a Program as text, in listings and in the comments of what is emitted."""

from __future__ import annotations

from collections.abc import Iterable

from sncc.expressions.printer import print_expression
from sncc.program.statements import Assign, Draw, Fire, Reduce, Repeat, Statement


def print_statement(statement: Statement) -> str:
    """One statement."""
    match statement:
        case Assign(name, value):
            return f"{name} := {print_expression(value)}"
        case Fire(name, _, strict, gate):
            left, right = statement.sides
            condition = f"{print_expression(left)} {'>' if strict else '>='} {print_expression(right)}"
            return f"{name} := {condition}" + (f" and {print_expression(gate)}" if gate else "")
        case Reduce(name, operation, value):
            return f"{name} := {operation} over outputs of {print_expression(value)}"
        case Draw(name, distribution, arguments, whose, at, later):
            of = f" for {print_expression(whose)}" if whose is not None else ""
            of += f" at step {print_expression(at)}" if at is not None else ""
            of += f" {later} later" if later else ""
            return f"{name} := drawn from {distribution}({', '.join(map(print_expression, arguments))}){of}"
        case Repeat(name, count, start, body, result):
            given = ", ".join(f"{symbol} = {print_expression(value)}" for symbol, value in start)
            moves = "; ".join(print_statement(s).replace(" := ", " = ", 1) for s in body)
            return f"{name} := {result} after {print_expression(count)} times {moves}, from {given}"
    raise TypeError(f"not a statement: {statement!r}")


def print_block(head: str, statements: Iterable[Statement]) -> list[str]:
    """A line, and statements below it."""
    return [head, *(f"  {print_statement(s)}" for s in statements)]
