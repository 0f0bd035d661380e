"""The weights of a connection, and the unit that its synapse, or its target, asks of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sncc.connectivity.patterns import Convolution, Dense, Fans, Pattern
from sncc.diagnostics import Diagnostics
from sncc.expressions.nodes import Apply, Number, symbols, walk
from sncc.expressions.units import PLAIN, Unit
from sncc.model import nodes
from sncc.model.draft import Draft
from sncc.model.infer import TIME, Elaborator
from sncc.model.scope import Scope
from sncc.model.synapse import Synapse
from sncc.model.terms import Term, Typed
from sncc.model.values import PER_ELEMENT, Value, element_names, resolve_interval, resolve_value
from sncc.syntax import tree


@dataclass(frozen=True)
class Place:
    """Where weights stand: from `source` to input `where` of `target`; fan_in and fan_out where the pattern tells."""

    source: nodes.Population
    target: nodes.Population
    where: nodes.Input
    pattern: Pattern
    fans: Fans | None
    synapse: Synapse | None


@dataclass
class WeightResolver:
    """Resolves `weight = …`; a signal's own unit, taken from its first weight, is put into the draft."""

    draft: Draft
    scope: Scope
    diagnostics: Diagnostics

    def resolve(self, option: tree.Option, learnt: bool, place: Place) -> nodes.Parameter | None:
        """The weight as a parameter, or None after a mistake."""
        value = resolve_value(option.value, self.scope, self.diagnostics, element_names(place.fans))
        if value.unit is None:
            return None
        drawn = [n for n in walk(value.expression) if isinstance(n, Apply) and n.operation == "orthogonal"]
        if drawn and (not isinstance(place.pattern, Dense | Convolution) or place.pattern == Dense(False)):
            message = "`orthogonal` makes a whole matrix: it goes with `dense` and `conv2d`"
            self.diagnostics.error("wrong-argument", option.value.span, message)
            return None
        indices = sorted(symbols(value.expression) & set(PER_ELEMENT))
        if indices and isinstance(place.pattern, Convolution):
            message = f"`{indices[0]}` means nothing in the weights of `conv2d`"
            note = "`i` and `j` are the indices of source and target, and an element of the kernel is the weight of many pairs"
            help = "draw the kernel, as with `glorot()`, or assign it in Python: `weight = each(0)`"
            self.diagnostics.error("wrong-argument", option.value.span, message, notes=(note,), help=help)
            return None
        unit = self._weight_unit(value, option, place)
        if unit is None:
            return None
        if value.typed.is_zero or value.unit.dimension != unit.dimension:
            value = replace(value, unit=unit, scale=unit.in_memory)
        bounds = None
        if option.interval is not None:
            elaborator = Elaborator(self.scope, self.diagnostics)
            bounds = resolve_interval(option.interval, Typed(value.expression, Term(unit)), elaborator, "the bounds")
            first = value.expression
            if bounds is not None and isinstance(first, Number) and not bounds[0] <= first.value <= bounds[1]:
                message = "this weight lies outside its bounds"
                hint = ("a weight that is drawn is moved to the nearer bound",)
                self.diagnostics.error("wrong-argument", option.value.span, message, help=hint)
        storage: nodes.Storage = "each" if value.each else "shared" if learnt else "compiled"
        return nodes.Parameter(
            "weight", value.expression, value.unit or unit, storage, value.scale, value.clip, bounds, span=value.span
        )

    def check_unit(self, weight: nodes.Parameter, option: tree.Option, place: Place) -> None:
        """Report a shared weight whose unit does not fit here."""
        value = Value(weight.value, weight.unit, weight.storage == "each", weight.scale, weight.clip, option.value.span)
        self._weight_unit(value, option, place)

    def _weight_unit(self, value: Value, option: tree.Option, place: Place) -> Unit | None:
        """The unit that a weight must have, or None after a mistake; a signal takes its own unit from its weights."""
        assert place.target.dynamics is not None and value.unit is not None
        if place.synapse is not None:
            return self._synapse_unit(value, option, place.synapse)
        source, target, where = place.source, place.target, place.where
        flows = any(where.name in symbols(e.derivative) for e in place.target.dynamics.equations)
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

    def _synapse_unit(self, value: Value, option: tree.Option, synapse: Synapse) -> Unit | None:
        assert value.unit is not None
        wanted = synapse.weight
        if wanted is None or value.unit.dimension == wanted.dimension:
            return value.unit
        if value.typed.is_zero:
            return wanted
        name = synapse.node.model
        message = f"a weight of the synapse `{name}` must be {wanted.described()}, not {value.unit.described()}"
        note = f"so `{name}` uses `weight` where it meets this target"
        self.diagnostics.error("wrong-unit", option.value.span, message, notes=(note,))
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
