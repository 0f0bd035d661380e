"""A `plasticity` definition at one connection → traces, states, jumps of the weight, modulators and bounds."""

from __future__ import annotations

from collections.abc import Mapping

from sncc.diagnostics import Diagnostics, Span, did_you_mean
from sncc.expressions.nodes import Expression, Number, symbols
from sncc.expressions.units import PLAIN, Unit
from sncc.model import nodes
from sncc.model.body import Body
from sncc.model.definition import Definition, Overrides
from sncc.model.ends import Ends, any_ends, found_units, known, report_misfit, unknown
from sncc.model.scope import Scope
from sncc.model.terms import solve
from sncc.model.values import folded
from sncc.model.white_noise import is_noise
from sncc.syntax import tree


def check_plasticity(block: tree.Plasticity, scope: Scope, diagnostics: Diagnostics) -> bool:
    """Report what is wrong with a definition wherever it is used; whether it is sound."""
    found = Diagnostics()
    definition = Definition(block, Overrides(), scope, found)
    if not found.errors:
        _resolve(definition, any_ends(block), {}, found)
    diagnostics.take(found.found)
    return not found.errors


def resolve_plasticity(
    block: tree.Plasticity, overrides: Overrides, ends: Ends, modulators: Mapping[str, Unit], span: Span, scope: Scope,
    diagnostics: Diagnostics,
) -> nodes.Plasticity | None:  # fmt: skip
    """The plasticity of one connection, whose option stands at `span`, or None after a mistake (which is reported).

    `modulators` gives the units of those that a population sets.
    """
    if not check_plasticity(block, scope, diagnostics):
        return None
    before = len(diagnostics.errors)
    definition = Definition(block, overrides, scope, diagnostics)
    found = Diagnostics()
    resolved = _resolve(definition, ends, modulators, found)
    plain = [p.name for p in resolved.parameters if p.unit.dimensionless]
    report_misfit(found, block, span, diagnostics, plain, ends.weight)
    return resolved if len(diagnostics.errors) == before else None


def _resolve(
    definition: Definition, ends: Ends, modulators: Mapping[str, Unit], diagnostics: Diagnostics
) -> nodes.Plasticity:
    names = [part.name.name for part in definition.parts.get(tree.Modulator, [])]
    outside = {
        **ends.names,
        "weight": known("weight", ends.weight),
        **{name: unknown(name) for name in definition.open},
    }
    outside |= {name: known(name, modulators.get(name)) for name in names}
    muted = _PlasticityBody(definition, Diagnostics(), outside)
    muted.plasticity({}, {})
    units = solve(muted.equations)
    of_modulators = {n: modulators.get(n) or units.get(n) or PLAIN for n in names}
    body = _PlasticityBody(definition, diagnostics, found_units(outside, units, ends.weight is not None))
    return body.plasticity(of_modulators, units)


class _PlasticityBody(Body):
    def plasticity(self, modulators: Mapping[str, Unit], units: Mapping[str, Unit]) -> nodes.Plasticity:
        """The plasticity; `modulators` with their units, and the `units` of states found."""
        definition, parts = self.definition, self.definition.parts
        equations = self._trace_equations()
        on_pre = self._jumps(parts.get(tree.OnPre, []), "pre")
        on_post = self._jumps(parts.get(tree.OnPost, []), "post")
        places = {part.name.name: part.name.span for part in parts.get(tree.Modulator, [])}
        pre, post = (definition.states_of(kind, units) for kind in (tree.PreState, tree.PostState))
        for state in (*pre, *post):
            self._alone(state.name, state.initial, state.span)
        return nodes.Plasticity(
            definition.block.name.name, tuple(definition.parameters.values()), pre, post,
            definition.states_of(tree.State, units), equations, on_pre, on_post,
            tuple(nodes.Input(name, unit, places.get(name)) for name, unit in modulators.items()),
            self._bounds(parts.get(tree.Bound, [])), definition.block.document, definition.block.name.span,
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------- pre and post states
    def _trace_equations(self) -> tuple[nodes.Equation, ...]:
        equations = self.flow()
        for equation in equations:
            self._alone(equation.state, equation.derivative, equation.span)
        return equations

    def is_state(self, name: tree.Identifier, what: str) -> bool:
        """A weight jumps like a state and has no equation."""
        if name.name != "weight" or what != "an equation":
            return super().is_state(name, what)
        message = "a weight has no equation"
        help = "it changes at spikes, under `on pre` and `on post`; let a `state` flow and add it there"
        self.diagnostics.error("misplaced", name.span, message, help=help)
        return False

    def _jumps(self, parts: list[tree.OnPre] | list[tree.OnPost], end: str) -> tuple[nodes.Assignment, ...]:
        jumps = tuple(a for p in parts[:1] for a in self.assignments(p.jumps, "a jump", weight=True))
        for jump in jumps:
            other = {"pre": "post", "post": "pre"}[end]
            if jump.state in self._owned(other):
                message = f"`{jump.state}` is a `{other} state`: it jumps under `on {other}` only"
                help = "a number per synapse is declared with `state`"
                self.diagnostics.error("misplaced", jump.span, message, help=help)
            else:
                self._alone(jump.state, jump.value, jump.span)
        return jumps

    def _owned(self, end: str) -> set[str]:
        kind = tree.PreState if end == "pre" else tree.PostState
        return {part.name.name for part in self.definition.parts.get(kind, [])}

    def _alone(self, state: str, value: Expression, span: Span | None) -> None:
        """A pre or post state is one number per neuron: nothing of a synapse or of the other neuron can move it."""
        for end in ("pre", "post"):
            if state not in self._owned(end):
                continue
            own = {
                *self._owned(end),
                "t",
                "step",
                *(p for p, q in self.definition.parameters.items() if q.storage != "each"),
            }
            modulators = {part.name.name for part in self.definition.parts.get(tree.Modulator, [])}
            foreign = sorted(
                n
                for n in symbols(value) - own - modulators
                if not n.startswith(f"{end}.") and not is_noise(n) and n in self.names
            )
            if foreign:
                message = f"`{state}` is one number per {end}synaptic neuron and cannot depend on `{foreign[0]}`"
                help = f"declare it with `state {state} = …`: one number per synapse"
                self.diagnostics.error("misplaced", span, message, help=help)

    def _bounds(self, parts: list[tree.Bound]) -> tuple[tuple[str, Expression, Expression], ...]:
        found = []
        for part in parts:
            name = part.name.name
            if name != "weight" and name not in self.definition.states:
                message = f"`bound` keeps a weight or a state, and `{name}` is none"
                hints = did_you_mean(name, ["weight", *self.definition.states])
                self.diagnostics.error("unknown-name", part.name.span, message, help=hints)
                continue
            if len(part.interval.items) != 2:
                message = "a bound is an interval `[A, B]`"
                self.diagnostics.error("wrong-argument", part.interval.span, message)
                continue
            ends = [self._end(name, item) for item in part.interval.items]
            numbers = [folded(e, part.interval.span, self.diagnostics) for e in ends]
            low, high = (n.value if isinstance(n, Number) else None for n in numbers)
            if low is not None and high is not None and low > high:
                message = "this interval is empty: its ends are exchanged"
                self.diagnostics.error("wrong-argument", part.interval.span, message)
            found.append((name, ends[0], ends[1]))
        return tuple(found)

    def _end(self, name: str, written: tree.Expression) -> Expression:
        elaborator = self.elaborator()
        value = elaborator.elaborate(written)
        term = self.names[name].term
        if term is not None:
            elaborator.expect(value, term, written.span, f"the bound of `{name}`")
        self.refuse_random(value.expression, written.span, "a bound", draws=False, noise=False)
        varying = symbols(value.expression) - set(self.definition.parameters)
        if varying:
            message = "a bound is made of numbers and parameters"
            self.diagnostics.error("not-constant", written.span, message, f"`{sorted(varying)[0]}` varies")
        return value.expression
