"""What a batch costs on a GPU at least: bytes, operations, launches and barriers of the schedule in docs/cuda.md.

    python benchmarks/gpu_bounds.py      # the table of docs/cuda.md

Nothing here is measured. A launch takes at least the time of its bytes or of its operations, whichever is longer; the
launches of a batch follow each other. Barriers and the latency of a step are not in the bound: they are counted beside it.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from sncc.backends.cuda.emit import emit
from sncc.compiler import compile_model, compile_program
from sncc.diagnostics import Source
from sncc.program.nodes import Connection, Gather, Program, Transpose


@dataclass(frozen=True)
class Card:
    """Rates of a card. H100 SXM: NVIDIA's data sheet for memory and float32; L2 as measured by others, about 5.5 TB/s."""

    name: str = "H100 SXM"
    l2: float = 5.5e12  # bytes a second, all multiprocessors together
    memory: float = 3.0e12  # of 3.35e12 on paper
    l1: int = 192 << 10  # bytes beside a block's shared memory: weights that fit come from L2 once a sample
    operations: float = 67e12  # float32, a multiplication with its addition counts two


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

    def from_l2(c: Connection, numbers_per_step: float) -> float:
        size = c.source_size * c.target_size
        return batch * min(steps * numbers_per_step, size) if size * real <= card.l1 else rows * numbers_per_step

    added = {c.name: spikes_per_step(program, c, activity) * c.target_size for c in program.connections}
    forward = rows * sum(added.values())
    read = sum(from_l2(c, added[c.name]) for c in program.connections)
    neurons = rows * sum(groups.values())
    launches = [(read * real, 0.0, forward + 30 * neurons)]
    if learns:
        transposed = [program.connection(o.connection) for o in program.reverse if isinstance(o, Transpose)]
        back = rows * sum(c.source_size * c.target_size for c in transposed)
        tape = rows * sum(groups[slot.group] for slot in program.tape if slot.shares is None)
        gathered = [program.connection(o.connection) for o in program.gradient if isinstance(o, Gather)]
        sums = rows * sum(added[c.name] for c in gathered)
        parameters = sum(c.source_size * c.target_size for c in gathered)
        states = len(program.optimise.states) if program.optimise else 0
        read += sum(from_l2(c, c.source_size * c.target_size) for c in transposed)
        launches[0] = (read * real, 3 * tape * real, forward + 2 * back + 60 * neurons)
        launches.append((sums * real, parameters * real, sums))
        launches.append((0.0, (4 + 2 * states) * parameters * real, 20 * parameters))
    seconds = sum(max(a / card.l2, m / card.memory, o / card.operations) for a, m, o in launches)
    l2, memory, operations = (sum(part) for part in zip(*launches, strict=True))
    return Cost(l2, memory, operations, len(launches), barriers(program, learns), seconds)


def barriers(program: Program, learns: bool) -> int:
    """`__syncthreads` that a block meets in a step of a loss-free inference, or of training: those of the emitted loops."""
    text = emit(program)[f"src/cuda/{program.name.lower()}_samples.cuh"]
    forward, _, back = text.partition("if (!g.keeps) return;")
    loop = forward[forward.index("for (std::int64_t n = 1;") :]
    return loop.count("__syncthreads();") + (back.count("__syncthreads();") if learns else 0)


# ------------------------------------------------------------------------------------------------ workloads
SHD_SHAPED = """
network {name}:
    step = 1 ms
    population x: input[700]
    population hidden: ALIF[{hidden}](tau_m = 20 ms, tau_a = 200 ms)
    population output: LI[20](tau_m = 20 ms)
    connect x -> hidden: dense, weight = normal(0, 1 / sqrt(fan_in))
    connect hidden -> hidden: dense, weight = normal(0, 1 / sqrt(fan_in)), delay = 1 ms
    connect hidden -> output: dense, weight = normal(0, 1 / sqrt(fan_in))

train:
    rule = {rule}
    loss = mean(cross_entropy(output.v))
    optimiser = adam(learning_rate = 1e-3)
    batch = {batch}
"""
EPROP = "eprop(feedback = symmetric)"


@dataclass(frozen=True)
class Workload:
    """A network with a batch; simulations will join as entries of `WORKLOADS`."""

    name: str
    hidden: int
    rule: str
    learns: bool
    batch: int
    steps: int

    def text(self, hidden: int | None = None, batch: int | None = None) -> str:
        """The source, smaller where a dry run asks for it."""
        return SHD_SHAPED.format(name="Shaped", hidden=hidden or self.hidden, rule=self.rule, batch=batch or self.batch)


WORKLOADS = (
    Workload("W1 inference", 256, EPROP, False, 64, 250),
    Workload("W1 e-prop", 256, EPROP, True, 64, 250),
    Workload("W1 e-prop, batch 512", 256, EPROP, True, 512, 250),
    Workload("W1 bptt", 256, "bptt", True, 64, 250),
    Workload("W1 e-prop, 1,024 hidden", 1024, EPROP, True, 64, 250),
)


def program_of(text: str) -> Program:
    """The Program of a workload."""
    return compile_program(compile_model(Source("workload", text)))


def table(card: Card) -> list[str]:
    """The rows of docs/cuda.md."""
    lines = [
        "| workload | MB from L2 | MB of memory | GFLOP | launches | barriers a step | bound, µs a batch |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for w in WORKLOADS:
        c = cost(program_of(w.text()), w.batch, w.steps, w.learns, Activity(), card)
        lines.append(
            f"| {w.name} | {c.l2_bytes / 1e6:,.0f} | {c.memory_bytes / 1e6:,.0f} | {c.operations / 1e9:.2f} | {c.launches} "
            f"| {c.barriers_per_step} | {c.seconds * 1e6:.0f} |"
        )
    return lines


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print("\n".join(table(Card())))
