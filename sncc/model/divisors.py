"""By what equations divide: numbers such as time constants, which cannot be 0, and below 0 turn decay into growth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from sncc.diagnostics import Diagnostics, Span
from sncc.expressions.nodes import Apply, Expression, Number, Symbol, substitute
from sncc.model.constants import fold
from sncc.model.infer import TIME
from sncc.model.nodes import Connection, Equation, Model, Parameter

Divisor = Literal["number", "time"]
_SURELY = 5  # standard deviations between a mean and what is as good as never drawn


def check_divisors(model: Model, diagnostics: Diagnostics) -> None:
    """Report divisions by zero in equations, and warn of time constants below zero."""
    for _, name, parameters, equations in _blocks(model):
        numbers = {p.name: p.value for p in parameters if isinstance(p.value, Number)}
        named = {p.name: p for p in parameters}
        for factor in _factors(equations):
            if isinstance(factor, Symbol):
                if factor.name in named:
                    _check_parameter(named[factor.name], name, diagnostics)
                continue
            if isinstance(factor, Number):
                if _is_time(factor.unit) and factor.value < 0 and factor.span is not None:
                    _warn_of_growth(factor.span.text, factor.span, diagnostics)
                continue
            try:
                value = fold(substitute(factor, numbers))
            except (ArithmeticError, ValueError):  # which holds a division by zero of its own
                continue
            if isinstance(value, Number) and value.value == 0:
                message = f"an equation of `{name}` divides by zero"
                diagnostics.error("not-a-number", factor.span, message, "this is 0")


def divisors(model: Model) -> dict[str, Divisor]:
    """The parameters, by Python's names, that equations divide by as they are: they cannot be 0."""
    found: dict[str, Divisor] = {}
    for owner, _, parameters, equations in _blocks(model):
        named = {p.name: p for p in parameters}
        for factor in _factors(equations):
            if isinstance(factor, Symbol) and factor.name in named:
                found[f"{owner}.{factor.name}"] = "time" if _is_time(named[factor.name].unit) else "number"
    return found


def divided_by(connection: Connection) -> set[str]:
    """The names by which what a connection's synapses do divides as they are."""
    blocks = [block for block in (connection.synapse, connection.plasticity) if block is not None]
    values = [e.derivative for block in blocks for e in block.equations]
    values += [jump.value for block in blocks for jump in block.on_pre]
    values += [jump.value for jump in connection.plasticity.on_post] if connection.plasticity is not None else []
    values += [value for _, value in connection.deliveries]
    return {factor.name for value in values for factor in _divisor_factors(value) if isinstance(factor, Symbol)}


def _blocks(model: Model) -> Iterator[tuple[str, str, tuple[Parameter, ...], tuple[Equation, ...]]]:
    """What goes before a parameter's name in Python, the model's name, its parameters and equations."""
    for population in model.populations:
        if population.dynamics is not None:
            yield population.name, population.model, population.parameters, population.dynamics.equations
    for connection in model.connections:
        for prefix, block in (("", connection.synapse), (".plasticity", connection.plasticity)):
            if block is not None:
                yield connection.name + prefix, block.model, block.parameters, block.equations


def _factors(equations: Iterable[Equation]) -> Iterator[Expression]:
    """The factors of all divisors that hold for every state: numbers, parameters, and sums of these."""
    for equation in equations:
        yield from _divisor_factors(equation.derivative)


def _divisor_factors(value: Expression) -> Iterator[Expression]:
    for divisor in _divisors(value):
        yield from factors_of(divisor)


def _divisors(expression: Expression) -> Iterator[Expression]:
    match expression:
        case Apply("select"):  # which may be there to leave a division by zero out
            return
        case Apply("div", (_, divisor)):
            yield divisor
        case Apply("pow", (base, Number(value))) if value < 0:
            yield base
    if isinstance(expression, Apply):
        for argument in expression.arguments:
            yield from _divisors(argument)


def factors_of(divisor: Expression) -> Iterator[Expression]:
    """The factors of a divisor, each of which makes it 0."""
    match divisor:
        case Apply("mul", (left, right)):
            yield from factors_of(left)
            yield from factors_of(right)
        case Apply("div", (inner, _)) | Apply("neg" | "sqrt" | "abs", (inner,)):
            yield from factors_of(inner)
        case Apply("pow", (base, Number(value))) if value > 0:
            yield from factors_of(base)
        case _:
            yield divisor


def _check_parameter(parameter: Parameter, model: str, diagnostics: Diagnostics) -> None:
    value = parameter.value
    if isinstance(value, Number) and value.value == 0:
        message = f"`{parameter.name}` is 0, and an equation of `{model}` divides by it"
        diagnostics.error("not-a-number", parameter.span, message)
    elif _is_time(parameter.unit) and _may_be_below_zero(parameter):
        _warn_of_growth(parameter.name, parameter.span, diagnostics, isinstance(value, Apply))


def _warn_of_growth(shown: str, span: Span | None, diagnostics: Diagnostics, drawn: bool = False) -> None:
    message = f"the time constant `{shown}` {'may be drawn' if drawn else 'is'} below zero"
    note = "what would decay with it grows without bound"
    help = "bound what is drawn: `clip = [1 ms, 1 s]`" if drawn else ""
    diagnostics.warning("negative-time-constant", span, message, notes=(note,), help=help)


def _may_be_below_zero(parameter: Parameter) -> bool:
    value = parameter.value
    if parameter.clip is not None and parameter.clip[0] >= 0:
        return False
    match value:
        case Number(number):
            return number < 0
        case Apply("uniform", (Number(low), _)):
            return low < 0
        case Apply("normal", (Number(mean), Number(deviation))):
            return mean < _SURELY * deviation
    return False


def _is_time(unit: object) -> bool:
    return getattr(unit, "dimension", None) == TIME.dimension
