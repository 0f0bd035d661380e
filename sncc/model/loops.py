"""Compile-time `for`: its statements, once per value, with `{k}` filled into names and `k` replaced by the number."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from itertools import count
from typing import Any

from sncc.diagnostics import Diagnostics, Span
from sncc.model.definition import report_reserved
from sncc.syntax import tree
from sncc.syntax.mistakes import failure

_BRACES = re.compile(r"\{\s*(\w+)\s*(?:([-+])\s*(\d+)\s*)?\}")
LONGEST = 10_000  # turns of a loop, and statements of a block
TURNS = 2 * LONGEST  # of all loops of a block together: loops within loops multiply


def expand(
    parts: tuple[Any, ...], whole: Callable[[tree.Expression], int | None], diagnostics: Diagnostics
) -> tuple[Any, ...]:
    """The statements of a block without loops; `whole` evaluates the bounds of `0..8`.

    Raises `DiagnosticError` where they are too many: nothing can be said of a part of them.
    """
    found: list[Any] = []
    _unroll(parts, whole, diagnostics, found, count(1), None)
    return tuple(found)


def _unroll(
    parts: tuple[Any, ...], whole: Callable[[tree.Expression], int | None], diagnostics: Diagnostics,
    found: list[Any], turns: Iterator[int], outermost: Span | None,
) -> None:  # fmt: skip
    """Appends the statements to `found`; `turns` counts those of all loops, `outermost` is where the first stands."""
    for part in parts:
        if not isinstance(part, tree.Loop):
            found.append(part)
            continue
        report_reserved(part.variable, diagnostics)
        span = outermost or part.variable.span
        for value in _values(part, whole, diagnostics):
            inside = tuple(_fill(p, part.variable.name, value) for p in part.parts)
            _unroll(inside, whole, diagnostics, found, turns, span)
            if len(found) > LONGEST:
                raise failure("too-complex", span, f"this `for` makes more than {LONGEST} statements")
            if next(turns) > TURNS:
                raise failure("too-complex", span, f"this `for` and those within it take more than {TURNS} turns")


def report_braces(part: Any, diagnostics: Diagnostics) -> None:
    """Report `{k}` of no loop."""
    for identifier in _names(part):
        text, span = identifier
        if "{" in text:
            message = f"`{text}` uses a variable of no `for` around it"
            written_otherwise = "{" in _BRACES.sub("", text)
            help = "in braces a variable stands alone, or with a whole number: `{k + 1}`" if written_otherwise else ""
            if (number := re.fullmatch(r"(\w*)\{\s*(\d+)\s*\}(.*)", text)) is not None:
                message, help = f"a number needs no braces: `{text}`", f"write `{''.join(number.groups())}`"
            diagnostics.error("unknown-name", span, message, help=help)
        elif "-" in text:
            diagnostics.error("unknown-name", span, f"the `for` around this makes the name `{text}`")


def _values(loop: tree.Loop, whole: Callable[[tree.Expression], int | None], diagnostics: Diagnostics) -> list[str]:
    if not isinstance(loop.over, tree.Interval):
        return [name.name for name in loop.over]
    start, stop = whole(loop.over.start), whole(loop.over.stop)
    if start is None or stop is None:
        return []
    if stop < start:
        help = f"write `{loop.variable.name} in {stop}..{start}`; the end is excluded, and with `{start}..{start}` there is no turn"
        diagnostics.error(
            "wrong-argument", loop.over.span, f"this counts up from {start}, and {stop} lies below it", help=help
        )
        return []
    if stop - start > LONGEST:
        diagnostics.error("too-complex", loop.over.span, f"a `for` may take at most {LONGEST} turns")
        return []
    return [str(k) for k in range(start, stop)]


def _fill(node: Any, variable: str, value: str) -> Any:
    """A node with a loop's variable replaced."""
    if isinstance(node, tuple):
        return tuple(_fill(part, variable, value) for part in node)
    if isinstance(node, tree.Name):
        parts = tuple(_fill_text(part, variable, value) for part in node.parts)
        if parts == (variable,):
            parts = (value,)
        if len(parts) == 1 and _is_number(parts[0]):
            number = tree.Quantity(parts[0].lstrip("-"), "", node.span)
            return tree.Unary("-", number, node.span) if parts[0].startswith("-") else number
        return replace(node, parts=parts)
    if isinstance(node, tree.Identifier):
        return replace(node, name=_fill_text(node.name, variable, value))
    if not is_dataclass(node) or isinstance(node, Span | type):
        return node
    changed = {f.name: _fill(getattr(node, f.name), variable, value) for f in fields(node) if f.name != "span"}
    return replace(node, **changed)


def _fill_text(text: str, variable: str, value: str) -> str:
    def put(found: re.Match[str]) -> str:
        if found[1] != variable:
            return found[0]
        if found[2] is None:
            return value
        if not _is_number(value):
            return found[0]
        return str(int(value) + int(found[2] + found[3]))

    return _BRACES.sub(put, text) if "{" in text else text


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdigit()


def _names(node: Any) -> list[tuple[str, Span]]:
    match node:
        case tuple():
            return [name for part in node for name in _names(part)]
        case tree.Name(_, span):
            return [(str(node), span)]
        case tree.Identifier(name, span):
            return [(name, span)]
        case Span() | str() | None:
            return []
    if not is_dataclass(node):
        return []
    return [name for f in fields(node) for name in _names(getattr(node, f.name))]
