"""Initial values of parameters and states as inline C++ functions of a seed and an index."""

from __future__ import annotations

from sncc.backends.cxx.draws import DrawNumbers, has_draws
from sncc.backends.cxx.expressions import Scalar
from sncc.backends.cxx.functions import Builder, Function
from sncc.backends.cxx.names import Namer
from sncc.expressions.nodes import Expression, symbols
from sncc.expressions.printer import print_expression
from sncc.program.groups import Group, Parameter, Row
from sncc.program.streams import stream


def _drawn(b: Builder, value: Expression) -> str:
    return b.print(DrawNumbers().bind(value, b.print, b.names))


def return_value(b: Builder, value: str, clip: tuple[float, float] | None) -> None:
    """Give a value back, drawn again with the counter's next step while it lies outside `clip`."""
    if clip is None:
        b.lines.append(f"return {value};")
        return
    low, high = (b.print.number(x) for x in clip)
    b.lines += [
        f"{b.real} value = {value};",
        f"for (numbers.step = 1; numbers.step < 1000 && !(value >= {low} && value <= {high}); ++numbers.step)",
        f"    value = {value};",
        f"return sncc::m_clip(value, {low}, {high});",
    ]


def initial_parameter(parameter: Parameter, names: Namer) -> Function:
    """One element of a parameter, in double: from its number, which keys its draws, and its indices i and j.

    `names`: those of the header's functions.

    `whole` holds a random matrix with orthonormal rows or columns where the value is one.
    """
    b = Builder("double", "double")
    b.argument("seed", "seed", type_="std::uint64_t")
    element = b.argument("index", "element", type_="std::uint32_t")
    row = b.argument("index", "i", type_="std::uint32_t", hint="row")
    column = b.argument("index", "j", type_="std::uint32_t", hint="column")
    whole = b.argument("index", "whole", type_="const double*", visible=False)
    unused = (element, row, column, "seed", whole)
    b.lines.append(", ".join(f"static_cast<void>({name})" for name in unused) + ";")
    b.names["i"], b.names["j"] = f"static_cast<double>({row})", f"static_cast<double>({column})"
    value = _drawn(b, parameter.initial)
    if has_draws(parameter.initial):
        number = f"0x{stream(parameter.key, 'initial'):08x}u"
        b.lines.append(f"sncc::LoneDraw numbers{{seed, {number}, {element}, 0u, 0u}};")
    return_value(b, value, parameter.clip if has_draws(parameter.initial) else None)
    name = names.fresh(f"initial.{parameter.key}")
    return b.function(name, [f"{parameter.key} = {print_expression(parameter.initial)}"], "double")


def initial_state(group: Group, row: Row, state: str, value: Expression, scalar: Scalar, names: Namer) -> Function:
    """A state of a population's neuron i before the first step, of a trial."""
    b = Builder(scalar, "real")
    b.argument("seed", "seed", type_="std::uint64_t")
    b.argument("trial", "trial", type_="std::uint32_t")
    neuron = b.argument("index", "i", type_="std::uint32_t", hint="neuron")
    b.names["i"] = f"static_cast<{b.real}>({neuron})"
    for name in group.arrays:
        if name in symbols(value):
            b.argument("array", name)
    b.lines.append(f"static_cast<void>(seed), static_cast<void>(trial), static_cast<void>({neuron});")
    text, clip = _drawn(b, value), dict(row.clips).get(state)
    if has_draws(value):
        number = f"0x{row.stream_of_start(state):08x}u"
        b.lines.append(f"{'const ' if clip is None else ''}sncc::Draw numbers{{seed, {number}, {neuron}, 0u, trial}};")
    return_value(b, text, clip if has_draws(value) else None)
    name = names.fresh(f"start.{row.population}.{state}")
    return b.function(name, [f"{row.population}.{state} = {print_expression(value)}"], "real")


def first_value(name: str, comment: str, value: Expression, scalar: Scalar) -> Function:
    """What follows for a neuron from its numbers and, where it reads any,
    from what states are drawn to start at, of a trial.
    """
    b = Builder(scalar, "real")
    if has_draws(value):
        b.argument("seed", "seed", type_="std::uint64_t")
        b.argument("trial", "trial", type_="std::uint32_t")
        b.argument("index", "i", type_="std::uint32_t", hint="neuron")
    for number in sorted(symbols(value)):
        b.argument("array", number)
    b.lines.append(f"return {_drawn(b, value)};")
    return b.function(name, [comment], "real")
