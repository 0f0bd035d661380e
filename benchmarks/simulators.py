"""Simulators side by side: each in a process of its own, which builds a network once and then runs it piece by piece.

The pieces take turns (turns.py); a piece in which the process had less than 97 % of its threads' time is counted as
disturbed.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import tempfile
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from turns import Process, installed

Spikes = dict[str, tuple[np.ndarray, np.ndarray]]  # by population: times (s, from the network's start) and neurons
WHOLE = 0.97  # of threads x wall: a piece with less CPU time was disturbed


@dataclass(frozen=True)
class Built:
    """What it took until a network could run: seconds of translation, of construction, resident bytes grown, synapses.

    `again`: seconds of translation where what other networks share is there already. `work`: processor time of the
    first translation, of all processes.
    """

    translated: float
    constructed: float
    grown: int
    synapses: int
    cpu: float  # of the construction
    again: float = 0.0
    work: float = 0.0


@dataclass(frozen=True)
class Ran:
    """A piece of a run: seconds of wall and CPU time for `biological` seconds, and mean rates in Hz by population."""

    biological: float
    wall: float
    cpu: float
    rates: dict[str, float]


@dataclass
class Simulator(ABC):
    """A network in one simulator. `warm`: seconds that are run before the first piece; each piece runs `seconds`."""

    threads: int
    seed: int
    warm: float
    seconds: float
    options: dict[str, Any] = field(default_factory=dict)
    label = ""
    module = ""  # that must be installed

    @abstractmethod
    def build(self) -> Built:
        """Builds the network and runs it for `warm`."""

    @abstractmethod
    def run(self) -> Ran:
        """Runs on for `seconds`."""

    @abstractmethod
    def spikes(self) -> Spikes:
        """The spikes of the last piece."""

    def weights(self) -> np.ndarray:
        """The plastic weights now, in SI units: none, but of networks that say otherwise."""
        return np.empty(0)


def work() -> float:
    """Processor seconds of this process and of those that it has waited for."""
    return sum(os.times()[:4])


def resident() -> int:
    """Bytes of this process in memory."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@dataclass
class Sncc(Simulator):
    """A text, or a file, of sncc. `options`: source, settings, populations and, where weights are wanted, plastic."""

    label = "sncc"
    module = "sncc"

    def build(self) -> Built:
        import sncc

        with tempfile.TemporaryDirectory() as empty:
            if self.options.get("first_build", True):
                os.environ["XDG_CACHE_HOME"] = empty
            began, worked = time.perf_counter(), work()
            project = sncc.build(self.options["source"], backend="cpu", settings=self.options.get("settings"))
            translated, again, worked = time.perf_counter() - began, 0.0, work() - worked
            if self.options.get("first_build", True):
                shutil.rmtree(project)  # the engine stays
                began = time.perf_counter()
                project = sncc.build(self.options["source"], backend="cpu", settings=self.options.get("settings"))
                again = time.perf_counter() - began
            before, began, cpu = resident(), time.perf_counter(), time.process_time()
            self.network = sncc.load(project, seed=self.seed, threads=self.threads)
            constructed, cpu, grown = time.perf_counter() - began, time.process_time() - cpu, resident() - before
            synapses = self._synapses()
        self._simulate(self.warm)
        return Built(translated, constructed, grown, synapses, cpu, again, worked)

    def _synapses(self) -> int:
        """Synapses of sparse connections as the library counts them, of dense ones sources x targets."""
        manifest = self.network.manifest
        sizes = {p.name: p.size for p in manifest.populations}
        counts = {c.name: sizes[c.pre] * sizes[c.post] for c in manifest.connections if not c.sparse}
        counts |= {
            c.name: self.network.library.get_count("synapse_count", c.index) for c in manifest.connections if c.sparse
        }
        one_to_one = self.options.get("one_to_one", ())
        return sum(n for name, n in counts.items() if name not in one_to_one)

    def _simulate(self, seconds: float) -> None:
        populations = self.options["populations"]
        wanted = [f"{p}.spikes" for p in populations]
        self.last = self.network.simulate(seconds, record=wanted, seed=self.seed, resume=True, verbose=False)

    def run(self) -> Ran:
        began, cpu = time.perf_counter(), time.process_time()
        self._simulate(self.seconds)
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        sizes = {p.name: p.size for p in self.network.manifest.populations}
        return Ran(self.seconds, wall, cpu, {p: n / sizes[p] / self.seconds for p, n in self.counts().items()})

    def counts(self) -> dict[str, int]:
        """Spikes of the last piece, by population."""
        return {name: self.last.spikes[name].times.size for name in self.options["populations"]}

    def spikes(self) -> Spikes:
        return {p: (self.last.spikes[p].times, self.last.spikes[p].neurons) for p in self.options["populations"]}

    def weights(self) -> np.ndarray:
        return np.asarray(self.network.parameters[f"{self.options['plastic']}.weight"]).ravel()


@dataclass
class Nest(Simulator):
    """A network in NEST: a subclass says which by `create`."""

    label = "NEST"
    module = "nest"

    @abstractmethod
    def create(self, nest: Any) -> dict[str, Any]:
        """Makes neurons, sources and connections; gives the populations by name."""

    def build(self) -> Built:
        import nest

        nest.verbosity = nest.VerbosityLevel.ERROR
        nest.ResetKernel()
        nest.SetKernelStatus(
            {"local_num_threads": self.threads, "rng_seed": self.seed + 1, "resolution": self.options.get("step", 0.1)}
        )
        self.nest = nest
        before, began, cpu = resident(), time.perf_counter(), time.process_time()
        self.populations = self.create(nest)
        self.recorders = {name: nest.Create("spike_recorder") for name in self.populations}
        for name, nodes in self.populations.items():
            nest.Connect(nodes, self.recorders[name])
        nest.Prepare()
        nest.Run(self.options.get("step", 0.1))  # the first step builds the tables of targets
        constructed, cpu, grown = time.perf_counter() - began, time.process_time() - cpu, resident() - before
        synapses = nest.GetKernelStatus("num_connections")
        self.settle(nest)
        return Built(0.0, constructed, grown, synapses, cpu)

    def settle(self, nest: Any) -> None:
        """Runs from the first step's end on for what is left of `warm`; a subclass may change something on the way."""
        left = 1e3 * self.warm - self.options.get("step", 0.1)
        if left > 0:
            nest.Run(left)

    def run(self) -> Ran:
        before, self.began = self._counts(), self.nest.biological_time
        began, cpu = time.perf_counter(), time.process_time()
        self.nest.Run(1e3 * self.seconds)
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        counts = {name: count - before[name] for name, count in self._counts().items()}
        return Ran(self.seconds, wall, cpu, {p: n / len(self.populations[p]) / self.seconds for p, n in counts.items()})

    def _counts(self) -> dict[str, int]:
        return {name: recorder.n_events for name, recorder in self.recorders.items()}

    def spikes(self) -> Spikes:
        found = {}
        for name, recorder in self.recorders.items():
            events = recorder.events
            last = events["times"] > self.began + 1e-6
            found[name] = events["times"][last] * 1e-3, events["senders"][last] - self.populations[name][0].global_id
        return found


MARK = """
{ timespec cpu, wall; clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu); clock_gettime(CLOCK_MONOTONIC, &wall);
  long pages = 0, resident = 0; std::ifstream("/proc/self/statm") >> pages >> resident;
  std::ofstream marks("marks.txt", std::ios::app); marks.precision(12);
  marks << wall.tv_sec + 1e-9 * wall.tv_nsec << " " << cpu.tv_sec + 1e-9 * cpu.tv_nsec << " " << resident * 4096 << "\\n"; }
"""


@dataclass
class Brian(Simulator):
    """A network in Brian 2's C++ standalone mode; a subclass says which by `create`. A piece is a run of it."""

    label = "Brian 2"
    module = "brian2"

    @abstractmethod
    def create(self, brian: Any) -> tuple[list[Any], dict[str, tuple[Any, slice]]]:
        """Makes all objects; gives them, and by name each population as a group and its part of it."""

    def stages(self, brian: Any, network: Any) -> None:
        """Runs the network for `warm` seconds; a subclass may change something on the way."""
        network.run(self.warm * brian.second)

    def build(self) -> Built:
        import brian2 as brian

        self.brian, self.folder = brian, tempfile.mkdtemp()
        brian.set_device("cpp_standalone", build_on_run=False, directory=self.folder)
        brian.prefs.devices.cpp_standalone.openmp_threads = self.threads if self.threads > 1 else 0
        brian.prefs.devices.cpp_standalone.extra_make_args_unix = ["-j2"]
        brian.defaultclock.dt = self.options.get("step", 0.1) * brian.ms
        brian.seed(self.seed + 1)
        began, worked = time.perf_counter(), work()
        device = brian.get_device()
        for slot in ("before_start", "before_network_run", "after_network_run"):
            device.insert_code(slot, MARK)
        objects, self.populations = self.create(brian)
        groups = {id(group): group for group, _ in self.populations.values()}
        self.monitors = {k: brian.SpikeMonitor(group) for k, group in groups.items()}
        self.synapses = [o for o in objects if isinstance(o, brian.Synapses)]
        network = brian.Network(*objects, *self.monitors.values())
        self.stages(brian, network)
        network.run(self.seconds * brian.second)
        device.build(compile=True, run=False, directory=self.folder)
        translated, worked = time.perf_counter() - began, work() - worked
        self._program()
        start, first = self.marks[0], self.marks[1]
        return Built(
            translated,
            first[0] - start[0],
            int(first[2] - start[2]),
            sum(len(s) for s in self.synapses),
            first[1] - start[1],
            work=worked,
        )

    def _program(self) -> None:
        path = Path(self.folder) / "marks.txt"
        path.unlink(missing_ok=True)
        self.brian.get_device().run(self.folder, with_output=False, run_args=[])
        self.marks = [[float(x) for x in line.split()] for line in path.read_text().splitlines()]

    def run(self) -> Ran:
        self._program()
        (wall, cpu, _), (end, cpu_end, _) = self.marks[-2:]
        rates = {}
        for name, (times, _) in self.spikes().items():
            part = self.populations[name][1]
            rates[name] = times.size / (part.stop - part.start) / self.seconds
        return Ran(self.seconds, end - wall, cpu_end - cpu, rates)

    def spikes(self) -> Spikes:
        found = {}
        for name, (group, part) in self.populations.items():
            monitor = self.monitors[id(group)]
            times, neurons = np.asarray(monitor.t / self.brian.second), np.asarray(monitor.i)
            own = (neurons >= part.start) & (neurons < part.stop) & (times >= self.warm - 1e-9)
            found[name] = times[own], neurons[own] - part.start
        return found


def is_disturbed(ran: Ran, threads: int) -> bool:
    """Whether other processes took part of the time."""
    return ran.cpu < WHOLE * threads * ran.wall


def compare(title: str, simulators: list[Simulator], options: argparse.Namespace) -> dict[str, list[Ran]]:
    """Builds all, runs them in turns, prints the tables, and gives the pieces by label."""
    present = installed(simulators, options.only, "brian2 nest-simulator")
    for simulator in present:
        simulator.options["first_build"] = not options.quick
    named = {f"{s.label}, {s.threads} thread{'s' * (s.threads > 1)}": s for s in present}
    processes = {name: Process(s) for name, s in named.items()}
    try:
        built = {name: process("build") for name, process in processes.items()}
        ran: dict[str, list[Ran]] = {name: [] for name in named}
        for _ in range(options.rounds):
            for name, process in processes.items():
                ran[name].append(process("run"))
    finally:
        for process in processes.values():
            process.__exit__()
    print(title)
    print(construction_table(built, named))
    print(speed_table(ran, named))
    return ran


def construction_table(built: dict[str, Built], named: dict[str, Simulator]) -> str:
    """Translation and construction, a line per simulator."""
    lines = [
        f"{'':22}{'translate s':>12}{'CPU s':>7}{'again s':>9}{'construct s':>12}{'synapses':>12}{'Msyn/s CPU':>12}{'bytes/syn':>11}"
    ]
    for name, b in built.items():
        rate = b.synapses / max(b.cpu, 1e-9) / 1e6
        each = b.grown / max(b.synapses, 1)
        lines.append(
            f"{name:22}{b.translated:12.2f}{b.work:7.2f}{b.again:9.2f}{b.constructed:12.2f}{b.synapses:12,}{rate:12.2f}{each:11.1f}"
        )
    return "\n".join(lines)


def speed_table(ran: dict[str, list[Ran]], named: dict[str, Simulator]) -> str:
    """Seconds of wall and CPU time per biological second: medians, and as parts of the first line's; mean rates."""
    lines = [f"{'':22}{'wall s/s':>10}{'ratio':>8}{'CPU s/s':>10}{'ratio':>8}{'disturbed':>11}  rates / Hz"]
    first: tuple[float, float] | None = None
    for name, pieces in ran.items():
        clean = [r for r in pieces if not is_disturbed(r, named[name].threads)]
        wall = statistics.median(r.wall / r.biological for r in clean or pieces)
        cpu = statistics.median(r.cpu / r.biological for r in clean or pieces)
        first = first or (wall, cpu)
        rates = " ".join(f"{p} {statistics.mean(r.rates[p] for r in pieces):.2f}" for p in pieces[0].rates)
        disturbed = f"{len(pieces) - len(clean)} of {len(pieces)}"
        lines.append(
            f"{name:22}{wall:10.4f}{wall / first[0]:8.1f}{cpu:10.4f}{cpu / first[1]:8.1f}{disturbed:>11}  {rates}"
        )
    return "\n".join(lines)


def parser(document: str | None, seconds: float, rounds: int = 5) -> argparse.ArgumentParser:
    """The options that every comparison has."""
    made = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--seconds", type=float, default=seconds, help="biological seconds of a piece")
    made.add_argument("--warm", type=float, default=0.5, help="biological seconds before the first piece")
    made.add_argument("--rounds", type=int, default=rounds, help="pieces of each simulator")
    made.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    made.add_argument("--seed", type=int, default=1)
    made.add_argument(
        "--quick", action="store_true", help="one short piece of each; sncc's library may come from its cache"
    )
    made.add_argument("--only", default="sncc,brian2,nest", help="modules of the simulators that take part")
    return made


def settled(options: argparse.Namespace) -> argparse.Namespace:
    """The options with what `--quick` means put in."""
    if options.quick:
        options.seconds, options.warm, options.rounds = min(options.seconds, 0.1), min(options.warm, 0.1), 1
    return options
