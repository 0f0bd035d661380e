"""How the emitted kernels reach a network's numbers: expressions for weights, tape and sources."""

from __future__ import annotations

from functools import cached_property

from sncc.backends.cuda.meetings import Access
from sncc.backends.cxx.dynamics import Dynamics
from sncc.backends.cxx.layout import Layout, padded
from sncc.backends.cxx.synapse_rows import delay_mode, place_of_delays, place_of_weights
from sncc.connectivity.patterns import Convolution
from sncc.program.groups import Connection, Row
from sncc.program.learning import Gather, GatherDelay, TraceUpdate
from sncc.program.nodes import Program
from sncc.program.operations import Update
from sncc.program.statements import Fire

WARP = 32
MOST_THREADS = 512  # of a block, beside the warp that stands aside
MOST_IN_ROUNDS = 384  # the same where one kernel does all that a batch takes, with 168 registers a thread
NEURONS_A_THREAD = 2  # of a large group: what a step's spikes are is found out by half as many warps
MANY_NEURONS = 256
MOST_RESIDENT = 512  # threads of a multiprocessor that the registers are for


def words(size: int) -> int:
    """32-bit words that hold a bit for each of so many neurons."""
    return -(-size // WARP)


class Places(Layout):
    """The layout that both halves share, with the places of the CUDA half in device memory."""

    def __init__(self, program: Program, shared: Dynamics) -> None:
        super().__init__(program, shared)
        self.offsets: list[int] = []  # of the parameters; one with a number for every synapse stands behind them
        self.late = [key for key in self.keys if self.matrix(key)[1] < 0]
        self.parameter_size = self.half_size = 0
        for key in self.keys:
            rows, columns = self.matrix(key)
            size = 0 if columns < 0 else rows * padded(columns)
            self.offsets.append(self.half_size if key in self.halves else self.parameter_size)
            if key in self.halves:
                self.half_size += size
            else:
                self.parameter_size += size

        # Gradients of connections of whose weight another one has the first part, by their keys: added up later.
        self.further: dict[tuple[str, str], int] = {}
        seen: set[str] = set()
        for o in program.gradient:
            if isinstance(o, Gather):
                c = program.connection(o.connection)
                key = c.weight
                if key in seen and key not in self.late:
                    rows, columns = self.matrix(key)
                    self.further[c.name, key] = self.gradient_size
                    self.gradient_size += rows * padded(columns)
                seen.add(key)
        # Sources and populations whose spikes gradients look up by neuron: from where on.
        self.fired: dict[tuple[bool, int], int] = {}
        self.fired_neurons = 0
        for c in self.gathered():
            source = c.source_group is None, self.number_of_source(c)
            if not c.signal and source not in self.fired:
                self.fired[source] = self.fired_neurons
                self.fired_neurons += self.whole_source(c) + (c.source_group is None)
        self.counted = {  # populations whose neurons may spike several times in a step
            r.population
            for o in program.forward
            if isinstance(o, Update)
            and o.spikes
            and not any(isinstance(s, Fire) and s.name == o.spikes for s in o.body)
            for r in program.group(o.group).rows
        }

    # ---------------------------------------------------------------------------------------- threads
    @property
    def is_online(self) -> bool:
        """Whether training goes forwards in time."""
        return bool(self.program.traces)

    @property
    def loss_every_step(self) -> bool:
        """Whether the weights change after every step."""
        return all(r.reduction is None for r in self.program.readouts)

    @property
    def has_rounds(self) -> bool:
        """Whether a batch may be a launch of several rounds, with sums of gradients in between."""
        return self.is_online and self.loss_every_step

    @property
    def aside(self) -> set[str]:
        """Groups that only readouts read, few enough for a warp of their own,
        which works while the others go on with the next step.
        """
        p = self.program
        read = {c.source_group for c in p.connections} | {
            p.place(population)[0].name for population in (one.population for one in self.series)
        }
        return {
            g.name
            for r in p.readouts
            for g in [p.group(r.group)]
            if g.size <= WARP and len(g.rows) == 1 and r.offset == 0 and g.name not in read and not self.is_online
        }

    @property
    def main_threads(self) -> int:
        """Threads that share the neurons of all groups but those aside."""
        largest = max([g.size for g in self.program.groups if g.name not in self.aside], default=WARP)
        each = NEURONS_A_THREAD if largest >= MANY_NEURONS else 1
        return min(MOST_IN_ROUNDS if self.has_rounds else MOST_THREADS, words(-(-largest // each)) * WARP)

    @property
    def threads(self) -> int:
        """Of a block that runs a sample."""
        return self.main_threads + WARP * bool(self.aside)

    def who(self, group: str) -> str:
        """The threads that a group's numbers belong to."""
        return "aside" if group in self.aside else "all"

    # ----------------------------------------------------------------------------------- a block's neurons: all of them
    def row_at(self, group: str, offset: int) -> Row:
        """The population that has this neuron of a group."""
        return next(r for r in self.program.group(group).rows if r.offset <= offset < r.offset + r.size)

    def at(self, group: str, offset: int) -> int:
        """Where a block has what begins at `offset` in a group's arrays."""
        return offset

    def first(self, row: Row) -> str:
        """The first neuron of a population that a block has."""
        return ""

    def share(self, row: Row, size: int) -> str:
        """How many of `size` neurons of a population it has."""
        return str(size)

    def extent(self, row: Row) -> str:
        """How many it has with the padding behind the population, which gradients read too."""
        group, _ = self.program.place(row.population)
        return str(min((r.offset for r in group.rows if r.offset > row.offset), default=group.size) - row.offset)

    def most(self, row: Row, size: int) -> int:
        """The same, at most."""
        return size

    def after(self, pointer: str, row: Row, times: int = 1) -> str:
        """A pointer moved to the first of these neurons, each of which has so many numbers."""
        return pointer

    def of_own(self, source: str, row: Row) -> str:
        """What is emitted or handed over, of these neurons alone."""
        return source

    def in_first_block(self, lines: tuple[str, ...]) -> tuple[str, ...]:
        """What is done once for a sample."""
        return lines

    def own(self, group: str, offset: int = 0) -> str:
        """How a group's numbers are shared out by a part that gives number `offset` to the first thread."""
        return "aside" if group in self.aside else str(offset % self.main_threads)

    def touched(self, owner: str, group: str, name: str, offset: int = 0, writes: bool = True) -> Access:
        """A state or an adjoint, each number touched by the thread that it belongs to."""
        fields = self.state if owner == "s" else self.adjoint
        return Access(f"{owner}.{fields[group, name].identifier}", writes, self.own(group, offset))

    def on_tape(self, group: str, slot: str) -> Access:
        """What the tape keeps of a group, read by any thread."""
        return Access(f"tape {self.columns[group, slot]}", by_step=True)

    def spikes_read(self, c: Connection) -> tuple[Access, ...]:
        """What a connection's source has emitted; what comes from outside is there before."""
        found = [self.source(c)]
        if c.dropout and c.source_group is not None:  # all of them where nothing is learnt
            found.append(f"spikes_{self.populations.index(c.source)}")
        return tuple(Access(place, by_step=True) for place in found)

    def gathered(self) -> list[Connection]:
        """Connections of which a gradient is summed over samples, for each time."""
        return [
            self.program.connection(o.connection) for o in self.program.gradient if isinstance(o, Gather | GatherDelay)
        ]

    def spike_words(self, row: Row) -> int:
        """Numbers that hold a population's spikes of a step."""
        return row.size if row.population in self.counted else words(row.size)

    def spikes(self, c: Connection, gathered: bool = False) -> tuple[str, int]:
        """Of a connection's source: the spikes of the first sample, by step, and numbers of a step; `gathered`:
        from the tape's first on.
        """
        k, row = self.number_of_source(c), self.program.place(c.source)[1]
        kind = "SpikeCounts" if row.population in self.counted else "SpikeBits"
        first = f"round.origin * {self.spike_words(row)}" if gathered else "0"
        return f"{kind}{{g.bits[{k}] + {first}, {self.spike_words(row)}, 1}}", self.spike_words(row)

    def fired_at(self, c: Connection) -> str:
        """Where the spikes of a connection's source stand by neuron."""
        return plus("g.fired", self.fired[c.source_group is None, self.number_of_source(c)], " * words")

    def weight(self, key: str) -> str:
        """The first number of a weight."""
        return plus("g.halves" if key in self.halves else "g.parameters", self.offset(key))

    def offset(self, key: str) -> int:
        """Where a parameter starts."""
        return self.offsets[self.keys.index(key)]

    def learnt_delays(self, c: Connection) -> str:
        """The delays of a connection's synapses that need not be whole steps."""
        rows = f"g.rows[{self.row_number(c)}]"
        return f"LearntDelays<Real>({rows}, Network::step_ms, {c.delay}, {self.most_delay(c)}, {delay_mode(c)})"

    def gradient_of(self, c: Connection, key: str | None = None) -> int:
        """Where the gradient of a connection's weights, or delays, is gathered;
        negative where that is known when synapses are built.
        """
        key = key or c.weight
        return self.further.get((c.name, key), self.gradient_offsets.get(key, -1))

    def stride(self, key: str) -> int:
        """Numbers from row to row of a parameter."""
        return padded(self.matrix(key)[1])

    def synapses(self, c: Connection) -> str:
        """The table of a connection's synapses in rows."""
        return f"g.rows[{self.row_number(c)}]"

    def shared_elements(self, c: Connection) -> int:
        """Numbers of a weight that synapses share, as they lie in memory; 0 where none is shared."""
        if place_of_weights(self.program, c) == "one":
            return 1
        rows, _ = self.matrix(c.weight)
        return rows * self.stride(c.weight) if isinstance(c.wiring, Convolution) else 0

    def is_one_delay(self, c: Connection) -> bool:
        """Whether all synapses of a connection have one delay, which is learnt."""
        return c.interpolated and place_of_delays(self.program, c) == "one"

    @cached_property
    def parts_of_shared(self) -> dict[tuple[str, bool], tuple[int, int]]:
        """Numbers that synapses in rows share, of a connection's weights or delays:
        where a block of a cluster adds up its part, and how many.
        """
        found: dict[tuple[str, bool], tuple[int, int]] = {}
        end = 0
        for o in self.program.traces:
            if not isinstance(o, TraceUpdate) or o.connection is None or (o.connection, o.of_delays) in found:
                continue
            c = self.program.connection(o.connection)
            count = int(self.is_one_delay(c)) if o.of_delays else self.shared_elements(c)
            if c in self.rows_of_synapses and count:
                found[o.connection, o.of_delays] = (end, count)
                end += padded(count)
        return found

    @property
    def part_size(self) -> int:
        """Of all of these."""
        return sum(padded(count) for _, count in self.parts_of_shared.values())

    def whole_source(self, c: Connection) -> int:
        """Neurons of a connection's whole source."""
        sources = {s.name: s.size for s in self.program.sources}
        return sources[c.source] if c.source_group is None else self.program.place(c.source)[1].size

    def kept(self, group: str, slot: str, when: str = "n") -> str:
        """What the tape holds of a group at step `when`: a row of its neurons."""
        return f"tape.row({self.columns[group, slot]}, {self.program.group(group).size}, {when})"

    def number_of_source(self, c: Connection) -> int:
        """Among the sources or populations; what dropout leaves of them stands behind all of them."""
        whole = self.sources if c.source_group is None else self.populations
        return len(whole) + self.thinning(c) if c.dropout else whole.index(c.source)

    def source(self, c: Connection) -> str:
        """What a connection reads by step: events or values handed over, a population's spikes; what dropout leaves."""
        if c.values is not None:
            return f"series_{self.series_of(c)}"
        if c.dropout:
            return f"left_{self.thinning(c)}"
        if c.source_group is None:
            return f"{'values' if c.signal else 'events'}_{self.sources.index(c.source)}"
        return f"spikes_{self.populations.index(c.source)}"


def values_of_batch(places: Places, c: Connection) -> str:
    """The fields of the values of a connection's source in all samples: those of a signal, or of a state."""
    if c.values is not None:
        k, stride, lead = places.series_of(c), padded(places.whole_source(c)), "g.series_lead"
        first = f"g.series[{k}] + (round.origin ? (round.origin + {lead}) * {stride} : 0)"
        return f"{{{first}, {stride}, g.most_steps + {lead}, round.origin ? 0 : {lead}, g.batch, g.length}}"
    k, stride = places.number_of_source(c), padded(places.whole_source(c))
    return f"{{g.values[{k}] + round.origin * {stride}, {stride}, g.most_steps, 0, g.batch, g.length}}"


def plus(pointer: str, offset: int, times: str = "") -> str:
    """A pointer moved by so many numbers."""
    return f"{pointer} + {offset}{times}" if offset else pointer


def moved(index: str, offset: int) -> str:
    """An index moved by so many."""
    return f"{offset} + {index}" if offset else index
