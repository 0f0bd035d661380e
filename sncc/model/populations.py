"""The populations of a network."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace

from sncc.diagnostics import Diagnostics, did_you_mean
from sncc.expressions.units import Unit
from sncc.model import nodes
from sncc.model.definition import Overrides, read_arguments, undeclared_states
from sncc.model.draft import Draft
from sncc.model.infer import TIME
from sncc.model.neuron import Neuron, resolve_neuron
from sncc.model.scope import Scope
from sncc.model.sources import ELSEWHERE, SOURCES, SourceResolver
from sncc.model.values import constant_whole, element_names, resolve_value
from sncc.syntax import tree

LARGEST = 2**31 - 1  # neurons of a population: what 32-bit indices reach


@dataclass
class PopulationResolver:
    """Resolves one population after the other into a draft."""

    draft: Draft
    connects: list[tree.Connect]  # for inputs whose unit only their use can tell
    learnt: Mapping[str, Set[str]]
    scope: Scope
    diagnostics: Diagnostics

    def resolve(self, part: tree.Population) -> None:
        """Add a population, or name it among the broken ones."""
        name, model = part.name.name, part.model.name
        self.draft.broken.add(name)  # until it is complete
        shape = self._shape(part)
        if part.shape is None:  # what stands in the place of the shape is told with it
            part = replace(part, arguments=tuple(a for a in part.arguments if a.name is not None))
        if model in SOURCES:
            self._source(part, shape)
            return
        definition = self.scope.definition(model)
        if not isinstance(definition, tree.Neuron):
            self._unknown_model(part, definition)
            return
        neuron = self._neuron(part, definition)
        if shape is None or neuron is None:
            return
        self._add(
            nodes.Population(
                name, "neuron", shape, model, neuron.parameters, neuron.dynamics, doc=definition.document,
                span=part.name.span,
            )
        )  # fmt: skip

    def _add(self, population: nodes.Population) -> None:
        self.draft.populations[population.name] = population
        self.draft.broken.discard(population.name)

    def _source(self, part: tree.Population, shape: tuple[int, ...] | None) -> None:
        """A population of `input`, `signal`, `poisson` or `spike_times`."""
        sources = SourceResolver(self.learnt.get(part.name.name, frozenset()), self.scope, self.diagnostics)
        source = sources.resolve(part, shape)
        if source is not None:
            self._add(source)

    def _unknown_model(self, part: tree.Population, definition: object) -> None:
        model = part.model.name
        if definition is not None:
            kind = type(definition).__name__.lower()
            self.diagnostics.error("wrong-argument", part.model.span, f"`{model}` is a {kind}, not a neuron")
            return
        known = [*self.scope.names_of(tree.Neuron), *SOURCES]
        help = did_you_mean(model, known) or ("`sncc models` lists the ready ones, `neuron NAME:` makes one",)
        if (meant := ELSEWHERE.get(model.lower())) is not None:
            help = (meant,)
        self.diagnostics.error("unknown-model", part.model.span, f"unknown neuron model `{model}`", help=help)

    def _neuron(self, part: tree.Population, definition: tree.Neuron) -> Neuron | None:
        before = len(self.diagnostics.errors)
        parameters = {p.name.name for p in definition.parts if isinstance(p, tree.Parameter)}
        states = {p.name.name for p in definition.parts if isinstance(p, tree.State)}
        changed = read_arguments(definition, part.arguments, self.diagnostics)
        initials: dict[str, tree.Expression] = {}
        for initial in part.initials:
            if initial.name.name in states:
                initials[initial.name.name] = initial.value
            elif initial.name.name not in undeclared_states(definition):  # which its neuron reports
                message = f"`{part.model}` has no state `{initial.name}`"
                hints = did_you_mean(initial.name.name, states)
                if initial.name.name in parameters:
                    hints = (f"parameters stand in parentheses: `{part.model}[…]({initial.name} = …)`",)
                self.diagnostics.error("unknown-name", initial.name.span, message, help=hints)
        flows = any(isinstance(p, tree.Derivative) for p in definition.parts)

        def units_from_use(inputs: tuple[str, ...]) -> dict[str, Unit]:
            return self._units_from_use(part.name.name, inputs, flows)

        overrides = Overrides(changed, initials, self.learnt.get(part.name.name, frozenset()))
        neuron = resolve_neuron(definition, overrides, self.scope, self.diagnostics, units_from_use)
        return neuron if len(self.diagnostics.errors) == before else None

    def _units_from_use(self, population: str, inputs: tuple[str, ...], flows: bool) -> dict[str, Unit]:
        """Units that weights give to inputs which the equations leave open."""
        found: dict[str, Unit] = {}
        for connect in self.connects:
            target = connect.target.input.name if connect.target.input else inputs[0]
            weight = next((o for o in connect.options if o.name.name == "weight"), None)
            through = any(o.name.name == "synapse" for o in connect.options)  # its unit stands in its own equations
            if connect.target.name.name != population or target not in inputs or weight is None or through:
                continue
            value = resolve_value(weight.value, self.scope, Diagnostics(), element_names((1.0, 1.0)))
            source = self.draft.populations.get(connect.source.name.name)
            impulsive = source is None or source.kind != "signal" or source.impulse
            if value.unit is not None:
                found.setdefault(target, value.unit / TIME if flows and impulsive else value.unit)
        return found

    def _shape(self, part: tree.Population) -> tuple[int, ...] | None:
        if part.shape is None:
            message = f"how many neurons has `{part.name}`?"
            meant = next((a.span.text for a in part.arguments if a.name is None), "100")
            help = f"write `{part.model}[{meant}]`"
            self.diagnostics.error("wrong-shape", part.model.span, message, help=help)
            return None
        lengths = [constant_whole(item, "a population's shape", self.scope, self.diagnostics) for item in part.shape]
        shape = tuple(length for length in lengths if length is not None)
        if len(shape) < len(lengths):
            return None
        size = 1
        for length, item in zip(shape, part.shape, strict=True):
            size *= length
            if length < 1 or size > LARGEST:
                message = "a population needs at least one neuron" if length < 1 else "too many neurons"
                self.diagnostics.error("wrong-shape", item.span, message)
                return None
        return shape
