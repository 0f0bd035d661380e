"""An update as it is written: the statements so far, and which local holds each state now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sncc.expressions.nodes import Expression, Symbol, substitute
from sncc.model.nodes import Assignment
from sncc.program.statements import Assign, Repeat, Statement


class Body:
    """The statements so far, and which local holds each state now."""

    def __init__(self, states: Iterable[str], timed: bool = False) -> None:
        self.flowed = frozenset[str]()  # states of which that holds in any case
        self.timed = timed  # whether a state between flow and arrivals has a name of its own
        self.statements: list[Statement] = []
        self.brought: dict[str, Expression] = {}  # what comes to states behind their flow of noise that others draw
        self.now: dict[str, Expression] = {state: Symbol(state) for state in states}
        self._versions: dict[str, int] = {}

    def assign(self, state: str, value: Expression) -> None:
        """`state` gets a new local."""
        self._versions[state] = self._versions.get(state, 0) + 1
        local = f"{state}.{self._versions[state]}"
        self.statements.append(Assign(local, value))
        self.now[state] = Symbol(local)

    def repeat(self, count: Expression, jumps: Sequence[Assignment]) -> None:
        """The jumps, all of them in order, as often as `count` says."""
        own: dict[str, Expression] = {state: Symbol(f"{state}.each") for state in self.now}
        moves = tuple(Assign(f"{j.state}.each", substitute(j.value, own)) for j in jumps)
        read = {s.name for s in moves} | {name for s in moves for name in s.reads}
        start = tuple((f"{s}.each", value) for s, value in self.now.items() if f"{s}.each" in read)
        for state in dict.fromkeys(jump.state for jump in jumps):
            self._versions[state] = self._versions.get(state, 0) + 1
            local = f"{state}.{self._versions[state]}"
            self.statements.append(Repeat(local, count, start, moves, f"{state}.each"))
            self.now[state] = Symbol(local)

    def read(self, expression: Expression) -> Expression:
        """An expression of states, of their values now."""
        return substitute(expression, self.now)
