"""Expressions around what a loss reads: factors of a readout, and losses such as `mean((output.v - label)^2)`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from sncc.diagnostics import Diagnostics, Span
from sncc.expressions.nodes import Expression, Number, Symbol
from sncc.expressions.units import Unit
from sncc.model.infer import Elaborator
from sncc.model.scope import Scope
from sncc.model.terms import Term, Typed
from sncc.model.values import folded
from sncc.syntax import tree

READOUTS = ("mean", "sum", "max", "last", "count", "first_spike")


@dataclass(frozen=True, slots=True)
class Scale:
    """A constant factor of what a loss sees, in memory units."""

    value: float
    unit: Unit


def take_scale(value: tree.Expression, scope: Scope, diagnostics: Diagnostics) -> tuple[tree.Expression, Scale]:
    """`-mean(output.v) / (10 mV)` → the readout and its factor, -1 / (10 mV)."""

    def constant(written: tree.Expression) -> Scale | None:
        if reads(written):
            return None
        typed = Elaborator(scope, diagnostics).elaborate(written)
        if typed.term is None or typed.term.unknown:
            return Scale(1.0, Unit())
        number = folded(typed.expression, written.span, diagnostics)
        if not isinstance(number, Number) or number.value == 0:
            message = "the factor of what a loss reads is a constant other than zero"
            diagnostics.error("not-constant", written.span, message)
            return Scale(1.0, Unit(typed.term.unit.dimension))
        return Scale(number.value, Unit(typed.term.unit.dimension))

    match value:
        case tree.Unary("-", inner):
            readout, scale = take_scale(inner, scope, diagnostics)
            return readout, Scale(-scale.value, scale.unit)
        case tree.Binary("/", inner, divisor) if (factor := constant(divisor)) is not None:
            readout, scale = take_scale(inner, scope, diagnostics)
            return readout, Scale(scale.value / factor.value, Unit((scale.unit / factor.unit).dimension))
        case tree.Binary("*", left, right):
            for inner, other in ((right, left), (left, right)):
                if reads(inner) and (factor := constant(other)) is not None:
                    readout, scale = take_scale(inner, scope, diagnostics)
                    return readout, Scale(scale.value * factor.value, Unit((scale.unit * factor.unit).dimension))
    return value, Scale(1.0, Unit())


def reads(written: tree.Expression) -> bool:
    """Whether an expression holds a state of a population, or a readout."""
    return any(len(n.parts) == 2 for n in _nodes(written, tree.Name)) or any(
        str(c.function) in READOUTS for c in _nodes(written, tree.Call)
    )


def calls(written: tree.Expression, functions: Collection[str]) -> bool:
    """Whether one of some functions is called in an expression."""
    return any(str(c.function) in functions for c in _nodes(written, tree.Call))


def read_once(
    written: tree.Expression, is_population: Callable[[str], bool], diagnostics: Diagnostics
) -> tree.Name | tree.Call | None:
    """The one state, or readout of one, that an expression reads; None after a mistake (which is reported)."""
    calls = [
        call for call in _nodes(written, tree.Call)
        if str(call.function) in READOUTS and call.arguments and isinstance(call.arguments[0].value, tree.Name)
    ]  # fmt: skip
    inside = {id(call.arguments[0].value) for call in calls}
    names = [n for n in _nodes(written, tree.Name) if is_population(n.parts[0]) and id(n) not in inside]
    found: list[tree.Name | tree.Call] = [*calls, *names]
    if not found:
        message = "this loss reads nothing of a population"
        help = "read a state, as in `mean((output.v - label)^2)`"
        diagnostics.error("wrong-argument", written.span, message, help=help)
        return None
    other = next((node for node in found if node != found[0]), None)
    if other is not None:
        message = "a loss that is written out reads one state of one population"
        help = "a sum of losses may read several"
        diagnostics.error("wrong-argument", other.span, message, f"beside `{found[0].span.text}`", help=help)
        return None
    return found[0]


def resolve_expression(
    written: tree.Expression, read: tree.Name | tree.Call, unit: Unit, scope: Scope, diagnostics: Diagnostics
) -> Expression | None:
    """The loss as an expression of `output` (in place of what it reads) and `label`, a plain number."""
    output = tree.Name(("output",), read.span)
    names: Mapping[str, Typed] = {
        "output": Typed(Symbol("output", unit), Term(unit)),
        "label": Typed(Symbol("label", Unit()), Term()),
    }
    elaborator = Elaborator(scope, diagnostics, names)
    value = elaborator.elaborate(_replaced(written, read, output))
    if value.term is None or not elaborator.plain(value, written.span, "a loss is a plain number"):
        return None
    return value.expression


def _nodes(node: Any, kind: type[Any]) -> Iterator[Any]:
    if isinstance(node, kind):
        yield node
    if isinstance(node, tuple):
        for part in node:
            yield from _nodes(part, kind)
    elif is_dataclass(node) and not isinstance(node, Span):
        for part in fields(node):
            if not (isinstance(node, tree.Call) and part.name == "function"):
                yield from _nodes(getattr(node, part.name), kind)


def _replaced(node: Any, old: tree.Expression, new: tree.Expression) -> Any:
    if node == old:
        return new
    if isinstance(node, tuple):
        return tuple(_replaced(part, old, new) for part in node)
    if not is_dataclass(node) or isinstance(node, Span | type):
        return node
    return replace(
        node, **{f.name: _replaced(getattr(node, f.name), old, new) for f in fields(node) if f.name != "span"}
    )
