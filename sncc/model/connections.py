"""The connections of a network."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from sncc.connectivity.patterns import Dense, OneToOne, Part, Pattern
from sncc.diagnostics import Diagnostics, Span, did_you_mean
from sncc.model import nodes
from sncc.model.constants import round_half_up
from sncc.model.draft import Draft
from sncc.model.infer import Elaborator
from sncc.model.populations import LARGEST
from sncc.model.scope import Scope
from sncc.model.values import constant_time
from sncc.model.weights import WeightResolver
from sncc.syntax import tree

PATTERNS = ("dense", "one_to_one")
PATTERNS_LATER = ("random", "conv2d", "pool2d", "sparse")
OPTIONS = ("weight", "delay", "synapse", "plasticity")


@dataclass
class ConnectionResolver:
    """Resolves one connection after the other into a draft."""

    draft: Draft
    learnt: Mapping[str, Set[str]]
    scope: Scope
    diagnostics: Diagnostics

    def resolve(self, part: tree.Connect) -> None:
        """Add a connection; a mistake leaves it out."""
        source, target = self._endpoint(part.source), self._endpoint(part.target)
        options = self._options(part)
        pattern = self._pattern(part.pattern)
        for key in ("synapse", "plasticity"):
            if key in options:
                self._unsupported(options[key].span, f"a `{key}` of a connection")
        weight_option = options.get("weight")
        if weight_option is None and all(o.name.name in OPTIONS for o in part.options):
            help = "add `weight = …`"
            self.diagnostics.error("missing-weight", part.span, "this connection has no `weight`", help=help)
        delay = self._delay(options.get("delay"))
        if source is None or target is None or pattern is None:
            return
        size = _fan(pattern, source, target)
        if size is None:
            message = f"`one_to_one` needs equally many neurons: {_sized(source)}, {_sized(target)}"
            self.diagnostics.error("shape-mismatch", part.pattern.span, message)
        fan_in, fan_out = size or (1, 1)
        if source.size * fan_out > LARGEST * 4:
            self.diagnostics.error("wrong-shape", part.pattern.span, "too many synapses")
        name = self._name(part, source, target)
        where = self._input(part, target)
        if source.kind == "neuron" and source.dynamics is not None and source.dynamics.spike is None:
            message = f"`{source.name}` does not spike: `{source.model}` has no `spike when`"
            self.diagnostics.error("missing-spike", part.source.span, message)
            return
        if where is None or weight_option is None or name is None or size is None:
            return
        weights = WeightResolver(self.draft, self.scope, self.diagnostics)
        learnt = "weight" in self.learnt.get(name, frozenset())
        weight = weights.resolve(weight_option, learnt, source, target, where, (fan_in, fan_out))
        if weight is None:
            return
        self.draft.connections[name] = nodes.Connection(
            name,
            source.name,
            target.name,
            where.name,
            pattern,
            weight,
            0,
            Part.whole(source.shape),
            Part.whole(target.shape),
            span=part.span,
        )
        self.draft.delays[name] = delay

    def _endpoint(self, endpoint: tree.Endpoint) -> nodes.Population | None:
        if endpoint.slices:
            self._unsupported(endpoint.span, "a slice of a population")
        name = endpoint.name.name
        if name in self.draft.broken:
            return None
        if name not in self.draft.populations:
            known = [*self.draft.populations, *self.draft.broken]
            hints = did_you_mean(name, known)
            if self.scope.definition(name) is not None:
                hints = (f"`{name}` is a model; connect populations of it",)
            self.diagnostics.error("unknown-name", endpoint.name.span, f"unknown population `{name}`", help=hints)
            return None
        return self.draft.populations[name]

    def _options(self, part: tree.Connect) -> dict[str, tree.Option]:
        found: dict[str, tree.Option] = {}
        for option in part.options:
            name = option.name.name
            if name == "post_delay":
                self._unsupported(option.span, "`post_delay`")
            elif name not in OPTIONS:
                message = f"a connection has no `{name}`"
                hints = did_you_mean(name, OPTIONS) or ("it takes " + ", ".join(f"`{o}`" for o in OPTIONS),)
                self.diagnostics.error("unknown-name", option.name.span, message, help=hints)
            elif name in found:
                self.diagnostics.error("duplicate", option.span, f"`{name}` is given twice")
            else:
                found[name] = option
        return found

    def _pattern(self, written: tree.Expression) -> Pattern | None:
        name = str(written.function if isinstance(written, tree.Call) else written)
        if not isinstance(written, tree.Call | tree.Name):
            name = ""
        if name in PATTERNS_LATER:
            self._unsupported(written.span, f"the pattern `{name}`")
        elif name in PATTERNS and isinstance(written, tree.Call) and written.arguments:
            self._unsupported(written.span, f"`{name}` with arguments")
        elif name == "dense":
            return Dense()
        elif name == "one_to_one":
            return OneToOne()
        else:
            known = [*PATTERNS, *PATTERNS_LATER]
            hints = did_you_mean(name, known) or ("it is one of " + ", ".join(f"`{p}`" for p in known),)
            message = f"unknown pattern `{written.span.text}`"
            self.diagnostics.error("unknown-name", written.span, message, help=hints)
        return None

    def _name(self, part: tree.Connect, source: nodes.Population, target: nodes.Population) -> str | None:
        name = part.name.name if part.name else f"{source.name}_{target.name}"
        span = part.name.span if part.name else part.source.span.to(part.target.span)
        if name in self.draft.connections:
            other = self.draft.connections[name].span
            note = f"another stands in line {other.line}" if other else ""
            message = f"two connections are called `{name}`"
            help = f"name one: `connect second = {source.name} -> {target.name}: …`"
            self.diagnostics.error("duplicate", span, message, notes=(note,), help=help)
            return None
        if name in self.draft.populations:
            message = f"`{name}` is the name of a population already"
            help = f"name the connection: `connect other = {source.name} -> {target.name}: …`"
            self.diagnostics.error("duplicate", span, message, help=help)
            return None
        return name

    def _input(self, part: tree.Connect, target: nodes.Population) -> nodes.Input | None:
        if target.dynamics is None:
            message = f"nothing can be delivered to `{target.name}`: it is handed over from outside"
            self.diagnostics.error("wrong-argument", part.target.span, message)
            return None
        inputs = target.dynamics.inputs
        if part.target.input is not None:
            found = next((i for i in inputs if i.name == part.target.input.name), None)
            if found is None:
                message = f"`{target.model}` has no input `{part.target.input}`"
                hints = did_you_mean(part.target.input.name, [i.name for i in inputs])
                self.diagnostics.error("unknown-name", part.target.input.span, message, help=hints)
            return found
        if len(inputs) == 1:
            return inputs[0]
        choices = ", ".join(f"`{target.name}.{i.name}`" for i in inputs)
        message = f"`{target.model}` has several inputs" if inputs else f"`{target.model}` has no input"
        help = f"say which: {choices}" if inputs else "declare one: `input I`"
        self.diagnostics.error("ambiguous-input", part.target.span, message, help=help)
        return None

    def _delay(self, option: tree.Option | None) -> tuple[float, Span] | None:
        if option is None:
            return None
        span = option.value.span
        if isinstance(option.value, tree.Call):
            self._unsupported(span, "a delay per synapse")
            return None
        delay = constant_time(option.value, "a delay", self.scope, self.diagnostics)
        if delay is not None and delay < 0:
            self.diagnostics.error("wrong-argument", span, "a delay cannot be negative")
            return None
        if delay is not None and round_half_up(delay, self.draft.step) > 1_000_000:
            self.diagnostics.error("wrong-argument", span, "a delay of more than a million steps")
            return None
        return None if delay is None else (delay, span)

    def _unsupported(self, span: Span, what: str) -> None:
        Elaborator(self.scope, self.diagnostics).unsupported(span, what)


def _fan(pattern: Pattern, source: nodes.Population, target: nodes.Population) -> tuple[int, int] | None:
    """fan_in and fan_out, or None where the shapes do not fit."""
    if isinstance(pattern, Dense):
        return source.size, target.size
    return (1, 1) if source.size == target.size else None


def _sized(population: nodes.Population) -> str:
    shape = " x ".join(str(n) for n in population.shape)
    total = f" = {population.size}" if len(population.shape) > 1 else ""
    return f"`{population.name}` has {shape}{total}"
