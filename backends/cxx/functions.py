"""Inline C++ functions of the dynamics: their arguments by purpose, and a builder that turns statements into lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import wrap

from sncc.backends.cxx.expressions import Printer, Scalar
from sncc.backends.cxx.names import Namer
from sncc.program.statements import Assign, Draw, Fire, Repeat, Statement


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: what it is for the backend (`role` and the Program's name), and how it is declared."""

    role: str
    name: str
    type: str
    identifier: str


@dataclass(frozen=True, slots=True)
class Function:
    """An inline function of the dynamics header: comments, arguments and finished lines."""

    name: str
    result: str
    comments: tuple[str, ...]
    arguments: tuple[Argument, ...]
    lines: tuple[str, ...]

    def of(self, *roles: str) -> tuple[Argument, ...]:
        """Its arguments with one of these roles."""
        return tuple(a for a in self.arguments if a.role in roles)


_DRAW_ARGUMENTS = {
    "seed": "std::uint64_t", "element": "std::uint32_t", "step": "std::uint32_t", "trial": "std::uint32_t",
}  # fmt: skip


class Builder:
    """Collects the arguments and lines of one function over one scalar type."""

    def __init__(self, scalar: Scalar, real: str) -> None:
        self.real = real
        self.names: dict[str, str] = {}
        self.namer = Namer()
        self.print = Printer(scalar, self.names)
        self.arguments: list[Argument] = []
        self.lines: list[str] = []

    def argument(
        self, role: str, name: str, output: bool = False, type_: str | None = None, hint: str = "", visible: bool = True
    ) -> str:
        """Declare an argument; inputs are visible to expressions under the Program's name."""
        identifier = self.namer.fresh(hint or name)
        kind = type_ or (f"{self.real}&" if output else f"const {self.real}")
        self.arguments.append(Argument(role, name, kind, identifier))
        if visible and role not in ("store", "sum", "out", "draw", "stream"):
            self.names[name] = identifier
        return identifier

    def local(self, statement: Statement) -> None:
        """A local for a statement."""
        match statement:
            case Assign(name, value):
                text = self.print(value)
            case Fire(name, _, strict, gate):
                left, right = statement.sides
                test = f"({self.print(left)} {'>' if strict else '>='} {self.print(right)})"
                if gate is not None:
                    test = f"({test} & ({self.print.condition(gate)}))"
                text = f"{test} ? {self.print.number(1.0)} : {self.print.number(0.0)}"
            case Draw(name, "poisson"):
                self.argument("count", name)  # drawn for many neurons at once
                return
            case Draw(name):
                text = self._draw(statement)
            case Repeat():
                self._repeat(statement)
                return
            case _:
                raise TypeError(f"not a local: {statement!r}")
        identifier = self.namer.fresh(name)
        self.lines.append(f"const {self.real} {identifier} = {text};")
        self.names[name] = identifier

    def _repeat(self, repeat: Repeat) -> None:
        """A loop that moves locals of its own."""
        start = [(symbol, self.print(value)) for symbol, value in repeat.start]
        count = self.print(repeat.count)
        outer = dict(self.names)
        for symbol, text in start:
            self.names[symbol] = self.namer.fresh(f"{repeat.name}.{symbol}")
            self.lines.append(f"{self.real} {self.names[symbol]} = {text};")
        left = self.namer.fresh(f"{repeat.name}.left")
        one, half = self.print.number(1.0), self.print.number(0.5)
        time = self.namer.fresh(f"{repeat.name}.time") if repeat.draws else ""
        if time:
            self.lines.append(f"std::uint32_t {time} = 0;")
        self.lines.append(f"for ({self.real} {left} = {count}; {left} > {half}; {left} -= {one}) {{")
        for statement in repeat.body:
            if isinstance(statement, Draw):
                text, drawn = self._draw(statement, time), self.namer.fresh(f"{repeat.name}.{statement.name}")
                self.lines.append(f"    const {self.real} {drawn} = {text};")
                self.names[statement.name] = drawn
            else:
                self.lines.append(f"    {self.names[statement.name]} = {self.print(statement.value)};")
        self.lines += [*([f"    ++{time};"] if time else []), "}"]
        result = self.names[repeat.result]
        self.names.clear()
        self.names.update(outer, **{repeat.name: result})

    def _draw(self, draw: Draw, time: str = "") -> str:
        """The text of a draw; `time`: how often it has been drawn in this step."""
        name = draw.name
        for word, type_ in _DRAW_ARGUMENTS.items():
            instead = {"element": draw.whose, "step": draw.at}.get(word)
            if instead is None and not any(a.role == "draw" and a.name == word for a in self.arguments):
                self.argument("draw", word, type_=type_, hint=f"draw_{word}")
        known = next((a.identifier for a in self.arguments if (a.role, a.name) == ("stream", name)), None)
        number = known or self.argument("stream", name, type_="std::uint32_t", hint=f"{name}.stream")
        number = f"sncc::stream_of_repeat({number}, {time})" if time else number
        words = {a.name: a.identifier for a in self.arguments if a.role == "draw"}
        words |= {
            word: f"static_cast<std::uint32_t>({self.print(instead)})"
            for word, instead in (("element", draw.whose), ("step", draw.at))
            if instead is not None
        }
        words["step"] += f" + {draw.later}u" if draw.later else ""
        counter = f"{words['seed']}, {number}, {words['element']}, {words['step']}, {words['trial']}"
        values = ", ".join(self.print(a) for a in draw.arguments)
        return f"sncc::draw_{draw.distribution}(sncc::Draw{{{counter}}}, 0u, {values})"

    def function(self, name: str, comments: Iterable[str], result: str = "void") -> Function:
        """What has been collected, as a function of that name."""
        return Function(name, result, wrapped(comments, 117), tuple(self.arguments), wrapped(read(self.lines), 116))


_LOCAL = re.compile(r"const \w+ (\w+) = ")


def read(lines: Sequence[str]) -> list[str]:
    """The lines without locals that none after them reads."""
    kept: list[str] = []
    words: set[str] = set()
    for line in reversed(lines):
        local = _LOCAL.match(line)
        if local and local[1] not in words:
            continue
        words |= set(re.findall(r"\w+", line))
        kept.insert(0, line)
    return kept


def wrapped(lines: Iterable[str], width: int) -> tuple[str, ...]:
    """Long lines broken at blanks, what follows indented once more."""
    result: list[str] = []
    for line in lines:
        text = line.lstrip(" ")
        indent = " " * (len(line) - len(text))
        result += wrap(
            text, width, initial_indent=indent, subsequent_indent=indent + "    ",
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
    return tuple(result)


def carry(b: Builder, carried: Sequence[tuple[str, str]]) -> list[str]:
    """All at once: a value that is itself carried is copied before anything changes."""
    own = {v for v, _ in carried}
    lines, values = [], {}
    for variable, local in carried:
        values[variable] = b.names[local]
        if local in own and local != variable:
            copy = b.namer.fresh(f"{local}.before")
            lines.append(f"const real {copy} = {b.names[local]};")
            values[variable] = copy
    return lines + [f"{b.names[variable]} = {value};" for variable, value in values.items()]
