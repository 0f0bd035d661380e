"""Trains the recurrent network of examples/spoken on spoken digits and prints its accuracy beside simpler methods'.

DIR holds spoken_digits.npz: spikes of 64 frequency channels from recordings of the Free Spoken Digit Dataset (CC BY-SA
4.0), with arrays `times` (in 0.5 ms), `channels`, `offsets`, `labels` and `takes`. Takes 0..4 of every speaker and
digit are the test set, as in that data set.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter

import sncc
from sncc.data import load_data

NETWORK = Path(__file__).resolve().parent.parent / "examples" / "spoken" / "spoken_digits.snn"
STEP = 0.01  # seconds
BASELINES = {  # on the same split
    "logistic regression on spike counts": 91.5,
    "logistic regression on 8 time bins": 96.0,
    "MLP with 256 hidden on 8 time bins": 98.5,
}


def main() -> None:
    """Trains and reports."""
    arguments = parse_arguments()
    data = load_data(f"npz:{arguments.data / 'spoken_digits.npz'}:test=takes<5,unit=0.0005,shape=64", STEP)
    print(data.description)
    settings = dict(pair.split("=", 1) for pair in arguments.set)
    project = sncc.build(NETWORK, backend=arguments.backend, settings=settings)
    accuracies = []
    for seed in range(arguments.seed, arguments.seed + arguments.seeds):
        network = sncc.load(project, seed=seed, threads=arguments.threads)
        began = perf_counter()
        network.fit(data.train, data.train_labels, epochs=arguments.epochs, seed=seed, verbose=True)
        seconds = perf_counter() - began
        accuracies.append(100 * network.evaluate(data.test, data.test_labels)["accuracy"])
        print(f"seed {seed}: test accuracy {accuracies[-1]:.1f} % after {arguments.epochs} epochs in {seconds:.1f} s")
    print_table({**BASELINES, "this network, mean over seeds": sum(accuracies) / len(accuracies)})


def print_table(accuracies: dict[str, float]) -> None:
    """Accuracies in percent, one a line."""
    width = max(map(len, accuracies))
    for name, accuracy in accuracies.items():
        print(f"{name:<{width}}  {accuracy:5.1f} %")


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with spoken_digits.npz")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1, help="how many, from --seed on")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    return parser.parse_args()


if __name__ == "__main__":
    main()
