"""What the size of a step does to e-prop forwards, which takes one after every step of the sequence:
losses of a few epochs.

A recurrent network of ALIF learns a class for each of some random samples, told at every step.

    python benchmarks/train_online.py
"""

from __future__ import annotations

import argparse

import numpy as np

import sncc

NETWORK = """
network Online:
    step = 1 ms
    population x: input[512]
    population hidden: ALIF[128]
    population output: LI[10]
    connect x -> hidden: dense, weight = normal(0, 1 / sqrt(fan_in))
    connect hidden -> hidden: dense, weight = normal(0, 1 / sqrt(fan_in)), delay = 1 ms
    connect hidden -> output: dense, weight = normal(0, 1 / sqrt(fan_in))

train:
    rule = eprop()
    loss = mean(cross_entropy(output.v))
    optimiser = sgd(learning_rate = 0.03)
    batch = 4
"""
RUNS = (
    ("forwards", "adam(learning_rate = 1e-5)"),
    ("forwards", "adam(learning_rate = 1e-3)"),
    ("forwards", "sgd(learning_rate = 0.03)"),
    ("in reverse", "adam(learning_rate = 1e-3)"),
)


def losses(direction: str, optimiser: str, samples: int, steps: int, epochs: int) -> list[float]:
    """The loss before the first epoch, and after each."""
    random = np.random.default_rng(0)
    spikes, labels = (
        sncc.Events.from_dense(random.random((samples, steps, 512)) < 0.02),
        random.integers(0, 10, samples),
    )
    rule = "eprop(online = true)" if direction == "forwards" else "eprop()"
    settings = {"train.rule": rule, "train.optimiser": optimiser}
    network = sncc.load(sncc.build(NETWORK, backend="cpu", settings=settings), seed=0)
    found = [network.evaluate(spikes, labels)["loss"]]
    for _ in range(epochs):
        network.fit(spikes, labels, epochs=1, verbose=False)
        found.append(network.evaluate(spikes, labels)["loss"])
    return found


def main() -> None:
    """A line for each direction and optimiser."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=6)
    options = parser.parse_args()
    for direction, optimiser in RUNS:
        found = losses(direction, optimiser, options.samples, options.steps, options.epochs)
        print(f"{direction}, {optimiser}: " + " ".join(f"{loss:.2f}" for loss in found), flush=True)


if __name__ == "__main__":
    main()
