"""Random draws inside expressions: numbered in the order in which they are written, then printed as calls."""

from __future__ import annotations

from collections.abc import MutableMapping

from sncc.backends.cxx.expressions import Printer
from sncc.expressions.nodes import DRAWS, Apply, Expression, Number, Symbol, walk

WHOLE = "orthogonal"  # a draw that makes a whole matrix; only a value as a whole is one, so its number is 0


class DrawNumbers:
    """Numbers the draws of one body from 0, so that each has random numbers of its own.

    The order is that of `walk`: statement by statement, an operation before its arguments, arguments from the left.
    """

    def __init__(self, counter: str = "numbers", name: str = "draw") -> None:
        """`counter`: the text of the `sncc::Draw` that draws read; `name`: of their symbols, with a number each."""
        self.count, self.counter, self.name = 0, counter, name

    def bind(self, expression: Expression, printer: Printer, names: MutableMapping[str, str]) -> Expression:
        """The expression with each draw replaced by a symbol, whose text goes into `names`.

        The text reads a `sncc::Draw`. What a state is drawn to start at, of a stream of its own, is one of `seed`,
        `neuron` and `trial`.
        """
        if not has_draws(expression) or not isinstance(expression, Apply):
            return expression
        if expression.operation == "first":
            of, draw = expression.arguments
            assert isinstance(of, Number)
            first = Symbol(f"first {of.value:.0f}")
            counter = f"sncc::Draw{{seed, 0x{int(of.value):08x}u, neuron, 0u, trial}}"
            names[first.name] = printer(DrawNumbers(counter, first.name).bind(draw, printer, names))
            return first
        number = self.count
        draws = expression.operation in DRAWS or expression.operation == WHOLE
        self.count += draws
        arguments = tuple(self.bind(argument, printer, names) for argument in expression.arguments)
        if not draws:
            return Apply(expression.operation, arguments)
        symbol = Symbol(f"{self.name} {number}")
        if expression.operation == WHOLE:
            names[symbol.name] = "whole[element]"
            return Apply("mul", (*arguments, symbol))
        values = "".join(f", {printer(argument)}" for argument in arguments)
        names[symbol.name] = f"{printer.scope}draw_{expression.operation}({self.counter}, {number}u{values})"
        return symbol


def has_draws(expression: Expression) -> bool:
    """Whether anything in the expression is drawn at random."""
    return any(isinstance(node, Apply) and node.operation in (*DRAWS, WHOLE) for node in walk(expression))
