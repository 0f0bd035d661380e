"""What simulations cost beside other work, step by step from Python, with spikes kept,
and with a hundred million synapses.

All of it, in a minute:

    python benchmarks/simulate_limits.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from simulate_coba import text
from simulators import resident

import sncc

LOOP = """
network Loop:
    step = 1 ms
    population x: input[100]
    population n: LIF[1000]
    connect x -> n: random(p = 0.1), weight = 0.2
    connect n -> n: random(p = 0.1), weight = normal(0, 0.05), delay = 1 ms
simulate:
    duration = 1 s
"""
LARGE = """
network Large:
    step = 0.1 ms
    population a: LIF[100000]
    population b: LIF[50000]
    connect a -> b: random(p = 0.02), weight = 0.001, delay = 1 ms
simulate:
    duration = 1 ms
"""

SOURCES = """
network Sources:
    step = 0.1 ms
    population noise: poisson[20000](rate = 100 Hz)
    population exc: LIF[4000]
    connect noise -> exc: random(fan_in = 20), weight = 0.05
simulate:
    duration = 1 s
"""


def seconds(run: Callable[[], object], repeats: int = 5) -> float:
    """The median of some calls."""
    found = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def beside_another_process() -> None:
    """COBA with a thread for each core, alone and while another process keeps one of the cores busy."""
    path = sncc.build(text(4000), backend="cpu")
    for threads in (1, 2):
        network = sncc.load(path, seed=1, threads=threads)

        def run(network: sncc.Network = network) -> object:
            return network.simulate(1.0, record=["exc.spikes"], seed=1, resume=True, verbose=False)

        run()
        alone = seconds(run)
        other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            busy = seconds(run)
        finally:
            other.kill()
        print(f"COBA, {threads} thread{'s' * (threads > 1)}: {alone:.3f} s a second, {busy:.3f} beside a busy process")


def step_by_step() -> None:
    """A closed loop: Python hands over the spikes of every step and reads those of the network."""
    network = sncc.load(sncc.build(LOOP, backend="cpu"), seed=1, threads=1)
    chosen = [np.sort(np.random.default_rng(k).choice(100, 5, replace=False)) for k in range(1000)]

    def loop() -> None:
        network.reset()
        for indices in chosen:
            network.step({"x": indices})

    events = sncc.Events.from_dense(np.array([np.isin(np.arange(100), c) for c in chosen])[None], step=1e-3)
    whole = seconds(lambda: network.simulate(inputs={"x": events}, seed=1, verbose=False))
    print(f"1,000 LIF, a step of Python's: {1e3 * seconds(loop):.1f} µs; in a whole run {1e3 * whole:.1f} µs")


def spikes_that_are_kept() -> None:
    """Two million spikes a second of Poisson sources, and without them: processor time, the best of some calls."""
    network = sncc.load(sncc.build(SOURCES, backend="cpu"), seed=1, threads=1)

    def run(record: list[str]) -> tuple[float, int]:
        found, spikes = [], 0
        for _ in range(5):
            began = time.process_time()
            kept = network.simulate(1.0, record=record, seed=1, verbose=False).spikes
            found.append(time.process_time() - began)
            spikes = sum(s.times.nbytes + s.neurons.nbytes for s in kept.values())
        return min(found), spikes

    for record in (["exc[0:10].v", "exc.spikes"], ["exc[0:10].v"]):
        took, size = run(record)
        print(f"20,000 Poisson sources, record = {record}: {took:.2f} s a second, spikes of {size / 1e6:.0f} MB")


def many_synapses() -> None:
    """What the process grows by when they are made."""
    path = sncc.build(LARGE, backend="cpu")
    before, began = resident(), time.perf_counter()
    network = sncc.load(path, seed=1)
    made = time.perf_counter() - began
    count = network.library.get_count("synapse_count", network.manifest.connections[0].index)
    grown = resident() - before
    print(f"{count:,} synapses: {grown / 1e9:.2f} GB, {grown / count:.2f} bytes each, made in {made:.1f} s")


def main() -> None:
    """All of it."""
    beside_another_process()
    step_by_step()
    spikes_that_are_kept()
    many_synapses()


if __name__ == "__main__":
    main()
