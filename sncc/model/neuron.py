"""A neuron's definition with a population's numbers → parameters and dynamics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf

from sncc.diagnostics import Diagnostics, Span
from sncc.expressions.nodes import Apply, Expression, Number, Symbol, substitute, symbols
from sncc.expressions.units import PLAIN, Unit
from sncc.model import nodes
from sncc.model.body import Body, at_jump
from sncc.model.definition import Definition, Overrides
from sncc.model.infer import TIME
from sncc.model.scope import Scope
from sncc.model.terms import Term, Typed, solve
from sncc.model.values import folded
from sncc.syntax import tree

UnitsFromUse = Callable[[tuple[str, ...]], Mapping[str, Unit]]
_ONE = Fraction(1)


@dataclass(frozen=True)
class Neuron:
    """A resolved neuron."""

    parameters: tuple[nodes.Parameter, ...]
    dynamics: nodes.Dynamics


def resolve_neuron(
    block: tree.Neuron, overrides: Overrides, scope: Scope, diagnostics: Diagnostics,
    units_from_use: UnitsFromUse | None = None,
) -> Neuron:  # fmt: skip
    """Resolve a neuron for one population; mistakes are reported, and left out of the result.

    `units_from_use` gives units of inputs that the equations leave open.
    """
    definition = Definition(block, overrides, scope, diagnostics)
    inputs = {part.name.name: part for part in definition.parts.get(tree.Input, [])}
    muted = _NeuronBody(definition, Diagnostics(), {name: _unknown(name) for name in inputs})
    muted.collect()
    units = _input_units(tuple(inputs), muted.equations, units_from_use)
    body = _NeuronBody(definition, diagnostics, {n: Typed(Symbol(n, u), Term(u)) for n, u in units.items()})
    resolved = tuple(nodes.Input(name, units[name], part.name.span) for name, part in inputs.items())
    dynamics = replace(body.dynamics(), inputs=resolved)
    return Neuron(tuple(definition.parameters.values()), dynamics)


def _unknown(name: str) -> Typed:
    return Typed(Symbol(name), Term(PLAIN, ((name, _ONE),)))


def _input_units(inputs: tuple[str, ...], equations: list[Term], from_use: UnitsFromUse | None) -> dict[str, Unit]:
    """The units of inputs: from the equations, else from use, else plain."""
    units = solve(equations)
    open_inputs = tuple(name for name in inputs if name not in units)
    if open_inputs and from_use is not None:
        for name, unit in from_use(open_inputs).items():
            if name not in units:
                equations = [*equations, Term(PLAIN, ((name, _ONE),)) / Term(unit)]
                units = solve(equations)
    return {name: units.get(name, PLAIN) for name in inputs}


class _NeuronBody(Body):
    """What only neurons have: a threshold with its jumps, `each step`, a surrogate, a refractory time."""

    def collect(self) -> None:
        """The equations between units alone."""
        self._moves()

    def dynamics(self) -> nodes.Dynamics:
        parts = self.definition.parts
        equations, each_step, spike = self._moves()
        self._refuse_common_inputs(equations, each_step)
        self._refuse_common_states(equations, each_step)
        spikes = parts.get(tree.Spike, [])
        surrogate = self._surrogate(parts.get(tree.Surrogate, []), spikes)
        refractory = self._refractory(parts.get(tree.Refractory, []), spikes)
        states = tuple(self.definition.states.values())
        method, substeps = self.method()
        return nodes.Dynamics(states, (), equations, each_step, method, substeps, spike, refractory, surrogate)

    def _moves(self) -> tuple[tuple[nodes.Equation, ...], tuple[nodes.Assignment, ...], nodes.Spike | None]:
        """Equations, a map and a threshold: what holds units together."""
        parts = self.definition.parts
        equations = self.flow()
        each_step = tuple(
            a for p in parts.get(tree.EachStep, [])[:1] for a in self.assignments(p.jumps, "`each step`", flows=True)
        )
        spikes = parts.get(tree.Spike, [])
        return equations, each_step, self._spike(spikes[0]) if spikes else None

    def _refuse_common_states(
        self, equations: tuple[nodes.Equation, ...], each_step: tuple[nodes.Assignment, ...]
    ) -> None:
        """A state flows or is mapped: both at once would leave open which comes first."""
        flowing = {equation.state for equation in equations}
        for state in dict.fromkeys(a.state for a in each_step if a.state in flowing):
            span = next(a.span for a in each_step if a.state == state)
            message = f"`{state}` has an equation and a line in `each step`"
            help = "keep one of them, or declare a second state for what a step sets"
            self.diagnostics.error("misplaced", span, message, help=help)

    def _refuse_common_inputs(
        self, equations: tuple[nodes.Equation, ...], each_step: tuple[nodes.Assignment, ...]
    ) -> None:
        """An impulse into an equation has another unit than an addend of a map: no input can be both."""
        inputs = {part.name.name for part in self.definition.parts.get(tree.Input, [])}
        flowing = {name for equation in equations for name in symbols(equation.derivative)} & inputs
        for assignment in each_step:
            for name in sorted(symbols(assignment.value) & flowing):
                message = f"`{name}` stands in an equation and in `each step`"
                help = "declare a second `input` for what a step adds"
                self.diagnostics.error("misplaced", assignment.span, message, help=help)

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
        self.refuse_random(distance, part.span, "a threshold", draws=False, noise=False)
        self.distance = Typed(distance, term)
        jumps = self.assignments(part.jumps, "a jump", resets=True)
        return nodes.Spike(at_jump(distance), part.comparison in ("<", ">"), jumps, part.span)

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
                function = self.definition.scope.function(name)
            case tree.Name((name,)) if name not in self.names:
                function = self.definition.scope.function(name)
        if function is not None and not isinstance(call, tree.Name) and isinstance(call, tree.Call):
            if self._gives_distance(function, call):
                return None
            value = elaborator.inline(function, call.arguments, call.span, first=u)
        elif function is not None:
            value = elaborator.inline(function, (), call.span, first=u)
        else:
            value = elaborator.elaborate(call)
        if value.term is not None and term is not None:
            help = "" if term.plain or term.unknown else f"the spike has no unit, so give the height in 1/{term.unit}"
            elaborator.expect(value, (term**-1).bare(), call.span, "a surrogate", help)
        self.refuse_random(value.expression, call.span, "a surrogate", draws=False, noise=False)
        return value.expression

    def _gives_distance(self, function: tree.Function, call: tree.Call) -> bool:
        """Whether `u` is among a surrogate's arguments, where it would stand for another one of them; reports it."""
        for argument in call.arguments:
            if isinstance(argument.value, tree.Name) and str(argument.value) == "u":
                others = ", ".join(a.span.text for a in call.arguments if a is not argument)
                message = f"the distance to the threshold is the first argument of `{function.name.name}` already"
                help = f"leave it out: `{function.name.name}({others})`"
                self.diagnostics.error("wrong-argument", argument.span, message, help=help)
                return True
        return False

    def _refractory(self, parts: list[tree.Refractory], spikes: list[tree.Spike]) -> nodes.Refractory | None:
        if not parts:
            return None
        part = parts[0]
        if not spikes:
            self.diagnostics.error("missing-spike", part.span, "`refractory` needs a `spike when`")
        elaborator = self.elaborator()
        duration = elaborator.elaborate(part.duration)
        plain = isinstance(part.duration, tree.Quantity) and not part.duration.unit
        help = f"write `refractory {part.duration.span.text} ms`" if plain else ""
        elaborator.expect(duration, TIME, part.duration.span, "a refractory time", help)
        self._refuse_negative(duration.expression, part.duration.span)
        used = symbols(duration.expression) & set(self.definition.states)
        if used:
            message = f"a refractory time cannot depend on the state `{sorted(used)[0]}`"
            self.diagnostics.error("not-constant", part.duration.span, message)
        self.refuse_random(duration.expression, part.duration.span, "a refractory time", draws=False, noise=False)
        held = tuple(name.name for name in part.hold if self.is_state(name, "`hold`"))
        return nodes.Refractory(duration.expression, held, part.span)

    def _refuse_negative(self, duration: Expression, span: Span) -> None:
        """A refractory time is not negative; a parameter that is one is kept from it, be it drawn, set or learnt."""
        parameters = self.definition.parameters
        numbers = {name: p.value for name, p in parameters.items() if isinstance(p.value, Number)}
        itself = parameters.get(duration.name) if isinstance(duration, Symbol) else None
        if itself is not None:
            parameters[itself.name] = replace(itself, bounds=(0.0, inf))
            span = itself.span or span
        known = folded(substitute(duration, numbers), span, self.diagnostics)
        if isinstance(known, Number) and known.value < 0:
            self.diagnostics.error("wrong-argument", span, "a refractory time cannot be negative")
