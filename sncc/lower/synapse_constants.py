"""What the updates of synapses compute of numbers alone, as states that nothing moves:
computed once, and not in every step.

A time constant drawn for each synapse would else cost each of them an exponential or more in every step.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sncc.expressions.algebra import has_draws
from sncc.expressions.nodes import Apply, Expression, Symbol, substitute, symbols, walk
from sncc.lower.movers import quick
from sncc.program.operations import SynapseUpdate
from sncc.program.rewrite import rewritten
from sncc.program.statements import Assign, Statement

_MATRICES = frozenset({"expdd", "expm"})
_FUNCTIONS = _MATRICES | {"exp", "log", "pow", "sqrt", "sin", "cos", "tanh", "sigmoid", "phi1", "phi2"}


def with_constants(
    update: SynapseUpdate, numbers: Iterable[str], each: Iterable[str]
) -> tuple[SynapseUpdate, tuple[tuple[str, Expression], ...]]:
    """The update of every step, and (state, value) of what in it follows from `numbers`,
    of which there is one for `each` synapse.
    """
    constants = _Constants(frozenset(numbers), frozenset(each))
    kept = {local for _, local in (*update.carry, *update.deliver)}
    body = [new for s in update.body if (new := constants.without(s, s.name in kept)) is not None]
    body = [rewritten(s, quick) for s in body]
    return replace(update, body=tuple(body)), tuple((name, value) for value, name in constants.found.items())


class _Constants:
    def __init__(self, numbers: frozenset[str], each: frozenset[str]) -> None:
        self.found: dict[Expression, str] = {}
        self._numbers, self._each = numbers, each
        self._locals: dict[str, Expression] = {}  # that are constants as a whole

    def without(self, statement: Statement, kept: bool) -> Statement | None:
        """The statement with constants in place of what follows from numbers; None where nothing is left of it."""
        statement = rewritten(statement, lambda e: self._moved(substitute(e, self._locals)))
        if kept or not isinstance(statement, Assign) or statement.value not in self._states():
            return statement
        self._locals[statement.name] = statement.value
        return None

    def _states(self) -> list[Expression]:
        return [Symbol(name) for name in self.found.values()]

    def _moved(self, expression: Expression) -> Expression:
        if not isinstance(expression, Apply):
            return expression
        if symbols(expression) <= self._numbers and not has_draws(expression) and self._is_worth(expression):
            return Symbol(self.found.setdefault(expression, f"constant.{len(self.found) + 1}"))
        return replace(expression, arguments=tuple(self._moved(a) for a in expression.arguments))

    def _is_worth(self, expression: Expression) -> bool:
        used = {node.operation for node in walk(expression) if isinstance(node, Apply)}
        return bool(used & _MATRICES) or bool(used & _FUNCTIONS and symbols(expression) & self._each)
