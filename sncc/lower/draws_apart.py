"""Draws inside expressions become statements of their own, by what they are counted, also where a body is repeated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from sncc.expressions.algebra import ONE, ZERO, sub
from sncc.expressions.nodes import DRAWS, Apply, Expression, Symbol, apply, rewrite
from sncc.lower.shared_draws import SHARED, index_of, is_of_step_before, shared_name, side_of
from sncc.program.statements import Assign, Draw, Repeat, Statement

Counted = tuple[Symbol | None, Symbol | None]  # an element, and a step; None: one's own
Body = tuple[Assign | Draw, ...]


def counters_of(whose: Iterable[tuple[str, str, str | None]]) -> dict[str, Counted]:
    """By what the draws of states are counted, of `Dynamics.whose`."""
    return {state: (Symbol(name), None if at is None else Symbol(at)) for state, name, at in whose}


def with_draws_apart(
    statements: Iterable[Statement], whose: Iterable[tuple[str, str, str | None]] = ()
) -> tuple[Statement, ...]:
    """Draws inside expressions become statements of their own, `draw.1`, `draw.2`, ..., in their order.

    whose: `Dynamics.whose`.
    """
    apart, known = _Apart(counters_of(whose)), set[str]()
    repeated: dict[Body, Body] = {}  # several numbers may come of the same draws
    result: list[Statement] = []
    for statement in statements:
        if isinstance(statement, Assign):
            result += apart.of(statement, known)
        elif isinstance(statement, Repeat):
            if statement.body not in repeated:
                own = set[str]()
                moves = (s for s in statement.body if isinstance(s, Assign))
                repeated[statement.body] = tuple(part for move in moves for part in apart.of(move, own))
            result.append(replace(statement, body=repeated[statement.body]))
        else:
            result.append(statement)
    return tuple(result)


@dataclass
class _Apart:
    counters: dict[str, Counted]
    count: int = 0
    found: list[Assign | Draw] = field(default_factory=list)

    def of(self, statement: Assign, known: set[str]) -> list[Assign | Draw]:
        """A statement behind what it draws; `known`: what is shared and has been drawn."""
        self.found = []
        value = rewrite(statement.value, lambda node: self._drawn(node, statement.name, known))
        return [*self.found, Assign(statement.name, value)]

    def _drawn(self, node: Expression, name: str, known: set[str]) -> Expression:
        if not isinstance(node, Apply):
            return node
        if node.operation == SHARED:  # around a draw that has just been made one of this statement
            made, shared = self.found.pop(), shared_name(node)
            assert isinstance(made, Draw)
            if shared not in known:
                known.add(shared)
                index = index_of(side_of(node.arguments[0]))
                counted = next((c for c in self.counters.values() if c[0] == Symbol(index)), (None, None))
                at = _before(counted[1]) if is_of_step_before(node) else counted[1]
                self.found.append(replace(made, name=shared, whose=counted[0], at=at))
            return Symbol(shared)
        if node.operation not in DRAWS:
            return node
        self.count += 1
        counted = self.counters.get(name.partition(".")[0], (None, None))
        self.found.append(Draw(f"draw.{self.count}", node.operation, node.arguments, *counted))  # type: ignore[arg-type]
        return Symbol(f"draw.{self.count}")


def _before(step: Expression | None) -> Expression:
    """The step before, of those from 0 on."""
    assert step is not None
    return apply("max", sub(step, ONE), ZERO)
