"""The `network` block → populations and connections."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Literal

from sncc.diagnostics import Diagnostics, Span, did_you_mean
from sncc.expressions.nodes import Number, Symbol, symbols
from sncc.expressions.units import PLAIN, Unit
from sncc.model import nodes
from sncc.model.constants import round_half_up
from sncc.model.delays import resolve_delays
from sncc.model.infer import TIME, Elaborator
from sncc.model.neuron import Neuron, Overrides, resolve_neuron
from sncc.model.scope import Scope
from sncc.model.terms import Term, Typed
from sncc.model.values import Value, folded, resolve_interval, resolve_value
from sncc.syntax import tree

SOURCES_LATER = ("poisson", "spike_times")
PATTERNS = ("dense", "one_to_one")
PATTERNS_LATER = ("random", "conv2d", "pool2d", "sparse")
OPTIONS = ("weight", "delay", "synapse", "plasticity")
Pattern = Literal["dense", "one_to_one"]
LARGEST = 2**31 - 1  # neurons of a population, synapses of a connection: what 32-bit indices reach


@dataclass
class Network:
    """A network while it is resolved; `broken` names populations that a mistake left out."""

    step: float = 0.0
    populations: dict[str, nodes.Population] = field(default_factory=dict)
    connections: dict[str, nodes.Connection] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    delays: dict[str, tuple[float, Span] | None] = field(default_factory=dict)  # ms as stated, None: the default


def resolve_network(
    parts: tuple[tree.Step | tree.Population | tree.Connect, ...],
    block: tree.Network,
    learnt: Mapping[str, Set[str]],
    scope: Scope,
    diagnostics: Diagnostics,
) -> Network:
    """Resolve the statements of a network (loops are expanded); `learnt` names learnt parameters by population."""
    return _Resolver(parts, block, learnt, scope, diagnostics).resolve()


class _Resolver:
    def __init__(
        self,
        parts: tuple[tree.Step | tree.Population | tree.Connect, ...],
        block: tree.Network,
        learnt: Mapping[str, Set[str]],
        scope: Scope,
        diagnostics: Diagnostics,
    ) -> None:
        self.block, self.learnt, self.scope, self.diagnostics = block, learnt, scope, diagnostics
        self.steps = [p for p in parts if isinstance(p, tree.Step)]
        self.written = [p for p in parts if isinstance(p, tree.Population)]
        self.connects = [p for p in parts if isinstance(p, tree.Connect)]
        self.network = Network()
        self.weights: dict[str, Value] = {}

    def resolve(self) -> Network:
        self.network.step = self._step()
        self._names()
        for population in self.written:
            if population.name.name not in self.network.populations:
                self._population(population)
        for connect in self.connects:
            self._connect(connect)
        resolve_delays(self.network, self.diagnostics)
        self._warn_of_silent_inputs()
        return self.network

    def _step(self) -> float:
        if not self.steps:
            span = self.block.name.span
            help = "add `step = 1 ms`"
            self.diagnostics.error("missing-step", span, f"network `{self.block.name}` has no `step`", help=help)
            return 1.0
        for part in self.steps[1:]:
            self.diagnostics.error("duplicate", part.span, "a network has one `step` only")
        step = self.time(self.steps[0].value, "the step")
        if step is not None and step <= 0:
            self.diagnostics.error("wrong-argument", self.steps[0].value.span, "the step must be longer than zero")
        return step if step is not None and step > 0 else 1.0

    def time(self, written: tree.Expression, what: str) -> float | None:
        """A time known when compiling, in ms."""
        elaborator = Elaborator(self.scope, self.diagnostics)
        typed = elaborator.elaborate(written)
        help = f"write `{written.span.text} ms`" if isinstance(written, tree.Quantity) else ""
        if typed.term is None:
            return None
        if typed.term.plain:  # zero too: `delay = 0` is clear, but `0 ms` is one way of writing
            if typed.is_zero:
                return 0.0
            message = f"{what} must be a time, not a plain number"
            self.diagnostics.error("wrong-unit", written.span, message, help=help)
            return None
        if not elaborator.expect(typed, TIME, written.span, what):
            return None
        number = folded(typed.expression, written.span, self.diagnostics)
        if not isinstance(number, Number):
            self.diagnostics.error("not-constant", written.span, f"{what} must be known when compiling")
            return None
        return number.value

    def _names(self) -> None:
        seen: dict[str, Span] = {}
        for part in self.written:
            name, span = part.name.name, part.name.span
            if name in seen:
                note = f"`{name}` was defined in line {seen[name].line}"
                self.diagnostics.error("duplicate", span, f"`{name}` is defined twice", notes=(note,))
            seen.setdefault(name, span)

    # --------------------------------------------------------------------------------------------- populations
    def _population(self, part: tree.Population) -> None:
        name, model = part.name.name, part.model.name
        self.network.broken.add(name)  # until it is complete
        shape = self._shape(part)
        if model in SOURCES_LATER:
            self._unsupported(part.model.span, f"`{model}` populations")
            return
        if model in ("input", "signal"):
            impulse = self._source_arguments(part)
            if shape:
                self.network.populations[name] = nodes.Population(
                    name, "input" if model == "input" else "signal", shape, model, impulse=impulse, span=part.name.span
                )
                self.network.broken.discard(name)
            return
        definition = self.scope.definition(model)
        if not isinstance(definition, tree.Neuron):
            self._unknown_model(part, definition)
            return
        neuron = self._neuron(part, definition)
        if shape is None or neuron is None:
            return
        self.network.populations[name] = nodes.Population(
            name, "neuron", shape, model, neuron.parameters, neuron.dynamics, doc=definition.document, span=part.name.span
        )
        self.network.broken.discard(name)

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
        overrides = Overrides(changed, initials, self.learnt.get(part.name.name, frozenset()))
        before = len(self.diagnostics.errors)
        neuron = resolve_neuron(definition, overrides, self.scope, self.diagnostics)
        if neuron.open_inputs:
            units = self._units_from_use(part.name.name, neuron)
            neuron = resolve_neuron(definition, replace(overrides, input_units=units), self.scope, self.diagnostics)
        return neuron if len(self.diagnostics.errors) == before else None

    def _units_from_use(self, population: str, neuron: Neuron) -> dict[str, Unit]:
        """Units that weights give to inputs which the equations leave open."""
        found: dict[str, Unit] = {}
        for connect in self.connects:
            target = connect.target.input.name if connect.target.input else next(iter(neuron.open_inputs))
            weight = next((o for o in connect.options if o.name.name == "weight"), None)
            if connect.target.name.name != population or target not in neuron.open_inputs or weight is None:
                continue
            value = resolve_value(weight.value, self.scope, Diagnostics(), _fans(1, 1))
            if value.unit is not None:
                found.setdefault(target, value.unit / TIME if neuron.dynamics.equations else value.unit)
        return found

    def _shape(self, part: tree.Population) -> tuple[int, ...] | None:
        if part.shape is None:
            message = f"how many neurons has `{part.name}`?"
            help = f"write `{part.model}[100]`"
            self.diagnostics.error("wrong-shape", part.model.span, message, help=help)
            return None
        lengths = [self.whole(item, "a population's shape") for item in part.shape]
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

    def whole(self, written: tree.Expression, what: str) -> int | None:
        """A whole number known when compiling."""
        typed = Elaborator(self.scope, self.diagnostics).elaborate(written)
        if typed.term is None:
            return None
        number = folded(typed.expression, written.span, self.diagnostics)
        if not typed.term.plain or not isinstance(number, Number) or number.value != int(number.value):
            shown = f" and not {number.value:g}" if isinstance(number, Number) and typed.term.plain else ""
            self.diagnostics.error("wrong-shape", written.span, f"{what} must be a whole number{shown}")
            return None
        return int(number.value)

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

    # --------------------------------------------------------------------------------------------- connections
    def _connect(self, part: tree.Connect) -> None:
        source, target = self._endpoint(part.source), self._endpoint(part.target)
        options = self._options(part)
        pattern = self._pattern(part.pattern)
        for key in ("synapse", "plasticity"):
            if key in options:
                self._unsupported(options[key].span, f"a `{key}` of a connection")
        weight_option = options.get("weight")
        if weight_option is None:
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
        weight = self._weight(weight_option, name, source, target, where, (fan_in, fan_out))
        if weight is None:
            return
        self.network.connections[name] = nodes.Connection(
            name, source.name, target.name, where.name, pattern, weight, 0, span=part.span
        )
        self.network.delays[name] = delay

    def _endpoint(self, endpoint: tree.Endpoint) -> nodes.Population | None:
        if endpoint.slices:
            self._unsupported(endpoint.span, "a slice of a population")
        name = endpoint.name.name
        if name in self.network.broken:
            return None
        if name not in self.network.populations:
            known = [*self.network.populations, *self.network.broken]
            hints = did_you_mean(name, known)
            if self.scope.definition(name) is not None:
                hints = (f"`{name}` is a model; connect populations of it",)
            self.diagnostics.error("unknown-name", endpoint.name.span, f"unknown population `{name}`", help=hints)
            return None
        return self.network.populations[name]

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
            return "dense"
        elif name == "one_to_one":
            return "one_to_one"
        else:
            known = [*PATTERNS, *PATTERNS_LATER]
            hints = did_you_mean(name, known) or ("it is one of " + ", ".join(f"`{p}`" for p in known),)
            message = f"unknown pattern `{written.span.text}`"
            self.diagnostics.error("unknown-name", written.span, message, help=hints)
        return None

    def _name(self, part: tree.Connect, source: nodes.Population, target: nodes.Population) -> str | None:
        name = part.name.name if part.name else f"{source.name}_{target.name}"
        span = part.name.span if part.name else part.source.span.to(part.target.span)
        if name in self.network.connections:
            other = self.network.connections[name].span
            note = f"another stands in line {other.line}" if other else ""
            message = f"two connections are called `{name}`"
            help = f"name one: `connect second = {source.name} -> {target.name}: …`"
            self.diagnostics.error("duplicate", span, message, notes=(note,), help=help)
            return None
        if name in self.network.populations:
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
        delay = self.time(option.value, "a delay")
        if delay is not None and delay < 0:
            self.diagnostics.error("wrong-argument", span, "a delay cannot be negative")
            return None
        if delay is not None and round_half_up(delay, self.network.step) > 1_000_000:
            self.diagnostics.error("wrong-argument", span, "a delay of more than a million steps")
            return None
        return None if delay is None else (delay, span)

    # ------------------------------------------------------------------------------------------------- weights
    def _weight(
        self, option: tree.Option, name: str, source: nodes.Population, target: nodes.Population, where: nodes.Input,
        fans: tuple[int, int],
    ) -> nodes.Parameter | None:  # fmt: skip
        names = _fans(*fans) | {k: Typed(_index(k), Term()) for k in ("i", "j")}
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
        learnt = "weight" in self.learnt.get(name, frozenset())
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
            self.network.populations[source.name] = replace(source, unit=signal)
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

    def _warn_of_silent_inputs(self) -> None:
        used = {(c.target.name.name, c.target.input.name if c.target.input else None) for c in self.connects}
        for population in self.network.populations.values():
            inputs = population.dynamics.inputs if population.dynamics else ()
            for where in inputs:
                if not {(population.name, where.name), (population.name, None)} & used:
                    message = f"nothing is connected to `{population.name}.{where.name}`"
                    self.diagnostics.warning("unconnected-input", population.span, message)

    def _unsupported(self, span: Span, what: str) -> None:
        Elaborator(self.scope, self.diagnostics).unsupported(span, what)


def _index(name: str) -> Symbol:
    return Symbol(name, PLAIN)


def _fans(fan_in: int, fan_out: int) -> dict[str, Typed]:
    numbers = {"fan_in": fan_in, "fan_out": fan_out}
    return {name: Typed(Number(float(number), PLAIN), Term()) for name, number in numbers.items()}


def _fan(pattern: str, source: nodes.Population, target: nodes.Population) -> tuple[int, int] | None:
    """fan_in and fan_out, or None where the shapes do not fit."""
    if pattern == "dense":
        return source.size, target.size
    return (1, 1) if source.size == target.size else None


def _sized(population: nodes.Population) -> str:
    shape = " x ".join(str(n) for n in population.shape)
    total = f" = {population.size}" if len(population.shape) > 1 else ""
    return f"`{population.name}` has {shape}{total}"
