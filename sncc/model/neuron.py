"""A neuron's definition with a population's numbers → parameters and dynamics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from sncc.diagnostics import Diagnostics, Span, did_you_mean
from sncc.expressions.nodes import Apply, Expression, Symbol, symbols
from sncc.expressions.units import PLAIN, Unit, parse_unit
from sncc.model import nodes
from sncc.model.infer import TIME, Elaborator
from sncc.model.methods import MethodResolver
from sncc.model.scope import Scope, is_library
from sncc.model.terms import Term, Typed, solve
from sncc.model.values import Value, resolve_value
from sncc.syntax import tree

RESERVED = frozenset({"t", "dt", "pi", "step", "weight", "pre", "post", "label", "noise", "reset"})
_ONE = Fraction(1)
_RESISTANCE = parse_unit("GOhm")
_JUMPS = {"+=": "add", "-=": "sub", "*=": "mul"}


@dataclass(frozen=True)
class Overrides:
    """What a population changes of its model: parameters, initial values; which parameters are learnt."""

    parameters: Mapping[str, tree.Expression] = field(default_factory=dict)
    initials: Mapping[str, tree.Expression] = field(default_factory=dict)
    learnt: Set[str] = frozenset()
    units_from_use: Callable[[tuple[str, ...]], Mapping[str, Unit]] | None = None  # where equations leave one open


@dataclass(frozen=True)
class Neuron:
    """A resolved neuron."""

    parameters: tuple[nodes.Parameter, ...]
    dynamics: nodes.Dynamics


def resolve_neuron(definition: tree.Neuron, overrides: Overrides, scope: Scope, diagnostics: Diagnostics) -> Neuron:
    """Resolve a neuron for one population; mistakes are reported, and left out of the result."""
    return _Resolver(definition, overrides, scope, diagnostics).resolve()


class _Resolver:
    def __init__(self, definition: tree.Neuron, overrides: Overrides, scope: Scope, diagnostics: Diagnostics) -> None:
        # the library's models do not see the user's build-time parameters
        self.scope = Scope() if is_library(definition) else scope
        self.user_scope = scope
        self.definition = definition
        self.overrides = overrides
        self.diagnostics = diagnostics
        self.parts: dict[type[Any], list[Any]] = {}
        for part in definition.parts:
            self.parts.setdefault(type(part), []).append(part)
        self.parameters: dict[str, nodes.Parameter] = {}
        self.states: dict[str, nodes.State] = {}
        self.bad: set[str] = set()  # names whose unit is unknown because of a mistake

    def resolve(self) -> Neuron:
        self._names()
        for parameter in self.parts.get(tree.Parameter, []):
            self._parameter(parameter)
        for state in self.parts.get(tree.State, []):
            self._state(state)
        inputs = {part.name.name: part for part in self.parts.get(tree.Input, [])}
        muted = _Body(self, Diagnostics(), {name: Term(PLAIN, ((name, _ONE),)) for name in inputs})
        muted.dynamics()
        units = self._input_units(tuple(inputs), muted.equations)
        body = _Body(self, self.diagnostics, {name: Term(unit) for name, unit in units.items()})
        dynamics = body.dynamics()
        resolved = tuple(nodes.Input(name, units[name], part.name.span) for name, part in inputs.items())
        return Neuron(tuple(self.parameters.values()), replace(dynamics, inputs=resolved))

    def _input_units(self, inputs: tuple[str, ...], equations: list[Term]) -> dict[str, Unit]:
        """The units of inputs: from the equations, else from use, else plain."""
        units = solve(equations)
        open_inputs = tuple(name for name in inputs if name not in units)
        if open_inputs and self.overrides.units_from_use is not None:
            for name, unit in self.overrides.units_from_use(open_inputs).items():
                if name not in units:
                    units = solve([*equations, Term(PLAIN, ((name, _ONE),)) / Term(unit)])
                    equations = [*equations, Term(PLAIN, ((name, _ONE),)) / Term(unit)]
        return {name: units.get(name, PLAIN) for name in inputs}

    def _names(self) -> None:
        seen: dict[str, Span] = {}
        for kind in (tree.Parameter, tree.State, tree.Input, tree.Let):
            for part in self.parts.get(kind, []):
                name = part.name.name
                if name in RESERVED:
                    self.diagnostics.error("reserved", part.name.span, f"`{name}` is a word of the language")
                elif name in seen:
                    note = f"`{name}` was defined in line {seen[name].line}"
                    self.diagnostics.error("duplicate", part.name.span, f"`{name}` is defined twice", notes=(note,))
                seen.setdefault(name, part.name.span)
        for once in (tree.Spike, tree.EachStep, tree.Refractory, tree.Surrogate, tree.Method):
            for part in self.parts.get(once, [])[1:]:
                word = part.span.text.split()[0]
                self.diagnostics.error("duplicate", part.span, f"a neuron has one `{word}` only")

    def _parameter(self, part: tree.Parameter) -> None:
        name = part.name.name
        if name in self.parameters:
            return
        known = {n: Typed(p.value, Term(p.unit)) for n, p in self.parameters.items() if p.storage == "compiled"}
        stored = self._stored_in(part.value)
        written = self.overrides.parameters.get(name)
        if stored and written is None:
            message = f"`{name}` depends on `{stored}`, which is not a number known when compiling"
            help = f"write `let {name} = …` instead of `param`"
            self.diagnostics.error("not-constant", part.value.span, message, help=help)
            self.bad.add(name)
            return
        names: dict[str, Typed] = {**known, **{n: Typed(Symbol(n), None) for n in self.bad}}
        value = default = resolve_value(part.value, self.scope, self.diagnostics, names)
        if written is not None:
            value = resolve_value(written, self.user_scope, self.diagnostics, {})
            value = self._same_unit(value, default, name, written.span)
        if value.unit is None:
            self.bad.add(name)
            return
        stored_once = part.adjustable or name in self.overrides.learnt
        storage: nodes.Storage = "each" if value.each else "shared" if stored_once else "compiled"
        self.parameters[name] = nodes.Parameter(
            name, value.expression, value.unit, storage, value.scale, value.clip, span=value.span
        )

    def _same_unit(self, value: Value, default: Value, name: str, span: Span) -> Value:
        if value.unit is None or default.unit is None:
            return value
        if value.typed.is_zero or value.unit.dimension == default.unit.dimension:
            unit = default.unit if value.typed.is_zero else value.unit
            return replace(value, unit=unit, scale=default.scale if value.typed.is_zero else value.scale)
        message = (
            f"`{name}` of `{self.definition.name}` must be {default.unit.described()}, not {value.unit.described()}"
        )
        self.diagnostics.error("wrong-unit", span, message)
        return replace(value, unit=None)

    def _stored_in(self, written: tree.Expression) -> str | None:
        names = {str(n) for n in _names_in(written)}
        return next((n for n, p in self.parameters.items() if p.storage != "compiled" and n in names), None)

    def _state(self, part: tree.State) -> None:
        name = part.name.name
        if name in self.states:
            return
        names = self.parameter_symbols()
        value = default = resolve_value(part.initial, self.scope, self.diagnostics, names)
        written = self.overrides.initials.get(name)
        if written is not None:
            value = resolve_value(written, self.user_scope, self.diagnostics, names)
            value = self._same_unit(value, default, name, written.span)
        if value.clip:
            message = "`clip` in a state's initial value is not supported yet"
            self.diagnostics.error("not-supported-yet", value.span, message)
        if value.unit is None:
            self.bad.add(name)
            return
        self.states[name] = nodes.State(name, value.expression, value.unit, span=part.name.span)

    def parameter_symbols(self) -> dict[str, Typed]:
        """The parameters as names of expressions."""
        found = {n: Typed(Symbol(n, p.unit), Term(p.unit)) for n, p in self.parameters.items()}
        return found | {n: Typed(Symbol(n), None) for n in self.bad}


class _Body:
    """One pass over lets, equations, threshold and jumps, with given units of the inputs."""

    def __init__(self, resolver: _Resolver, diagnostics: Diagnostics, inputs: Mapping[str, Term]) -> None:
        self.resolver = resolver
        self.diagnostics = diagnostics
        self.equations: list[Term] = []
        self.names = resolver.parameter_symbols()
        self.names["t"] = Typed(Symbol("t", TIME), Term(TIME))
        self.names["step"] = Typed(Symbol("step", TIME), Term(TIME))
        for state in resolver.states.values():
            self.names[state.name] = Typed(Symbol(state.name, state.unit), Term(state.unit))
        for name, term in inputs.items():
            unit = None if term.unknown else term.unit
            self.names[name] = Typed(Symbol(name, unit), term)
        for let in resolver.parts.get(tree.Let, []):
            self.names.setdefault(let.name.name, self.elaborator().elaborate(let.value))

    def elaborator(self, extra: Mapping[str, Typed] | None = None) -> Elaborator:
        names = {**self.names, **(extra or {})}
        refused = "a random draw in a neuron's dynamics"
        return Elaborator(self.resolver.scope, self.diagnostics, names, draws_refused=refused, equations=self.equations)

    def dynamics(self) -> nodes.Dynamics:
        parts = self.resolver.parts
        equations = self._equations(parts.get(tree.Derivative, []))
        each_step = tuple(a for p in parts.get(tree.EachStep, [])[:1] for a in self._assignments(p.jumps, False))
        if each_step and equations:
            span = parts[tree.EachStep][0].span
            self.elaborator().unsupported(span, "`each step:` beside equations")
        spikes = parts.get(tree.Spike, [])
        spike = self._spike(spikes[0]) if spikes else None
        surrogate = self._surrogate(parts.get(tree.Surrogate, []), spikes)
        refractory = self._refractory(parts.get(tree.Refractory, []), spikes)
        states = tuple(self.resolver.states.values())
        method, substeps = MethodResolver(self.elaborator()).resolve(parts.get(tree.Method, []))
        return nodes.Dynamics(states, (), equations, each_step, method, substeps, spike, refractory, surrogate)

    def _equations(self, parts: list[tree.Derivative]) -> tuple[nodes.Equation, ...]:
        found: dict[str, nodes.Equation] = {}
        for part in parts:
            name = part.name.name
            elaborator = self.elaborator()
            value = elaborator.elaborate(part.value)
            if not self._is_state(part.name, "an equation"):
                continue
            if name in found:
                self.diagnostics.error("duplicate", part.span, f"`{name}` has two equations")
                continue
            term = self.names[name].term
            if term is not None:
                self._derivative_unit(part, value, term, elaborator)
            found[name] = nodes.Equation(name, value.expression, part.span)
        return tuple(found.values())

    def _derivative_unit(self, part: tree.Derivative, value: Typed, state: Term, elaborator: Elaborator) -> None:
        name, wanted = part.name.name, (state / Term(TIME)).bare()
        help = ""
        if value.term and not value.term.unknown:
            if value.term.dimension == state.dimension:
                help = f"divide by a time constant: `d{name}/dt = ({part.value.span.text}) / tau`"
            elif (value.term * Term(_RESISTANCE)).dimension in (wanted.dimension, state.dimension):
                help = "multiply the current by a resistance, or divide it by a capacitance"
        elaborator.expect(value, wanted, part.value.span, f"`d{name}/dt`", help)

    def _assignments(self, jumps: tuple[tree.Jump, ...], resets: bool = True) -> tuple[nodes.Assignment, ...]:
        found = []
        for jump in jumps:
            elaborator = self.elaborator()
            value = elaborator.elaborate(jump.value)
            if not self._is_state(jump.name, "an assignment"):
                continue
            if jump.reset and not resets:
                self.diagnostics.error("misplaced", jump.span, "`reset` stands under `spike when` only")
            name, current = jump.name.name, self.names[jump.name.name]
            if current.term is not None:
                if jump.operator == "*=":
                    elaborator.plain(value, jump.value.span, f"`{name} *= …` takes a plain number")
                else:
                    elaborator.expect(value, current.term, jump.value.span, f"what is assigned to `{name}`")
            result: Expression = value.expression
            if jump.operator in _JUMPS:
                unit = current.term.unit if current.term else None
                result = Apply(_JUMPS[jump.operator], (Symbol(name, unit, jump.name.span), result), unit, jump.span)
            found.append(nodes.Assignment(name, result, jump.reset, jump.span))
        return tuple(found)

    def _spike(self, part: tree.Spike) -> nodes.Spike:
        elaborator = self.elaborator()
        left, right = elaborator.elaborate(part.left), elaborator.elaborate(part.right)
        message = "the two sides of a threshold must have one unit"
        term = elaborator.agree(left, right, part.right.span, message, part.left.span)
        if part.comparison in ("==", "!="):
            self.diagnostics.error("wrong-argument", part.span, "a threshold is crossed: compare with `>` or `>=`")
        if part.comparison in ("<", "<="):
            left, right = right, left
        unit = term.unit if term and not term.unknown else None
        distance = Apply("sub", (left.expression, right.expression), unit, part.left.span.to(part.right.span))
        self.distance = Typed(distance, term)
        return nodes.Spike(distance, part.comparison in ("<", ">"), self._assignments(part.jumps), part.span)

    def _surrogate(self, parts: list[tree.Surrogate], spikes: list[tree.Spike]) -> Expression | None:
        if not parts:
            return None
        part = parts[0]
        if not spikes:
            self.diagnostics.error("missing-spike", part.span, "a `surrogate` needs a `spike when`")
            return None
        term = self.distance.term
        u = Typed(Symbol("u", term.unit if term and not term.unknown else None), term)
        elaborator = self.elaborator({"u": u})
        call, function = part.value, None
        match call:
            case tree.Call(tree.Name((name,)), _):
                function = self.resolver.scope.function(name)
            case tree.Name((name,)) if name not in self.names:
                function = self.resolver.scope.function(name)
        if function is not None and not isinstance(call, tree.Name) and isinstance(call, tree.Call):
            value = elaborator.inline(function, call.arguments, call.span, first=u)
        elif function is not None:
            value = elaborator.inline(function, (), call.span, first=u)
        else:
            value = elaborator.elaborate(call)
        if value.term is not None and term is not None:
            help = "" if term.plain or term.unknown else f"the spike has no unit, so give the height in 1/{term.unit}"
            elaborator.expect(value, (term**-1).bare(), call.span, "a surrogate", help)
        return value.expression

    def _refractory(self, parts: list[tree.Refractory], spikes: list[tree.Spike]) -> nodes.Refractory | None:
        if not parts:
            return None
        part = parts[0]
        if not spikes:
            self.diagnostics.error("missing-spike", part.span, "`refractory` needs a `spike when`")
        elaborator = self.elaborator()
        duration = elaborator.elaborate(part.duration)
        help = f"write `refractory {part.duration.span.text} ms`" if isinstance(part.duration, tree.Quantity) else ""
        elaborator.expect(duration, TIME, part.duration.span, "a refractory time", help)
        used = symbols(duration.expression) & set(self.resolver.states)
        if used:
            message = f"a refractory time cannot depend on the state `{sorted(used)[0]}`"
            self.diagnostics.error("not-constant", part.duration.span, message)
        held = tuple(name.name for name in part.hold if self._is_state(name, "`hold`"))
        return nodes.Refractory(duration.expression, held, part.span)

    def _is_state(self, name: tree.Identifier, what: str) -> bool:
        states = {part.name.name for part in self.resolver.parts.get(tree.State, [])}
        if name.name in states:
            return name.name in self.resolver.states
        if name.name in self.names:
            message = f"{what} changes a state, and `{name}` is none"
            help: tuple[str, ...] = (f"declare it with `state {name} = …`",)
        else:
            message = f"unknown state `{name}`"
            help = did_you_mean(name.name, states) or (f"declare it: `state {name} = 0`",)
        self.diagnostics.error("unknown-name", name.span, message, help=help)
        return False


def _names_in(written: tree.Expression) -> list[tree.Name]:
    match written:
        case tree.Name():
            return [written]
        case tree.Unary(_, operand):
            return _names_in(operand)
        case tree.Binary(_, left, right):
            return _names_in(left) + _names_in(right)
        case tree.Conditional(then, condition, otherwise):
            return [n for part in (then, condition, otherwise) for n in _names_in(part)]
        case tree.Call(_, arguments):
            return [n for a in arguments for n in _names_in(a.value)]
        case tree.List(items):
            return [n for item in items for n in _names_in(item)]
    return []
