"""The populations of a network."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from sncc.diagnostics import Diagnostics, Span, did_you_mean
from sncc.expressions.nodes import Number
from sncc.expressions.units import PLAIN, Unit
from sncc.model import nodes
from sncc.model.draft import Draft
from sncc.model.infer import TIME, Elaborator
from sncc.model.neuron import Neuron, Overrides, resolve_neuron
from sncc.model.scope import Scope
from sncc.model.terms import Term, Typed
from sncc.model.values import constant_whole, resolve_value
from sncc.syntax import tree

SOURCES_LATER = ("poisson", "spike_times")
LARGEST = 2**31 - 1  # neurons of a population, synapses of a connection: what 32-bit indices reach


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
        if model in SOURCES_LATER:
            self._unsupported(part.model.span, f"a population of `{model}`")
            return
        if model in ("input", "signal"):
            impulse = self._source_arguments(part)
            if shape:
                self.draft.populations[name] = nodes.Population(
                    name, "input" if model == "input" else "signal", shape, model, impulse=impulse, span=part.name.span
                )
                self.draft.broken.discard(name)
            return
        definition = self.scope.definition(model)
        if not isinstance(definition, tree.Neuron):
            self._unknown_model(part, definition)
            return
        neuron = self._neuron(part, definition)
        if shape is None or neuron is None:
            return
        self.draft.populations[name] = nodes.Population(
            name,
            "neuron",
            shape,
            model,
            neuron.parameters,
            neuron.dynamics,
            doc=definition.document,
            span=part.name.span,
        )
        self.draft.broken.discard(name)

    def _unknown_model(self, part: tree.Population, definition: object) -> None:
        model = part.model.name
        if definition is not None:
            kind = type(definition).__name__.lower()
            self.diagnostics.error("wrong-argument", part.model.span, f"`{model}` is a {kind}, not a neuron")
            return
        known = [*self.scope.neuron_names(), "input", "signal", *SOURCES_LATER]
        help = did_you_mean(model, known) or ("`sncc models` lists the ready ones",)
        self.diagnostics.error("unknown-model", part.model.span, f"unknown neuron model `{model}`", help=help)

    def _neuron(self, part: tree.Population, definition: tree.Neuron) -> Neuron | None:
        parameters = {p.name.name for p in definition.parts if isinstance(p, tree.Parameter)}
        states = {p.name.name for p in definition.parts if isinstance(p, tree.State)}
        changed: dict[str, tree.Expression] = {}
        for argument in part.arguments:
            if argument.name is None:
                message = "numbers of a population stand with their names"
                help = f"write `{next(iter(sorted(parameters)), 'name')} = {argument.span.text}`"
                self.diagnostics.error("wrong-argument", argument.span, message, help=help)
            elif argument.name in parameters:
                changed[argument.name] = argument.value
            else:
                help = f"initial values stand behind the brackets: `{part.model}[…], {argument.name} = …`"
                hints = (help,) if argument.name in states else did_you_mean(argument.name, parameters)
                span = Span(argument.span.source, argument.span.start, argument.span.start + len(argument.name))
                message = f"`{part.model}` has no parameter `{argument.name}`"
                self.diagnostics.error("unknown-name", span, message, help=hints)
        initials: dict[str, tree.Expression] = {}
        for initial in part.initials:
            if initial.name.name in states:
                initials[initial.name.name] = initial.value
            else:
                message = f"`{part.model}` has no state `{initial.name}`"
                hints = did_you_mean(initial.name.name, states)
                if initial.name.name in parameters:
                    hints = (f"parameters stand in parentheses: `{part.model}[…]({initial.name} = …)`",)
                self.diagnostics.error("unknown-name", initial.name.span, message, help=hints)
        flows = any(isinstance(p, tree.Derivative) for p in definition.parts)

        def units_from_use(inputs: tuple[str, ...]) -> dict[str, Unit]:
            return self._units_from_use(part.name.name, inputs, flows)

        overrides = Overrides(changed, initials, self.learnt.get(part.name.name, frozenset()), units_from_use)
        before = len(self.diagnostics.errors)
        neuron = resolve_neuron(definition, overrides, self.scope, self.diagnostics)
        return neuron if len(self.diagnostics.errors) == before else None

    def _units_from_use(self, population: str, inputs: tuple[str, ...], flows: bool) -> dict[str, Unit]:
        """Units that weights give to inputs which the equations leave open."""
        found: dict[str, Unit] = {}
        for connect in self.connects:
            target = connect.target.input.name if connect.target.input else inputs[0]
            weight = next((o for o in connect.options if o.name.name == "weight"), None)
            if connect.target.name.name != population or target not in inputs or weight is None:
                continue
            value = resolve_value(weight.value, self.scope, Diagnostics(), fans(1, 1))
            source = self.draft.populations.get(connect.source.name.name)
            impulsive = source is None or source.kind != "signal" or source.impulse
            if value.unit is not None:
                found.setdefault(target, value.unit / TIME if flows and impulsive else value.unit)
        return found

    def _shape(self, part: tree.Population) -> tuple[int, ...] | None:
        if part.shape is None:
            message = f"how many neurons has `{part.name}`?"
            help = f"write `{part.model}[100]`"
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

    def _source_arguments(self, part: tree.Population) -> bool:
        """Whether a signal is delivered as an impulse; the arguments of sources are checked."""
        impulse = False
        for argument in part.arguments:
            value = argument.value
            if part.model.name == "signal" and argument.name == "as":
                impulse = isinstance(value, tree.Name) and str(value) == "impulse"
                if not impulse:
                    message = "a signal can be delivered `as = impulse` only"
                    self.diagnostics.error("wrong-argument", value.span, message)
            else:
                self.diagnostics.error("wrong-argument", argument.span, f"`{part.model}` takes no such argument")
        for initial in part.initials:
            self.diagnostics.error("wrong-argument", initial.span, f"`{part.model}` has no states")
        return impulse

    def _unsupported(self, span: Span, what: str) -> None:
        Elaborator(self.scope, self.diagnostics).unsupported(span, what)


def fans(fan_in: int, fan_out: int) -> dict[str, Typed]:
    """`fan_in` and `fan_out` as names of a weight's expression."""
    numbers = {"fan_in": fan_in, "fan_out": fan_out}
    return {name: Typed(Number(float(number), PLAIN), Term()) for name, number in numbers.items()}
