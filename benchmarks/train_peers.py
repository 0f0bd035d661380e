"""Training by surrogate gradients beside snnTorch, Norse, SpikingJelly and Spyx, on CPUs:
the same network on both sides.

Each library is compared with sncc by itself, as their equations differ: sncc trains what the other one computes, given
as a text (peers_torch.py, peers_jax.py). Before anything is timed both sides run the same batch with the same weights,
in float64 and in float32: spikes, loss, gradients and Adam's update must agree, or no ratio is printed. Then the two
processes take turns on the same threads. e-prop is another rule, with another gradient; the libraries have none such,
and its ratio is to the quickest BPTT of the other side.

    pip install 'sncc[peers]'
    python benchmarks/train_peers.py
    python benchmarks/train_peers.py --only snntorch,spyx --cases wide --rounds 7
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
from peers import RATE_OF_LEARNING, Case, Evidence, Peer, Side, Timed
from peers_jax import Spyx
from peers_torch import Norse, SnnTorch, SpikingJelly
from turns import Process, installed

CASES = {
    "recurrent": Case("recurrent, sparse", 700, 256, 1, True, 20, 250, 64, 0.02),
    "wide": Case("recurrent, wide and busy", 700, 1024, 1, True, 20, 250, 64, 0.1),
    "forward": Case("feed-forward, busy", 784, 512, 2, False, 10, 100, 256, 0.1),
    "dense": Case("feed-forward, dense", 784, 1024, 2, False, 10, 25, 256, 0.5),
}
PEERS: tuple[type[Peer], ...] = (SnnTorch, Norse, SpikingJelly, Spyx)
PACKAGES = "'sncc[peers]'"
JOBS = {"train": "BPTT", "inference": "inference"}
TOLERANCE = 1e-3  # in float32: of a gradient's largest, over samples whose spikes are all alike


def alike(ours: Evidence, theirs: Evidence) -> np.ndarray:
    """Which samples have the same spikes on both sides."""
    return np.all([np.all(a == b, axis=(1, 2)) for a, b in zip(ours.spikes, theirs.spikes)], axis=0)


def difference(ours: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    """The largest difference of two lists of arrays, of the largest number in each."""
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(ours, theirs))


def apart(ours: np.ndarray, theirs: np.ndarray, gradient: np.ndarray) -> float:
    """By how much of the learning rate Adam's updates differ, but for gradients so small that they are rounding."""
    clear = np.abs(gradient) > 1e-3 * np.abs(gradient).max()
    return float(np.abs(ours - theirs)[clear].max() / RATE_OF_LEARNING)


def agreement(sides: list[Process], precision: str, exactness: float) -> tuple[str, bool]:
    """What the sides have in common, in words, and whether that is enough to compare them."""
    case = sides[0].worker.case
    everything = np.arange(case.batch)
    found = [side("evidence", everything) for side in sides]
    same = alike(*found)
    text = f"{precision}: {same.sum()} of {case.batch} samples spike alike"
    if same.sum() < case.batch and 4 * same.sum() >= case.batch:
        found = [side("evidence", everything[same]) for side in sides]
        same = alike(*found)
    ours, theirs = found
    loss = abs(ours.loss - theirs.loss) / abs(theirs.loss)
    gradient = difference(ours.gradients, theirs.gradients)
    good = bool(same.all()) and max(loss, gradient) <= exactness
    text += f"; of them the loss differs by {loss:.1e}, the gradients by {gradient:.1e}"
    if precision == "float64":
        update = max(apart(*e) for e in zip(ours.updated, theirs.updated, theirs.gradients))
        good = good and update <= 1e-4
        text += f", the update by {update:.1e}"
    rates = " and ".join(f"{s.mean():.1%}" for s in ours.spikes)
    return f"{text}; hidden neurons spike in {rates} of the steps", good


def row(name: str, mode: str, ours: list[Timed], theirs: list[Timed]) -> str:
    """Medians of both sides, their ratio with its range over the rounds, and that of processor time."""
    ratios = [a.rate / b.rate for a, b in zip(ours, theirs)]
    work = statistics.median(b.cpu / a.cpu for a, b in zip(ours, theirs))
    medians = [statistics.median(t.rate for t in side) for side in (ours, theirs)]
    cpu = [1e3 * statistics.median(t.cpu for t in side) for side in (ours, theirs)]
    spread = f"{statistics.median(ratios):.1f} ({min(ratios):.1f}-{max(ratios):.1f})"
    return f"  {name:10}{mode:16}{medians[0]:9.0f}{medians[1]:9.0f}{spread:>20}{cpu[0]:10.3f}{cpu[1]:9.3f}{work:7.1f}"


def compare(peer: Peer, options: argparse.Namespace) -> bool:
    """Shows that both sides are one network, times them in turns, prints; whether they are one."""
    for precision in ("float64", "float32"):
        theirs: Side = replace(peer, precision=precision)
        with ExitStack() as stack:
            sides = [stack.enter_context(Process(side)) for side in (theirs.sncc(), theirs)]
            _, version = (side("start") for side in sides)
            words, good = agreement(sides, precision, peer.exactness if precision == "float64" else TOLERANCE)
            print(f"{version}; {words}" if precision == "float64" else f"  {words}", flush=True)
            if not good:
                print("  these are not the same network: no ratios")
                return False
            if precision == "float32":
                measure(sides, options)
    return True


def measure(sides: list[Process], options: argparse.Namespace) -> None:
    """Turns of both sides, and the table."""
    ours, theirs = sides
    jobs = [(job, mode) for job in JOBS for mode in theirs.worker.modes]
    times: dict[tuple[str, str, bool], list[Timed]] = {}
    for _ in range(options.rounds):
        for job in (*JOBS, "e-prop"):
            times.setdefault((job, "", True), []).append(ours("timed", job, "", options.seconds))
            for mode in (m for j, m in jobs if j == job):
                times.setdefault((job, mode, False), []).append(theirs("timed", job, mode, options.seconds))
    label = theirs.worker.label
    print(f"  {'':26}{'sncc':>9}{label[:8]:>9}{'ratio (range)':>20}{'CPU ms':>10}{'':9}{'ratio':>7}")
    for job, mode in jobs:
        print(row(JOBS[job], mode, times[job, "", True], times[job, mode, False]))
    best = max((m for j, m in jobs if j == "train"), key=lambda m: median_rate(times["train", m, False]))
    print(row("e-prop", "(other rule)", times["e-prop", "", True], times["train", best, False]), flush=True)


def median_rate(times: list[Timed]) -> float:
    return statistics.median(t.rate for t in times)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(p.module for p in PEERS), help="modules of the libraries")
    parser.add_argument("--cases", default=",".join(CASES), help="separated by commas")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="per measurement")
    parser.add_argument("--quick", action="store_true", help="small networks, one short round")
    return parser.parse_args()


def main() -> None:
    """A table for each case and library; exits 1 where two sides were not the same network."""
    options = arguments()
    cases = {name: CASES[name] for name in options.cases.split(",")}
    if options.quick:
        options.rounds, options.seconds = 1, 0.1
        cases = {n: replace(c, hidden=c.hidden // 8, steps=50, batch=8) for n, c in cases.items()}
    good = True
    for name, case in cases.items():
        print(
            f"\n{case.title}: {case.inputs} inputs at {case.rate:.0%}, {' + '.join([str(case.hidden)] * case.layers)} hidden, "
            f"{case.outputs} outputs, {case.steps} steps, batch {case.batch}; samples/s on {options.threads} threads, "
            f"medians of {options.rounds}",
            flush=True,
        )
        peers = [kind(case, kind.gains[name], options.threads) for kind in PEERS]
        good = all([compare(peer, options) for peer in installed(peers, options.only, PACKAGES)]) and good
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
