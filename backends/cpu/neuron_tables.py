"""The tables of a neuron-parallel network: what the engine's headers need to know, by numbers."""

from __future__ import annotations

from math import prod
from typing import Literal

from sncc.backends.cxx.dynamics import Dynamics
from sncc.backends.cxx.expressions import Unsupported
from sncc.backends.cxx.layout import Layout
from sncc.backends.cxx.synapse_dynamics import stored_numbers, synapse_states
from sncc.backends.cxx.synapse_rows import flag, part_of, parts_of, pattern_of
from sncc.connectivity.patterns import Convolution, Shared
from sncc.program.groups import Connection
from sncc.program.nodes import Program
from sncc.program.operations import Deliver, SynapseUpdate, Update
from sncc.program.statements import Fire
from sncc.program.streams import stream


def has_rows(program: Program, c: Connection) -> bool:
    """Whether a connection's synapses are rows of targets, not a full matrix or a vector."""
    moves = any(isinstance(o, SynapseUpdate) and o.connection == c.name for o in program.forward)
    used = c.synapses_of is not None or any(other.synapses_of == c.name for other in program.connections)
    return c.pattern == "sparse" or c.plastic or c.delays is not None or moves or used


class NeuronTables:
    """Numbers for everything that the engine looks up, and the tables' lines."""

    def __init__(self, layout: Layout, dynamics: Dynamics) -> None:
        """For a Program's layout; fields and synapse fields are numbered as they are first named."""
        self.layout, self.program = layout, layout.program
        self.dynamics = dynamics
        self.places = {r.population: (g, r) for g, r in layout.rows}
        self.connections = {c.name: k for k, c in enumerate(self.program.connections)}
        self.updates = [o for o in self.program.forward if isinstance(o, SynapseUpdate)]
        self.neuron_updates = [o for o in self.program.forward if isinstance(o, Update)]
        self.fields: dict[tuple[str, str], int] = {}  # (population, variable)
        self.remembered: set[int] = set()  # fields whose values of earlier steps are read
        self.synapse_fields: dict[tuple[str, str], int] = {}  # (connection, name)
        for c in self.program.connections:
            if self.compressed(c) and c.synapses_of is None and self.weight_field(c):
                self.synapse_fields[c.name, "weight"] = len(self.synapse_fields)
            about = synapse_states(self.program, c.name)
            for name in (*about.states, *(symbol for symbol, key in about.arrays if self.per_synapse(key))):
                self.synapse_fields[c.name, name] = len(self.synapse_fields)
        self._name_fields()

    def _name_fields(self) -> None:
        """Numbers all fields in one order, so that both halves have the same."""
        self.connection_lines()
        for o in self.updates:
            self.synapse_update_fields(o, "far")
            self.synapse_update_fields(o, "own")
            for accumulator, _ in o.deliver:
                self.field(self.program.connection(o.connection).target, accumulator)

    # ---------------------------------------------------------------------------------------- what there is
    def compressed(self, c: Connection) -> bool:
        """Whether a connection's synapses are rows of targets, not a full matrix or a vector."""
        return has_rows(self.program, c)

    def per_synapse(self, key: float | str) -> bool:
        """Whether a parameter of synapses has a number for each of them."""
        return isinstance(key, str) and self.program.parameter(key).shape != ()

    def weight_field(self, c: Connection) -> bool:
        """Whether every synapse has a weight of its own in memory."""
        moves = any("weight" in dict(o.carry) for o in self.updates if self._owner(o.connection) == c.name)
        return self.program.parameter(c.weight).shape != () or c.plastic or moves

    def field(self, population: str, variable: str) -> int:
        """The number of a variable, a coefficient or an accumulator of a population."""
        return self.fields.setdefault((population, variable), len(self.fields))

    def delayed(self, connection: str) -> bool:
        """Whether every synapse has a delay of its own."""
        return self.program.connection(connection).delays is not None

    def field_place(self, population: str, variable: str) -> str:
        """Where a field's first number stands."""
        group, row = self.places[population]
        if (group.name, variable) in self.layout.state:
            return f"s.{self.layout.state[group.name, variable].identifier} + {row.offset}"
        if (group.name, variable) in self.layout.array:
            array = self.layout.array[group.name, variable].identifier
            return f"a.{array} + {row.offset}"
        raise Unsupported(f"`{variable}` of `{population}`, which the Program keeps nowhere")

    # ---------------------------------------------------------------------------------------- tables
    def populations(self) -> list[str]:
        """PopulationInfo, one a row."""
        groups = [g.name for g in self.program.groups]
        counting = {
            o.group
            for o in self.program.forward
            if isinstance(o, Update)
            and o.spikes
            and not any(isinstance(s, Fire) and s.name == o.spikes for s in o.body)
        }
        return [
            f"{{{groups.index(g.name)}, {r.offset}, {r.size}, {flag(r.spiking)}, {flag(g.name in counting)}}},"
            f"  // {r.population}"
            for g, r in self.layout.rows
        ]

    def connection_lines(self) -> list[str]:
        """ConnectionInfo, one a connection."""
        return [self._connection(c) for c in self.program.connections]

    def _connection(self, c: Connection) -> str:
        external = c.source_group is None
        shape = self._shape(c.source)
        first = c.source_offset - (0 if external else self.places[c.source][1].offset)
        onto = c.target_offset - self.places[c.target][1].offset
        source, target = parts_of(self.program, c)
        compressed = self.compressed(c)
        values = -1
        if c.values is not None:
            values = self.field(c.source, c.values)
            self.remembered.add(values)
        gain = self.field(*c.gain) if c.gain else -1
        if c.gain and c.delays is not None:
            self.remembered.add(gain)
        owner = c.owner
        parameters = self.layout.keys
        weights = self.synapse_fields.get((owner, "weight"), -1)
        reverse = any(o.when == "post" and self._owner(o.connection) == c.name for o in self.updates)
        moves = any(self._owner(o.connection) == owner for o in self.updates)
        shared = self.program.parameter(c.weight).shape == () and weights < 0
        sides = f"{self.layout.sources.index(c.source) if external else -1}, {-1 if external else self.layout.populations.index(c.source)}"
        items = [
            f'"{c.name}"', sides, self.layout.populations.index(c.target), first, c.source_size, onto, c.target_size,
            prod(shape), self.field(c.target, c.input),
            f"Format::{'compressed' if compressed else c.pattern}", pattern_of(c), part_of(source), part_of(target),
            f"0x{stream(owner, 'connectivity'):08x}u",
            self.connections[c.synapses_of] if c.synapses_of else -1, parameters.index(c.weight), weights, flag(shared),
            c.delay, parameters.index(c.delays) if c.delays else -1, flag(c.signal), values, gain,
            flag(c.plastic or c.gain is not None or moves), flag(reverse), flag(c.stored),
        ]  # fmt: skip
        return f"{{{', '.join(map(str, items))}}},"

    def _owner(self, connection: str) -> str:
        return self.program.connection(connection).owner

    def _shape(self, name: str) -> tuple[int, ...]:
        if name in self.places:
            return self.places[name][1].shape
        return next(s.shape for s in self.program.sources if s.name == name)

    def synapse_field_lines(self) -> list[str]:
        """SynapseFieldInfo, one a field."""
        lines: list[str] = []
        for connection, name in self.synapse_fields:
            c = self.program.connection(connection)
            parameter, kernel, initial = -1, -1, "nullptr"
            if name == "weight":
                shared = isinstance(c.structure, Convolution | Shared)
                kernel, parameter = (
                    (self.layout.keys.index(c.weight), -1) if shared else (-1, self.layout.keys.index(c.weight))
                )
            elif (connection, name) in self.dynamics.synapse_states:
                initial = f"&dynamics::{self.dynamics.synapse_states[connection, name].name}"
            else:
                parameter = self.layout.keys.index(str(dict(synapse_states(self.program, connection).arrays)[name]))
            moves = flag(self.is_state(connection, name) or self.moves(connection, name))
            lines.append(
                f"{{{self.connections[connection]}, {parameter}, {kernel}, {initial}, reads_{len(lines)}, {moves}}},  // {connection}.{name}"
            )
        return lines

    def synapse_field_reads(self) -> list[list[int]]:
        """For each synapse field the parameters that a state's first value reads."""
        found = []
        for connection, name in self.synapse_fields:
            about = synapse_states(self.program, connection)
            value, keys = dict(about.initial).get(name), dict(about.arrays)
            stored = stored_numbers(about, value) if value is not None else ()
            found.append([self.layout.keys.index(str(keys[symbol])) for symbol in stored])
        return found

    def is_state(self, connection: str, name: str) -> bool:
        """Whether a field is a state, which a run sets, and no number or what follows from numbers."""
        about = synapse_states(self.program, connection)
        return name in about.states and name not in about.constants

    def moves(self, connection: str, name: str) -> bool:
        """Whether a number of every synapse changes in a run."""
        return any(
            name in dict(o.carry)
            and (o.connection == connection or (name == "weight" and self._owner(o.connection) == connection))
            for o in self.updates
        )

    def parameter_lines(self) -> list[str]:
        """ParameterInfo, one a parameter."""
        by_parameter = {}
        for (connection, name), field in self.synapse_fields.items():
            c = self.program.connection(connection)
            if name == "weight" and not isinstance(c.structure, Convolution | Shared):
                by_parameter[c.weight] = field
            elif name != "weight" and (connection, name) not in self.dynamics.synapse_states:
                by_parameter[str(dict(synapse_states(self.program, connection).arrays)[name])] = field
        delays = {c.delays: k for k, c in enumerate(self.program.connections) if c.delays and c.synapses_of is None}
        lines = []
        for p in self.program.parameters:
            size = 1
            for length in p.shape:
                size *= length
            size = -1 if p.connection is not None and p.shape != () else size
            lines.append(
                f"{{{size}, {flag(p.shape == ())}, {by_parameter.get(p.key, -1)}, {delays.get(p.key, -1)}}},  // {p.key}"
            )
        return lines

    def operations(self) -> list[str]:
        """Operation, in the order of a step."""
        groups = [g.name for g in self.program.groups]
        lines = []
        for o in self.program.forward:
            match o:
                case Deliver(connection):
                    lines.append(f"{{Action::deliver, {self.connections[connection]}}},  // {connection}")
                case Update(group=group):
                    last = [u for u in self.neuron_updates if u.group == group][-1]
                    number = next(k for k, u in enumerate(self.neuron_updates) if u is o)
                    lines.append(f"{{Action::update, {groups.index(group)}, {number}, {flag(o is last)}}},  // {group}")
                case SynapseUpdate():
                    lines.append(f"{{Action::synapses, {self.updates.index(o)}}},  // {o.connection}")
                case _:
                    raise Unsupported("a loss in a network whose neurons are spread over the threads")
        return lines

    def synapse_update_fields(self, update: SynapseUpdate, side: Literal["far", "own"]) -> list[int]:
        """The fields that a synapse update reads, "own" of its targets or "far" of other neurons."""
        sources = [self.field(population, variable) for _, population, variable in update.pre]
        named = [symbol for symbol, _, _ in update.pre]
        self.remembered |= {f for f, symbol in zip(sources, named, strict=True) if self.ago(update, symbol) is not None}
        behind = [
            self.field(population, variable)
            for _, population, variable in update.post
            if self.is_one_for_all(update, population) == (side == "far")
        ]
        moving = [f for f, (_, *of) in zip(sources, update.pre, strict=True) if self.moves_in_runs(*of)]
        return [*moving, *behind] if side == "far" else behind

    def ago(self, update: SynapseUpdate, symbol: str) -> str | None:
        """How many steps ago a synapse sees a variable of its source, `ago` for its own delay; None: as it is."""
        _, population, variable = next(read for read in update.pre if read[0] == symbol)
        if self.delayed(update.connection) and self.moves_in_runs(population, variable):
            return "ago"
        return str(dict(update.ago)[symbol]) if symbol in dict(update.ago) else None

    def moves_in_runs(self, population: str, variable: str) -> bool:
        """Whether a variable of a population is a state, and no number."""
        return variable in self.places[population][0].states

    def is_one_for_all(self, update: SynapseUpdate, population: str) -> bool:
        """Whether a population that a synapse update reads behind the synapse has one neuron for all targets."""
        target = self.program.connection(update.connection).target
        return self.places[population][1].size == 1 != self.places[target][1].size

    def synapse_update_lines(self) -> list[str]:
        """SynapseUpdateInfo, one an update."""
        return [
            f"{{{self.connections[o.connection]}, When::{o.when}, {o.post_delay}, far_{k}, own_{k}, {flag(bool(o.streams))}}},"
            for k, o in enumerate(self.updates)
        ]
