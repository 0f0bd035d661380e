"""Populations that are handed over or drawn: `input`, `signal`, `poisson`, `spike_times`."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from math import inf
from typing import Literal

from sncc.diagnostics import Diagnostics, did_you_mean
from sncc.expressions.nodes import Number
from sncc.expressions.units import parse_unit
from sncc.model import nodes
from sncc.model.scope import Scope
from sncc.model.values import resolve_value
from sncc.syntax import tree

Kind = Literal["input", "signal", "poisson", "spike_times"]
SOURCES: Mapping[str, tuple[Kind, tuple[str, ...]]] = {  # with what each takes
    "input": ("input", ()),
    "signal": ("signal", ("as",)),
    "poisson": ("poisson", ("rate",)),
    "spike_times": ("spike_times", ()),
}
_HANDED_OVER = "spikes at given times: `spike_times[…]`, or `input[…]` for other ones with each run"
_CURRENT = "a current: `stimulate POPULATION.INPUT: …` in `simulate`, or `signal[…]` for values that are handed over"
ELSEWHERE = {  # what other simulators have as populations
    "spike_generator": _HANDED_OVER,
    "spikegeneratorgroup": _HANDED_OVER,
    "spikesourcearray": _HANDED_OVER,
    "dc_generator": _CURRENT,
    "ac_generator": _CURRENT,
    "step_current_generator": _CURRENT,
    "timedarray": _CURRENT,
}
_RATE = parse_unit("kHz")


@dataclass
class SourceResolver:
    """Resolves one source; `learnt` names its parameters that training should change."""

    learnt: Set[str]
    scope: Scope
    diagnostics: Diagnostics

    def resolve(self, part: tree.Population, shape: tuple[int, ...] | None) -> nodes.Population | None:
        """The population, or None after a mistake (which is reported)."""
        before = len(self.diagnostics.errors)
        kind, takes = SOURCES[part.model.name]
        arguments: dict[str, tree.Argument] = {}
        for argument in part.arguments:
            if argument.name in takes and argument.name not in arguments:
                arguments[argument.name] = argument
                continue
            hints = did_you_mean(argument.name or "", takes)
            if argument.name is None and takes:
                hints = (f"write `{takes[0]} = {argument.span.text}`",)
            message = f"`{part.model.name}` takes no such argument"
            self.diagnostics.error("wrong-argument", argument.span, message, help=hints)
        for initial in part.initials:
            self.diagnostics.error("wrong-argument", initial.span, f"`{part.model.name}` has no states")
        impulse = self._impulse(arguments.get("as"))
        sound = len(self.diagnostics.errors) == before
        parameters = self._rate(part, arguments.get("rate")) if kind == "poisson" and sound else ()
        if shape is None or len(self.diagnostics.errors) > before:
            return None
        name = part.name
        return nodes.Population(
            name.name, kind, shape, part.model.name, parameters, impulse=impulse, span=name.span
        )  # fmt: skip

    def _impulse(self, argument: tree.Argument | None) -> bool:
        if argument is None:
            return False
        if not isinstance(argument.value, tree.Name) or str(argument.value) != "impulse":
            message = "a signal can be delivered `as = impulse` only"
            self.diagnostics.error("wrong-argument", argument.value.span, message)
        return True

    def _rate(self, part: tree.Population, argument: tree.Argument | None) -> tuple[nodes.Parameter, ...]:
        """`rate = 5 Hz`: a number, a distribution, `each(…)`, or `adjustable`."""
        if argument is None:
            help = f"write `{part.model.name}[…](rate = 5 Hz)`"
            self.diagnostics.error("wrong-argument", part.model.span, "`poisson` needs its `rate`", help=help)
            return ()
        span = argument.value.span
        value = resolve_value(argument.value, self.scope, self.diagnostics, {})
        if value.unit is None:
            return ()
        if value.unit.dimension != _RATE.dimension and not value.typed.is_zero:
            plain = isinstance(argument.value, tree.Quantity) and value.unit.dimensionless
            help = f"write `{span.text} Hz`" if plain else ""
            message = f"a rate must be in Hz, not {value.unit.described()}"
            self.diagnostics.error("wrong-unit", span, message, help=help)
            return ()
        if isinstance(value.expression, Number) and value.expression.value < 0:
            self.diagnostics.error("wrong-argument", span, "a rate cannot be negative")
            return ()
        stored = argument.adjustable or "rate" in self.learnt
        storage: nodes.Storage = "each" if value.each else "shared" if stored else "compiled"
        never_below = (0.0, inf)
        return (
            nodes.Parameter("rate", value.expression, _RATE, storage, value.scale, value.clip, never_below, span=span),
        )
