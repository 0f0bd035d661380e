"""Everything that a machine with a GPU can say about the CUDA half, in one command.

In this order, for a visit of some minutes: every form of a launch beside the others and the CPU half (gpu_forms.py),
the workloads of gpu_bounds.py timed beside a PyTorch loop on the same card, as it is written and as a captured graph,
with the fraction of the bound that is reached, simulations in each of their forms, learning; last the examples' own
tests (ctest of the emitted projects) and compute-sanitizer, where it is found. Writes gpu.json and gpu.md after every
row; what fails is a row, not the end. What gpu.json in the folder has of the same card and version is not done again,
but for what failed.

    python benchmarks/gpu.py --out results --minutes 14   # needs nvcc and a GPU; PyTorch where it is installed
    python benchmarks/gpu.py --out results --only timings,simulations,unstored
    python benchmarks/gpu.py --out results --dry      # the same steps emulated on the CPU, tiny: its times mean nothing
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import starmap
from pathlib import Path

import gpu_forms
import numpy as np
from gpu_bounds import WORKLOADS, Activity, Workload, cost, program_of
from gpu_card import Card
from gpu_machine import Built, Machine
from gpu_report import Report, Row
from simulate_unstored import with_pairs
from train_shd_shaped import Torch

import sncc
from sncc import toolchain
from sncc.backends.cuda.supported import unsupported
from sncc.compiler import compile_model, compile_program
from sncc.data import load_data
from sncc.diagnostics import DiagnosticError
from sncc.syntax.parse import read_source

ROOT = Path(__file__).resolve().parent.parent
SIMULATIONS: tuple[tuple[str, dict[str, float]], ...] = (
    ("vogels_abbott_coba", {}), ("brunel_2000", {}), ("potjans_diesmann_2014", {"scale": 1.0}),
)  # fmt: skip
# of a simulation: one launch whose threads meet, or one for each stretch between meetings, replayed or not
FORMS = ("persistent", "graph", "launches")
WAYS = ("device", "host", "check")  # of making synapses
PLACES = ("device", "shared")  # that a block reads weights from: they stand there, or are copied to it where they fit
DRY_HIDDEN, DRY_BATCH, DRY_STEPS, DRY_EXAMPLES = 16, 2, 5, ("digits",)
DRY_FORMS = ("turns, a graph", "a simulation as a graph")


PARTS = ("forms", "timings", "simulations", "unstored", "learning", "checks")
TIMED = PARTS[1:5]
BATCHES = 8  # of an epoch; PyTorch's one is on the device already


def chosen(name: str, value: str) -> AbstractContextManager[None]:
    """A variable of the environment, for as long."""
    return gpu_forms.chosen({name: value})


# ------------------------------------------------------------------------------------------------ correctness
def examples(dry: bool) -> list[Path]:
    """The examples that the CUDA half supports."""
    found = []
    for path in sorted((ROOT / "examples").rglob("*.snn")):
        try:
            program = compile_program(compile_model(read_source(str(path))))
        except DiagnosticError:
            continue
        if not unsupported(program) and (not dry or path.stem in DRY_EXAMPLES):
            found.append(path)
    return found


def check(machine: Machine, path: Path, built: Built) -> Row:
    """The project's own tests, and compute-sanitizer on the program that they run."""
    _, build = built()
    ctest = toolchain.find_cmake().with_name("ctest")  # type: ignore[union-attr]
    done = machine.run(ctest, "--output-on-failure", cwd=build)
    result: Row = {
        "example": path.stem,
        "against the CPU": "equal" if done.returncode == 0 else (done.stdout + done.stderr)[-2000:],
    }
    sanitizer = shutil.which("compute-sanitizer")
    program = next(build.glob("*_compare"))
    for tool in ("memcheck", "racecheck", "initcheck", "synccheck"):
        if sanitizer is None or machine.dry:
            result[tool] = "not run: no compute-sanitizer" if not machine.dry else "the checked emulation instead"
            continue
        checked = machine.run(sanitizer, "--tool", tool, "--error-exitcode", "9", program, "numbers.txt", cwd=build)
        result[tool] = "clean" if checked.returncode == 0 else (checked.stdout + checked.stderr)[-2000:]
    return result


# ------------------------------------------------------------------------------------------------ timings
def seconds_per_call(work: Callable[[], object], settle: Callable[[], object], least: float) -> float:
    """Median over five rounds of calls of about `least` seconds together, each of which waits for the device."""
    work(), settle()
    start = time.perf_counter()
    work(), settle()
    calls = max(1, int(least / max(time.perf_counter() - start, 1e-9)))
    rounds = []
    for _ in range(5 if least > 0 else 1):
        start = time.perf_counter()
        for _ in range(calls):
            work()
        settle()
        rounds.append((time.perf_counter() - start) / calls)
    return statistics.median(rounds)


def shrunk(machine: Machine, w: Workload) -> tuple[int, int, int]:
    """Hidden neurons, samples and steps of a workload."""
    return (DRY_HIDDEN, DRY_BATCH, DRY_STEPS) if machine.dry else (w.hidden, w.batch, w.steps)


def begin(machine: Machine, w: Workload) -> Built:
    """Begins to build a workload's project."""
    hidden, batch, _ = shrunk(machine, w)
    name = "workload_" + "".join(c if c.isalnum() else "_" for c in w.name)
    weights = {"weights": w.weights} if w.weights else {}
    return machine.build(w.text(hidden, batch), name, False, **weights)


def measure(machine: Machine, w: Workload, built: Built) -> Row:
    """One workload: seconds a batch, beside PyTorch's and beside the bound."""
    hidden, batch, steps = shrunk(machine, w)
    network = sncc.load(built()[0], backend=machine.backend, seed=1)
    rng = np.random.default_rng(0)
    batches = 1 if machine.dry else BATCHES
    dense = rng.random((batch, steps, 700)) < 0.02
    labels = rng.integers(0, 20, batch)
    events = sncc.Events.from_dense(np.concatenate([dense] * batches))
    classes = np.concatenate([labels] * batches)
    weights = [np.array(network.parameters[f"{c}.weight"]) for c in ("x_hidden", "hidden_hidden", "hidden_output")]
    spikes = network.simulate(duration=steps * 1e-3, inputs={"x": events[0:1]}).spikes["hidden"].times
    rate = len(spikes) / steps / hidden

    def work() -> None:
        if w.learns:
            network.fit(events, classes, epochs=1, verbose=False)
        else:
            network.evaluate(events, classes)

    least = 0.0 if machine.dry else 0.5
    took = seconds_per_call(work, lambda: machine.synchronise(network), least) / batches
    bound = cost(
        program_of(w.text(hidden, batch), w.weights), batch, steps, w.learns, Activity(hidden=rate), Card()
    ).seconds
    result: Row = {
        "workload": w.name, "batch": batch, "steps": steps, "hidden": hidden, "hidden spikes a step": round(rate, 4),
        "µs a batch": took * 1e6, "samples/s": batch / took, "bound, µs": bound * 1e6, "of the bound": bound / took,
    }  # fmt: skip
    for place in PLACES:
        with chosen("SNCC_CUDA_WEIGHTS", place):
            again = seconds_per_call(work, lambda: machine.synchronise(network), least) / batches
        result[f"weights in {place} memory, µs a batch"] = again * 1e6
    for form, peer in torch_seconds(machine, w, weights, dense, labels, least).items():
        result |= {f"PyTorch, {form}, µs a batch": peer * 1e6, f"times faster than {form}": peer / took}
    return result


def torch_seconds(
    machine: Machine, w: Workload, weights: list[np.ndarray], dense: np.ndarray, labels: np.ndarray, least: float
) -> dict[str, float]:
    """The same network as a PyTorch loop on the same card, as written and as a captured graph;
    nothing where PyTorch or its CUDA is missing.
    """
    try:
        import torch
    except ImportError:
        return {}
    if not machine.dry and not torch.cuda.is_available():
        return {}
    device = "cpu" if machine.dry else "cuda"
    peer = Torch(weights, 2, device)
    x, y = torch.tensor(dense, dtype=torch.float32, device=device), torch.tensor(labels, device=device)
    settle: Callable[[], object] = torch.cuda.synchronize if device == "cuda" else lambda: None

    def work() -> None:
        if w.learns:
            peer.train(x, y, w.rule != "bptt")
        else:
            peer.infer(x, y)

    found = {"loop": seconds_per_call(work, settle, least)}
    if not machine.dry:
        peer.optimiser = torch.optim.Adam(peer.weights, lr=1e-3, capturable=True)
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(2):
                work()
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
        found["graph"] = seconds_per_call(graph.replay, settle, least)
    return found


def learn(machine: Machine, rule: str, built: Built, **params: float) -> Row:
    """The digits learnt on the device and by the C++ half, the same seed and order of samples."""
    source = read_source(str(ROOT / "examples" / "digits" / "digits.snn"))
    row: Row = {"rule": rule}
    for backend in (machine.backend, "cpu"):
        folder = (
            built()[0]
            if backend != "cpu"
            else sncc.build(source, backend="cpu", settings={"train.rule": rule}, **params)
        )
        network = sncc.load(folder, backend=backend, seed=0)
        data = load_data("digits", step=network.manifest.step)
        some = slice(0, 32) if machine.dry else slice(None)
        network.fit(data.train[0:32], data.train_labels[0:32], epochs=1, seed=0, verbose=False)  # all is loaded
        network = sncc.load(folder, backend=backend, seed=0)
        start = time.perf_counter()
        network.fit(data.train[some], data.train_labels[some], epochs=1 if machine.dry else 20, seed=0, verbose=False)
        machine.synchronise(network)
        row[f"{backend}, seconds"] = time.perf_counter() - start
        row[f"{backend}, test accuracy, %"] = 100 * network.evaluate(data.test, data.test_labels)["accuracy"]
    return row


def simulate(machine: Machine, example: str, built: Built, **params: float) -> Row:
    """An example's second of biological time, in each form; its rate beside it, since silence is quick;
    how long its synapses take to be made, and whether its spikes are the C++ half's.
    """
    project, _ = built()
    made = {
        f"{way}: loading and a first step, s": seconds_to_make(machine, project, way)
        for way in (WAYS[2:] if machine.dry else WAYS)
    }
    network = sncc.load(project, backend=machine.backend, seed=1)
    seconds = 0.0005 if machine.dry else 1.0
    result: Row = {"network": example}

    def run_once() -> None:
        network.simulate(seconds, verbose=False)

    for form in FORMS:
        with chosen("SNCC_CUDA_FORM", form):
            took = seconds_per_call(run_once, lambda: machine.synchronise(network), 0.0 if machine.dry else 0.5)
        result[f"{form}, seconds per second"] = took / seconds
    spikes = network.simulate(seconds, verbose=False).spikes
    neurons = sum(
        np.prod(p["shape"]) for p in json.loads((project / "manifest.json").read_text())["populations"] if p["spiking"]
    )
    result["spikes a neuron and second"] = sum(len(s.times) for s in spikes.values()) / seconds / neurons
    result["spikes of the C++ half"] = equal_spikes(machine, project, example, **params)
    return result | made


def simulate_unstored(machine: Machine, weights: str, built: Built) -> Row:
    """Brunel's network with synapses drawn again at each spike, and with stored ones; whether spikes are the same."""
    project, _ = built()
    seconds = 0.002 if machine.dry else 0.2
    result: Row = {"weights": weights}
    runs = []
    for way, name in (("", "drawn again"), ("stored", "stored")):
        with chosen("SNCC_CUDA_SYNAPSES", way):
            network = sncc.load(project, backend=machine.backend, seed=1)
            runs.append(network.simulate(seconds, verbose=False).spikes)

            def run_once(network: sncc.Network = network) -> None:
                network.simulate(seconds, verbose=False)

            took = seconds_per_call(run_once, lambda n=network: machine.synchronise(n), 0.0 if machine.dry else 0.5)
        result[f"{name}, seconds per second"] = took / seconds
    same = all(
        np.array_equal(runs[0][k].times, s.times) and np.array_equal(runs[0][k].neurons, s.neurons)
        for k, s in runs[1].items()
    )
    return result | {"spikes": "equal" if same else "others"}


def equal_spikes(machine: Machine, project: Path, example: str, **params: float) -> str:
    """How many there are in 0.1 s, if time and neuron of each are the same on both halves."""
    seconds = 0.002 if machine.dry else 0.1
    cpu = sncc.build(ROOT / "examples" / f"{example}.snn", backend="cpu", **params)
    halves = [(project, machine.backend), (cpu, "cpu")]
    runs = [sncc.load(f, backend=b, seed=1).simulate(seconds, verbose=False).spikes for f, b in halves]
    pairs = [(runs[0][name], spikes) for name, spikes in runs[1].items()]
    same = all(np.array_equal(a.times, b.times) and np.array_equal(a.neurons, b.neurons) for a, b in pairs)
    return f"all {sum(len(b.times) for _, b in pairs)}" if same else "others"


def seconds_to_make(machine: Machine, project: Path, way: str) -> float:
    """All synapses, made in a way of docs/cuda/simulation.md; `check` fails where the device's are not the host's."""
    with chosen("SNCC_CUDA_SYNAPSES", way):
        start = time.perf_counter()
        sncc.load(project, backend=machine.backend, seed=1).simulate(0.0005, verbose=False)
        return time.perf_counter() - start


@dataclass(frozen=True)
class Task:
    """A row to be made: `begin` begins to build its project, `row` makes it, and waits for the project."""

    part: str
    name: str
    begin: Callable[[], Built]
    row: Callable[[Built], Row]


def tasks(machine: Machine) -> list[Task]:
    """All rows, in the order of their worth."""
    dry, build = machine.dry, machine.build
    hidden = {"hidden_size": DRY_HIDDEN} if dry else {}
    digits = ROOT / "examples" / "digits" / "digits.snn"

    def form(c: gpu_forms.Case) -> Task:
        begins = partial(build, c.text, c.folder, False, precision="float64", **c.build)
        return Task("forms", c.name, begins, lambda b: gpu_forms.compare(c, b, machine.backend, dry))

    def simulation(name: str, params: dict[str, float]) -> Task:
        begins = partial(build, ROOT / "examples" / f"{name}.snn", f"simulation_{name}", False, **params)
        return Task("simulations", name, begins, lambda b: simulate(machine, name, b, **params))

    def unstored(weights: str, size: float) -> Task:
        begins = partial(build, with_pairs(size, weights, False), f"unstored_{weights}", False)
        return Task("unstored", f"unstored, {weights}", begins, lambda b: simulate_unstored(machine, weights, b))

    def learning(rule: str) -> Task:
        begins = partial(build, digits, f"digits_{rule}", False, settings={"train.rule": rule}, **hidden)
        return Task("learning", rule, begins, lambda b: learn(machine, rule, b, **hidden))

    def example(path: Path) -> Task:
        begins = partial(build, path, f"example_{path.stem}", True, **hidden)
        return Task("checks", path.stem, begins, lambda b: check(machine, path, b))

    def workload(w: Workload) -> Task:
        return Task("timings", w.name, partial(begin, machine, w), lambda b: measure(machine, w, b))

    return [
        *(form(c) for c in gpu_forms.cases(dry) if not dry or c.name in DRY_FORMS),
        *map(workload, WORKLOADS[2:3] if dry else WORKLOADS),
        *starmap(simulation, SIMULATIONS[:1] if dry else SIMULATIONS),
        *starmap(unstored, [("drawn", 0.02)] if dry else [("one", 1.0), ("drawn", 1.0)]),
        *map(learning, ("eprop",) if dry else ("eprop", "bptt")),
        *map(example, examples(dry)),
    ]


def main() -> None:
    """Runs all and writes both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for gpu.json, gpu.md and the projects")
    parser.add_argument("--projects", type=Path, help="another folder for the projects")
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--minutes", type=float, default=1e6, help="no row is begun, and no tool goes on, after these")
    parser.add_argument("--dry", action="store_true", help="emulated and tiny: that the steps work, no results")
    options = parser.parse_args()
    wanted = options.only.split(",")
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"--only {', '.join(sorted(unknown))}: there are {', '.join(PARTS)}")
    until = time.monotonic() + 60 * options.minutes
    machine = Machine(options.projects or options.out / "projects", options.dry, until)
    options.out.mkdir(parents=True, exist_ok=True)
    nvcc = toolchain.find_nvcc()
    about: Row = {
        "card": machine.card,
        "nvcc": toolchain.version(nvcc) if nvcc else "none",
        "sncc": sncc.__version__,
        "dry": options.dry,
    }
    report = Report(options.out, about, until)
    left = [t for t in tasks(machine) if t.part in wanted and not report.has(t.part, t.name)]
    last = [t for t in left if t.part == "checks"]
    begun = [(t, t.begin()) for t in left if t not in last]
    for task, built in begun:
        if task.part in TIMED:
            machine.wait_for_builders()  # nothing else runs while something is timed
        report.make(task.part, task.name, partial(task.row, built))
    begun = [(t, t.begin()) for t in last] if time.monotonic() < until else []
    with ThreadPoolExecutor(4) as some:  # nothing is timed in these
        list(some.map(lambda of: report.make(of[0].part, of[0].name, partial(of[0].row, of[1])), begun))
    print(report.write())
    if late := [t.name for t in left if not report.has(t.part, t.name)]:
        print(f"no time was left for {', '.join(late)}: the same command goes on there", file=sys.stderr)
    if late or report.is_wrong():
        sys.exit(1)


if __name__ == "__main__":
    main()
