"""Training on long sequences: time and memory of an epoch, for each learning rule.

2,048 input channels, 512 recurrent ALIF (eventprop: CubaALIF, whose exponential current makes spike times follow the
weights), 11 LI readouts, 18,457 steps: the length of an event-camera gesture in steps of 1 ms. One epoch of one batch:
processor time of all threads; memory is the growth of the process's largest resident set over it, and each rule and
batch has a process of its own. Hz: of the hidden neurons, in the first second.

    python benchmarks/train_long.py --samples 1,4,16
    python benchmarks/train_long.py --samples 1,4,16 --memory "200 MB"
    python benchmarks/train_long.py --steps 2000 --samples 8 --rules e-prop,bptt,online
"""

from __future__ import annotations

import argparse
import ctypes
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import sncc

TEXT = """
network Gesture:
    step = 1 ms
    population x: input[{inputs}]
    population hidden: {neuron}[{hidden}](tau_m = 20 ms, tau_a = 2 s)
    population output: LI[11](tau_m = 20 ms)
    connect x -> hidden: dense, weight = normal(0, {spread} / sqrt(fan_in))
    connect hidden -> hidden: dense, weight = normal(0, 0.3 * {spread} / sqrt(fan_in)), delay = 1 ms
    connect hidden -> output: dense, weight = normal(0, 1 / sqrt(fan_in))

train:
    rule = {rule}
    loss = {loss}
    optimiser = adam(learning_rate = {rate})
    batch = {samples}
"""
# of surrogate gradients, and of times of spikes
MODELS = (
    {"neuron": "ALIF", "spread": "1", "loss": "mean(cross_entropy(output.v))"},
    {"neuron": "CubaALIF", "spread": "9", "loss": "cross_entropy(mean(output.v))"},
)
# forwards, every step of a sequence is one of the optimiser: their rate is divided by the length
RULES = {
    "e-prop": "eprop(feedback = symmetric)", "bptt": "bptt", "eventprop": "eventprop", "online": "eprop(online = true)",
}  # fmt: skip


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=2048)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--steps", type=int, default=18457)
    parser.add_argument(
        "--samples", default="4", help="of the batch; several, separated by commas, one after the other"
    )
    parser.add_argument("--rate", type=float, default=0.01, help="events per channel and step")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", help="bound of training, `200 MB`; by default none")
    parser.add_argument("--rules", default="e-prop,bptt,eventprop")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(options: argparse.Namespace, rule: str) -> None:
    """One epoch, in this process."""
    rng = np.random.default_rng(0)
    lists = []
    samples = int(options.samples)
    for _ in range(samples):
        count = rng.poisson(options.rate * options.inputs * options.steps)
        steps, channels = rng.integers(0, options.steps, count), rng.integers(0, options.inputs, count)
        lists.append(((steps + 0.5) * 1e-3, channels))
    events = sncc.Events.from_lists(lists, shape=(options.inputs,), step=1e-3)
    labels = rng.integers(0, 11, samples)
    learning_rate = 1e-3 / options.steps if rule == "online" else 1e-3
    text = TEXT.format(
        inputs=options.inputs,
        hidden=options.hidden,
        rule=RULES[rule],
        samples=samples,
        rate=learning_rate,
        **MODELS[rule == "eventprop"],
    )
    project = sncc.build(text, backend="cpu", memory=options.memory)
    network = sncc.load(project, seed=1, threads=options.threads)
    second = network.simulate(duration=1.0, inputs=events[:1], record=[])
    rate = len(second.spikes["hidden"].times) / options.hidden
    del lists
    ctypes.CDLL(None).malloc_trim(0)  # what made the data is given back
    Path("/proc/self/clear_refs").write_text("5")  # the largest set is what it is now
    before = largest()
    start = time.process_time()
    history = network.fit(events, labels, epochs=1, verbose=False)
    seconds = time.process_time() - start
    grown = (largest() - before) / 1024
    print(
        f"{rule:10}{samples:4}{seconds / samples:10.2f} s a sample{grown:10.0f} MB{history['loss'][0]:12.4f} loss{rate:8.1f} Hz",
        flush=True,
    )


def largest() -> int:
    """The largest resident set of this process, in kB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def main() -> None:
    """Measure each rule in a process of its own."""
    options = arguments()
    if options.one:
        measure(options, options.one)
        return
    bound = f", at most {options.memory}" if options.memory else ""
    print(f"samples of {options.steps} steps, {options.threads} threads{bound}", flush=True)
    for rule in options.rules.split(","):
        for samples in options.samples.split(","):
            subprocess.run([sys.executable, *sys.argv, "--samples", samples, "--one", rule], check=True)


if __name__ == "__main__":
    main()
