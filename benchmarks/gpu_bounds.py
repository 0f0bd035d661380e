"""What a batch costs on a GPU at least: bytes, operations,
launches and barriers of the schedule in docs/cuda/bounds.md.

    python benchmarks/gpu_bounds.py                  # the table of batches in docs/cuda/bounds.md
    python benchmarks/gpu_bounds.py --simulations    # that of simulations
    python benchmarks/gpu_bounds.py --connectivity   # that of making their synapses
    python benchmarks/gpu_bounds.py --unstored       # that of drawing them again at each spike

Nothing here is measured. A launch takes at least the time of its bytes or of its operations, whichever is longer; the
launches of a batch follow each other. Barriers and the latency of a step are not in the bound: they are counted beside
it.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from simulate_unstored import with_pairs

from sncc.backends.cuda.meetings import MEET
from sncc.backends.cuda.places import Places
from sncc.backends.cuda.samples import Samples
from sncc.backends.cuda.tables import Tables
from sncc.backends.cxx.dynamics import dynamics
from sncc.compiler import Weights, compile_model, compile_program
from sncc.connectivity.patterns import Random
from sncc.diagnostics import Source
from sncc.program.groups import Connection
from sncc.program.learning import Gather, Transpose
from sncc.program.nodes import Program
from sncc.syntax.parse import read_source


@dataclass(frozen=True)
class Card:
    """Rates of a card. H100 SXM: memory and float32 by NVIDIA's data sheet; L2 as others measured, about 5.5 TB/s."""

    name: str = "H100 SXM"
    l2: float = 5.5e12  # bytes a second, all multiprocessors together
    memory: float = 3.0e12  # of 3.35e12 on paper
    # bytes beside a block's shared memory: weights that fit come from L2 once a sample; less what is copied there
    l1: int = 192 << 10
    multiprocessors: int = 132
    shared: int = 228 << 10  # bytes of a multiprocessor, of which a block takes one more KB and leaves nine
    operations: float = 67e12  # float32, a multiplication with its addition counts two
    integers: float = 14.8e12  # 32-bit instructions: 64 a clock and multiprocessor, 132 of them at 1.755 GHz
    doubles: float = 33.5e12


@dataclass(frozen=True)
class Activity:
    """What the data and the network do: fractions of neurons with an event in a step."""

    inputs: float = 0.02
    hidden: float = 0.02


@dataclass(frozen=True)
class Cost:
    """Of one batch."""

    l2_bytes: float
    memory_bytes: float
    operations: float
    launches: int
    barriers_per_step: int  # of a block, forwards and back
    seconds: float


def spikes_per_step(program: Program, c: Connection, activity: Activity) -> float:
    """Rows that a connection adds in a step of one sample."""
    return c.source_size * (activity.inputs if c.source_group is None else activity.hidden)


def cost(program: Program, batch: int, steps: int, learns: bool, activity: Activity, card: Card) -> Cost:
    """The bound for a batch of samples of so many steps."""
    real = 4 if program.precision == "float32" else 8
    rows, groups = batch * steps, {g.name: g.size for g in program.groups}
    added = {c.name: spikes_per_step(program, c, activity) * c.target_size for c in program.connections}
    forward = rows * sum(added.values())
    made = copied(program, batch, steps, card)
    once = sum(size for size, _ in made.values())
    read = float(batch * once)
    for c, each, numbers in reads(program, learns, activity):
        size, streamed = c.source_size * c.target_size, 1 - made[c.weight][1] if c.weight in made else 1.0
        stays = size * each <= card.l1 - once
        read += streamed * batch * each * (min(steps * numbers, size) if stays else steps * numbers)
    neurons = rows * sum(groups.values())
    launches = [(read, 0.0, forward + 30 * neurons)]
    if learns:
        transposed = [program.connection(o.connection) for o in program.reverse if isinstance(o, Transpose)]
        back = rows * sum(c.source_size * c.target_size for c in transposed)
        tape = rows * sum(groups[slot.group] for slot in program.tape if slot.shares is None)
        gathered = [program.connection(o.connection) for o in program.gradient if isinstance(o, Gather)]
        sums = rows * sum(added[c.name] for c in gathered)
        parameters = sum(c.source_size * c.target_size for c in gathered)
        states = len(program.optimise.states) if program.optimise else 0
        turn = turned(gathered, batch, steps, activity)
        launches[0] = (read + turn, 3 * tape * real, forward + 2 * back + 60 * neurons)
        launches.append((sums * real, parameters * real, sums))
        launches.append((0.0, (4 + 2 * states) * parameters * real, 20 * parameters))
    seconds = sum(max(a / card.l2, m / card.memory, o / card.operations) for a, m, o in launches)
    l2, memory, operations = (sum(part) for part in zip(*launches, strict=True))
    return Cost(l2, memory, operations, len(launches), barriers(program, learns), seconds)


def reads(program: Program, learns: bool, activity: Activity) -> Iterator[tuple[Connection, int, float]]:
    """Weights that the first launch reads: a connection, bytes of a number, numbers that a step of a sample reads."""
    places = Places(program, dynamics(program))
    for c in program.connections:
        each = 2 if c.weight in places.halves else program.bytes_of_real
        yield c, each, spikes_per_step(program, c, activity) * c.target_size
    for o in program.reverse if learns else ():
        if isinstance(o, Transpose):
            c = program.connection(o.connection)
            yield c, program.bytes_of_real, c.source_size * c.target_size


def copied(program: Program, batch: int, steps: int, card: Card) -> dict[str, tuple[int, float]]:
    """Weights that a block has in its shared memory (as `sncc/cuda_copies.h` decides), the bytes of each,
    and which part of all that is.
    """
    tables = Tables(program, dynamics(program))
    beside = tables.workspace_bytes
    resident = min(tables.resident_blocks, card.shared // (beside + (10 << 10)))
    at_once = max(1, min(-(-batch // card.multiprocessors), resident))
    left = card.shared // at_once - (10 << 10) - beside
    found = {}
    for copy in tables.copies:
        each = copy.bytes // copy.rows if copy.rows else copy.bytes
        size = min(left // each, max(copy.rows, 1)) * each
        if size > 0 and steps >= copy.pays_after:
            found[copy.key] = size, size / copy.bytes
            left -= size
    return found


def weights_of_sample(w: Workload, program: Program, activity: Activity, card: Card, copies: bool) -> float:
    """Bytes of weights that the first launch reads from beyond a multiprocessor for one sample, were there no L1."""
    made = copied(program, w.batch, w.steps, card) if copies else {}
    in_registers = Samples(program, dynamics(program)).held_in_registers
    total = float(sum(size for size, _ in made.values()))
    for c, each, numbers in reads(program, w.learns, activity):
        back = numbers == c.source_size * c.target_size  # not rows of some sources, but all of them
        streamed = 1 - made[c.weight][1] if c.weight in made else 1
        total += streamed * each * numbers * (1 if back and c.name in in_registers else w.steps)
    return total


def turned(gathered: list[Connection], batch: int, steps: int, activity: Activity) -> float:
    """Bytes of spikes by step (events of 4 bytes, or bits) that are read, and by neuron (bits) that are written."""
    total = 0.0
    sources = {c.source: c for c in gathered if not c.signal}
    for c in sources.values():
        size, handed_over = c.source_size, c.source_group is None
        read = steps * size * (4 * activity.inputs if handed_over else 1 / 8)
        total += batch * (read + -(-steps // 32) * 4 * size)
    return total


def barriers(program: Program, learns: bool) -> int:
    """`__syncthreads` that a block meets in a step of inference, or of training: those of the emitted loops."""
    parts = Samples(program, dynamics(program)).parts()
    return sum(parts[loop].count(MEET) for loop in (("forward", "back") if learns else ("forward",)))


# ------------------------------------------------------------------------------------------------ workloads
SHD_SHAPED = """
network {name}:
    step = 1 ms
    population x: input[700]
    population hidden: ALIF[{hidden}](tau_m = 20 ms, tau_a = 200 ms)
    population output: LI[20](tau_m = 20 ms)
    connect x -> hidden: dense, weight = normal(0, 0.87 / sqrt(fan_in))
    connect hidden -> hidden: dense, weight = normal(0, 0.87 / sqrt(fan_in)), delay = 1 ms
    connect hidden -> output: dense, weight = normal(0, 0.87 / sqrt(fan_in))

train:
    rule = {rule}
    loss = mean(cross_entropy(output.v))
    optimiser = adam(learning_rate = {learning_rate})
    batch = {batch}
"""
STANDSTILL = "1e-9"  # a learning rate at which rates, and with them the work of a batch, stay as they are
EPROP = "eprop(feedback = symmetric)"


@dataclass(frozen=True)
class Workload:
    """A network with a batch."""

    name: str
    hidden: int
    rule: str
    learns: bool
    batch: int
    steps: int
    weights: Weights | None = None

    def text(self, hidden: int | None = None, batch: int | None = None) -> str:
        """The source, smaller where a dry run asks for it."""
        sizes = {"hidden": hidden or self.hidden, "batch": batch or self.batch}
        return SHD_SHAPED.format(name="Shaped", rule=self.rule, learning_rate=STANDSTILL, **sizes)


WORKLOADS = (
    Workload("W1 inference", 256, EPROP, False, 64, 250),
    Workload("W1 inference, 16-bit weights", 256, EPROP, False, 64, 250, "bfloat16"),
    Workload("W1 e-prop", 256, EPROP, True, 64, 250),
    Workload("W1 e-prop, batch 512", 256, EPROP, True, 512, 250),
    Workload("W1 bptt", 256, "bptt", True, 64, 250),
    Workload("W1 e-prop, 1,024 hidden", 1024, EPROP, True, 64, 250),
    Workload("W1 bptt, 128 hidden", 128, "bptt", True, 64, 250),
)


def program_of(text: str, weights: Weights | None = None) -> Program:
    """The Program of a workload."""
    return compile_program(compile_model(Source("workload", text)), weights=weights)


def table(card: Card) -> list[str]:
    """The rows of docs/cuda/bounds.md."""
    lines = [
        "| workload | MB from L2 | MB of memory | GFLOP | launches | barriers a step | bound, µs a batch "
        "| weights, KB a sample | with copies | copied |",
        "|" + " --- |" * 10,
    ]
    for w in WORKLOADS:
        program = program_of(w.text(), w.weights)
        c = cost(program, w.batch, w.steps, w.learns, Activity(), card)
        streamed, kept = (weights_of_sample(w, program, Activity(), card, copies) / 1e3 for copies in (False, True))
        made = copied(program, w.batch, w.steps, card).items()
        names = ", ".join(
            key.removesuffix(".weight") + ("" if part == 1 else f" ({100 * part:.0f} %)") for key, (_, part) in made
        )
        lines.append(
            f"| {w.name} | {c.l2_bytes / 1e6:,.0f} | {c.memory_bytes / 1e6:,.0f} | {c.operations / 1e9:.2f} | {c.launches} "
            f"| {c.barriers_per_step} | {c.seconds * 1e6:.0f} | {streamed:,.0f} | {kept:,.0f} | {names or '-'} |"
        )
    return lines


# ------------------------------------------------------------------------------------------------ simulations
SECTOR = 32  # bytes that a read of a single number takes
MEETING = 1.2e-6  # seconds that a meeting of the whole grid is assumed to take
TILES = 132  # at most: a block each, one a multiprocessor
STATES = 48  # bytes of a neuron's states and input, read and written


@dataclass(frozen=True)
class Simulated:
    """An example's network, with the mean rate at which its neurons are assumed to spike."""

    name: str
    example: str
    rate: float  # Hz
    settings: tuple[tuple[str, str], ...] = ()


SIMULATED = (
    Simulated("COBA, 4,000 neurons", "vogels_abbott_coba", 20),
    Simulated("Brunel, 12,500 neurons, delay 1.5 ms", "brunel_2000", 30),
    Simulated(
        "Potjans-Diesmann, 77,169 neurons, drawn weights and delays", "potjans_diesmann_2014", 4, (("scale", "1"),)
    ),
)


@dataclass(frozen=True)
class StepCost:
    """Of one step of a simulation."""

    synapses: float
    pull: float  # bytes where every target looks through its column
    push: float  # bytes where rows of spikes are delivered
    columns: float  # bytes of synapses that the one reads, over the whole run
    rows: float  # and the other
    meetings: float

    def seconds(self, step: float, held: float, card: Card) -> float:
        """At least: the bytes, from L2 where all that is read in a run fits into its 50 MB, and the meetings."""
        return step / (card.l2 if held < 50e6 else card.memory) + self.meetings * MEETING


def synapses_of(c: Connection) -> float:
    """As many as are expected."""
    structure, size = c.structure, float(c.source_size * c.target_size)
    if not isinstance(structure, Random):
        return size if c.pattern == "dense" else float(c.target_size)
    each = {"p": size, "fan_in": c.target_size, "fan_out": c.source_size, "total": 1.0}
    return structure.number * each[structure.kind]


def step_cost(program: Program, rate: float) -> StepCost:
    """Bytes of a step, `rate` in Hz; a read of single numbers takes a sector each."""
    sparse = [c for c in program.connections if c.pattern == "sparse"]
    each = {p.key: p.storage == "each" for p in program.parameters}
    words = sum(math.ceil(size / 32) for size in {c.target: c.target_size for c in sparse}.values())
    tile = math.ceil(words / TILES)  # words of a tile
    total = pull = push = columns = rows = 0.0
    for c in sparse:
        synapses, tiles = synapses_of(c), math.ceil(math.ceil(c.target_size / 32) / tile)
        spikes = c.source_size * rate * program.step * 1e-3
        weight, delay = each[c.weight], c.delays is not None
        index = 2 if c.source_size <= 1 << 16 else 4
        arriving = synapses * rate * program.step * 1e-3
        total += synapses
        pull += synapses * (index + 2 * delay)
        columns += synapses * (index + 4 * weight + 2 * delay)
        entry = 2 + 4 * weight + 2 * delay
        rows += synapses * entry + tiles * c.source_size * 4
        # words of spikes; where a row stands; its entries, in whole sectors; with drawn delays the sum, read and
        # written
        entries = max(synapses / c.source_size / tiles * entry, SECTOR)
        push += tiles * (c.source_size / 8 + spikes * (SECTOR + entries)) + arriving * 2 * SECTOR * delay
    neurons = sum(g.size for g in program.groups) * STATES
    shortest = min(1 if c.delays else c.delay for c in sparse)
    return StepCost(total, pull + neurons, push + neurons, columns, rows, 1 / max(shortest, 1))


def simulations(card: Card) -> list[str]:
    """The rows of docs/cuda/bounds.md."""
    lines = [
        "| network | synapses | Hz | MB a step, by columns | by spikes | meetings a step | bound, µs a step, by columns | by spikes "
        "| seconds per second, by spikes |",
        "|" + " --- |" * 9,
    ]
    for s in SIMULATED:
        source = read_source(str(Path(__file__).parent.parent / "examples" / f"{s.example}.snn"))
        program = compile_program(compile_model(source, settings=dict(s.settings)))
        c = step_cost(program, s.rate)
        columns, spikes = c.seconds(c.pull, c.columns, card), c.seconds(c.push, c.rows, card)
        lines.append(
            f"| {s.name} | {c.synapses / 1e6:.3g} M | {s.rate:g} | {c.pull / 1e6:,.1f} | {c.push / 1e6:.2g} "
            f"| {'1' if c.meetings == 1 else f'1/{1 / c.meetings:.0f}'} | {columns * 1e6:.3g} | {spikes * 1e6:.2g} "
            f"| {spikes / (program.step * 1e-3):.2g} |"
        )
    return lines


# ------------------------------------------------------------------------------------------------ making synapses
PHILOX = (
    100  # integer instructions of a call, which gives four words: ten rounds of two wide products, two LOP3, two sums
)
DRAW = 120  # operations in float64 of a normal number: logarithm, root, sine; a uniform one takes less
SEARCH = 10  # a look at a number in the nearest cache, for each halving of a row


@dataclass(frozen=True)
class Making:
    """Of all synapses of a network, once."""

    synapses: float
    kept: float  # bytes that stay
    scratch: float  # bytes for the largest connection while it is made
    moved: float  # bytes of memory
    integers: float
    doubles: float
    launches: int

    def seconds(self, card: Card) -> float:
        """At least: what takes longest."""
        return max(self.moved / card.memory, self.integers / card.integers, self.doubles / card.doubles)


def making(program: Program) -> Making:
    """Bytes and operations of the stages in `sncc/cuda_connect.h`, for connections that are delivered by spikes."""
    sparse = [c for c in program.connections if isinstance(c.structure, Random)]
    each = {p.key: p.storage == "each" for p in program.parameters}
    words = sum(math.ceil(size / 32) for size in {c.target: c.target_size for c in sparse}.values())
    tile = math.ceil(words / TILES)
    total = kept = scratch = moved = integers = doubles = 0.0
    launches = 0
    for c in sparse:
        assert isinstance(c.structure, Random)
        synapses, weight, delay = synapses_of(c), each[c.weight], c.delays is not None
        by_row = c.structure.kind == "p" or (c.structure.kind == "fan_out" and not c.structure.repeats)
        by_thread = c.structure.kind != "p" and c.structure.repeats
        starts = math.ceil(math.ceil(c.target_size / 32) / tile) * (c.source_size + 1)
        entry = 2 + 4 * weight + 2 * delay
        total += synapses
        kept += synapses * entry + starts * 4
        scratch = max(scratch, synapses * 4 + c.source_size * 8)
        # a target written, and read by two stages; where pairs come in any order two counters and a sort more; its
        # entry
        moved += synapses * (12 + (0 if by_row else 24) + entry) + starts * 4 * 6
        # calls of Philox for a pair: a warp's lanes share no call where it chooses
        drawn = 1.0 if by_thread else 0.25 if by_row else 1.0
        halvings = math.log2(max(synapses / c.source_size, 2))
        sort = 0 if by_row else halvings * (halvings + 1) / 2 * 3
        integers += synapses * (PHILOX * (2 * drawn + weight + 2 * delay) + SEARCH * halvings + sort)
        doubles += synapses * DRAW * (weight + 2 * delay)
        launches += 4 + 6 + delay + (not by_row)
    return Making(total, kept, scratch, moved, integers, doubles, launches)


def connectivity(card: Card) -> list[str]:
    """The rows of docs/cuda/bounds.md."""
    lines = [
        "| network | synapses | GB that stay | GB besides | GB moved | 10^9 integer operations | GFLOP in float64 | launches | bound, ms |",
        "|" + " --- |" * 9,
    ]
    for s in SIMULATED:
        source = read_source(str(Path(__file__).parent.parent / "examples" / f"{s.example}.snn"))
        m = making(compile_program(compile_model(source, settings=dict(s.settings))))
        lines.append(
            f"| {s.name} | {m.synapses / 1e6:.3g} M | {m.kept / 1e9:.2g} | {m.scratch / 1e9:.2g} | {m.moved / 1e9:.2g} "
            f"| {m.integers / 1e9:.3g} | {m.doubles / 1e9:.3g} | {m.launches} | {m.seconds(card) * 1e3:.2g} |"
        )
    return lines


# ----------------------------------------------------------------------------------------- synapses that are not stored
@dataclass(frozen=True)
class DrawnAgain:
    """Of one step in which rows are drawn at each spike, by every block with targets among them, up to its last one."""

    stored: float  # bytes of the synapses where they are stored
    kept: float  # and what stays of them here
    integers: float
    doubles: float
    meetings: float

    def seconds(self, card: Card) -> float:
        """At least: what takes longest, and the meetings."""
        return max(self.integers / card.integers, self.doubles / card.doubles) + self.meetings * MEETING


def drawn_again(program: Program, rate: float) -> DrawnAgain:
    """Operations of a step, `rate` in Hz: `sncc/cuda_made_rows.h`.

    A call of Philox gives four words, a word a synapse; a weight takes one and a draw.
    """
    made = [c for c in program.connections if not c.stored]
    each = {p.key: p.storage == "each" for p in program.parameters}
    words = sum(math.ceil(size / 32) for size in {c.target: c.target_size for c in program.connections}.values())
    tile = math.ceil(words / TILES)
    stored = kept = integers = doubles = 0.0
    for c in made:
        synapses, weight, tiles = synapses_of(c), each[c.weight], math.ceil(math.ceil(c.target_size / 32) / tile)
        spikes = c.source_size * rate * program.step * 1e-3
        row = synapses / c.source_size
        stored += synapses * (2 + 4 * weight) + tiles * (c.source_size + 1) * 4
        kept += (4 * (c.source_size + 1) if weight else 0) + (24 << 10)  # where rows begin; the tables of skips
        integers += spikes * (tiles * row / 2 / 4 + row * weight) * PHILOX
        doubles += spikes * row * weight * DRAW
    shortest = min(c.delay for c in made)
    return DrawnAgain(stored, kept, integers, doubles, 1 / max(shortest, 1))


def unstored(card: Card) -> list[str]:
    """The rows of docs/cuda/bounds.md."""
    lines = [
        "| Brunel by `random(p = 0.1)`, 12,500 neurons at 35 Hz | MB stored | MB drawn again | 10^6 integer operations a step | MFLOP in float64 "
        "| bound, µs a step | seconds per second |",
        "|" + " --- |" * 7,
    ]
    for weights, name in (("one", "one weight for a connection"), ("drawn", "drawn weights")):
        program = program_of(with_pairs(1.0, weights, False))
        d = drawn_again(program, 35)
        seconds = d.seconds(card)
        lines.append(
            f"| {name} | {d.stored / 1e6:.3g} | {d.kept / 1e6:.2g} | {d.integers / 1e6:.3g} | {d.doubles / 1e6:.2g} "
            f"| {seconds * 1e6:.2g} | {seconds / (program.step * 1e-3):.2g} |"
        )
    return lines


TABLES = {"simulations": simulations, "connectivity": connectivity, "unstored": unstored}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", action="store_true", help="a step of simulations instead of batches")
    parser.add_argument("--connectivity", action="store_true", help="making the synapses of simulations")
    parser.add_argument(
        "--unstored", action="store_true", help="a step in which synapses are drawn again at each spike"
    )
    chosen = parser.parse_args()
    print("\n".join(next((made for name, made in TABLES.items() if getattr(chosen, name)), table)(Card())))
