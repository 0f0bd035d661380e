"""Training on long sequences: time and memory of an epoch, for each learning rule.

2,048 input channels, 512 recurrent ALIF, 11 LI readouts, 18,457 steps: the length of an event-camera gesture in steps of 1 ms.
Memory is the growth of the process's largest resident set over the epoch; each rule runs in a process of its own.

    python benchmarks/train_long.py
    python benchmarks/train_long.py --memory "200 MB"
    python benchmarks/train_long.py --steps 2000 --samples 8 --rules e-prop,bptt,online
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import numpy as np

import sncc

TEXT = """
network Gesture:
    step = 1 ms
    population x: input[{inputs}]
    population hidden: ALIF[{hidden}](tau_m = 20 ms, tau_a = 2 s)
    population output: LI[11](tau_m = 20 ms)
    connect x -> hidden: dense, weight = normal(0, 1 / sqrt(fan_in))
    connect hidden -> hidden: dense, weight = normal(0, 0.3 / sqrt(fan_in)), delay = 1 ms
    connect hidden -> output: dense, weight = normal(0, 1 / sqrt(fan_in))

train:
    rule = {rule}
    loss = mean(cross_entropy(output.v))
    optimiser = adam(learning_rate = {rate})
    batch = {samples}
"""
# forwards, every step of a sequence is one of the optimiser: their rate is divided by the length
RULES = {"e-prop": "eprop(feedback = symmetric)", "bptt": "bptt", "online": "eprop(online = true)"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=2048)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--steps", type=int, default=18457)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--rate", type=float, default=0.01, help="events per channel and step")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", help="bound of training, `200 MB`; by default none")
    parser.add_argument("--rules", default="e-prop,bptt")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(options: argparse.Namespace, rule: str) -> None:
    """One epoch, in this process."""
    rng = np.random.default_rng(0)
    lists = []
    for _ in range(options.samples):
        count = rng.poisson(options.rate * options.inputs * options.steps)
        steps, channels = rng.integers(0, options.steps, count), rng.integers(0, options.inputs, count)
        lists.append(((steps + 0.5) * 1e-3, channels))
    events = sncc.Events.from_lists(lists, shape=(options.inputs,), step=1e-3)
    labels = rng.integers(0, 11, options.samples)
    learning_rate = 1e-3 / options.steps if rule == "online" else 1e-3
    text = TEXT.format(
        inputs=options.inputs, hidden=options.hidden, rule=RULES[rule], samples=options.samples, rate=learning_rate
    )
    project = sncc.build(text, backend="cpu", memory=options.memory)
    network = sncc.load(project, seed=1, threads=options.threads)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    history = network.fit(events, labels, epochs=1, verbose=False)
    seconds = time.perf_counter() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"{rule:8}{seconds / options.samples:10.2f} s a sample{grown:10.0f} MB{history['loss'][0]:12.4f} loss",
        flush=True,
    )


def main() -> None:
    """Measure each rule in a process of its own."""
    options = arguments()
    if options.one:
        measure(options, options.one)
        return
    print(f"{options.samples} samples of {options.steps} steps, {options.threads} threads", flush=True)
    for rule in options.rules.split(","):
        subprocess.run([sys.executable, *sys.argv, "--one", rule], check=True)


if __name__ == "__main__":
    main()
