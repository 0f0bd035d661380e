"""Trains examples/yin_yang by exact gradients of spike times, seed by seed, and prints the test accuracy.

The published network of Kriener, Göltz and Petrovici (2022) reaches 97.6 % with 120 hidden neurons and back-propagation
without spikes, 95.9 % with first spikes on neuromorphic hardware; Wunderlich and Pehle (2021) 98.1 % by EventProp.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from time import perf_counter

import sncc
from sncc.data import load_data

NETWORK = Path(__file__).resolve().parent.parent / "examples" / "yin_yang" / "yin_yang.snn"


def main() -> None:
    """Trains and reports."""
    arguments = parse_arguments()
    project = sncc.build(NETWORK, backend=arguments.backend)
    data = load_data("yin_yang", sncc.load(project).manifest.step)
    print(data.description)
    accuracies = []
    for seed in range(arguments.seeds):
        network = sncc.load(project, seed=seed, threads=arguments.threads)
        began = perf_counter()
        network.fit(data.train, data.train_labels, epochs=arguments.epochs, seed=seed, verbose=False)
        seconds = perf_counter() - began
        accuracies.append(100 * network.evaluate(data.test, data.test_labels)["accuracy"])
        print(
            f"seed {seed}: test accuracy {accuracies[-1]:.1f} % after {arguments.epochs} epochs in {seconds:.1f} s",
            flush=True,
        )
    print(f"mean {statistics.mean(accuracies):.1f} %, lowest {min(accuracies):.1f} %, of {arguments.seeds} seeds")


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--backend", default="auto")
    return parser.parse_args()


if __name__ == "__main__":
    main()
