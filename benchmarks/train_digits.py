"""The digits example over several seeds: test accuracy and training time with e-prop and with bptt.

The split is the same for all seeds (stratified 80/20, seed 0); the seed chooses weights and the order of the samples.

    python benchmarks/train_digits.py
    python benchmarks/train_digits.py --weights bfloat16

The second also evaluates each trained network with weights of 16 bits: the accuracy, and how many test images are named
otherwise.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import sncc
from sncc.data import load_data

EXAMPLE = Path(__file__).parents[1] / "examples" / "digits" / "digits.snn"


def trained(rule: str, seed: int, epochs: int, weights: str | None) -> tuple[float, float, float, int]:
    """Test accuracy in percent, seconds of training;
    with other weights the accuracy and how many images change their class.
    """
    network = sncc.load(sncc.build(EXAMPLE, backend="cpu", settings={"train.rule": rule}), seed=seed)
    data = load_data("digits", step=network.manifest.step)
    start = time.perf_counter()
    network.fit(data.train, data.train_labels, epochs=epochs, seed=seed, verbose=False)
    seconds = time.perf_counter() - start
    accuracy = 100 * network.evaluate(data.test, data.test_labels)["accuracy"]
    if weights is None:
        return accuracy, seconds, accuracy, 0
    other = sncc.load(sncc.build(EXAMPLE, backend="cpu", settings={"train.rule": rule}, weights=weights))
    with tempfile.TemporaryDirectory() as folder:
        network.save(Path(folder) / "weights.npz")
        other.load(Path(folder) / "weights.npz")
    changed = network.predict(data.test).argmax(axis=1) != other.predict(data.test).argmax(axis=1)
    return accuracy, seconds, 100 * other.evaluate(data.test, data.test_labels)["accuracy"], int(changed.sum())


def main() -> None:
    """Train and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--weights", choices=["bfloat16"], help="evaluate with these, too")
    options = parser.parse_args()
    more = f"{options.weights:>10}{'changed':>10}" if options.weights else ""
    print(f"{'rule':8}{'seed 0':>10}{'mean':>10}{'least':>10}{'seconds':>10}{more}")
    for rule in ("eprop", "bptt"):
        runs = [trained(rule, seed, options.epochs, options.weights) for seed in range(options.seeds)]
        accuracies, times, others, changed = (list(column) for column in zip(*runs, strict=True))
        more = f"{statistics.mean(others):9.2f}%{statistics.mean(changed):10.1f}" if options.weights else ""
        print(
            f"{rule:8}{accuracies[0]:9.2f}%{statistics.mean(accuracies):9.2f}%{min(accuracies):9.2f}%"
            f"{statistics.median(times):10.2f}{more}"
        )


if __name__ == "__main__":
    main()
