"""The digits with few synapses: test accuracy with the synapses that were drawn, and with synapses that Deep R moves.

Same split, numbers of synapses and settings; the seed chooses synapses, weights and the order of the samples.

    python benchmarks/train_rewired.py
    python benchmarks/train_rewired.py --density 0.02 --seeds 3
"""

from __future__ import annotations

import argparse
import statistics

import sncc
from sncc.data import load_data

TEXT = """
network Sparse:
    step = 1 ms
    population pixels: input[8, 8]
    population hidden: ALIF[256](tau_a = 200 ms)
    population output: LI[10](tau_m = 20 ms)
    connect pixels -> hidden: random(p = {density}), weight = normal(0, 1 / sqrt(fan_in)){rewire}
    connect hidden -> hidden: random(p = {density}), weight = normal(0, 0.3 / sqrt(fan_in)), delay = 1 ms{rewire}
    connect hidden -> output: random(p = {density}), weight = normal(0, 1 / sqrt(fan_in)){rewire}

train:
    rule = eprop(feedback = symmetric)
    loss = cross_entropy(mean(output.v))
    optimiser = adam(learning_rate = 2e-3)
    schedule = cosine()
    batch = 50
"""
RULES = {"as drawn": "", "deep_r": ", rewire = deep_r(l1 = {l1}, temperature = {temperature})"}


def trained(text: str, seed: int, epochs: int) -> tuple[float, int]:
    """Test accuracy in percent, and the number of synapses."""
    network = sncc.load(sncc.build(text, backend="cpu"), seed=seed)
    data = load_data("digits", step=network.manifest.step)
    network.fit(data.train, data.train_labels, epochs=epochs, seed=seed, verbose=False)
    synapses = sum(network.parameters[key].size for key in network.parameters if key.endswith("weight"))
    return 100 * network.evaluate(data.test, data.test_labels)["accuracy"], synapses


def main() -> None:
    """Train and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--density", type=float, default=0.02)
    parser.add_argument("--l1", type=float, default=0.02)
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args()
    print(f"{'synapses':12}{'number':>10}{'mean':>10}{'least':>10}")
    for name, rewire in RULES.items():
        text = TEXT.format(
            density=options.density, rewire=rewire.format(l1=options.l1, temperature=options.temperature)
        )
        runs = [trained(text, seed, options.epochs) for seed in range(options.seeds)]
        accuracies = [accuracy for accuracy, _ in runs]
        print(f"{name:12}{runs[0][1]:10}{statistics.mean(accuracies):9.2f}%{min(accuracies):9.2f}%", flush=True)


if __name__ == "__main__":
    main()
