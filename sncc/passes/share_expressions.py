"""Compute an expression that stands several times in an update once, under a name of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from sncc.expressions.nodes import Apply, Expression, Number, Symbol
from sncc.program.nodes import Program
from sncc.program.operations import Update
from sncc.program.statements import Assign, Statement

CHEAP = frozenset({"neg", "stop", "lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not"})  # not worth a name


def share_expressions(program: Program) -> Program:
    """Compute an expression that stands several times in an update once, under a name of its own."""
    forward = tuple(replace(o, body=_shared(o.body)) if isinstance(o, Update) else o for o in program.forward)
    reverse = tuple(replace(o, body=_shared(o.body)) if isinstance(o, Update) else o for o in program.reverse)
    return replace(program, forward=forward, reverse=reverse)


def _shared(body: Sequence[Statement]) -> tuple[Statement, ...]:
    repeated = {node for node, uses in _uses(body).items() if uses > 1 and _worth(node)}
    if not repeated:
        return tuple(body)
    result: list[Statement] = []
    names: dict[Expression, str] = {}

    def change(node: Expression, whole: bool = False) -> Expression:
        """The node with repeated parts named, parts before what holds them; the `whole` of a statement has its name."""
        if not isinstance(node, Apply):
            return node
        if node in names:
            return Symbol(names[node])
        changed = Apply(node.operation, tuple(change(a) for a in node.arguments), node.unit, node.span)
        if whole or node not in repeated:
            return changed
        names[node] = f"common.{len(names) + 1}"
        result.append(Assign(names[node], changed))
        return Symbol(names[node])

    for statement in body:
        if isinstance(statement, Assign):
            value = statement.value
            statement = replace(statement, value=change(value, whole=True))
            if value in repeated:
                names.setdefault(value, statement.name)
        result.append(statement)
    return tuple(result)


def _uses(body: Sequence[Statement]) -> Counter[Expression]:
    """In how many different expressions, or statements, each operation stands."""
    uses: Counter[Expression] = Counter()

    def visit(node: Expression) -> None:
        if isinstance(node, Apply):
            uses[node] += 1
            if uses[node] == 1:
                for argument in node.arguments:
                    visit(argument)

    for statement in body:
        if isinstance(statement, Assign):
            visit(statement.value)
    return uses


def _worth(node: Expression) -> bool:
    return (
        isinstance(node, Apply)
        and node.operation not in CHEAP
        and any(not isinstance(a, Number) for a in node.arguments)
        and not (node.operation == "mul" and any(isinstance(a, Number) for a in node.arguments))
    )
