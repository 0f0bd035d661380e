"""Everything that a machine with a GPU can say about the CUDA half, in one command.

Builds the examples and compares them with the CPU half (ctest of the emitted projects), runs compute-sanitizer where it is found,
and times the workloads of gpu_bounds.py beside a PyTorch loop on the same card, with the fraction of the bound that is reached.
Writes gpu.json and gpu.md.

    python benchmarks/gpu.py --out results            # needs nvcc and a GPU; PyTorch where it is installed
    python benchmarks/gpu.py --out results --dry      # the same steps emulated on the CPU, tiny: its times mean nothing
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from gpu_bounds import WORKLOADS, Activity, Card, Workload, cost, program_of
from train_shd_shaped import Torch

import sncc
from sncc import toolchain
from sncc.backends.cuda.supported import unsupported
from sncc.compiler import compile_model, compile_program
from sncc.diagnostics import DiagnosticError
from sncc.syntax.parse import read_source

ROOT = Path(__file__).resolve().parent.parent
SIMULATIONS: tuple[tuple[str, dict[str, float]], ...] = (
    ("vogels_abbott_coba", {}), ("brunel_2000", {}), ("potjans_diesmann_2014", {"scale": 1.0}),
)  # fmt: skip
FORMS = (
    "persistent",
    "launches",
)  # of a simulation: one launch whose threads meet, or one for each stretch between meetings
DRY_HIDDEN, DRY_BATCH, DRY_STEPS, DRY_EXAMPLES = 16, 2, 5, ("digits",)


def run(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A tool, whatever it answers; its output is kept."""
    return subprocess.run([str(w) for w in words], capture_output=True, text=True, cwd=cwd)


class Machine:
    """The device that the projects run on: a card, or its emulation."""

    def __init__(self, folder: Path, dry: bool) -> None:
        self.folder, self.dry = folder, dry
        self.backend = "emulated" if dry else "cuda"
        self.card = "emulated on the CPU" if dry else toolchain.find_gpu()
        if self.card is None:
            sys.exit("no NVIDIA GPU answers; --dry runs the same steps emulated")

    def build(self, source: str | Path, name: str, tests: bool, **params: float) -> tuple[Path, Path]:
        """A project and its build folder; its library is where `sncc.load` finds it."""
        project, build = self.folder / name, self.folder / name / "build"
        sncc.build(source, out=project, emit_only=True, **params)
        checks = ["-DSNCC_CHECKS=races", "-DSNCC_NATIVE=OFF", "-DCMAKE_CXX_FLAGS_RELEASE=-O1"] if self.dry else []
        testing = f"-DBUILD_TESTING={'ON' if tests else 'OFF'}"
        words = [toolchain.find_cmake(), "-S", project, "-B", build, f"-DSNCC_BACKEND={self.backend}", testing, *checks]
        for command in (words, [toolchain.find_cmake(), "--build", build, "--parallel", "2"]):
            done = run(*command)
            if done.returncode:
                sys.exit(done.stdout + done.stderr)
        (project / "lib").mkdir(exist_ok=True)
        library = next(p for p in build.glob("lib*.so"))
        shutil.copy(library, project / "lib" / f"{library.stem}_{self.backend}.so")
        return project, build

    def synchronise(self, network: sncc.Network) -> None:
        """Waits for the device: a parameter is read after all that was given before."""
        np.asarray(network.parameters[next(iter(network.parameters))])


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


def check(machine: Machine, path: Path) -> dict[str, str]:
    """The project's own tests, and compute-sanitizer on the program that they run."""
    params = {"hidden_size": DRY_HIDDEN} if machine.dry else {}
    _, build = machine.build(path, f"example_{path.stem}", True, **params)
    ctest = toolchain.find_cmake().with_name("ctest")  # type: ignore[union-attr]
    done = run(ctest, "--output-on-failure", cwd=build)
    result = {"example": path.stem, "against the CPU": "equal" if done.returncode == 0 else done.stdout[-2000:]}
    sanitizer = shutil.which("compute-sanitizer")
    program = next(build.glob("*_compare"))
    for tool in ("memcheck", "racecheck", "initcheck"):
        if sanitizer is None or machine.dry:
            result[tool] = "not run: no compute-sanitizer" if not machine.dry else "the checked emulation instead"
            continue
        checked = run(sanitizer, "--tool", tool, "--error-exitcode", "9", program, "numbers.txt", cwd=build)
        result[tool] = "clean" if checked.returncode == 0 else (checked.stdout + checked.stderr)[-2000:]
    return result


# ------------------------------------------------------------------------------------------------ timings
def seconds_per_call(work: Callable[[], object], settle: Callable[[], object], least: float) -> float:
    """Median over five rounds of calls that take about `least` seconds together; the device is waited for at a round's end."""
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


def measure(machine: Machine, w: Workload) -> dict[str, object]:
    """One workload: seconds a batch, beside PyTorch's and beside the bound."""
    hidden, batch, steps = (DRY_HIDDEN, DRY_BATCH, DRY_STEPS) if machine.dry else (w.hidden, w.batch, w.steps)
    text = w.text(hidden, batch)
    name = "workload_" + "".join(c if c.isalnum() else "_" for c in w.name)
    project, _ = machine.build(text, name, False)
    network = sncc.load(project, backend=machine.backend, seed=1)
    rng = np.random.default_rng(0)
    dense = rng.random((batch, steps, 700)) < 0.02
    labels = rng.integers(0, 20, batch)
    events = sncc.Events.from_dense(dense)
    weights = [np.array(network.parameters[f"{c}.weight"]) for c in ("x_hidden", "hidden_hidden", "hidden_output")]
    rate = (
        len(network.simulate(duration=steps * 1e-3, inputs={"x": events[0:1]}).spikes["hidden"].times) / steps / hidden
    )

    def work() -> None:
        if w.learns:
            network.fit(events, labels, epochs=1, verbose=False)
        else:
            network.evaluate(events, labels)

    least = 0.0 if machine.dry else 0.5
    took = seconds_per_call(work, lambda: machine.synchronise(network), least)
    bound = cost(program_of(text), batch, steps, w.learns, Activity(hidden=rate), Card()).seconds
    result: dict[str, object] = {
        "workload": w.name, "batch": batch, "steps": steps, "hidden": hidden, "hidden spikes a step": round(rate, 4),
        "µs a batch": took * 1e6, "samples/s": batch / took, "bound, µs": bound * 1e6, "of the bound": bound / took,
    }  # fmt: skip
    peer = torch_seconds(machine, w, weights, dense, labels, least)
    if peer is not None:
        result |= {"PyTorch, µs a batch": peer * 1e6, "times faster": peer / took}
    return result


def torch_seconds(
    machine: Machine, w: Workload, weights: list[np.ndarray], dense: np.ndarray, labels: np.ndarray, least: float
) -> float | None:
    """The same network as a PyTorch loop on the same card; None where PyTorch or its CUDA is missing."""
    try:
        import torch
    except ImportError:
        return None
    if not machine.dry and not torch.cuda.is_available():
        return None
    device = "cpu" if machine.dry else "cuda"
    peer = Torch(weights, 2, device)
    x, y = torch.tensor(dense, dtype=torch.float32, device=device), torch.tensor(labels, device=device)
    settle: Callable[[], object] = torch.cuda.synchronize if device == "cuda" else lambda: None
    if w.learns:
        return seconds_per_call(lambda: peer.train(x, y, w.rule != "bptt"), settle, least)
    return seconds_per_call(lambda: peer.infer(x, y), settle, least)


def simulate(machine: Machine, example: str, params: dict[str, float]) -> dict[str, object]:
    """An example's second of biological time, in both forms; its rate beside it, since silence is quick."""
    project, _ = machine.build(ROOT / "examples" / f"{example}.snn", f"simulation_{example}", False, **params)
    network = sncc.load(project, backend=machine.backend, seed=1)
    seconds = 0.0005 if machine.dry else 1.0
    result: dict[str, object] = {"network": example}

    def run_once() -> None:
        network.simulate(seconds, verbose=False)

    for form in FORMS:
        os.environ["SNCC_CUDA_FORM"] = form
        took = seconds_per_call(run_once, lambda: machine.synchronise(network), 0.0 if machine.dry else 0.5)
        result[f"{form}, seconds per second"] = took / seconds
    spikes = network.simulate(seconds, verbose=False).spikes
    neurons = sum(
        np.prod(p["shape"]) for p in json.loads((project / "manifest.json").read_text())["populations"] if p["spiking"]
    )
    result["spikes a neuron and second"] = sum(len(s.times) for s in spikes.values()) / seconds / neurons
    return result


# ------------------------------------------------------------------------------------------------ results
def as_table(rows: Sequence[dict[str, object]]) -> list[str]:
    """Markdown; a column for every key."""
    keys = list(dict.fromkeys(key for row in rows for key in row))

    def shown(value: object) -> str:
        text = f"{value:.3g}" if isinstance(value, float) else str(value)
        return text.replace("|", "/").replace("\n", " ")

    lines = ["| " + " | ".join(keys) + " |", "|" + " --- |" * len(keys)]
    return [*lines, *("| " + " | ".join(shown(row.get(key, "")) for key in keys) + " |" for row in rows)]


def main() -> None:
    """Runs all and writes both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for gpu.json, gpu.md and the projects")
    parser.add_argument("--dry", action="store_true", help="emulated and tiny: that the steps work, no results")
    options = parser.parse_args()
    machine = Machine(options.out / "projects", options.dry)
    checks = [check(machine, path) for path in examples(options.dry)]
    timings = [measure(machine, w) for w in (WORKLOADS[1:2] if options.dry else WORKLOADS)]
    simulations = [simulate(machine, *s) for s in (SIMULATIONS[:1] if options.dry else SIMULATIONS)]
    nvcc = toolchain.find_nvcc()
    about = {
        "card": machine.card,
        "nvcc": toolchain.version(nvcc) if nvcc else "none",
        "sncc": sncc.__version__,
        "dry": options.dry,
    }
    (options.out / "gpu.json").write_text(
        json.dumps({**about, "checks": checks, "timings": timings, "simulations": simulations}, indent=2) + "\n"
    )
    title = f"# {machine.card}" + (" (a dry run: no results)" if options.dry else "")
    text = [
        title,
        "",
        *as_table([about]),
        "",
        "## Correctness",
        "",
        *as_table(checks),
        "",
        "## Times",
        "",
        *as_table(timings),
        "",
        "## Simulations",
        "",
        *as_table(simulations),
    ]
    (options.out / "gpu.md").write_text("\n".join(text) + "\n")
    print("\n".join(text))
    if any(c["against the CPU"] != "equal" for c in checks):
        sys.exit(1)


if __name__ == "__main__":
    main()
