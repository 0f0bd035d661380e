"""The `simulate` block → duration, trials, records and stimuli."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sncc.connectivity.patterns import Part
from sncc.diagnostics import Diagnostics, did_you_mean
from sncc.expressions.nodes import Symbol
from sncc.expressions.units import Unit
from sncc.model import nodes
from sncc.model.constants import round_half_up
from sncc.model.draft import Draft
from sncc.model.infer import TIME, Elaborator
from sncc.model.parts import resolve_part
from sncc.model.scope import Scope
from sncc.model.settings import read_settings
from sncc.model.terms import Term, Typed
from sncc.model.unstored import REMEDY
from sncc.model.values import constant_time, constant_whole, folded
from sncc.syntax import tree

SETTINGS = ("duration", "trials")
_ROUNDING = 1e-6  # of a number of steps: as far as a time may lie from it whose digits have no exact binary form


def resolve_simulation(
    block: tree.Simulate,
    parts: tuple[tree.Setting | tree.Record | tree.Stimulate, ...],
    network: Draft,
    scope: Scope,
    diagnostics: Diagnostics,
) -> nodes.Simulation | None:
    """The simulation, or None after a mistake (which is reported)."""
    return _Resolver(network, scope, diagnostics).resolve(block, parts)


@dataclass
class _Resolver:
    network: Draft
    scope: Scope
    diagnostics: Diagnostics

    def resolve(
        self, block: tree.Simulate, parts: tuple[tree.Setting | tree.Record | tree.Stimulate, ...]
    ) -> nodes.Simulation | None:
        settings = read_settings(
            tuple(p for p in parts if isinstance(p, tree.Setting)), SETTINGS, "simulate", self.diagnostics
        )
        records = tuple(r for p in parts if isinstance(p, tree.Record) for r in self._records(p))
        stimuli = [s for p in parts if isinstance(p, tree.Stimulate) if (s := self._stimulus(p)) is not None]
        trials = self._trials(settings["trials"]) if "trials" in settings else 1
        duration = settings.get("duration")
        if duration is None:
            help = "add `duration = 1 s`"
            self.diagnostics.error("missing-setting", block.span, "`duration` is missing in `simulate`", help=help)
            return None
        steps = self._steps(duration.values[0], "the duration")
        return None if steps is None else nodes.Simulation(steps, records, tuple(stimuli), trials, block.span)

    def _steps(self, written: tree.Expression, what: str, multiple: bool = False) -> int | None:
        """A time in steps, at least one: rounded, halves up, unless it must be a `multiple` of the step."""
        time = constant_time(written, what, self.scope, self.diagnostics)
        if time is None:
            return None
        step = self.network.step
        steps = round_half_up(time, step)
        if steps < 1:
            self.diagnostics.error("wrong-argument", written.span, f"{what} must be at least one step")
            return None
        if multiple and abs(time / step - steps) > _ROUNDING * steps:
            message = f"{what} must be a multiple of the step, {step:g} ms"
            self.diagnostics.error("wrong-argument", written.span, message, help=f"write `{steps * step:g} ms`")
            return None
        return steps

    def _trials(self, setting: tree.Setting) -> int:
        number = constant_whole(setting.values[0], "`trials`", self.scope, self.diagnostics)
        if number is not None and number < 1:
            self.diagnostics.error("wrong-argument", setting.values[0].span, "`trials` must be at least 1")
        return max(1, number or 1)

    # ---------------------------------------------------------------------------------------------------- records
    def _records(self, part: tree.Record) -> Iterator[nodes.Recording]:
        every = 1
        if part.every is not None:
            every = self._steps(part.every, "the time between records", multiple=True) or 1
        for endpoint in part.populations:
            name, variable = endpoint.name.name, part.variable.name
            if endpoint.input is not None:
                help = f"write `record {variable} of {name}`"
                self.diagnostics.error("wrong-argument", endpoint.input.span, "a record names a population", help=help)
            elif name in self.network.connections:
                yield from self._of_connection(part, endpoint, self.network.connections[name], every)
            elif (population := self._population(endpoint)) is not None:
                yield from self._of_population(part, endpoint, population, every)

    def _population(self, endpoint: tree.Endpoint) -> nodes.Population | None:
        name = endpoint.name.name
        if name in self.network.broken:
            return None
        population = self.network.populations.get(name)
        if population is None:
            hints = did_you_mean(name, [*self.network.populations, *self.network.connections])
            message = f"unknown population or connection `{name}`"
            self.diagnostics.error("unknown-name", endpoint.name.span, message, help=hints)
        return population

    def _of_population(
        self, part: tree.Record, endpoint: tree.Endpoint, population: nodes.Population, every: int
    ) -> Iterator[nodes.Recording]:
        dynamics, variable = population.dynamics, part.variable.name
        states = [s.name for s in dynamics.states] if dynamics else []
        spikes = population.kind in ("input", "poisson", "spike_times") or (dynamics is not None and dynamics.spike)
        if variable not in states and not (variable == "spikes" and spikes):
            what = "does not spike" if variable == "spikes" else f"has no state `{variable}`"
            hints = did_you_mean(variable, states)
            if not hints and states:
                hints = ("it has " + ", ".join(f"`{name}`" for name in states),)
            if variable in ("rate", "rates") and spikes:
                hints = (f"rates follow from `record spikes of {population.name}`",)
            self.diagnostics.error("unknown-name", part.variable.span, f"`{population.name}` {what}", help=hints)
            return
        if variable == "spikes" and part.every is not None:
            message = "every spike is recorded: `every` thins out states"
            self.diagnostics.error("wrong-argument", part.every.span, message, help="remove it")
        place = resolve_part(endpoint, population, self.scope, self.diagnostics)
        if place is not None:
            yield nodes.Recording(population.name, variable, every, place, part.span)

    def _of_connection(
        self, part: tree.Record, endpoint: tree.Endpoint, connection: nodes.Connection, every: int
    ) -> Iterator[nodes.Recording]:
        """`record weight of exc_exc`, or a state of its synapses."""
        blocks = (connection.synapse, connection.plasticity)
        states = [s.name for block in blocks if block is not None for s in block.states]
        if (plasticity := connection.plasticity) is not None:
            states += [s.name for s in (*plasticity.pre_states, *plasticity.post_states)]
        if endpoint.slices:
            help = f"write `record {part.variable} of {connection.name}`"
            self.diagnostics.error("wrong-argument", endpoint.span, "a connection is recorded whole", help=help)
        elif not connection.stored:
            message = f"the synapses of `{connection.name}` are not stored: there is nothing to record"
            weights = f'their weights stay as they are: read `parameters["{connection.name}.weight"]` in Python'
            help = weights if part.variable.name == "weight" else REMEDY
            self.diagnostics.error("wrong-argument", endpoint.span, message, help=help)
        elif part.variable.name not in ("weight", *states):
            hints = did_you_mean(part.variable.name, ["weight", *states])
            message = f"the synapses of `{connection.name}` have no `{part.variable}`"
            self.diagnostics.error("unknown-name", part.variable.span, message, help=hints)
        elif part.variable.name == "weight" and connection.share is not None:
            message = f"the weights of `{connection.name}` are those of `{connection.share[0]}`"
            help = f"write `record weight of {connection.share[0]}`"
            self.diagnostics.error("wrong-argument", endpoint.span, message, help=help)
        elif states.count(part.variable.name) > 1:
            message = f"the synapse and the plasticity of `{connection.name}` both have a state `{part.variable}`"
            help = "give one of them another name"
            self.diagnostics.error("wrong-argument", part.variable.span, message, help=help)
        else:
            yield nodes.Recording(connection.name, part.variable.name, every, span=part.span)

    # ---------------------------------------------------------------------------------------------------- stimuli
    def _stimulus(self, part: tree.Stimulate) -> nodes.Stimulus | None:
        found = self._stimulated(part.target)
        value = self._value(part, None if found is None else found[1])
        start = 0 if part.start is None else self._time(part.start, "`from`")
        stop = None if part.stop is None else self._time(part.stop, "`to`")
        if start is not None and stop is not None and part.stop is not None and stop <= start:
            self.diagnostics.error("wrong-argument", part.stop.span, "this time is over before it begins")
            return None
        if found is None or value is None or start is None:
            return None
        name = part.target.input.name if part.target.input else found[0]
        return nodes.Stimulus(part.target.name.name, name, value.expression, (start, stop), found[2], part.span)

    def _time(self, written: tree.Expression, what: str) -> int | None:
        time = constant_time(written, what, self.scope, self.diagnostics)
        if time is not None and time < 0:
            self.diagnostics.error("wrong-argument", written.span, f"{what} cannot be before the start")
            return None
        return None if time is None else round_half_up(time, self.network.step)

    def _value(self, part: tree.Stimulate, unit: Unit | None) -> Typed | None:
        """The value, which may depend on the time, in the unit of the input."""
        names = {"t": Typed(Symbol("t", TIME), Term(TIME)), "step": Typed(Symbol("step", TIME), Term(TIME))}
        elaborator = Elaborator(self.scope, self.diagnostics, names)
        value = elaborator.elaborate(part.value)
        if value.term is None or (
            unit is not None and not elaborator.expect(value, unit, part.value.span, "this stimulus")
        ):
            return None
        return Typed(folded(value.expression, part.value.span, self.diagnostics), value.term)

    def _stimulated(self, target: tree.Endpoint) -> tuple[str, Unit, Part | None] | None:
        """The input, its unit, and which neurons; a connection has its plasticity's modulators."""
        connection = self.network.connections.get(target.name.name)
        if connection is not None:
            return self._modulator(target, connection)
        population = self._population(target)
        if population is None:
            return None
        inputs = {i.name: i.unit for i in population.dynamics.inputs} if population.dynamics else {}
        name = target.input.name if target.input else next(iter(inputs), "")
        if name not in inputs or (target.input is None and len(inputs) > 1):
            choices = " or ".join(f"`{population.name}.{i}`" for i in inputs)
            message = f"`{population.name}` has no input `{name}`" if name else f"`{population.name}` has no input"
            message = f"`{population.name}` has several inputs" if target.input is None and len(inputs) > 1 else message
            help = f"write {choices}" if inputs else ""
            place = target.input.span if target.input else target.span
            self.diagnostics.error("unknown-name", place, message, help=help)
            return None
        part = resolve_part(target, population, self.scope, self.diagnostics)
        return None if part is None else (name, Unit(inputs[name].dimension), part)

    def _modulator(self, target: tree.Endpoint, connection: nodes.Connection) -> tuple[str, Unit, Part | None] | None:
        modulators = {m.name: m.unit for m in connection.plasticity.modulators} if connection.plasticity else {}
        name = target.input.name if target.input else ""
        following = {modulator: population for modulator, population, _ in connection.modulators}
        if name in following:
            message = f"the modulator `{name}` of `{connection.name}` follows the population `{following[name]}`"
            help = f"stimulate an input of `{following[name]}`"
            self.diagnostics.error("wrong-argument", target.span, message, help=help)
            return None
        if name in modulators and not target.slices:
            return name, modulators[name], None
        message = f"`{connection.name}` has no modulator `{name}`" if name else "this names a connection"
        help = (
            f"write `{connection.name}.{next(iter(modulators))}`"
            if modulators
            else "a stimulus goes to an input of a population"
        )
        self.diagnostics.error("unknown-name", target.span, message, help=help)
        return None
