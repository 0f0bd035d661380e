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
from collections.abc import Iterator
from dataclasses import dataclass

from gpu_bounds_simulations import connectivity, simulations, unstored
from gpu_card import Card

from sncc.backends.cuda.meetings import MEET
from sncc.backends.cuda.places import Places
from sncc.backends.cuda.samples import Samples
from sncc.backends.cuda.tables import Tables
from sncc.backends.cxx.dynamics import dynamics
from sncc.compiler import Weights, compile_model, compile_program
from sncc.diagnostics import Source
from sncc.program.groups import Connection
from sncc.program.learning import Gather, Transpose
from sncc.program.nodes import Program


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
