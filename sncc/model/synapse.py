"""A `synapse` definition at one connection → parameters, states, jumps, what it delivers; the unit of `weight`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sncc.diagnostics import Diagnostics, Span
from sncc.expressions.units import PLAIN, Unit
from sncc.model import nodes
from sncc.model.body import Body
from sncc.model.definition import Definition, Overrides
from sncc.model.ends import Ends, any_ends, found_units, known, report_misfit, unknown
from sncc.model.scope import Scope
from sncc.model.terms import Term, Typed, solve
from sncc.syntax import tree


@dataclass(frozen=True)
class Synapse:
    """A resolved synapse; `weight` is the unit that it asks of weights, None where it leaves that open."""

    node: nodes.Synapse
    weight: Unit | None


def check_synapse(block: tree.Synapse, scope: Scope, diagnostics: Diagnostics) -> bool:
    """Report what is wrong with a definition wherever it is used; whether it is sound."""
    found = Diagnostics()
    definition = Definition(block, Overrides(), scope, found)
    if not block.parts or tree.Deliver not in definition.parts:
        help = "add `deliver …`, what the target's input receives all the time, such as `deliver g`"
        found.error("missing-deliver", block.name.span, f"the synapse `{block.name}` delivers nothing", help=help)
    if not found.errors:
        _resolve(definition, any_ends(block), found)
    diagnostics.take(found.found)
    return not found.errors


def resolve_synapse(
    block: tree.Synapse, overrides: Overrides, ends: Ends, span: Span, scope: Scope, diagnostics: Diagnostics
) -> Synapse | None:
    """The synapse of one connection, whose option stands at `span`, or None after a mistake (which is reported)."""
    if not check_synapse(block, scope, diagnostics):
        return None
    before = len(diagnostics.errors)
    definition = Definition(block, overrides, scope, diagnostics)
    found = Diagnostics()
    resolved = _resolve(definition, ends, found)
    report_misfit(found, block, span, diagnostics)
    return resolved if len(diagnostics.errors) == before else None


def _resolve(definition: Definition, ends: Ends, diagnostics: Diagnostics) -> Synapse:
    outside = {**ends.names, **{name: unknown(name) for name in ("weight", *definition.open)}}
    muted = _SynapseBody(definition, Diagnostics(), outside)
    muted.synapse(ends.input, {})
    units = solve(muted.equations)
    names = found_units(outside, units, False)
    if not ends.input.unknown:  # at a connection: what nothing tells is plain, the weight aside
        names |= {name: known(name, units.get(name, PLAIN)) for name in definition.open}
    body = _SynapseBody(definition, diagnostics, names)
    return Synapse(body.synapse(ends.input.known(units), units), units.get("weight"))


class _SynapseBody(Body):
    def synapse(self, input: Term, units: Mapping[str, Unit]) -> nodes.Synapse:
        """The synapse, with what it delivers in the unit of the target's `input` and the `units` of states found."""
        definition, parts = self.definition, self.definition.parts
        equations = self.flow()
        on_pre = tuple(a for p in parts.get(tree.OnPre, [])[:1] for a in self.assignments(p.jumps, "a jump"))
        deliver = self._deliver(parts.get(tree.Deliver, []), input)
        method, substeps = self.method()
        return nodes.Synapse(
            definition.block.name.name, tuple(definition.parameters.values()), definition.states_of(tree.State, units),
            equations, on_pre, deliver.expression if deliver else None,
            None if input.unknown else input.unit, method, substeps, definition.block.document,
            definition.block.name.span,
        )  # fmt: skip

    def _deliver(self, parts: list[tree.Deliver], input: Term) -> Typed | None:
        if not parts:
            return None
        part = parts[0]
        elaborator = self.elaborator()
        value = elaborator.elaborate(part.value)
        self.refuse_random(value.expression, part.value.span, "what a synapse delivers", draws=False, noise=False)
        elaborator.expect(value, input, part.value.span, "what is delivered")
        return value
