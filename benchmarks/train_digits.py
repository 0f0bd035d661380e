"""The digits example over several seeds: test accuracy and training time with e-prop and with bptt.

The split is the same for all seeds (stratified 80/20, seed 0); the seed chooses weights and the order of the samples.

    python benchmarks/train_digits.py
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import sncc
from sncc.data import load_data

EXAMPLE = Path(__file__).parents[1] / "examples" / "digits" / "digits.snn"


def trained(rule: str, seed: int, epochs: int) -> tuple[float, float]:
    """Test accuracy in percent, and seconds of training."""
    network = sncc.load(sncc.build(EXAMPLE, backend="cpu", settings={"train.rule": rule}), seed=seed)
    data = load_data("digits", step=network.manifest.step)
    start = time.perf_counter()
    network.fit(data.train, data.train_labels, epochs=epochs, seed=seed, verbose=False)
    seconds = time.perf_counter() - start
    return 100 * network.evaluate(data.test, data.test_labels)["accuracy"], seconds


def main() -> None:
    """Train and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    print(f"{'rule':8}{'seed 0':>10}{'mean':>10}{'least':>10}{'seconds':>10}")
    for rule in ("eprop", "bptt"):
        runs = [trained(rule, seed, options.epochs) for seed in range(options.seeds)]
        accuracies = [accuracy for accuracy, _ in runs]
        seconds = statistics.median(s for _, s in runs)
        print(f"{rule:8}{accuracies[0]:9.2f}%{statistics.mean(accuracies):9.2f}%{min(accuracies):9.2f}%{seconds:10.2f}")


if __name__ == "__main__":
    main()
