"""What a derived rule is written in: lines of names, slopes, expressions and words, which text and LaTeX print."""

from __future__ import annotations

from dataclasses import dataclass

from sncc.expressions.nodes import Expression
from sncc.program.statements import Assign, Draw, Fire, Reduce, Repeat, Statement


@dataclass(frozen=True, slots=True)
class Name:
    """A name, at a step or an element where `index` says so: `v[n]`;
    with its population's where it needs one: `output.v[n]`.
    """

    name: str
    index: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Rate:
    """The derivative of a state by time: `dv/dt`."""

    state: str


@dataclass(frozen=True, slots=True)
class Slope:
    """The derivative of the loss by something: `d loss / d theta`."""

    of: str
    index: str = ""


Piece = str | Name | Rate | Slope | Expression  # a string is words, or a sign such as ` = `
Line = tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Lines under a head; a head without lines is a paragraph."""

    head: str
    lines: tuple[Line, ...] = ()


def lines_of(statement: Statement) -> list[Line]:
    """A statement of a phase, with what it repeats below it."""
    match statement:
        case Repeat(name, count, start, body, result):
            head: Line = (Name(name), " = ", Name(result), " after ", count, " times:")
            first: list[Line] = [("  ", Name(symbol), " = ", value, " at first") for symbol, value in start]
            return [head, *first, *(("  ", *_line_of(s)) for s in body)]
        case _:
            return [_line_of(statement)]


def _line_of(statement: Assign | Draw | Fire | Reduce) -> Line:
    match statement:
        case Fire(name, distance, strict, gate):
            line: Line = (Name(name), " = ", "1 where ", distance, " > " if strict else " >= ", "0")
            return (*line, " and ", gate) if gate else line
        case Reduce(name, operation, value):
            return (Name(name), " = ", f"{operation} over outputs of ", value)
        case Draw(name, distribution, arguments, whose, at, _):
            listed = [piece for argument in arguments for piece in (", ", argument)][1:]
            of: Line = () if whose is None else (" for neuron ", whose)
            of = of if at is None else (*of, " at step ", at)
            return (Name(name), " = ", f"drawn from {distribution}(", *listed, ")", *of)
        case _:
            return (Name(statement.name), " = ", statement.value)
