"""The C interface of a project: tables of what the network has, and the functions that callers see."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from math import prod

from sncc.backends.cxx.draws import WHOLE
from sncc.backends.cxx.dynamics import Dynamics
from sncc.backends.cxx.expressions import literal
from sncc.backends.cxx.layout import halves_of
from sncc.backends.cxx.manifest import hidden_keys, is_written, seen_shape, storage_of
from sncc.backends.cxx.readouts import takes_step_labels
from sncc.backends.cxx.recorded import synapse_states
from sncc.backends.cxx.synapse_rows import in_rows
from sncc.connectivity.patterns import Random
from sncc.expressions.nodes import Apply, Number
from sncc.program.groups import Parameter
from sncc.program.nodes import Program
from sncc.program.streams import stream


@dataclass(frozen=True, slots=True)
class Call:
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
    """Of a first value that is a random matrix as a whole its shape and stream;
    of a normal one its stream, numbers and clip.
    """
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


def tables(program: Program, shared: Dynamics) -> dict[str, object]:
    """What the library knows of its sources, populations, parameters and optimiser,
    as C++ initialisers by the template's names.
    """
    groups = [g.name for g in program.groups]
    rows = [(g, r) for g in program.groups for r in g.rows]
    readout, optimiser = program.readout, program.optimise
    connections, parameters, bytes_of = [c.name for c in program.connections], [], _bytes_of_number(program)
    for p in program.parameters:
        size = prod(p.shape if p.connection is None or p.shape == () else p.dimensions)
        synapses = connections.index(p.connection) if p.connection and p.shape and size >= 0 else -1
        columns, turned = p.shape[-1] if len(p.shape) == 2 else 1, max(0, seen_shape(program, p)[0]) if p.turned else 0
        low, high = p.bounds or (float("-inf"), float("inf"))
        parameters.append(
            f'{{"{p.key}", {size}, {columns}, {synapses}, {bytes_of[p.key]}, {_largest(program, p)}, sncc::Storage::{storage_of(program, p)}, {number(p.si)}, {number(p.scale)}, {flag(bool(p.divisor))}, {flag(p.learnt)}, {turned}, '
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
        and f"{{{populations.index(readout.population)}, {readout.size}, {flag(readout.labels == 'class')}, {flag(takes_step_labels(program))}, {readout.first}, {max(r.first for r in program.readouts)}}}",
        "optimiser": optimiser and f"{{{number(optimiser.learning_rate)}, {len(optimiser.states)}}}",
        "saved": [
            f'{{{k}, "{p.key}"}},' for k, p in enumerate(program.parameters)
            if p.key not in hidden_keys(program) and storage_of(program, p) in ("shared", "each")
        ],
        "moving": [f'{{{k}, "{c.name}"}},' for k, c in enumerate(program.connections) if is_written(c.name) and c.rewiring is not None],
        "drawn": flag(any(isinstance(c.wiring, Random) and c.rewiring is None for c in program.connections if is_written(c.name))),
    }  # fmt: skip


def calls(name: str) -> list[Call]:
    """All functions on a network, in the order of the header."""
    batch = (f"const {name}_data* data", "const int64_t* selection", "int64_t count", "const uint32_t* trials")
    array = ("int index", "double* values", "int64_t count")
    constant = ("int index", "const double* values", "int64_t count")
    run = "give(result, n.run(sncc::Mode::{}, convert(data), selection, count, trials, {}));"
    pairs = ("int connection", "const int64_t* pre", "const int64_t* post", "int64_t count")
    return [
        Call("connect", pairs, ("n.connect(connection, pre, post, count);",)),
        Call("build", (), ("n.build();",)),
        Call("parameter_size", ("int index", "int64_t* size"), ("n.place(size) = n.parameter_size(index);",)),
        Call("synapse_count", ("int connection", "int64_t* count"), ("n.place(count) = n.synapse_count(connection);",)),
        Call("synapses", ("int connection", "int64_t* pre", "int64_t* post", "int64_t count"), ("n.synapses(connection, pre, post, count);",)),
        Call("get_parameter", array, ("n.get_parameter(index, values, count);",)),
        Call("set_parameter", constant, ("n.set_parameter(index, values, count);",)),
        Call("get_unscaled", array, ("n.get_unscaled(index, values, count);",)),
        Call("set_unscaled", constant, ("n.set_unscaled(index, values, count);",)),
        Call("load", ("const char* path",), ("sncc::load_weights(n, path, saved_parameters, moving_connections, synapses_are_drawn);",)),
        Call("get_synapse_state", array, ("n.get_synapse_state(index, values, count);",)),
        Call("get_gradient", array, ("n.get_gradient(index, values, count);",)),
        Call("get_optimiser_state", ("int index", "int slot", *array[1:]), ("n.get_optimiser_state(index, slot, values, count);",)),
        Call("set_optimiser_state", ("int index", "int slot", *constant[1:]), ("n.set_optimiser_state(index, slot, values, count);",)),
        Call("get_optimiser_step", ("int64_t* step",), ("n.place(step) = n.engine().optimiser_step();",)),
        Call("set_optimiser_step", ("int64_t step",), ("n.set_optimiser_step(step);",)),
        Call("set_draw_seed", ("uint64_t seed",), ("n.set_draw_seed(seed);",)),
        Call("train", (*batch, "double learning_rate_factor", f"{name}_result* result"), (run.format("train", "learning_rate_factor, nullptr, nullptr"),)),
        Call("announce", batch, ("n.announce(convert(data), selection, count, trials);",)),
        Call("gradients", (*batch, f"{name}_result* result"), (run.format("gradients", "1.0, nullptr, nullptr"),)),
        Call("evaluate", (*batch, "double* outputs", "const int64_t* output_starts", f"{name}_result* result"), (run.format("evaluate", "1.0, outputs, output_starts"),)),
        Call(
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
        Call("spike_count", ("int population", "int64_t* count"), ("n.place(count) = static_cast<int64_t>(n.spikes(population).steps.size());",)),
        Call("copy_spikes", ("int population", "int64_t* steps", "uint32_t* neurons", "int64_t count"), ("n.copy_spikes(population, steps, neurons, count);",)),
        Call("reset", (), ("n.engine().reset();",)),
        Call("step_count", ("int64_t* steps",), ("n.place(steps) = n.engine().step_count();",)),
        Call("state_size", ("int64_t* size",), ("n.place(size) = n.state_size();",)),
        Call("get_state", ("unsigned char* bytes", "int64_t size"), ("n.get_state(bytes, size);",)),
        Call("set_state", ("const unsigned char* bytes", "int64_t size"), ("n.set_state(bytes, size);",)),
    ]  # fmt: skip


def _bytes_of_number(program: Program) -> dict[str, int]:
    """What an engine takes at least for a number of each parameter, by key; more where it learns it."""
    real = program.bytes_of_real
    if program.schedule == "neuron_parallel":  # as the user has set it, and as the delivery reads it
        return {p.key: 8 + real for p in program.parameters}
    halves = halves_of(program, [c for c in program.connections if in_rows(program, c)])
    return {p.key: 2 if p.key in halves else real for p in program.parameters}


def bytes_to_learn(program: Program) -> int:
    """What the C++ half takes besides for a number that it learns: its gradient, the optimiser's states.

    A GPU has its own memory for them.
    """
    if program.schedule == "neuron_parallel" or program.optimise is None:
        return 0
    return program.bytes_of_real * (1 + len(program.optimise.states))


def _largest(program: Program, p: Parameter) -> str:
    """The magnitude that a stored number of a parameter can have; what is compiled in has its own in the code."""
    single = program.precision == "float32" and p.storage != "compiled"
    return number((2 - 2**-23) * 2.0**127 if single else sys.float_info.max)
