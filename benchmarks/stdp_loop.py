"""The Song-Abbott network as a plain NumPy loop: what the order of delivery and depression does to its rate.

A presynaptic spike delivers the weight from before its own depression (as sncc does) or from after it. Numbers are those of
`examples/song_abbott_2000.snn`; connectivity and noise are drawn here.

    python benchmarks/stdp_loop.py --seconds 10.5
"""

from __future__ import annotations

import argparse

import numpy as np

STEP = 0.1  # ms
INPUTS, RATE = 1000, 15e-3  # Poisson inputs, kHz
INHIBITION, QUANTUM = 0.2, 0.5  # inhibitory spikes a step, nS each
LARGEST, POTENTIATION, DEPRESSION = 0.15, 0.005, 0.00525  # nS; parts of the largest weight
SETTLING = 5000  # steps that are not counted


def run(after: bool, seconds: float, neurons: int, seed: int) -> tuple[float, float]:
    """Rate of the targets in Hz and mean weight in nS, where spikes deliver the weight from `after` their depression or before."""
    random = np.random.default_rng(seed)
    weights = random.uniform(0, LARGEST, (INPUTS, neurons))
    v, excitation, inhibition = np.full(neurons, -70.0), np.zeros(neurons), np.zeros(neurons)
    pre, post = np.zeros(INPUTS), np.zeros(neurons)
    spikes, steps = 0, round(seconds * 1e3 / STEP)
    for n in range(steps):
        conductance = 10 + excitation + inhibition  # nS, with the leak; 200 pF
        target = (-700 - 70 * inhibition) / conductance
        v = target + (v - target) * np.exp(-STEP * conductance / 200)
        excitation, inhibition = excitation * np.exp(-STEP / 5), inhibition * np.exp(-STEP / 5)
        pre, post = pre * np.exp(-STEP / 20), post * np.exp(-STEP / 20)
        arriving = np.flatnonzero(random.random(INPUTS) < RATE * STEP)
        before = weights[arriving].sum(0)
        weights[arriving] = np.maximum(weights[arriving] - DEPRESSION * LARGEST * post, 0)
        excitation += weights[arriving].sum(0) if after else before
        pre[arriving] += 1
        inhibition += QUANTUM * random.poisson(INHIBITION)
        fired = v > -54
        v[fired] = -60
        post[fired] += 1
        weights[:, fired] = np.minimum(weights[:, fired] + POTENTIATION * LARGEST * pre[:, None], LARGEST)
        spikes += int(fired.sum()) if n >= SETTLING else 0
    return spikes / neurons / ((steps - SETTLING) * STEP * 1e-3), float(weights.mean())


def main() -> None:
    """Both orders, a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--neurons", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for after in (False, True):
        rate, weight = run(after, options.seconds, options.neurons, options.seed)
        print(f"weight from {'after' if after else 'before'}: {rate:.1f} Hz, mean weight {weight:.4f} nS")


if __name__ == "__main__":
    main()
