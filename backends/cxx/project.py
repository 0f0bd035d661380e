"""Program → a standalone CMake project: {path: text}, with the C++ and the CUDA half and a binding for Python."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from dataclasses import dataclass
from math import prod
from pathlib import Path

import jinja2

from sncc.backends.cpu import emit as cpu
from sncc.backends.cpu import emit_neurons
from sncc.backends.cpu.neuron_tables import has_rows
from sncc.backends.cxx.draws import WHOLE
from sncc.backends.cxx.dynamics import Dynamics, dynamics
from sncc.backends.cxx.expressions import literal
from sncc.backends.cxx.layout import halves_of
from sncc.backends.cxx.names import project_name
from sncc.backends.cxx.recorded import stood_for, synapse_states
from sncc.backends.cxx.runner import runner
from sncc.backends.cxx.synapse_rows import in_rows
from sncc.connectivity.patterns import Dense, OfSynapses, Random, Sparse
from sncc.expressions.nodes import Apply, Number
from sncc.program.groups import Connection, Parameter
from sncc.program.nodes import Program
from sncc.program.statements import WEIGHT_NOW
from sncc.program.streams import stream

VERSION = "0.1.0"
ABI_VERSION = 6
_HERE = Path(__file__).parent
_PACKAGE = _HERE.parent.parent  # sncc, through its links


def emit_project(program: Program) -> dict[str, str]:
    """All files of the project of a Program (all passes done)."""
    name = project_name(program.name)
    shared = dynamics(program)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"), undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip

    def render(template: str, **values: object) -> str:
        return environment.get_template(f"{template}.j2").render(name=name, version=VERSION, **values)

    api = _api(program, shared)
    real = "float" if program.precision == "float32" else "double"
    files = {
        "CMakeLists.txt": render("CMakeLists.txt"),
        "CMakePresets.json": render("CMakePresets.json"),
        "cmake/flags.cmake": render("flags.cmake"),
        f"include/{name}.h": render("header.h", abi=ABI_VERSION),
        f"src/{name}_dynamics.h": render("dynamics.h", real=real, functions=shared.functions()),
        f"src/{name}_model.h": render("model.h"),
        f"src/{name}_api.cpp": render("api.cpp", calls=_calls(name), bytes_to_learn=_bytes_to_learn(program), **api),
        f"src/{name}_run.cpp": render("run.cpp", **runner(program)),
        "examples/example.c": render("example.c", **runner(program)),
        "examples/CMakeLists.txt": render("example.cmake"),
        "manifest.json": json.dumps(manifest(program), indent=2) + "\n",
        "model.snn": program.source,
        "README.md": render("README.md", **_readme(program)),
    }
    files |= (cpu if program.schedule == "sample_parallel" else emit_neurons).emit(program)
    files |= _headers(_HERE / "include", "src") | _headers(_HERE.parent / "cpu" / "include", "src")
    files |= _binding()
    if importlib.util.find_spec("sncc.backends.cuda.emit") is not None:
        from sncc.backends.cuda.emit import emit as emit_cuda

        files |= emit_cuda(program)
    return files


def _bytes_of_number(program: Program) -> dict[str, int]:
    """What an engine takes at least for a number of each parameter, by key; more where it learns it."""
    real = program.bytes_of_real
    if program.schedule == "neuron_parallel":  # as the user has set it, and as the delivery reads it
        return {p.key: 8 + real for p in program.parameters}
    halves = halves_of(program, [c for c in program.connections if in_rows(program, c)])
    return {p.key: 2 if p.key in halves else real for p in program.parameters}


def _bytes_to_learn(program: Program) -> int:
    """What the C++ half takes besides for a number that it learns: its gradient, the optimiser's states. A GPU has its own memory for them."""
    if program.schedule == "neuron_parallel" or program.optimise is None:
        return 0
    return program.bytes_of_real * (1 + len(program.optimise.states))


def _headers(folder: Path, to: str) -> dict[str, str]:
    return {f"{to}/{p.relative_to(folder).as_posix()}": p.read_text() for p in sorted(folder.rglob("*.h"))}


def _binding() -> dict[str, str]:
    folder = _PACKAGE / "runtime"
    found = sorted(folder.glob("*.py"))
    return {f"python/sncc_runtime/{p.name}": p.read_text() for p in found}


# ------------------------------------------------------------------------------------------------ the manifest
def manifest(program: Program) -> dict[str, object]:
    """What the library has, by the user's names; Python's binding reads it."""
    readout, optimiser = program.readout, program.optimise
    schedule = None
    if optimiser and optimiser.schedule:
        schedule = {"name": optimiser.schedule[0], "settings": dict(optimiser.schedule[1])}
    hidden, states = _hidden(program), dict[str, list[dict[str, object]]]()
    for i, s in enumerate(synapse_states(program)):
        entry = {"index": i, "name": s.name, "unit": s.unit, "si": s.si, "size": s.size, "counted": s.counted}
        states.setdefault(s.owner, []).append(entry)
    return {
        "name": project_name(program.name),
        "abi": ABI_VERSION,
        "version": VERSION,
        "precision": program.precision,
        "weights": program.weights,
        "step": program.step * 1e-3,
        "rule": program.rule,
        "batch": program.batch,
        "source_hash": hashlib.sha256(program.source.encode()).hexdigest(),
        "sources": [
            {"name": s.name, "kind": s.kind, "shape": list(s.shape), "size": s.size, "unit": s.unit, "si": s.si, "kept": s.kept, "most": s.most}
            for s in program.sources
        ],
        "populations": [
            {
                "index": k, "name": r.population, "shape": list(r.shape), "size": r.size, "spiking": r.spiking,
                "states": [{"name": n, "unit": u, "si": si} for n, u, si in g.declared],
            }
            for k, (g, r) in enumerate((g, r) for g in program.groups for r in g.rows)
            if r.holds == "neurons"
        ],
        "parameters": [
            {"index": k, **_parameter_entry(program, p)} for k, p in enumerate(program.parameters) if p.key not in hidden
        ],
        "connections": [
            {
                "index": k, "name": c.name, "pre": _sender(program, c), "post": _receiver(c), "sparse": _has_synapses(program, c),
                "pairs": _takes_pairs(c), "plastic": c.plastic or _moves(program, c), "rewired": c.rewiring is not None,
                "drawn": isinstance(c.wiring, Random),
                "states": states.get(c.name, []),
            }
            for k, c in enumerate(program.connections) if _written(c.name)
        ] + [
            {"index": -1, "name": name, "pre": pre, "post": post, "plastic": True, "states": states[name]}
            for name, pre, post in stood_for(program)
        ],
        "readout": readout and {
            "population": readout.population, "outputs": readout.size, "labels": readout.labels,
            "per_step": readout.reduction is None, "reduction": readout.reduction, "over_steps": readout.over_steps,
            "windows": [[r.first, r.last] for r in program.readouts],
        },
        "optimiser": optimiser and {
            "name": optimiser.name, "learning_rate": optimiser.learning_rate, "states": list(optimiser.states),
            "schedule": schedule,
        },
        "simulation": program.simulation and {
            "steps": program.simulation.steps,
            "trials": program.simulation.trials,
            "records": [
                {
                    "owner": r.owner, "variable": r.variable, "every": r.every,
                    "ranges": r.part and not r.part.is_whole and [list(ends) for ends in r.part.ranges] or None,
                }
                for r in program.simulation.records
            ],
        },
    }  # fmt: skip


def _hidden(program: Program) -> set[str]:
    """The weights of what lowering adds, which are nobody's parameters."""
    written = {c.weight for c in program.connections if _written(c.name)}
    return {c.weight for c in program.connections if c.synapses_of is None} - written


def _written(name: str) -> bool:
    """Whether a connection is the user's: what lowering adds has a dot in its name."""
    return "." not in name


def _sender(program: Program, c: Connection) -> str:
    """The user's population that a connection comes from: the one whose spikes move the states that it delivers."""
    if isinstance(c.structure, OfSynapses):
        return c.structure.between[0]
    if c.source_group is None or program.place(c.source)[1].holds == "neurons":
        return c.source
    return next((d.source for d in program.connections if d.target == c.source), c.source)


def _receiver(c: Connection) -> str:
    return c.structure.between[1] if isinstance(c.structure, OfSynapses) else c.target


def _takes_pairs(c: Connection) -> bool:
    """Whether the pairs of a connection are handed over."""
    return isinstance(c.wiring, Sparse) and c.synapses_of is None


def _moves(program: Program, c: Connection) -> bool:
    """Whether a connection's weights are where a sample begins, and states of its synapses move from there."""
    into = (g for g in program.groups if g.name == c.target_group)
    return c.name == c.owner and any(WEIGHT_NOW in g.states for g in into)


def _has_synapses(program: Program, c: Connection) -> bool:
    """Whether the library can list a connection's synapses."""
    return has_rows(program, c) if program.schedule == "neuron_parallel" else in_rows(program, c)


def _storage(program: Program, p: Parameter) -> str:
    """How a parameter is stored; `made`: nowhere, as its synapses."""
    made = p.shape != () and any(c.weight == p.key and not c.stored for c in program.connections)
    return "made" if made else p.storage


def _largest(program: Program, p: Parameter) -> str:
    """The magnitude that a stored number of a parameter can have; what is compiled in has its own in the code."""
    single = program.precision == "float32" and p.storage != "compiled"
    return number((2 - 2**-23) * 2.0**127 if single else sys.float_info.max)


def _parameter_entry(program: Program, p: Parameter) -> dict[str, object]:
    entry: dict[str, object] = {
        "key": p.key, "shape": _seen_shape(program, p), "storage": _storage(program, p), "learnt": p.learnt, "unit": p.unit, "si": p.si,
        "scale": p.scale, "bounds": _bounds(p), "divisor": p.divisor, "doc": p.doc,
    }  # fmt: skip
    if p.connection is not None and p.shape != ():
        entry["synapses_of"] = p.connection
    connection = next((c for c in program.connections if c.weight == p.key), None)
    if connection:
        entry["connection"] = {
            "pattern": connection.pattern,
            "pre": _sender(program, connection),
            "post": _receiver(connection),
        }
    return entry


def _seen_shape(program: Program, p: Parameter) -> list[int]:
    """The shape of what Python sees."""
    shape = list(p.shape) if p.connection is None or p.shape == () else _matrix(program, p) or [-1]
    return shape[::-1] if p.turned else shape


def _matrix(program: Program, p: Parameter) -> list[int] | None:
    """Sources and targets of a `dense` connection of parts with gaps, of whose synapses these are numbers: in the order of these."""
    c = next((c for c in program.connections if p.connection == c.name or p.key in (c.weight, c.delays)), None)
    if c is None or not isinstance(c.wiring, Dense) or not c.wiring.self_connections:
        return None
    own = c.structure
    source, target = (own.source, own.target) if isinstance(own, OfSynapses) else (c.source_part, c.target_part)
    return None if source is None or target is None else [source.size, target.size]


def _bounds(p: Parameter) -> list[float | None] | None:
    if p.bounds is None:
        return None
    infinite = float("inf")
    return [None if abs(b) == infinite else b * p.si for b in p.bounds]


# ------------------------------------------------------------------------------------------------ the C interface
@dataclass(frozen=True, slots=True)
class _Call:
    """A C function that runs as the network's only caller."""

    name: str
    arguments: tuple[str, ...]
    lines: tuple[str, ...]


def number(value: float) -> str:
    """A double in C++."""
    return literal(float(value), "double")


def flag(value: bool) -> str:
    """A truth value in C++."""
    return str(bool(value)).lower()


def _whole(program: Program, parameter: Parameter) -> str:
    """Of a first value that is a random matrix as a whole its shape and stream; of a normal one its stream, numbers and clip."""
    of, seed = parameter.initial, f"0x{stream(parameter.key, 'initial'):08x}u"
    plain = "false, 0, 0, 0, 0"
    if isinstance(of, Apply) and of.operation == WHOLE:
        rows, columns = program.matrix(parameter)
        return f"{rows}, {columns}, {seed}, {plain}"
    if isinstance(of, Apply) and of.operation == "normal":
        numbers = [a.value for a in of.arguments if isinstance(a, Number)]
        if len(numbers) == 2:
            clip = parameter.clip or (float("-inf"), float("inf"))
            return f"0, 0, {seed}, true, {', '.join(number(x) for x in (*numbers, *clip))}"
    return f"0, 0, 0u, {plain}"


def _first(shared: Dynamics, parameter: Parameter) -> str:
    """A parameter's first value: of all its elements a number, or the function of an element."""
    if isinstance(parameter.initial, Number):
        return f"{number(parameter.initial.value)}, nullptr"
    return f"0, &dynamics::{shared.parameters[parameter.key].name}"


def _api(program: Program, shared: Dynamics) -> dict[str, object]:
    groups = [g.name for g in program.groups]
    rows = [(g, r) for g in program.groups for r in g.rows]
    readout, optimiser = program.readout, program.optimise
    connections, parameters, bytes_of = [c.name for c in program.connections], [], _bytes_of_number(program)
    for p in program.parameters:
        size = prod(p.shape if p.connection is None or p.shape == () else p.dimensions)
        synapses = connections.index(p.connection) if p.connection and p.shape and size >= 0 else -1
        columns, turned = p.shape[-1] if len(p.shape) == 2 else 1, max(0, _seen_shape(program, p)[0]) if p.turned else 0
        low, high = p.bounds or (float("-inf"), float("inf"))
        parameters.append(
            f'{{"{p.key}", {size}, {columns}, {synapses}, {bytes_of[p.key]}, {_largest(program, p)}, sncc::Storage::{_storage(program, p)}, {number(p.si)}, {number(p.scale)}, {flag(bool(p.divisor))}, {flag(p.learnt)}, {turned}, '
            f"{number(p.rate)}, {number(low)}, {number(high)}, {_first(shared, p)}, {_whole(program, p)}}},"
        )
    populations = [r.population for _, r in rows]
    return {
        "step": number(program.step),
        "sources": [f'{{"{s.name}", {flag(s.kind == "signal")}, {s.size}, {number(s.si)}}},' for s in program.sources],
        "states": [[f'{{"{n}", {g.states.index(n)}, {number(si)}}}' for n, _, si in g.declared] for g, _ in rows],
        "populations": [
            f'{{"{r.population}", {groups.index(g.name)}, {r.offset}, {r.size}, {flag(r.spiking)}, states_{k}, {len(g.declared)}}},'
            for k, (g, r) in enumerate(rows)
        ],
        "parameters": parameters,
        "synapse_states": [s.line for s in synapse_states(program)],
        "readout": readout
        and f"{{{populations.index(readout.population)}, {readout.size}, {flag(readout.labels == 'class')}, {flag(readout.reduction is None)}, {readout.first}, {max(r.first for r in program.readouts)}}}",
        "optimiser": optimiser and f"{{{number(optimiser.learning_rate)}, {len(optimiser.states)}}}",
        "saved": [
            f'{{{k}, "{p.key}"}},' for k, p in enumerate(program.parameters)
            if p.key not in _hidden(program) and _storage(program, p) in ("shared", "each")
        ],
        "moving": [f'{{{k}, "{c.name}"}},' for k, c in enumerate(program.connections) if _written(c.name) and c.rewiring is not None],
        "drawn": flag(any(isinstance(c.wiring, Random) and c.rewiring is None for c in program.connections if _written(c.name))),
    }  # fmt: skip


def _calls(name: str) -> list[_Call]:
    batch = (f"const {name}_data* data", "const int64_t* selection", "int64_t count", "const uint32_t* trials")
    array = ("int index", "double* values", "int64_t count")
    constant = ("int index", "const double* values", "int64_t count")
    run = "give(result, n.run(sncc::Mode::{}, convert(data), selection, count, trials, {}));"
    pairs = ("int connection", "const int64_t* pre", "const int64_t* post", "int64_t count")
    return [
        _Call("connect", pairs, ("n.connect(connection, pre, post, count);",)),
        _Call("build", (), ("n.build();",)),
        _Call("parameter_size", ("int index", "int64_t* size"), ("n.place(size) = n.parameter_size(index);",)),
        _Call("synapse_count", ("int connection", "int64_t* count"), ("n.place(count) = n.synapse_count(connection);",)),
        _Call("synapses", ("int connection", "int64_t* pre", "int64_t* post", "int64_t count"), ("n.synapses(connection, pre, post, count);",)),
        _Call("get_parameter", array, ("n.get_parameter(index, values, count);",)),
        _Call("set_parameter", constant, ("n.set_parameter(index, values, count);",)),
        _Call("get_unscaled", array, ("n.get_unscaled(index, values, count);",)),
        _Call("set_unscaled", constant, ("n.set_unscaled(index, values, count);",)),
        _Call("load", ("const char* path",), ("sncc::load_weights(n, path, saved_parameters, moving_connections, synapses_are_drawn);",)),
        _Call("get_synapse_state", array, ("n.get_synapse_state(index, values, count);",)),
        _Call("get_gradient", array, ("n.get_gradient(index, values, count);",)),
        _Call("get_optimiser_state", ("int index", "int slot", *array[1:]), ("n.get_optimiser_state(index, slot, values, count);",)),
        _Call("set_optimiser_state", ("int index", "int slot", *constant[1:]), ("n.set_optimiser_state(index, slot, values, count);",)),
        _Call("get_optimiser_step", ("int64_t* step",), ("n.place(step) = n.engine().optimiser_step();",)),
        _Call("set_optimiser_step", ("int64_t step",), ("n.set_optimiser_step(step);",)),
        _Call("train", (*batch, "double learning_rate_factor", f"{name}_result* result"), (run.format("train", "learning_rate_factor, nullptr, nullptr"),)),
        _Call("announce", batch, ("n.announce(convert(data), selection, count, trials);",)),
        _Call("gradients", (*batch, f"{name}_result* result"), (run.format("gradients", "1.0, nullptr, nullptr"),)),
        _Call("evaluate", (*batch, "double* outputs", "const int64_t* output_starts", f"{name}_result* result"), (run.format("evaluate", "1.0, outputs, output_starts"),)),
        _Call(
            "simulate",
            (f"const {name}_data* data", "int64_t sample", "int64_t steps", "uint64_t seed", "uint32_t trial", "int resume",
             "const int32_t* spike_populations", "int32_t spike_population_count", f"const {name}_trace* traces", "int32_t trace_count"),
            ("sncc::List<sncc::Trace> kept;",
             "if (trace_count > 0) n.place(traces);",
             "for (int k = 0; k < trace_count; ++k)",
             "    kept.push_back({traces[k].population, traces[k].state, traces[k].every, traces[k].first, traces[k].size, traces[k].values});",
             "n.simulate({convert(data), sample, steps, seed, trial, resume != 0, spike_populations, spike_population_count, kept.data(), trace_count});",
             "for (const sncc::Trace& trace : kept) n.to_si(trace, steps / trace.every);"),
        ),
        _Call("spike_count", ("int population", "int64_t* count"), ("n.place(count) = static_cast<int64_t>(n.spikes(population).steps.size());",)),
        _Call("copy_spikes", ("int population", "int64_t* steps", "uint32_t* neurons", "int64_t count"), ("n.copy_spikes(population, steps, neurons, count);",)),
        _Call("reset", (), ("n.engine().reset();",)),
        _Call("step_count", ("int64_t* steps",), ("n.place(steps) = n.engine().step_count();",)),
        _Call("state_size", ("int64_t* size",), ("n.place(size) = n.state_size();",)),
        _Call("get_state", ("unsigned char* bytes", "int64_t size"), ("n.get_state(bytes, size);",)),
        _Call("set_state", ("const unsigned char* bytes", "int64_t size"), ("n.set_state(bytes, size);",)),
    ]  # fmt: skip


def _readme(program: Program) -> dict[str, object]:
    return {
        "population_rows": [
            f"| {r.population} | {' x '.join(map(str, r.shape))} | {', '.join(n for n, _, _ in g.declared)} |"
            for g in program.groups for r in g.rows
        ],
        "parameter_rows": [
            f"| {p.key} | {' x '.join(map(str, _seen_shape(program, p))) or 'one number'} | {'learnt' if p.learnt else _storage(program, p)} |"
            for p in program.parameters
        ],
    }  # fmt: skip
