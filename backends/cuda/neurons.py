"""Networks whose neurons are spread over all threads:
the device's updates of neurons and synapses, as calls of the dynamics.
"""

from __future__ import annotations

from functools import partial

from sncc.backends.cpu.emit_neurons import modulated
from sncc.backends.cpu.neuron_tables import NeuronTables
from sncc.backends.cuda.connecting import connects_itself, first_values, makes_rows
from sncc.backends.cuda.places import moved
from sncc.backends.cxx.calls import synapse_call
from sncc.backends.cxx.dynamics import Dynamics, Function
from sncc.backends.cxx.expressions import Unsupported
from sncc.backends.cxx.functions import Argument
from sncc.backends.cxx.layout import Layout
from sncc.backends.cxx.stimuli import stimulated
from sncc.backends.cxx.synapse_dynamics import synapse_states
from sncc.backends.cxx.synapse_rows import flag
from sncc.program.groups import Group, Row
from sncc.program.nodes import Program
from sncc.program.operations import Deliver, SynapseUpdate, Update

CONNECT_THREADS = 256  # of a block that makes synapses, as in the headers
LOOK_THREADS = 256  # of a block that looks at states, as in the headers
NEURON_THREADS = 384  # of a block, at most, as in the headers: 168 registers a thread are left on every card


class Neurons:
    """Finished lines of a neuron-parallel network's device functions."""

    def __init__(self, program: Program, shared: Dynamics) -> None:
        self.program, self.dynamics = program, shared
        self.layout = Layout(program, shared)
        self.tables = NeuronTables(self.layout, shared)

    def parts(self) -> dict[str, object]:
        """What the templates print."""
        return {
            "moves": [flag(self.tables.moves(connection, name)) for connection, name in self.tables.synapse_fields],
            "makes_synapses": self.makes_synapses(),
            "connects": [flag(connects_itself(self.tables, c)) for c in self.program.connections],
            "makes_rows": flag(any(makes_rows(self.tables, c) for c in self.program.connections)),
            "made_rows": [flag(makes_rows(self.tables, c)) for c in self.program.connections],
            "initial": first_values(self.tables),
            "updates": [self._update(o) for o in self.tables.neuron_updates],
            "synapse_updates": [self._synapse_update(o) for o in self.tables.updates],
            "operations": self._operations(),
        }

    def makes_synapses(self) -> bool:
        """Whether some are made on the device."""
        return any(connects_itself(self.tables, c) for c in self.program.connections)

    def made(self) -> str:
        """Which connections' synapses are made where."""
        rows = [c for c in self.program.connections if self.tables.compressed(c) and c.synapses_of is None]
        named: dict[str, list[str]] = {"on the device": [], "again at each spike, on the device": [], "on the host": []}
        for c in rows:
            again = makes_rows(self.tables, c)
            side = "again at each spike, on the device" if again else "on the device"
            named[side if connects_itself(self.tables, c) else "on the host"].append(f"`{c.name}`")
        return "; ".join(f"made {side}: {', '.join(names)}" for side, names in named.items() if names)

    def _operations(self) -> list[str]:
        """Updates by their place in a step; deliveries are the headers'."""
        lines = []
        for k, o in enumerate(self.program.forward):
            match o:
                case Deliver():
                    pass
                case Update():
                    number = next(n for n, u in enumerate(self.tables.neuron_updates) if u is o)
                    lines.append(f"case {k}: return update_{number}(step);")
                case SynapseUpdate():
                    lines.append(f"case {k}: return update_synapses_{self.tables.updates.index(o)}(step);")
                case _:
                    raise Unsupported("a loss in a network whose neurons are spread over the threads")
        return lines

    # ---------------------------------------------------------------------------------------- neurons
    def _update(self, update: Update) -> list[str]:
        """Own neurons row by row: what stimulates them, the update, who spiked, what later steps read."""
        group = self.program.group(update.group)
        function = self.layout.functions[id(update)]
        last = [u for u in self.tables.neuron_updates if u.group == update.group][-1] is update
        lines = [f"// {comment}" for comment in function.comments]
        for row in group.rows:
            number = self.layout.populations.index(row.population)
            lines += [f"// {row.population}", *self._stimuli(update, row, number), *self._tables(function, group, row)]
            spikes = last and bool(function.of("out"))
            body = self._neuron(update, function, group, row)
            if spikes:
                mask = self.layout.state[group.name, "spike.mask"].identifier
                body.append(f"return s.{mask}[{moved('j', row.offset)}];")
            lines += [f"step.for_{'spiking' if spikes else 'own'}({number}, {row.size}, [&]([[maybe_unused]] int j) {{"]
            lines += [*(f"    {x}" for x in body), "});"]
            if last:
                lines += [
                    f"step.keep({field}, {number}, {row.size});  // {variable}"
                    for (population, variable), field in self.tables.fields.items()
                    if field in self.tables.remembered and population == row.population
                ]
        return lines

    def _neuron(self, update: Update, function: Function, group: Group, row: Row) -> list[str]:
        """The update of neuron j of a row."""
        at = moved("j", row.offset)
        counted = [line for a in function.of("count") for line in self._count(group, row, a)]
        passed = [self._passed(a, group, row, at) for a in function.arguments]
        served = [f"s.{self.layout.state[group.name, name].identifier}[{at}] = Real(0);" for name in update.inputs]
        return [*counted, f"dynamics::{function.name}({', '.join(passed)});", *served]

    def _passed(self, a: Argument, group: Group, row: Row, at: str) -> str:
        match a.role:
            case "time":
                return "step.t"
            case "carry" | "input":
                return f"s.{self.layout.state[group.name, a.name].identifier}[{at}]"
            case "array":
                return f"a.{self.layout.array[group.name, a.name].identifier}[{at}]"
            case "out":
                return f"s.{self.layout.state[group.name, 'spike.mask'].identifier}[{at}]"
            case "count":
                return f"of_{a.identifier}"
            case "draw":
                return _COUNTERS[a.name]
            case "stream":
                return f"0x{dict(row.streams)[a.name]:08x}u"
        raise Unsupported(f"`{a.role}` of a network whose neurons are spread over the threads")

    def _count(self, group: Group, row: Row, a: Argument) -> list[str]:
        """A Poisson count of neuron j."""
        mean = self.dynamics.means[group.name, a.name]
        at = moved("j", row.offset)
        passed = [
            "static_cast<double>(step.t)" if x.role == "time" else self._passed(x, group, row, at)
            for x in mean.arguments
        ]
        number = self.layout.populations.index(row.population)
        return [
            f"const Real of_{a.identifier} = static_cast<Real>(",
            f"    poisson_count(step, {number}, 0x{dict(row.streams)[a.name]:08x}u, j, dynamics::{mean.name}({', '.join(passed)})));",
        ]

    def _tables(self, function: Function, group: Group, row: Row) -> list[str]:
        """The thresholds of Poisson counts, where means stay as they are."""
        counted = function.of("count")
        if len(counted) != 1:
            return []
        mean = self.dynamics.means[group.name, counted[0].name]
        if any(x.role != "array" for x in mean.arguments):
            return []
        passed = ", ".join(self._passed(x, group, row, moved("j", row.offset)) for x in mean.arguments)
        number = self.layout.populations.index(row.population)
        body = f"return dynamics::{mean.name}({passed});"
        return [f"tabulate(step, {number}, {row.size}, [&]([[maybe_unused]] int j) {{ {body} }});"]

    def _stimuli(self, update: Update, row: Row, number: int) -> list[str]:
        """What `stimulate` adds to the accumulators of own neurons of a row before the update."""

        def add(field: str, row: Row, first: int, last: int) -> str:
            body = f"s.{field}[{moved('j', row.offset)}] += value;"
            return f"step.for_range({number}, {first}, {last}, [&](int j) {{ {body} }});"

        return stimulated(self.layout, update, "step.n", "step.t", add, of=row)

    # ---------------------------------------------------------------------------------------- synapses
    def _synapse_update(self, update: SynapseUpdate) -> list[str]:
        """The call of a synapse update for every synapse that the loop over own columns visits."""
        function = next(f for o, f in self.dynamics.synapse_updates if o is update)
        connection = self.program.connection(update.connection)
        number = self.tables.connections[update.connection]
        loop = f"const ColumnLoop<Network, When::{update.when}> loop(step, {number}, {update.post_delay});"
        before, body = synapse_call(
            function, update, partial(self._passed_to_synapse, update),
            lambda name: f"step.v.fields[{self.tables.field(connection.target, name)}]",
        )  # fmt: skip
        targets = self.tables.places[connection.target][1].size
        arguments = ", ".join(f"[[maybe_unused]] {x}" for x in _SYNAPSE_ARGUMENTS)
        return [loop, *before, f"loop.for_each({targets}, [&]({arguments}) {{", *(f"    {x}" for x in body), "});"]

    def _passed_to_synapse(self, update: SynapseUpdate, a: Argument) -> tuple[list[str], str]:
        """An argument of a synapse's update: what is declared for it before the loop, and what is passed within."""
        name = f"of_{a.identifier}"
        match a.role:
            case "synapse":
                field = self._synapse_field(update.connection, a.name)
                if field is None:
                    number = self.tables.connections[update.connection]
                    return [f"const Real {name} = step.v.connections[{number}].one;"], name
                return [f"Real* const {name} = step.v.synapse_fields[{field}];"], f"{name}[k]"
            case "pre":
                return self._passed_of_source(update, a, name)
            case "post":
                population, field = self._side(update.post, a)
                if self.tables.is_one_for_all(update, population):
                    return [f"const Real {name} = step.v.fields[{field}][0];"], name
                return [f"const Real* const {name} = step.v.fields[{field}];"], f"{name}[j]"
            case "array" | "modulator":
                return self._passed_number(update, a, name)
            case "draw":
                return [], _SYNAPSE_COUNTERS[a.name]
            case "stream":
                return [], f"stream_of_repeat(0x{dict(update.streams)[a.name]:08x}u, repeat)"
            case "spikes" | "t" | "deliver":
                return [], {"spikes": "Real(1)", "t": "step.t", "deliver": a.identifier}[a.role]
        raise TypeError(f"no argument of a synapse's update: {a}")

    def _passed_of_source(self, update: SynapseUpdate, a: Argument, name: str) -> tuple[list[str], str]:
        """What a synapse reads of its source: now, a fixed time ago, or as long ago as the synapse's delay."""
        _, field = self._side(update.pre, a)
        ago = self.tables.ago(update, a.name)
        if ago == "ago":
            return [], f"loop.pre_ago({field}, ago)[i]"
        values = f"step.v.fields[{field}]" if ago is None else f"loop.pre_ago({field}, {ago})"
        return [f"const Real* const {name} = {values};"], f"{name}[i]"

    def _passed_number(self, update: SynapseUpdate, a: Argument, name: str) -> tuple[list[str], str]:
        """A parameter of the synapses, or a modulator, which `simulate` may move."""
        field = self.tables.synapse_fields.get((update.connection, a.name))
        declared = f"Real {name} = static_cast<Real>(step.v.numbers[{self._parameter(update, a)}]);"
        if field is not None:
            declared = f"const Real* const {name} = step.v.synapse_fields[{field}];"
        moved = modulated(self.tables, update.connection, a.name, name, "step.n", "step.t")
        return [declared, *moved], name if field is None else f"{name}[k]"

    def _side(self, read: tuple[tuple[str, str, str], ...], a: Argument) -> tuple[str, int]:
        """The population that an update reads, and the field of what it reads."""
        population, variable = next((p, v) for symbol, p, v in read if symbol == a.name)
        return population, self.tables.field(population, variable)

    def _synapse_field(self, connection: str, name: str) -> int | None:
        owner = self.program.connection(connection).owner if name == "weight" else connection
        return self.tables.synapse_fields.get((owner, name))

    def _parameter(self, update: SynapseUpdate, a: Argument) -> int:
        """The number of a parameter that is one for all synapses."""
        about = synapse_states(self.program, update.connection)
        key = dict(about.arrays).get(a.name) if a.role == "array" else f"{update.connection}.plasticity.{a.name}"
        return self.layout.keys.index(str(key))


_SYNAPSE_ARGUMENTS = ("std::uint64_t k", "std::int64_t i", "std::int64_t j", "int ago", "std::uint32_t repeat")
_SYNAPSE_COUNTERS = {
    "seed": "step.v.seed", "element": "loop.c.columns.numbers[k]", "step": "static_cast<std::uint32_t>(step.n)",
    "trial": "step.v.trial",
}  # fmt: skip
_COUNTERS = {
    "seed": "step.v.seed", "element": "static_cast<std::uint32_t>(j)", "step": "static_cast<std::uint32_t>(step.n)",
    "trial": "step.v.trial",
}  # fmt: skip
