"""The weights of a connection, and the unit that its target asks of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sncc.diagnostics import Diagnostics
from sncc.expressions.nodes import Symbol, symbols
from sncc.expressions.units import PLAIN, Unit
from sncc.model import nodes
from sncc.model.draft import Draft
from sncc.model.infer import TIME, Elaborator
from sncc.model.populations import fans
from sncc.model.scope import Scope
from sncc.model.terms import Term, Typed
from sncc.model.values import PER_ELEMENT, Value, resolve_interval, resolve_value
from sncc.syntax import tree


@dataclass
class WeightResolver:
    """Resolves `weight = …`; a signal's own unit, taken from its first weight, is put into the draft."""

    draft: Draft
    scope: Scope
    diagnostics: Diagnostics

    def resolve(
        self, option: tree.Option, learnt: bool, source: nodes.Population, target: nodes.Population, where: nodes.Input,
        fan: tuple[int, int],
    ) -> nodes.Parameter | None:  # fmt: skip
        """The weight as a parameter, or None after a mistake; `fan` is fan_in and fan_out."""
        names = fans(*fan) | {k: Typed(Symbol(k, PLAIN), Term()) for k in PER_ELEMENT}
        value = resolve_value(option.value, self.scope, self.diagnostics, names)
        if value.unit is None:
            return None
        unit = self._weight_unit(value, option, source, target, where)
        if unit is None:
            return None
        if value.typed.is_zero or value.unit.dimension != unit.dimension:
            value = replace(value, unit=unit, scale=unit.in_memory)
        bounds = None
        if option.interval is not None:
            elaborator = Elaborator(self.scope, self.diagnostics)
            bounds = resolve_interval(option.interval, Typed(value.expression, Term(unit)), elaborator, "the bounds")
        storage: nodes.Storage = "each" if value.each else "shared" if learnt else "compiled"
        return nodes.Parameter(
            "weight", value.expression, value.unit or unit, storage, value.scale, value.clip, bounds, span=value.span
        )

    def _weight_unit(
        self, value: Value, option: tree.Option, source: nodes.Population, target: nodes.Population, where: nodes.Input
    ) -> Unit | None:
        """The unit that a weight must have, or None after a mistake; a signal takes its own unit from its weights."""
        assert target.dynamics is not None and value.unit is not None
        flows = any(where.name in symbols(e.derivative) for e in target.dynamics.equations)
        impulsive = source.kind != "signal" or source.impulse
        if flows and impulsive:
            self._affine(option, target, where)
        total = where.unit * TIME if flows and impulsive else where.unit
        total = Unit(total.dimension)
        if source.kind == "signal":
            return self._signal_unit(value, option, source, total)
        if value.typed.is_zero or value.unit.dimension == total.dimension:
            return total if value.typed.is_zero else value.unit
        what = f"the weight of a spike into `{target.name}.{where.name}`"
        message = f"{what} must be {total.described()}, not {value.unit.described()}"
        notes = [f"`{where.name}` of `{target.model}` is {where.unit.described()}"]
        if flows:
            notes.append("an arriving spike is an impulse: its weight has the unit of the input times a time")
        self.diagnostics.error("wrong-unit", option.value.span, message, notes=notes)
        return None

    def _signal_unit(self, value: Value, option: tree.Option, source: nodes.Population, total: Unit) -> Unit:
        assert value.unit is not None
        signal = Unit((total / (PLAIN if value.typed.is_zero else value.unit)).dimension)
        if source.unit is None:
            self.draft.populations[source.name] = replace(source, unit=signal)
        elif source.unit.dimension != signal.dimension:
            wanted = Unit((total / source.unit).dimension)
            message = f"the weight of this signal must be {wanted.described()}, not {value.unit.described()}"
            note = f"`{source.name}` is {source.unit.described()}, from its first connection"
            self.diagnostics.error("wrong-unit", option.value.span, message, notes=(note,))
        return Unit((total / signal).dimension) if value.typed.is_zero else value.unit

    def _affine(self, option: tree.Option, target: nodes.Population, where: nodes.Input) -> None:
        """An impulse is a jump of the states only where the input enters with coefficients free of states."""
        from sncc.expressions.algebra import affine

        assert target.dynamics is not None
        varying = {s.name for s in target.dynamics.states} | {i.name for i in target.dynamics.inputs}
        for equation in target.dynamics.equations:
            parts = affine(equation.derivative, [where.name])
            if parts is not None and not any(symbols(c) & varying for c in parts[0].values()):
                continue
            message = f"an impulse cannot be delivered to `{target.name}.{where.name}`"
            note = f"`d{equation.state}/dt` multiplies `{where.name}` by a state, or holds it nonlinearly"
            help = "deliver through a synapse, or let the input drive a state of its own"
            self.diagnostics.error("impulse", option.span, message, notes=(note,), help=help)
            return
