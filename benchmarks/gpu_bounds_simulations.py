"""What a step of a simulation costs on a GPU at least, what making its synapses does, and drawing them again at spikes.

For the tables of gpu_bounds.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from gpu_card import Card
from simulate_unstored import with_pairs

from sncc.compiler import compile_model, compile_program
from sncc.connectivity.patterns import Random
from sncc.diagnostics import Source
from sncc.program.groups import Connection
from sncc.program.nodes import Program
from sncc.syntax.parse import read_source

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
# integer instructions of a call, which gives four words: ten rounds of two wide products, two LOP3, two sums
PHILOX = 100
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
        program = compile_program(compile_model(Source("network", with_pairs(1.0, weights, False))))
        d = drawn_again(program, 35)
        seconds = d.seconds(card)
        lines.append(
            f"| {name} | {d.stored / 1e6:.3g} | {d.kept / 1e6:.2g} | {d.integers / 1e6:.3g} | {d.doubles / 1e6:.2g} "
            f"| {seconds * 1e6:.2g} | {seconds / (program.step * 1e-3):.2g} |"
        )
    return lines
