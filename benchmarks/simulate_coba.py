"""COBA: seconds of wall and of processor time per second of biology, beside Brian 2's C++ standalone, interleaved in one run.

python benchmarks/simulate_coba.py [--neurons 4000] [--threads 2] [--repeats 3] [--brian PYTHON]
`PYTHON` has Brian 2 installed; its exponential Euler with a delay of one step is the same model. Rates stand beside the times,
as a silent network is fast.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import sncc

BRIAN = """
import sys, time, os, shutil, tempfile
from brian2 import *
neurons, threads, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
folder = tempfile.mkdtemp()
set_device("cpp_standalone", directory=folder, build_on_run=False)
prefs.devices.cpp_standalone.openmp_threads = threads if threads > 1 else 0
defaultclock.dt = 0.1 * ms
eqs = '''
dv/dt = (10*nS*(-49*mV - v) + ge*(0*mV - v) + gi*(-80*mV - v)) / (200*pF) : volt (unless refractory)
dge/dt = -ge/(5*ms) : siemens
dgi/dt = -gi/(10*ms) : siemens
'''
cells = NeuronGroup(neurons, eqs, threshold="v > -50*mV", reset="v = -60*mV", refractory=5*ms, method="exponential_euler")
cells.v = "-60*mV + rand()*10*mV"
exc, inh = cells[: neurons * 4 // 5], cells[neurons * 4 // 5 :]
a = Synapses(exc, cells, on_pre="ge += 6*nS", delay=0.1*ms); a.connect(p=80.0 / neurons)
b = Synapses(inh, cells, on_pre="gi += 67*nS", delay=0.1*ms); b.connect(p=80.0 / neurons)
spikes = SpikeMonitor(cells)
run(seconds * second)
began = time.time(); device.build(run=False, directory=folder); built = time.time() - began
device.run(folder)
print(f"brian2 x{threads}: build {built:.1f} s, run {device._last_run_time / seconds:.4f} s per s, {spikes.num_spikes / neurons / seconds:.2f} Hz")
shutil.rmtree(folder)
"""


def ours(path: Path, threads: int, seconds: float) -> str:
    """One run, timed."""
    network = sncc.load(path, seed=3, threads=threads)
    network.simulate(0.1, seed=4)
    before, began = os.times(), time.perf_counter()
    run = network.simulate(seconds, seed=4)
    wall, after = time.perf_counter() - began, os.times()
    processor = after.user + after.system - before.user - before.system
    neurons = sum(p.size for p in network.manifest.populations)
    rate = sum(len(s) for s in run.spikes.values()) / neurons / seconds
    return f"sncc x{threads}: run {wall / seconds:.4f} s per s (processor {processor / seconds:.4f}), {rate:.2f} Hz"


def main() -> None:
    """Prints a line a run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--neurons", type=int, default=4000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--brian", help="a Python that has Brian 2")
    given = parser.parse_args()
    n = given.neurons
    began = time.perf_counter()
    path = sncc.build(
        Path(__file__).parent / "coba.snn", backend="cpu", excitatory=n * 4 // 5, inhibitory=n // 5, p=80 / n
    )
    print(f"sncc: build {time.perf_counter() - began:.1f} s")
    for _ in range(given.repeats):
        for threads in sorted({1, given.threads}):
            print(ours(path, threads, given.seconds), flush=True)
            if given.brian:
                command = [given.brian, "-c", BRIAN, str(n), str(threads), str(given.seconds)]
                done = subprocess.run(command, capture_output=True, text=True)
                print(done.stdout.strip().splitlines()[-1] if done.returncode == 0 else done.stderr[-500:], flush=True)


if __name__ == "__main__":
    sys.exit(main())
