"""The values of parameters, states and weights: a number, `each(…)`, or a distribution."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sncc.diagnostics import Diagnostics, Span
from sncc.expressions.nodes import DRAWS, Apply, Expression, Number, Symbol, apply, walk
from sncc.expressions.units import PLAIN, Unit, parse_unit, symbol
from sncc.model.constants import fold
from sncc.model.distributions import check_clip
from sncc.model.infer import BAD, TIME, Elaborator
from sncc.model.scope import Scope
from sncc.model.terms import Term, Typed
from sncc.syntax import tree

INITIALISERS = {"glorot": 1.0, "kaiming": math.sqrt(2.0), "orthogonal": 1.0}  # with their usual gain
PER_ELEMENT = ("i", "j")  # indices of a synapse or a neuron, known only when the library is loaded


@dataclass(frozen=True, slots=True)
class Value:
    """A value with its unit; `each`: one number per element; `scale`: the source's unit in the consistent system."""

    expression: Expression
    unit: Unit | None  # None behind a mistake
    each: bool
    scale: float
    clip: tuple[float, float] | None
    span: Span

    @property
    def typed(self) -> Typed:
        """For unit checks."""
        return Typed(self.expression, None if self.unit is None else Term(self.unit))


def resolve_value(
    written: tree.Expression, scope: Scope, diagnostics: Diagnostics, names: Mapping[str, Typed], draws: bool = True
) -> Value:
    """The value of a `param`, `state` or `weight`; what is constant in it is computed."""
    span = written.span
    each, clip = False, None
    elaborator = Elaborator(scope, diagnostics, names, draws=draws)
    match written:
        case tree.Call(tree.Name(("each",)), arguments):
            if len(arguments) != 1 or arguments[0].name:
                diagnostics.error("wrong-argument", span, "`each` takes one value, as in `each(0)`")
                return Value(Number(1.0), None, True, 1.0, None, span)
            inner = resolve_value(arguments[0].value, scope, diagnostics, names, draws)
            return Value(inner.expression, inner.unit, True, inner.scale, inner.clip, span)
        case tree.Call(tree.Name((name,)), arguments) if name in DRAWS:
            clips = [a for a in arguments if a.name == "clip"]
            rest = tuple(a for a in arguments if a.name != "clip")
            typed = elaborator.elaborate(tree.Call(written.function, rest, span))
            if clips:
                clip = resolve_interval(clips[0].value, typed, elaborator, "`clip`")
                if clip and isinstance(typed.expression, Apply):
                    check_clip(name, typed.expression.arguments, clip, clips[0].value.span, diagnostics)
        case tree.Call(tree.Name((name,)), arguments) if name in INITIALISERS:
            typed = _initialiser(name, arguments, elaborator, span)
        case _:
            typed = elaborator.elaborate(written)
    expression = typed.expression if typed.term is None else folded(typed.expression, span, diagnostics)
    each = each or any(
        isinstance(n, Apply)
        and (n.operation in DRAWS or n.operation == "orthogonal")
        or isinstance(n, Symbol)
        and n.name in PER_ELEMENT
        for n in walk(expression)
    )
    unit = None if typed.term is None or typed.term.unknown else typed.term.unit
    return Value(expression, unit, each, written_scale(written, unit), clip, span)


def element_names(fans: tuple[float, float] | None) -> dict[str, Typed]:
    """`fan_in`, `fan_out`, `i` and `j` as names of a weight's or a delay's expression."""
    numbers = {} if fans is None else {"fan_in": fans[0], "fan_out": fans[1]}
    found = {name: Typed(Number(number, PLAIN), Term()) for name, number in numbers.items()}
    return found | {k: Typed(Symbol(k, PLAIN), Term()) for k in PER_ELEMENT}


def _initialiser(name: str, arguments: tuple[tree.Argument, ...], elaborator: Elaborator, span: Span) -> Typed:
    """`glorot()`, `kaiming()`, `orthogonal(gain = 1)`: distributions of a weight as functions of fan_in and fan_out.

    glorot: uniform within gain · sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010); kaiming: normal of standard
    deviation gain / sqrt(fan_in) (He et al. 2015); orthogonal: gain times a random matrix with orthonormal rows or
    columns (Saxe et al. 2014). The gain carries the weight's unit.
    """
    gain = Typed(Number(INITIALISERS[name]), Term())
    for argument in arguments:
        if len(arguments) > 1 or argument.name not in (None, "gain"):
            message = f"`{name}` takes its `gain` only"
            elaborator.diagnostics.error("wrong-argument", argument.span, message, help=f"write `{name}(gain = 1)`")
            return BAD
        gain = elaborator.elaborate(argument.value)
    if gain.term is None:
        return BAD
    unit = None if gain.term.unknown else gain.term.unit
    if name == "orthogonal":
        return Typed(Apply("orthogonal", (gain.expression,), unit, span), gain.term)
    fan_in, fan_out = elaborator.names.get("fan_in"), elaborator.names.get("fan_out")
    if fan_in is None or fan_out is None:
        message = f"`{name}` needs the number of synapses per neuron, which is not known here"
        elaborator.diagnostics.error("misplaced", span, message, help="give the distribution: `normal(0, 0.1)`")
        return BAD
    if name == "kaiming":
        deviation = apply("div", gain.expression, apply("sqrt", fan_in.expression))
        return Typed(Apply("normal", (Number(0.0), deviation), unit, span), gain.term)
    total = apply("add", fan_in.expression, fan_out.expression)
    limit = apply("mul", gain.expression, apply("sqrt", apply("div", 6.0, total)))
    return Typed(Apply("uniform", (apply("neg", limit), limit), unit, span), gain.term)


def folded(expression: Expression, span: Span, diagnostics: Diagnostics) -> Expression:
    """The expression with constant parts computed; what cannot be computed is reported."""
    try:
        result = fold(expression)
    except (ArithmeticError, ValueError):
        diagnostics.error(
            "not-a-number", span, "this has no value", "division by zero, or outside of a function's range"
        )
        return Number(0.0)
    if isinstance(result, Number) and not abs(result.value) < float("inf"):
        diagnostics.error("not-a-number", span, "this is not a finite number")
        return Number(0.0)
    return result


def constant_time(written: tree.Expression, what: str, scope: Scope, diagnostics: Diagnostics) -> float | None:
    """A time known when compiling, in ms."""
    elaborator = Elaborator(scope, diagnostics)
    typed = elaborator.elaborate(written)
    help = f"write `{written.span.text} ms`" if isinstance(written, tree.Quantity) else ""
    if typed.term is None:
        return None
    if typed.term.plain:  # zero too: `delay = 0` is clear, but `0 ms` is one way of writing
        if typed.is_zero:
            return 0.0
        message = f"{what} must be a time, not a plain number"
        diagnostics.error("wrong-unit", written.span, message, help=help)
        return None
    if not elaborator.expect(typed, TIME, written.span, what):
        return None
    number = folded(typed.expression, written.span, diagnostics)
    if not isinstance(number, Number):
        diagnostics.error("not-constant", written.span, f"{what} must be known when compiling")
        return None
    return number.value


def constant_number(
    written: tree.Expression, what: str, scope: Scope, diagnostics: Diagnostics, unit: Unit = PLAIN
) -> float | None:
    """A number known when compiling, plain or of a unit."""
    elaborator = Elaborator(scope, diagnostics)
    typed = elaborator.elaborate(written)
    if typed.term is None or not elaborator.expect(typed, unit, written.span, what):
        return None
    number = folded(typed.expression, written.span, diagnostics)
    if isinstance(number, Number):
        return number.value
    diagnostics.error("not-constant", written.span, f"{what} must be a constant")
    return None


def constant_whole(written: tree.Expression, what: str, scope: Scope, diagnostics: Diagnostics) -> int | None:
    """A whole number known when compiling."""
    typed = Elaborator(scope, diagnostics).elaborate(written)
    if typed.term is None:
        return None
    number = folded(typed.expression, written.span, diagnostics)
    if not typed.term.plain or not isinstance(number, Number) or number.value != int(number.value):
        shown = f" and not {number.value:g}" if isinstance(number, Number) and typed.term.plain else ""
        diagnostics.error("wrong-shape", written.span, f"{what} must be a whole number{shown}")
        return None
    return int(number.value)


def resolve_interval(
    written: tree.Expression, value: Typed, elaborator: Elaborator, what: str
) -> tuple[float, float] | None:
    """`[A, B]` in the unit of `value`, as in-memory numbers."""
    if not isinstance(written, tree.List) or len(written.items) != 2:
        elaborator.diagnostics.error("wrong-argument", written.span, f"{what} is an interval `[A, B]`")
        return None
    ends = []
    for item in written.items:
        end = elaborator.elaborate(item)
        if value.term is not None and not elaborator.expect(end, value.term, item.span, f"an end of {what}"):
            return None
        number = folded(end.expression, item.span, elaborator.diagnostics)
        if not isinstance(number, Number):
            elaborator.diagnostics.error("not-constant", item.span, f"an end of {what} must be a constant")
            return None
        ends.append(number.value)
    if ends[0] > ends[1]:
        elaborator.diagnostics.error("wrong-argument", written.span, "this interval is empty: its ends are exchanged")
        return None
    return ends[0], ends[1]


def resolve_interval_of(
    written: tree.Expression, unit: Unit, scope: Scope, diagnostics: Diagnostics, what: str
) -> tuple[float, float] | None:
    """`[A, B]` in a known unit."""
    return resolve_interval(written, Typed(Number(0.0), Term(unit)), Elaborator(scope, diagnostics), what)


def written_scale(written: tree.Expression, unit: Unit | None) -> float:
    """The unit in which the source wrote a value, in the consistent system: 2 s gives 1000."""
    if unit is None or unit.dimensionless:
        return 1.0
    for text in _units_in(written):
        if text.dimension == unit.dimension:
            return text.in_memory
    return 1.0


def _units_in(written: tree.Expression) -> list[Unit]:
    match written:
        case tree.Quantity(_, unit, _) if unit:
            try:
                return [parse_unit(unit)]
            except ValueError:
                return []
        case tree.Name((name,)):
            found = symbol(name)
            return [found] if found else []
        case tree.Unary(_, operand):
            return _units_in(operand)
        case tree.Binary(_, left, right):
            return _units_in(left) + _units_in(right)
        case tree.Call(_, arguments):
            return [unit for a in arguments for unit in _units_in(a.value)]
    return []


def true_or_false(written: tree.Expression | None, name: str, default: bool, diagnostics: Diagnostics) -> bool:
    """The value of an argument that is `true` or `false`; the default where it is left out, or a mistake."""
    if written is None:
        return default
    text = str(written) if isinstance(written, tree.Name) else ""
    if text not in ("true", "false"):
        diagnostics.error("wrong-argument", written.span, f"`{name}` is `true` or `false`")
        return default
    return text == "true"
