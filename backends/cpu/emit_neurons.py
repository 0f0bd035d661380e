"""Program → the CPU half of a project whose neurons, of one sample, are spread over the threads:
layout, tables and calls of the headers.
"""

from __future__ import annotations

from pathlib import Path

from sncc.backends.cpu import forward
from sncc.backends.cpu.neuron_tables import NeuronTables
from sncc.backends.cpu.updates import mean_of
from sncc.backends.cxx.calls import synapse_call
from sncc.backends.cxx.dynamics import dynamics
from sncc.backends.cxx.expressions import Unsupported, literal
from sncc.backends.cxx.functions import Argument
from sncc.backends.cxx.layout import Layout
from sncc.backends.cxx.names import project_name
from sncc.backends.cxx.rendering import render as rendered
from sncc.backends.cxx.stimuli import during, stimulated, value_of
from sncc.backends.cxx.synapse_dynamics import synapse_states
from sncc.backends.cxx.synapse_rows import CONNECTIVITY, flag
from sncc.program.groups import Group, Row
from sncc.program.nodes import Program
from sncc.program.operations import SynapseUpdate, Update

ENGINE = """// The engine; the same in every network of this precision, and compiled beside it.
#include "sncc/engine_unit.h"

namespace sncc {{
namespace neurons {{

template struct Segment<{real}>;
std::unique_ptr<Engine> make_workers(const Tables<{real}>& net, int threads) {{ return std::make_unique<NeuronWorkers<{real}>>(net, threads); }}

}}  // namespace neurons
}}  // namespace sncc
"""
_TEMPLATES = Path(__file__).parent / "templates"


def emit(program: Program) -> dict[str, str]:
    """The files of `src/cpu`, and the tables that both halves share."""
    layout = Layout(program, dynamics(program))
    name, parts = project_name(program.name), _parts(layout)

    def render(template: str) -> str:
        return rendered(_TEMPLATES, template, name=name, **parts)

    return {
        f"src/{name}_neurons.h": render("neuron_network.h"),
        f"src/cpu/{name}_cpu.cpp": render("neurons.cpp"),
        "src/engine/connectivity.cpp": CONNECTIVITY + '#include "sncc/made_rows_unit.h"\n',
        "src/engine/neurons.cpp": ENGINE.format(real="float" if program.precision == "float32" else "double"),
    }


def _parts(layout: Layout) -> dict[str, object]:
    """What the template prints."""
    p = layout.program
    tables = NeuronTables(layout, layout.dynamics)
    groups = [g.name for g in p.groups]
    connections = tables.connection_lines()
    synapse_updates = [_synapse_update(tables, o) for o in tables.updates]
    updates = [_update(layout, o) for o in tables.neuron_updates]
    constants = [
        f"int parameters = {len(p.parameters)}",
        f"int sources = {len(p.sources)}",
        f"int populations = {len(layout.rows)}",
        f"int connections_count = {len(connections)}",
        f"int operations_count = {len(p.forward)}",
        f"int synapse_updates_count = {len(tables.updates)}",
        f"int synapse_fields = {len(tables.synapse_fields)}",
        f"int fields_count = {len(tables.fields)}",
        f"int state_arrays_count = {len(layout.state)}",
        f"double step_ms = {literal(p.step, 'double')}",
    ]
    return {
        "constants": constants,
        "state": list(layout.state.values()),
        "state_groups": [
            f"{{offsetof(State, {f.identifier}), {groups.index(g)}}}" for (g, _), f in layout.state.items()
        ],
        "array": list(layout.array.values()),
        "populations": tables.populations(),
        "connections": connections,
        "synapse_fields": tables.synapse_field_lines(),
        "synapse_field_reads": [_ended(numbers) for numbers in tables.synapse_field_reads()],
        "fields": [
            f"{{{layout.populations.index(population)}, {int(k in tables.remembered)}}},  // {population}.{variable}"
            for (population, variable), k in tables.fields.items()
        ],
        "field_places": [tables.field_place(*key) for key in tables.fields],
        "parameter_infos": tables.parameter_lines(),
        "operations": tables.operations(),
        "far_fields": [_ended(tables.synapse_update_fields(o, "far")) for o in tables.updates],
        "own_fields": [_ended(tables.synapse_update_fields(o, "own")) for o in tables.updates],
        "synapse_update_infos": tables.synapse_update_lines(),
        "source_sizes": [f"{{{s.size}, {flag(s.kind == 'signal')}, {literal(s.si, 'double')}}}" for s in p.sources],
        "masks": [_mask(layout, g, offset) for g, offset in ((g, r.offset) for g, r in layout.rows)],
        "derive": forward.derive(layout),
        "start": forward.start(layout),
        "variables": forward.variables(layout),
        "updates": updates,
        "synapse_updates": synapse_updates,
    }


def _ended(numbers: list[int]) -> str:
    """A list as C++ reads it, up to a number that is none."""
    return ", ".join(map(str, [*numbers, -1]))


def _mask(layout: Layout, group: Group, offset: int) -> str:
    if not group.spiking:
        return "nullptr"
    return f"s.{layout.state[group.name, 'spike.mask'].identifier} + {offset}"


# ------------------------------------------------------------------------------------------------ updates of neurons
def _update(layout: Layout, update: Update) -> list[str]:
    """The loop over own neurons of a group: drawn numbers, the update, lists of those that spiked, chunk by chunk."""
    group = layout.program.group(update.group)
    function = layout.functions[id(update)]
    lines = _stimuli(layout, update)
    lines += ["for (std::int64_t position = segment.begin; position < segment.end; position += segment.chunk) {"]
    lines += ["    const int count = segment.count(position);"]
    body: list[str] = []
    passed: list[str] = []
    for a in function.arguments:
        match a.role:
            case "time":
                body.append("const Real t = segment.t;")
                passed.append("t")
            case "carry" | "input":
                field = layout.state[group.name, a.name].identifier
                body.append(f"Real* SNCC_RESTRICT const of_{a.identifier} = s.{field} + position;")
                passed.append(f"of_{a.identifier}[j]")
            case "array":
                field = layout.array[group.name, a.name].identifier
                body.append(f"const Real* SNCC_RESTRICT const of_{a.identifier} = a.{field} + position;")
                passed.append(f"of_{a.identifier}[j]")
            case "out":
                field = layout.state[group.name, "spike.mask"].identifier
                body.append(f"Real* SNCC_RESTRICT const of_{a.identifier} = s.{field} + position;")
                passed.append(f"of_{a.identifier}[j]")
            case "count":
                body += _counts(layout, update, a.name, a.identifier)
                passed.append(f"of_{a.identifier}[j]")
            case "draw":
                passed.append(_COUNTERS[a.name])
            case "stream":
                body += _stream(group, a.name, a.identifier)
                passed.append(f"of_{a.identifier}")
            case _:
                raise Unsupported(f"`{a.role}` of a network whose neurons are spread over the threads")
    inputs = [a.identifier for a in function.arguments if a.role == "input"]
    body += ["SNCC_INDEPENDENT", "for (int j = 0; j < count; ++j) {"]
    body.append(f"    dynamics::{function.name}({', '.join(passed)});")
    body += [f"    of_{name}[j] = 0;" for name in inputs]
    body.append("}")
    unread = [name for name in update.inputs if name not in {a.name for a in function.arguments}]
    for name in unread:
        field = layout.state[group.name, name].identifier
        body.append(f"std::memset(s.{field} + position, 0, sizeof(Real) * static_cast<std::size_t>(count));")
    fired = next((a.identifier for a in function.arguments if a.role == "out"), None)
    if fired:
        body.append(f"segment.list(of_{fired}, position);")
    return [*lines, *(f"    {line}" for line in body), "}"]


_COUNTERS = {
    "seed": "segment.seed", "element": "segment.element(position) + static_cast<std::uint32_t>(j)",
    "step": "static_cast<std::uint32_t>(segment.n)", "trial": "segment.trial",
}  # fmt: skip


_SYNAPSE_COUNTERS = {
    "seed": "loop.seed", "element": "loop.number(k, i)", "step": "static_cast<std::uint32_t>(loop.n)",
    "trial": "loop.trial",
}  # fmt: skip


def _stream(group: Group, draw: str, identifier: str) -> list[str]:
    """The stream of a draw, by population."""
    streams = [(r.population, dict(r.streams)[draw]) for r in group.rows]
    return [f"const std::uint32_t of_{identifier} = {_by_row(group, [f'0x{s:08x}u' for _, s in streams])};"]


def _by_row(group: Group, values: list[str]) -> str:
    """The value of the segment's row, found by its first position."""
    text = values[-1]
    for value, following in reversed(list(zip(values[:-1], group.rows[1:], strict=True))):
        text = f"segment.begin < {following.offset} ? {value} : {text}"
    return text


def _counts(layout: Layout, update: Update, draw: str, identifier: str) -> list[str]:
    """Poisson counts of a chunk: the mean of each neuron, then all counts at once."""
    group = layout.program.group(update.group)
    mean = mean_of(layout, group, draw, "segment.t", "s", "position")
    stream = f"stream_{identifier}"
    return [
        f"alignas(64) Real of_{identifier}[segment.chunk];",
        f"alignas(64) double mean_{identifier}[segment.chunk];",
        f"for (int j = 0; j < count; ++j) mean_{identifier}[j] = {mean};",
        *(line.replace(f"of_{stream}", stream) for line in _stream(group, draw, stream)),
        f"segment.poisson({stream}, position, mean_{identifier}, count, of_{identifier});",
    ]


def _stimuli(layout: Layout, update: Update) -> list[str]:
    """What `stimulate` adds to the accumulators of own neurons before the update."""

    def add(field: str, row: Row, first: int, last: int) -> str:
        begin = f"std::max<std::int64_t>(segment.begin, {row.offset + first})"
        end = f"std::min<std::int64_t>(segment.end, {row.offset + last})"
        return f"for (std::int64_t j = {begin}; j < {end}; ++j) s.{field}[j] += value;"

    return stimulated(layout, update, "segment.n", "segment.t", add)


# ------------------------------------------------------------------------------------------------ updates of synapses
def _synapse_update(tables: NeuronTables, update: SynapseUpdate) -> list[str]:
    """The call of a synapse update for every synapse that the engine's loop visits."""
    function = dict((id(o), f) for o, f in tables.dynamics.synapse_updates)[id(update)]

    def passed(a: Argument) -> tuple[list[str], str]:
        return _side(tables, update, a) if a.role in ("pre", "post") else _of_synapse(tables, update, a)

    def accumulator(name: str) -> str:
        return f"loop.post({tables.field(_target(tables, update), name)})"

    before, body = synapse_call(function, update, passed, accumulator)
    unused = "static_cast<void>(k), static_cast<void>(i), static_cast<void>(j), static_cast<void>(ago);"
    return [
        *before,
        "loop.for_each([&](std::uint64_t k, std::int64_t i, std::int64_t j, int ago) SNCC_INLINE_LAMBDA {",
        f"    {unused}",
        *(f"    {line}" for line in body),
        "});",
    ]


def _side(tables: NeuronTables, update: SynapseUpdate, a: Argument) -> tuple[list[str], str]:
    """What stands before the loop for what a synapse reads of its source, neuron i, or target, j; and what it is."""
    name = f"of_{a.identifier}"
    sides = {"pre": update.pre, "post": update.post}
    reads = {symbol: (population, variable) for symbol, population, variable in sides[a.role]}
    field = tables.field(*reads[a.name])
    if a.role == "post":
        if tables.is_one_for_all(update, reads[a.name][0]):
            return [f"const Real {name} = loop.one({field});"], name
        return [f"const Real* const {name} = loop.post({field});"], f"{name}[j]"
    ago = tables.ago(update, a.name)
    if ago == "ago":  # as many steps as the synapse's own delay
        return [], f"loop.pre_ago({field}, ago)[i]"
    past = f"loop.pre({field})" if ago is None else f"loop.pre_ago({field}, {ago})"
    return [f"const Real* const {name} = {past};"], f"{name}[i]"


def _of_synapse(tables: NeuronTables, update: SynapseUpdate, a: Argument) -> tuple[list[str], str]:
    """The same of what synapse k has itself, or all of a connection."""
    name = f"of_{a.identifier}"
    match a.role:
        case "synapse":
            owner = tables.program.connection(update.connection).owner
            key = owner if a.name == "weight" else update.connection, a.name
            if a.name == "weight" and key not in tables.synapse_fields:
                return [f"const Real {name} = loop.shared_weight();"], name
            field = tables.synapse_fields[key]
            return [f"Real* SNCC_RESTRICT const {name} = loop.synapse({field});"], f"{name}[k]"
        case "array" | "modulator":
            parameter = f"{update.connection}.plasticity.{a.name}"
            if a.role == "array":
                parameter = str(dict(synapse_states(tables.program, update.connection).arrays)[a.name])
            before = [_number(tables, update.connection, a.name, parameter, name)]
            before += modulated(tables, update.connection, a.name, name, "loop.n", "loop.t")
            return before, f"{name}[k]" if (update.connection, a.name) in tables.synapse_fields else name
        case "spikes":
            return [], "Real(1)"
        case "t":
            return [], "loop.t"
        case "deliver":
            return [], a.identifier
        case "draw":
            return [], _SYNAPSE_COUNTERS[a.name]
        case "stream":
            return [], f"stream_of_repeat(0x{dict(update.streams)[a.name]:08x}u, loop.repeat())"
    raise TypeError(f"no argument of a synapse's update: {a}")


def _target(tables: NeuronTables, update: SynapseUpdate) -> str:
    return tables.program.connection(update.connection).target


def _number(tables: NeuronTables, connection: str, symbol: str, key: str, name: str) -> str:
    if (connection, symbol) in tables.synapse_fields:
        return f"const Real* SNCC_RESTRICT const {name} = loop.synapse({tables.synapse_fields[connection, symbol]});"
    return f"[[maybe_unused]] Real {name} = static_cast<Real>(p.number({tables.layout.keys.index(key)}, 0));"


def modulated(tables: NeuronTables, connection: str, symbol: str, name: str, step: str, time: str) -> list[str]:
    """What `stimulate` adds to a modulator of a connection, held in the local `name`."""
    simulation = tables.program.simulation
    lines: list[str] = []
    for k, stimulus in enumerate(simulation.stimuli if simulation else ()):
        if not stimulus.group and (stimulus.population, stimulus.input) == (connection, symbol):
            lines.append(f"if ({during(stimulus, step)}) {name} += {value_of(tables.dynamics.stimuli[k], time)};")
    return lines
