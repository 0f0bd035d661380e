"""Rates, irregularity and correlations of whole networks beside NEST (`unlabelled`: Brian 2):
same size, in-degrees and connection rules.

Each network runs with several seeds, for connectivity and draws; the first half second is left out. It agrees where the
rate of every population lies within 5 % of the reference's mean or three standard deviations of its seeds, the
coefficient of variation of the intervals within 0.02, the correlation within 0.005, or three standard deviations where
these are more.
COBA's active state can die out: of twenty seeds those that live are compared, three at least, and how many live.

    python benchmarks/compare_statistics.py                              # all, an hour; prints the tables of the docs
    python benchmarks/compare_statistics.py --networks coba,brunel
    python benchmarks/compare_statistics.py --save benchmarks/statistics.json    # keeps what NEST gave, runs the rest
    python benchmarks/compare_statistics.py --reference benchmarks/statistics.json   # takes it from there: no NEST
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import simulate_brunel
import simulate_coba
import simulate_izhikevich
import simulate_microcircuit
import simulate_stdp
import simulate_unlabelled
from simulators import Brian, Nest, Simulator, Sncc, Spikes
from turns import Process

WARM = 0.5  # seconds left out
BIN = 5e-3  # seconds, of the counts that are correlated
PAIRED = 200  # neurons of a population whose pairs are correlated
FEWEST_SPIKES = 4  # of a neuron whose intervals count
ALIVE = 0.5  # Hz
CHANCE = 0.05  # that as many more seeds live in one of them, below which that counts as different
PEERS: dict[str, type[Simulator]] = {"nest": Nest, "brian2": Brian}  # by module
Statistics = dict[str, float]  # by "population quantity"


def statistics(spikes: Spikes, sizes: dict[str, int], start: float, seconds: float) -> Statistics:
    """Mean rate (Hz), mean CV of the intervals, and mean correlation of counts, of every population."""
    found: Statistics = {}
    for name, (times, neurons) in spikes.items():
        found[f"{name} rate"] = times.size / sizes[name] / seconds
        found[f"{name} CV"] = irregularity(times, neurons)
        found[f"{name} correlation"] = correlation(times - start, neurons, seconds)
    return found


def irregularity(times: np.ndarray, neurons: np.ndarray) -> float:
    """Standard deviation over mean of a neuron's intervals, averaged over neurons with enough spikes."""
    order = np.lexsort((times, neurons))
    times, neurons = times[order], neurons[order]
    trains = np.split(times, np.flatnonzero(np.diff(neurons)) + 1)
    found = [np.std(d) / np.mean(d) for d in (np.diff(t) for t in trains if t.size >= FEWEST_SPIKES)]
    return float(np.mean(found)) if found else float("nan")


def correlation(times: np.ndarray, neurons: np.ndarray, seconds: float) -> float:
    """Mean correlation coefficient between the spike counts of the first neurons that are active."""
    active = np.unique(neurons)[:PAIRED]
    if active.size < 2:
        return float("nan")
    counts = np.zeros((active.size, round(seconds / BIN)))
    place = np.searchsorted(active, neurons)
    own = (place < active.size) & (active[np.minimum(place, active.size - 1)] == neurons)
    slots = np.clip((times[own] / BIN).astype(int), 0, counts.shape[1] - 1)
    np.add.at(counts, (place[own], slots), 1)
    counts = counts[counts.std(axis=1) > 0]
    pairs = np.corrcoef(counts)
    return float((pairs.sum() - len(counts)) / (len(counts) * (len(counts) - 1)))


def measured(simulator: Simulator, sizes: dict[str, int]) -> Statistics:
    """The statistics of one seed, in a process of its own."""
    with Process(simulator) as process:
        process("build")
        process("run")
        found = statistics(process("spikes"), sizes, simulator.warm, simulator.seconds)
        if "targets" in simulator.options or "plastic" in simulator.options:
            weights = process("weights")
            unit, factor = simulator.options.get("weights", (" / nS", 1e9))
            found |= {
                f"weight mean{unit}": float(weights.mean()) * factor,
                f"weight deviation{unit}": float(weights.std()) * factor,
            }
        return found


# ----------------------------------------------------------------------------------------------------- networks
def coba(options: argparse.Namespace) -> tuple[Iterable[Simulator], dict[str, int]]:
    """4,000 neurons."""
    return simulate_coba.simulators(options, 4000), {"exc": 3200, "inh": 800}


def coba_late(options: argparse.Namespace) -> tuple[Iterable[Simulator], dict[str, int]]:
    """The same; the current that sets it off comes two steps later, as that of NEST's generator does."""
    return simulate_coba.simulators(options, 4000, late=True), {"exc": 3200, "inh": 800}


def brunel(options: argparse.Namespace, size: float = 1.0) -> tuple[Iterable[Simulator], dict[str, int]]:
    """12,500 neurons, or fewer."""
    return simulate_brunel.simulators(options, size), {"exc": round(10000 * size), "inh": round(2500 * size)}


def brunel_small(options: argparse.Namespace) -> tuple[Iterable[Simulator], dict[str, int]]:
    """2,500 neurons with a fifth of the inputs, each five times as strong: what the tests run."""
    return brunel(options, 0.2)


def stdp(options: argparse.Namespace) -> tuple[Iterable[Simulator], dict[str, int]]:
    """100 neurons that learn side by side."""
    return simulate_stdp.simulators(options, 100), {"target": 100}


def stdp_nest(options: argparse.Namespace) -> tuple[Iterable[Simulator], dict[str, int]]:
    """The same with the order of events that NEST has."""
    return simulate_stdp.simulators(options, 100, simulate_stdp.NEST_ORDER), {"target": 100}


def izhikevich(options: argparse.Namespace) -> tuple[Iterable[Simulator], dict[str, int]]:
    """1,000 neurons."""
    return simulate_izhikevich.simulators(options), {"exc": 800, "inh": 200}


def microcircuit(options: argparse.Namespace) -> tuple[Iterable[Simulator], dict[str, int]]:
    """A tenth of the neurons."""
    sizes = {name: int(0.1 * full) for name, full in simulate_microcircuit.SIZES.items()}
    return simulate_microcircuit.simulators(options, 0.1), sizes


def unlabelled(options: argparse.Namespace) -> tuple[Iterable[Simulator], dict[str, int]]:
    """100 pairs of neurons that learn digits."""
    return simulate_unlabelled.simulators(options), {"exc": 100, "inh": 100}


@dataclass(frozen=True)
class Network:
    """What is compared of a network, with which module, and under which name the reference's numbers are kept."""

    make: Callable[[argparse.Namespace], tuple[Iterable[Simulator], dict[str, int]]]
    seconds: float
    reference: str
    seeds: int = 5
    module: str = "nest"


NETWORKS = {
    "coba": Network(coba, 1.0, "coba", seeds=20),
    "coba_late": Network(coba_late, 0.5, "coba_late", seeds=20),
    "brunel": Network(brunel, 0.5, "brunel"),
    "brunel_small": Network(brunel_small, 2.0, "brunel_small"),
    "stdp": Network(stdp, 10.0, "stdp"),
    "stdp_nest": Network(stdp_nest, 10.0, "stdp"),
    "izhikevich": Network(izhikevich, 5.0, "izhikevich"),
    "microcircuit": Network(microcircuit, 2.0, "microcircuit"),
    "unlabelled": Network(unlabelled, 10.0, "unlabelled", module="brian2"),
}


def seeds_of(name: str, module: str, seeds: Iterable[int], threads: int) -> Iterator[Statistics]:
    """One simulator's statistics of a network, seed by seed."""
    network = NETWORKS[name]
    for seed in seeds:
        options = argparse.Namespace(threads=threads, seed=seed, warm=WARM, seconds=network.seconds)
        simulators, sizes = network.make(options)
        chosen = next(s for s in simulators if s.module == module)
        if isinstance(chosen, Sncc):
            chosen.options["first_build"] = False
        else:
            chosen.threads = 1  # its threads hinder each other on a busy machine
        found = measured(chosen, sizes)
        print(name, module, seed, " ".join(f"{k} {v:.4g}" for k, v in found.items()), flush=True)
        yield found


# --------------------------------------------------------------------------------------------------- comparison
def living(seeds: list[Statistics]) -> list[Statistics]:
    """Those whose populations are active, all of them unless some have died out."""
    return [s for s in seeds if min(v for k, v in s.items() if k.endswith(" rate")) > ALIVE] or seeds


def allowed(quantity: str, reference: np.ndarray) -> float:
    """How far a mean may lie from the reference's."""
    spread = 3 * float(reference.std(ddof=1))
    if quantity.endswith(" CV"):
        return max(0.02, spread)
    if quantity.endswith(" correlation"):
        return max(0.005, spread)
    return max(0.05 * abs(float(reference.mean())), spread)


def compared(own: list[Statistics], reference: list[Statistics]) -> list[tuple[str, float, float, float, float]]:
    """Quantity, own mean, the reference's mean and standard deviation over seeds, and what is allowed."""
    rows = []
    for quantity in reference[0]:
        values = np.array([s[quantity] for s in reference])
        mine = float(np.mean([s[quantity] for s in own]))
        rows.append((quantity, mine, float(values.mean()), float(values.std(ddof=1)), allowed(quantity, values)))
    return rows


def chance(living: int, seeds: int, living_there: int, seeds_there: int) -> float:
    """How likely as many, or less likely numbers, live where both have one probability: Fisher's exact test."""
    alive, total = living + living_there, seeds + seeds_there

    def ways(here: int) -> int:
        return math.comb(seeds, here) * math.comb(seeds_there, alive - here)

    possible = range(max(0, alive - seeds_there), min(seeds, alive) + 1)
    return sum(ways(k) for k in possible if ways(k) <= ways(living)) / math.comb(total, alive)


def table(name: str, own: list[Statistics], reference: list[Statistics], peer: str = "NEST") -> str:
    """A table in Markdown; what does not agree is marked."""
    alive, alive_there = living(own), living(reference)
    survival = ""
    if len(alive) < len(own) or len(alive_there) < len(reference):
        p = chance(len(alive), len(own), len(alive_there), len(reference))
        survival = f" live (p = {p:.2g}{', **differs**' if p < CHANCE else ''})"
    lines = [
        f"**{name}**: {len(alive)} of {len(own)} seeds of sncc, {len(alive_there)} of {len(reference)} of {peer}{survival}", "",
        f"| | sncc | {peer} | sd of seeds | difference | allowed | |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for quantity, mine, mean, spread, most in compared(alive, alive_there):
        verdict = "" if abs(mine - mean) <= most else "**differs**"
        lines.append(
            f"| {quantity} | {mine:.4g} | {mean:.4g} | {spread:.2g} | {mine - mean:+.2g} | {most:.2g} | {verdict} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--seeds", type=int, help="5 where not given, 20 of coba and coba_late")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--reference", type=Path, help="a file with the reference's numbers, instead of running it")
    parser.add_argument(
        "--save", type=Path, help="a file that keeps the reference's numbers; seeds that it has are not run"
    )
    options = parser.parse_args()
    tables = []
    for name in options.networks.split(","):
        seeds = options.seeds or NETWORKS[name].seeds
        reference = reference_of(name, seeds, options)
        own = list(seeds_of(name, "sncc", range(1, seeds + 1), options.threads))
        tables.append(table(name, own, reference, PEERS[NETWORKS[name].module].label))
    print("\n".join(tables))


def reference_of(name: str, seeds: int, options: argparse.Namespace) -> list[Statistics]:
    """The reference's statistics: those of a file, and of the seeds that it lacks unless it is all there is."""
    known, path = NETWORKS[name].reference, options.reference or options.save
    kept = json.loads(path.read_text())["networks"].get(known, []) if path and path.exists() else []
    if options.reference:
        return kept
    for found in seeds_of(name, NETWORKS[name].module, range(len(kept) + 1, seeds + 1), 1):
        kept.append(found)
        if options.save:
            save(options.save, known, kept, NETWORKS[name].module)
    return kept


def save(path: Path, name: str, reference: list[Statistics], module: str) -> None:
    """Puts a network's numbers into the file, with the reference's version."""
    kept = json.loads(path.read_text()) if path.exists() else {"networks": {}}
    package = {"nest": "nest-simulator"}.get(module, module)
    version = f"{PEERS[module].label} {importlib.metadata.version(package)}, benchmarks/compare_statistics.py"
    kept["sources"] = kept.get("sources", {}) | {module: version}
    kept["networks"][name] = [
        {k: float(f"{v:.5g}") for k, v in seed.items() if not math.isnan(v)} for seed in reference
    ]
    path.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
