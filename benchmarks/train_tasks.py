"""Tasks that papers made up, trained here: how well networks of examples/ learn them.

evidence: cues left and right, a delay, and a decision (examples/evidence_accumulation.snn). Every epoch has new
samples; prints the accuracy on 512 others. pattern: frozen noise and three curves (examples/pattern_generation.snn);
prints the error over the curves' variance. Both after Bellec et al., Nature Communications 11 (2020).

    python benchmarks/train_tasks.py
    python benchmarks/train_tasks.py --tasks evidence --rules eprop,bptt --seeds 3
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import sncc

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
RULES = {"eprop": "eprop(feedback = symmetric)", "bptt": "bptt"}
CUES, CUE, GAP, RECALL = 7, 100, 50, 150  # steps of 1 ms


def evidence(samples: int, decision: int, seed: int) -> tuple[sncc.Events, NDArray[np.int64]]:
    """Cues of 40 Hz, the side of each drawn with 0.3 or 0.7; recall of 40 Hz from `decision` on; noise of 10 Hz."""
    rng = np.random.default_rng(seed)
    rate = np.zeros((samples, decision + RECALL, 40))
    rate[:, :, 30:] = 0.010
    rate[:, decision:, 20:30] = 0.040
    right = rng.random((samples, CUES)) < rng.choice([0.3, 0.7], (samples, 1))
    for k in range(CUES):
        begin = GAP + k * (CUE + GAP)
        rate[~right[:, k], begin : begin + CUE, :10] = 0.040
        rate[right[:, k], begin : begin + CUE, 10:20] = 0.040
    spikes = rng.random(rate.shape) < rate
    return sncc.Events.from_dense(spikes, 1e-3), (right.sum(1) > CUES // 2).astype(np.int64)


def train_evidence(rule: str, seed: int, options: argparse.Namespace) -> str:
    """Trains on new samples in every epoch; accuracy on others."""
    example, decision = EXAMPLES / "evidence_accumulation.snn", options.decision
    project = sncc.build(
        example, backend=options.backend, settings={"train.rule": RULES[rule]}, delay_end=f"{decision} ms"
    )
    network = sncc.load(project, seed=seed, threads=options.threads)
    test, expected = evidence(512, decision, 10**6)
    accuracy = 0.0
    for epoch in range(options.epochs or 40):
        data, labels = evidence(512, decision, 1000 * seed + epoch)
        network.fit(data, labels, epochs=1, seed=epoch, verbose=False)
        if epoch % 5 == 4:
            accuracy = 100 * network.evaluate(test, expected)["accuracy"]
            print(f"  epoch {epoch + 1}: {accuracy:.1f} %", flush=True)
    return f"{accuracy:.1f} % right"


def train_pattern(rule: str, seed: int, options: argparse.Namespace) -> str:
    """Trains on one sample; mean squared error over variance."""
    rng = np.random.default_rng(seed)
    t = np.arange(1, 1001) * 1e-3
    amplitudes, phases = rng.uniform(0.5, 2, (3, 4)), rng.uniform(0, 2 * np.pi, (3, 4))
    waves = np.sin(2 * np.pi * t[:, None, None] * np.array([1, 2, 3, 5]) + phases)
    target = (amplitudes * waves).sum(2)[None]
    target /= np.abs(target).max(axis=1, keepdims=True)
    noise = sncc.Events.from_dense(rng.random((1, 1000, 20)) < 0.05, 1e-3)
    settings = {"train.rule": RULES[rule]}
    network = sncc.load(
        sncc.build(EXAMPLES / "pattern_generation.snn", backend=options.backend, settings=settings),
        seed=seed, threads=options.threads,
    )  # fmt: skip
    network.fit(noise, target, epochs=options.epochs or 1000, seed=seed, verbose=False)
    error = network.predict(noise) - target
    rate = len(network.simulate(duration=1.0, inputs={"noise": noise}).spikes["hidden"]) / 600
    return f"error / variance {np.mean(error**2) / target.var():.4f}, {rate:.1f} Hz"


def main() -> None:
    """Train and print a line per task, rule and seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default="evidence,pattern", help="separated by commas")
    parser.add_argument("--rules", default="eprop")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=0, help="40 of 512 samples (evidence), 1000 (pattern)")
    parser.add_argument("--decision", type=int, default=2100, help="ms until the decision (evidence)")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--backend", default="auto")
    options = parser.parse_args()
    tasks = {"evidence": train_evidence, "pattern": train_pattern}
    for name in options.tasks.split(","):
        for rule in options.rules.split(","):
            for seed in range(options.seeds):
                began = time.perf_counter()
                result = tasks[name](rule, seed, options)
                print(f"{name:9} {rule:6} seed {seed}: {result}, {time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
