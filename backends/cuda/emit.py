"""Program → the CUDA half of a project: a file per kernel, the headers that never vary, and the emulation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sncc.backends.cuda.clusters import ClusterSamples, clusters_of
from sncc.backends.cuda.learning import Learning
from sncc.backends.cuda.neurons import CONNECT_THREADS, LOOK_THREADS, NEURON_THREADS, Neurons
from sncc.backends.cuda.resources import Kernel, table
from sncc.backends.cuda.samples import Samples
from sncc.backends.cuda.spread import SpreadSamples, spread_of
from sncc.backends.cuda.supported import unsupported
from sncc.backends.cuda.tables import Tables
from sncc.backends.cxx.dynamics import dynamics
from sncc.backends.cxx.names import project_name
from sncc.backends.cxx.rendering import render as rendered
from sncc.program.nodes import Program

_HERE = Path(__file__).parent
GATHER_THREADS, OPTIMISE_THREADS = 128, 256  # as in the headers
STATIC_SHARED = 9 << 10  # bytes, as in the headers
MOST_SHARED = (163 << 10) - STATIC_SHARED  # bytes a block may have on sm_80; above, states are in device memory there


def emit(program: Program) -> dict[str, str]:
    """The files of `src/cuda`, the CMake part, and the emulation that runs the same sources on a CPU.

    Where the Program holds what the kernels cannot do, a CMake part alone that says so.
    """
    name, learns = project_name(program.name), program.optimise is not None
    missing = unsupported(program)

    def render(template: str, **parts: object) -> str:
        return rendered(_HERE / "templates", template, name=name, learns=learns, **parts)

    if missing:
        return {"cmake/cuda.cmake": render("no_cuda.cmake", missing=missing)}
    common = {
        "cmake/cuda.cmake": render("cuda.cmake"),
        "cmake/write_numbers.cmake": render("write_numbers.cmake"),
        f"tests/{name}_compare.c": render("compare.c", **_comparison(program)),
        **_headers(),
    }
    if program.schedule == "neuron_parallel":
        neurons = Neurons(program, dynamics(program))
        parts = neurons.parts()
        return {
            f"src/cuda/{name}_cuda.cu": render("neurons.cu", makes_synapses=neurons.makes_synapses()),
            f"src/cuda/{name}_neurons.cuh": render("neurons.cuh", **parts),
            "src/cuda/KERNELS.md": render(
                "KERNELS.md",
                rows=table(neuron_kernels(name, neurons.makes_synapses())),
                shared=False,
                clusters="",
                copies=[],
                copied_synapses="",
                synapses=neurons.made(),
            ),
            **common,
        }
    shared = dynamics(program)
    tables, learning = Tables(program, shared), Learning(program, shared)
    clusters = clusters_of(tables, tables.workspace_bytes)
    blocks, penalises_batch = clusters.blocks if clusters else 0, any(p.over == "batch" for p in program.penalties)
    rounds = tables.has_rounds
    of_clusters = (
        {f"src/cuda/{name}_clusters.cuh": render("clusters.cuh", rounds=rounds, **clusters.parts())} if clusters else {}
    )
    spread = spread_of(tables)
    of_spread = {f"src/cuda/{name}_spread.cuh": render("spread.cuh", **spread.parts())} if spread else {}
    of_rounds = {f"src/cuda/{name}_rounds.cuh": render("rounds.cuh", cluster=blocks)} if rounds else {}
    return {
        f"src/cuda/{name}_cuda.cu": render(
            "network.cu",
            cluster=blocks,
            spread=spread is not None,
            rounds=rounds,
            batch_penalties=penalises_batch,
        ),
        f"src/cuda/{name}_network.cuh": render(
            "network.cuh",
            cluster=blocks,
            spread=spread.blocks if spread else 0,
            rounds=rounds,
            gather_blocks=learning.gather_blocks_by_warps if learns else "0",
            shared_in_cluster=clusters.workspace_bytes if clusters else 0,
            threads_in_cluster=clusters.threads if clusters else 0,
            batch_penalties=penalises_batch,
            **tables.parts(),
        ),
        **of_clusters,
        **of_spread,
        **of_rounds,
        f"src/cuda/{name}_samples.cuh": render("samples.cuh", **Samples(program, shared).parts()),
        f"src/cuda/{name}_learning.cuh": render("learning.cuh", **learning.parts()),
        "src/cuda/KERNELS.md": render(
            "KERNELS.md",
            rows=table(kernels(tables, learning, clusters, spread)),
            shared=True,
            clusters=_in_clusters(name, rounds) if clusters else "",
            copies=[
                f"| {copy.key} | {copy.bytes:,}{f', or some of {copy.rows} rows' if copy.rows else ''} | {100 * copy.read:.0f} % | {copy.pays_after} |"
                for copy in tables.copies
            ],
            copied_synapses=_copied_synapses(tables),
            synapses="",
        ),
        **common,
    }


def _in_clusters(name: str, rounds: bool) -> str:
    """Which kernels run where there are clusters."""
    in_lockstep = f", and `{name}_cluster_rounds` in that of `{name}_rounds`" if rounds else ""
    return f" Where there are clusters, `{name}_clusters` runs in its place, but for simulations{in_lockstep}."


def _copied_synapses(tables: Tables) -> str:
    """Which connections' synapses in rows are copied behind the matrices."""
    pairs = zip(tables.rows_of_synapses, tables.synapses_pay, strict=True)
    names = ", ".join(f"`{c.name}`" for c, steps in pairs if steps)
    return (
        f"Behind these, then the synapses of {names}, each connection's where all of its have room: targets, delays, own weights."
        if names
        else ""
    )


def _headers() -> dict[str, str]:
    """The headers that never vary, and the emulation."""
    include, emulation = _HERE / "include", _HERE / "emulation"
    files = {
        f"src/{p.relative_to(include).as_posix()}": p.read_text(encoding="utf-8") for p in sorted(include.rglob("*.h"))
    }
    found = [p for p in sorted(emulation.rglob("*")) if p.suffix in (".h", ".cpp", ".md")]
    return files | {f"emulation/{p.relative_to(emulation).as_posix()}": p.read_text(encoding="utf-8") for p in found}


def neuron_kernels(name: str, makes_synapses: bool) -> tuple[Kernel, ...]:
    """The kernels of a network whose neurons are spread over all threads."""
    blocks = "one a multiprocessor"
    run = Kernel(f"{name}_run", "runs all steps, its threads meeting across the grid", blocks, NEURON_THREADS, None)
    phase = Kernel(f"{name}_phase", "runs what lies between two meetings", blocks, NEURON_THREADS, None)
    advance = Kernel(f"{name}_advance", "moves the steps of a replayed graph on", "1", 32, 0)
    look = Kernel(f"{name}_look", "looks for states that are no numbers", blocks, LOOK_THREADS, 0)
    if not makes_synapses:
        return run, phase, advance, look
    made = "draws, sorts or lays out synapses of some sources"
    return run, phase, advance, look, Kernel(f"{name}_connect", made, "as needed", CONNECT_THREADS, None)


def kernels(
    tables: Tables, learning: Learning, clusters: ClusterSamples | None, spread: SpreadSamples | None
) -> tuple[Kernel, ...]:
    """The kernels of a network, as they are launched."""
    name, optimise = project_name(tables.program.name), tables.program.optimise
    fits = tables.workspace_bytes <= MOST_SHARED
    samples = Kernel(
        f"{name}_samples",
        "runs a sample, in training also back",
        "one a sample",
        tables.threads,
        tables.workspace_bytes if fits else 0,
    )
    first: tuple[Kernel, ...] = (samples,) if clusters is None else (samples, _clusters(name, clusters))
    if any(p.over == "batch" for p in tables.program.penalties):
        blocks = str(-(-tables.penalty_size // OPTIMISE_THREADS))
        first += (Kernel(f"{name}_rates", "finds mean rates over the samples", blocks, OPTIMISE_THREADS, 0),)
    if spread is not None:
        does = "simulates its slice of the network, its threads meeting across the grid"
        first += (Kernel(f"{name}_spread", does, str(spread.blocks), spread.threads, spread.workspace_bytes),)
    rest = Kernel(f"{name}_optimise", "computes what follows from parameters", "1", OPTIMISE_THREADS, 0)
    if optimise is None:
        return *first, rest
    blocks = "1" if optimise.clip and optimise.clip[0] == "norm" else str(tables.optimise_blocks)
    gather = Kernel(
        f"{name}_gather", "sums gradients of presynaptic neurons", str(learning.gather_blocks), GATHER_THREADS, 0
    )
    learn = (gather, replace(rest, does="takes the optimiser's step", blocks=blocks))
    rounds = Kernel(
        f"{name}_rounds",
        "runs all rounds of a batch, its threads meeting across the grid",
        "as many as are resident",
        tables.threads,
        samples.shared,
    )
    if not tables.has_rounds:
        return *first, *learn
    if clusters is None:
        return *first, *learn, rounds
    shared = replace(rounds, name=f"{name}_cluster_rounds", threads=clusters.threads, shared=clusters.workspace_bytes)
    return *first, *learn, rounds, shared


def _clusters(name: str, clusters: ClusterSamples) -> Kernel:
    does = "runs a slice of a sample, in training also back"
    return Kernel(f"{name}_clusters", does, f"{clusters.blocks} a sample", clusters.threads, clusters.workspace_bytes)


def _comparison(program: Program) -> dict[str, object]:
    """What the program that compares the halves hands over and reads."""
    readout = program.readout
    learnt = [{"key": p.key, "index": k} for k, p in enumerate(program.parameters) if p.learnt]
    return {
        "sources": program.sources,
        "outputs": readout.size if readout else 0,
        "labels": readout.labels if readout else "",
        "learnt": learnt,
        "populations": [r.population for g in program.groups for r in g.rows],
        "tolerance": 1e-9 if program.precision == "float64" else 1e-3,
    }
