"""Where a Program's numbers stand in the emitted code: fields of structs, columns of the tape, offsets of gradients."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sncc.backends.cxx.dynamics import Dynamics
from sncc.backends.cxx.expressions import literal
from sncc.backends.cxx.names import Namer
from sncc.backends.cxx.synapse_rows import in_rows, most_delay
from sncc.connectivity.patterns import Dense, OfSynapses
from sncc.program.groups import Connection, Group
from sncc.program.learning import DeriveAdjoint, Each, Gather, GatherDelay, TraceUpdate, Transpose, loops
from sncc.program.nodes import Program
from sncc.program.operations import Update
from sncc.program.streams import stream

KNOWN_AT_BUILD = -2  # in place of the offset of a gradient with a number for every synapse


def padded(size: int) -> int:
    """Arrays per neuron are padded to 16 numbers."""
    return -(-size // 16) * 16


@dataclass(frozen=True, slots=True)
class Field:
    """An array per neuron in one of the emitted structs."""

    identifier: str
    size: int


def halves_of(program: Program, rows: list[Connection]) -> dict[str, str]:
    """How weights of 16 bits are stored: those of which every synapse or pair has one, and over which spikes go."""
    if program.weights != "bfloat16":
        return {}
    found: dict[str, set[str]] = {}
    for c in program.connections:
        full = c.signal or c.interpolated or c.gain is not None or program.parameter(c.weight).shape == ()
        packed = "packed" if c.pattern == "dense" else "none"
        found.setdefault(c.weight, set()).add("none" if full else "plain" if c in rows else packed)
    return {key: kinds.pop() for key, kinds in found.items() if len(kinds) == 1 and kinds != {"none"}}


@dataclass(frozen=True, slots=True)
class Series:
    """A state whose values are delivered step by step; `thinned`:
    the number of the connection whose dropout leaves only some.
    """

    population: str
    variable: str
    thinned: int | None = None


@dataclass(frozen=True, slots=True)
class LateTraces:
    """Traces of an update, which has this place among the operations, whose number is known when synapses are built.

    steps: the rows of synapses whose delays say of how many steps they are kept.
    """

    place: int
    update: TraceUpdate
    names: tuple[str, ...]
    steps: int | None = None


class Layout:
    """Names and places that both halves of a project share."""

    def __init__(self, program: Program, dyn: Dynamics) -> None:
        self.program, self.dynamics = program, dyn
        self.functions = {id(o): f for o, f in dyn.updates}
        self.rows_of_synapses = [c for c in program.connections if in_rows(program, c)]
        # the sources of these without some neurons
        self.thinned = [c for c in program.connections if c.dropout and not c.backwards]
        self.halves = halves_of(program, self.rows_of_synapses)
        self.keys = [p.key for p in program.parameters]
        self.sources = [s.name for s in program.sources]
        self.rows = [(g, r) for g in program.groups for r in g.rows]
        self.populations = [r.population for _, r in self.rows]
        self.series = list(dict.fromkeys(self._series_of(c) for c in program.connections if c.values is not None))
        self.names = {kind: Namer() for kind in ("state", "adjoint", "array")}
        self._place_states()
        self._place_adjoints()
        self._place_sums()
        self._place_gradients()
        self._place_traces()
        self._place_penalties()
        self._place_tape()

    def _place_states(self) -> None:
        """Arrays per neuron of the forward phase, and of what follows from parameters alone."""
        self.state: dict[tuple[str, str], Field] = {}
        self.array: dict[tuple[str, str], Field] = {}
        for g in self.program.groups:
            for name in (*g.states, *g.inputs, *(["spike.mask"] if g.spiking else [])):
                self.state[g.name, name] = self._field("state", g, name)
            for name in g.arrays:
                self.array[g.name, name] = self._field("array", g, name)

    def _place_adjoints(self) -> None:
        """Arrays per neuron of the reverse phase."""
        self.adjoint: dict[tuple[str, str], Field] = {}
        for o in self.program.reverse:
            if isinstance(o, Update):
                for name in (*(v for v, _ in (*o.carry, *o.sums)), *o.inputs):
                    self._place_adjoint(o.group, name)
        for o in self.program.before:
            source = self.program.connection(o.connection).source_group if isinstance(o, Transpose) else o.target[0]
            self._place_adjoint(source or "", o.into)

    def _place_adjoint(self, group: str, name: str) -> None:
        g = self.program.group(group)
        if (g.name, name) not in self.adjoint:
            self.adjoint[g.name, name] = self._field("adjoint", g, name)

    def _place_sums(self) -> None:
        """What parameters of neurons get from every step, a number per neuron."""
        self.sums: dict[tuple[str, str], int] = {}
        self.sum_size = 0
        for derived in self.program.gradient:
            if isinstance(derived, DeriveAdjoint):
                for place in (*((derived.group, name) for name in derived.sums), *(of for _, _, of in derived.told)):
                    self.sums[place] = self.sum_size
                    self.sum_size += self.program.group(place[0]).size

    def _place_gradients(self) -> None:
        self.gradient_offsets: dict[str, int] = {}
        self.gradient_size = 0
        for gather in (*self.program.gradient, *self.program.traces):
            if isinstance(gather, TraceUpdate) and gather.connection is not None:
                self._gradient_of(self.program.learnt_by(gather))
            if isinstance(gather, Gather):
                self._gradient_of(self.program.connection(gather.connection).weight)
            if isinstance(gather, GatherDelay):
                self._gradient_of(self.program.connection(gather.connection).delays or "")

    def _place_traces(self) -> None:
        """Traces of synapses and neurons; behind them those whose number is known when synapses are built."""
        self.trace_offsets: dict[tuple[int, str], int] = {}  # by place in `Program.traces`, and name
        self.trace_strides: dict[int, int] = {}  # from a trace of an output to that of the next one
        self.trace_size = 0  # of all but those of synapses in rows, which stand behind
        self.late_traces: list[LateTraces] = []
        for k, traces in enumerate(self.program.traces):
            if not isinstance(traces, TraceUpdate):
                continue
            c = self.program.connection(traces.connection) if traces.connection is not None else None
            kept = dict(traces.kept)
            names = tuple(trace for trace in traces.traces if trace not in kept)
            if c in self.rows_of_synapses or any(r is not None for r in self.rows_of_loops(traces.each)):
                self.late_traces.append(LateTraces(k, traces, names))
            else:
                self.trace_strides[k] = self.size_of(traces)
                for trace in names:
                    self.trace_offsets[k, trace] = self.trace_size
                    self.trace_size += self.trace_strides[k] * self.repeats(traces)
            for trace, delayed in kept.items():
                rows = self.row_number(self.program.connection(delayed))
                self.late_traces.append(LateTraces(k, traces, (trace,), rows))

    def _place_penalties(self) -> None:
        """The penalised populations among all numbers per neuron."""
        self.penalty_offsets: list[int] = []
        self.penalty_size = 0
        for penalty in self.program.penalties:
            self.penalty_offsets.append(self.penalty_size)
            self.penalty_size += padded(penalty.size)

    def _place_tape(self) -> None:
        """Columns of what every step keeps; of those that share one, the first has it."""
        self.columns: dict[tuple[str, str], int] = {}
        self.tape_columns = 0
        for slot in self.program.tape:
            if slot.shares is None:
                self.columns[slot.group, slot.name] = self.tape_columns
                self.tape_columns += self.program.group(slot.group).size
        for slot in self.program.tape:
            if slot.shares is not None:
                self.columns[slot.group, slot.name] = self.columns[slot.group, slot.shares]

    def _gradient_of(self, key: str) -> None:
        """Room for the gradient of a weight."""
        if key in self.gradient_offsets:
            return
        rows, columns = self.matrix(key)
        if columns < 0:
            self.gradient_offsets[key] = KNOWN_AT_BUILD
            return
        self.gradient_offsets[key] = self.gradient_size
        self.gradient_size += rows * padded(columns)

    def told(self, group: str, name: str) -> tuple[Connection, int]:
        """The connection over whose synapses a number of a group is told,
        and where what these have of its gradient stands among the sums.
        """
        operation = next(o for o in self.program.gradient if isinstance(o, DeriveAdjoint) and o.group == group)
        connection, place = next((c, place) for found, c, place in operation.told if found == name)
        return self.program.connection(connection), self.sums[place]

    def thinning(self, c: Connection) -> int:
        """The number of a connection, or of the one whose credit goes back over it, among those of thinned sources."""
        same = (c.owner, c.source, c.values)
        return next(k for k, other in enumerate(self.thinned) if (other.owner, other.source, other.values) == same)

    def series_of(self, c: Connection) -> int:
        """The number of the state, among those whose values are delivered, that a connection delivers."""
        return self.series.index(self._series_of(c))

    def _series_of(self, c: Connection) -> Series:
        assert c.values is not None
        return Series(c.source, c.values, self.thinning(c) if c.dropout else None)

    def most_delay(self, c: Connection) -> int:
        """The last step after a spike in which anything of it arrives, as far as known before delays are given."""
        return most_delay(self.program, c)

    def seen_by(self, traces: TraceUpdate, symbol: str) -> tuple[str, int | None]:
        """The field that a symbol in the body of traces is, and the neuron, or the first of the outputs,
        where that is one for all elements.
        """
        seen = self.program.seen_by(traces, symbol)
        assert seen is not None
        group, variable, neuron = seen
        return self.state[group, variable].identifier, neuron

    def starts_window(self) -> str:
        """The condition that a window of truncated credit begins."""
        return f"n > 1 && (n - 1) % {self.program.truncate} == 0"

    def late_trace_lines(self) -> list[str]:
        """The entries of the table of traces whose number is known when synapses are built:
        which rows, or how many numbers, how many traces, along which rows.
        """
        lines = []
        for late in self.late_traces:
            o = late.update
            c = self.program.connection(o.connection) if o.connection is not None else None
            rows, size = (
                (self.row_number(c), 0) if c in self.rows_of_synapses and c is not None else (-1, self.size_of(o))
            )
            along = [-1 if r is None else r for r in self.rows_of_loops(o.each)] or [-1]
            count = len(late.names) * self.repeats(o)
            steps = -1 if late.steps is None else late.steps
            lines.append(f"{{{', '.join(map(str, (rows, size, count, along[0], steps, *along[1:])))}}}")
        return lines

    def late_trace(self, k: int, trace: str) -> tuple[int, LateTraces]:
        """The entry of that table in which a trace is, and its number."""
        return next((n, late) for n, late in enumerate(self.late_traces) if late.place == k and trace in late.names)

    def size_of(self, o: TraceUpdate) -> int:
        """The numbers of a trace, where that is known."""
        if o.connection is None:
            return self.program.group(o.group).size
        rows, columns = self.matrix(self.program.connection(o.connection).weight)
        return rows * padded(columns)

    def repeats(self, o: TraceUpdate) -> int:
        """How many there are of each of some traces: one for each output of a loop, if that is known."""
        return math.prod(self.outputs(each) or 1 for each in loops(o.each))

    def outputs(self, each: Each) -> int:
        """How often a loop goes round in a turn of the one around it: for each output, or for each synapse of a neuron;
        0 where only the library knows.
        """
        if not each.along:
            return self.program.readouts[each.readout or 0].size
        return 1 if self.rows_along(each) is None else 0

    def rows_along(self, each: Each | None) -> int | None:
        """The rows of synapses that a loop goes along; None where each neuron has one, or the loop is over outputs."""
        if each is None or not each.along:
            return None
        c = self.program.connection(each.along[0])
        return self.row_number(c) if c in self.rows_of_synapses else None

    def rows_of_loops(self, each: Each | None) -> list[int | None]:
        """The same of the loops that one is inside of, the inmost first."""
        return [self.rows_along(loop) for loop in loops(each)]

    def row_number(self, c: Connection) -> int:
        """Among the connections whose synapses are rows of targets."""
        return self.rows_of_synapses.index(c)

    def _field(self, kind: str, group: Group, name: str) -> Field:
        return Field(self.names[kind].fresh(f"{group.name}.{name}"), group.size)

    def matrix(self, key: str) -> tuple[int, int]:
        """Rows and columns of a parameter; a vector is one row, and -1 columns are one for every synapse."""
        parameter = self.program.parameter(key)
        dimensions = parameter.dimensions
        users = [c for c in self.program.connections if key in (c.weight, c.delays)]
        only_rows = bool(users) and all(c in self.rows_of_synapses for c in users)
        if parameter.shape == () and (-1 in dimensions or only_rows):
            return 1, 1
        return (dimensions[0], dimensions[1]) if len(dimensions) == 2 else (1, dimensions[0])

    def shape(self, key: str) -> str:
        """The entry of a parameter in the table of shapes."""
        p = self.program.parameter(key)
        rows, columns = self.matrix(key)
        rewired = any(c.weight == key for c in self.rewired())  # bounds and signs are then kept as synapses are moved
        low, high = (p.bounds if not rewired else None) or (float("-inf"), float("inf"))
        repeated = [c for c in self.program.connections if c not in self.rows_of_synapses]
        weight = any(key == c.weight for c in repeated)
        flags = ", ".join(str(x).lower() for x in (p.shape == (), p.learnt, weight))
        numbers = ", ".join(literal(x, "double") for x in (p.rate, p.scale, low, high))
        signs = str(p.keeps_sign and not rewired).lower()
        return f"{{{rows}, {columns}, {flags}, {numbers}, {signs}, {str(self.is_apart(key)).lower()}}}, // {key}"

    def is_apart(self, key: str) -> bool:
        """Whether a parameter is a square matrix without a neuron's weight to itself: its diagonal is zero."""
        users = [c for c in self.program.connections if c.weight == key]
        if any(c not in self.rows_of_synapses and c.structure is not None for c in users):
            return True
        synapses = any(isinstance(c.structure, OfSynapses) and c.wiring == Dense(False) for c in users)
        return synapses and self.matrix(key)[0] > 1

    def place_of_one(self, key: str) -> int:
        """Where in a matrix one number for all of it stands: beside the diagonal where that is zero."""
        return int(self.is_apart(key) and self.program.parameter(key).shape == ())

    def thinnings(self) -> list[str]:
        """Entries of the table of thinned sources: source or population (-1: not one), neurons, stream, threshold."""
        sizes = {s.name: s.size for s in self.program.sources} | {r.population: r.size for _, r in self.rows}
        return [
            f"{{{self.sources.index(c.source) if c.source_group is None else -1}, "
            f"{-1 if c.source_group is None else self.populations.index(c.source)}, "
            f"{sizes[c.source]}, 0x{c.dropout_stream:08x}u, {c.dropout_threshold}u}}, // {c.name}"
            for c in self.thinned
        ]

    def penalties(self) -> list[str]:
        """The entries of the table of penalties."""
        return [
            f"{{{offset}, {p.size}, {literal(p.target, 'double')}, {literal(p.strength, 'double')}, {str(p.over == 'batch').lower()}}}, // {p.population}"
            for p, offset in zip(self.program.penalties, self.penalty_offsets, strict=True)
        ]

    def carried_adjoints(self) -> list[str]:
        """Fields of the adjoints that pass from a step to the one before, in the order of the reverse phase."""
        found = {
            self.adjoint[o.group, variable].identifier: None
            for o in self.program.reverse if isinstance(o, Update) for variable, _ in o.carry
        }  # fmt: skip
        return list(found)

    def described(self, group: Group, variable: str) -> str:
        """What a message calls one of a neuron's states or inputs, or an adjoint of it."""
        name = variable.removesuffix("~")
        if name in group.states:
            return f"the state `{name}`" if name == variable else f"the adjoint of `{name}`"
        return f"the input `{name.rstrip('!')}`" if variable in group.inputs else "an adjoint"

    def follows(self) -> list[str]:
        """Matrices that get another parameter's change: both numbers, and whether it is transposed.

        Not of synapses that move.
        """
        optimise, rewired = self.program.optimise, {c.weight for c in self.rewired()}
        return [
            f"{{{self.keys.index(matrix)}, {self.keys.index(weight)}, {str(transposed).lower()}}},"
            for matrix, weight, transposed in (optimise.follows if optimise else ())
            if weight not in rewired
        ]

    def rewired(self) -> list[Connection]:
        """Connections whose synapses training moves; others may share these."""
        return [c for c in self.program.connections if c.rewiring is not None]

    def rewirings(self) -> list[str]:
        """The entries of the table of connections that are rewired."""
        return [f"{self.rewiring(c)}, // {c.name}" for c in self.rewired()]

    def rewiring(self, c: Connection) -> str:
        """One of them."""
        low, high = self.program.parameter(c.weight).bounds or (float("-inf"), float("inf"))
        assert c.rewiring is not None
        numbers = ", ".join(literal(x, "double") for x in (c.rewiring.l1, c.rewiring.temperature, low, high))
        streams = f"0x{stream(c.name, 'rewiring'):08x}u, 0x{stream(c.name, 'rewiring walk'):08x}u"
        return f"{{{self.keys.index(c.weight)}, {numbers}, {streams}}}"

    def travelling(self) -> list[str]:
        """The entries of the table of numbers that go with synapses that move, but for their delays."""
        follows = {matrix for matrix, _, _ in self.program.optimise.follows} if self.program.optimise else set()
        return [
            f"{{{self.keys.index(c.weight)}, {self.keys.index(p.key)}, {str(p.key in follows).lower()}}}, // {p.key}"
            for c in self.rewired()
            for p in self.program.numbers_of_synapses(c)
            if p.key != f"{c.name}.delay"
        ]

    def bound(self, group: Group, population: str, symbol: str) -> str:
        """What a parameter symbol is for neuron j of a population: a number, or a look-up in `p`."""
        row = next(r for r in group.rows if r.population == population)
        value = dict(row.values)[symbol]
        if isinstance(value, str):
            return f"p.number({self.keys.index(value)}, j)"
        return literal(value, "double")
