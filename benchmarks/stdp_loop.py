"""The Song-Abbott network as a plain NumPy loop: what the order of events at a synapse does to its rate.

Numbers are those of `examples/song_abbott_2000.snn`; connectivity and noise are drawn here. What differs, one by one:

- `delivery`: an arriving spike delivers the weight from before its own depression (sncc), or from after it (NEST:
  `stdp_synapse::send` strengthens, weakens, then calls `set_weight`).
- `window`: the delay is on the axon, and a pair of spikes that meet in one step counts as causal (sncc); or the delay
  is on the dendrite: a presynaptic spike changes the synapse at once and reaches the neuron a step later, one of the
  neuron reaches the synapse a step later, and spikes that meet there do not count (NEST: `get_history` and
  `get_K_value`).
- `flow`: conductances stand still during a step (sncc's exponential Euler), or are taken from its middle (NEST
  integrates adaptively).

    python benchmarks/stdp_loop.py --seconds 10.5 --seeds 5 --orders sncc,delivery,window,flow,nest
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

STEP = 0.1  # ms
INPUTS, RATE = 1000, 15e-3  # Poisson inputs, kHz
INHIBITION, QUANTUM = 0.2, 0.5  # inhibitory spikes a step, nS each
LARGEST, POTENTIATION, DEPRESSION = 0.15, 0.005, 0.00525  # nS; parts of the largest weight
SETTLING = 5000  # steps that are not counted


@dataclass(frozen=True)
class Order:
    """What a loop does as NEST does it; the rest is as in sncc."""

    delivery: bool = False
    window: bool = False
    flow: bool = False


ORDERS = {
    "sncc": Order(),
    "delivery": Order(delivery=True),
    "window": Order(window=True),
    "flow": Order(flow=True),
    "nest": Order(delivery=True, window=True, flow=True),
}


def run(order: Order, seconds: float, neurons: int, seed: int) -> tuple[float, float]:
    """Rate of the targets in Hz and mean weight in nS."""
    random = np.random.default_rng(seed)
    weights = random.uniform(0, LARGEST, (INPUTS, neurons))
    v, excitation, inhibition = np.full(neurons, -70.0), np.zeros(neurons), np.zeros(neurons)
    pre, post = np.zeros(INPUTS), np.zeros(neurons)
    fired, delayed = np.zeros(neurons, bool), np.zeros(neurons)
    middle = np.exp(-STEP / 2 / 5) if order.flow else 1.0
    spikes, steps = 0, round(seconds * 1e3 / STEP)
    for n in range(steps):
        conductance = 10 + middle * (excitation + inhibition)  # nS, with the leak; 200 pF
        target = (-700 - 70 * middle * inhibition) / conductance
        v = target + (v - target) * np.exp(-STEP * conductance / 200)
        excitation, inhibition = excitation * np.exp(-STEP / 5), inhibition * np.exp(-STEP / 5)
        pre, post = pre * np.exp(-STEP / 20), post * np.exp(-STEP / 20)
        arriving = np.flatnonzero(random.random(INPUTS) < RATE * STEP)
        if order.window:  # spikes of the step before reach the synapses before those that arrive now
            strengthen(weights, fired, pre)
        before = weights[arriving].sum(0)
        weights[arriving] = np.maximum(weights[arriving] - DEPRESSION * LARGEST * post, 0)
        delivered = weights[arriving].sum(0) if order.delivery else before
        pre[arriving] += 1
        if order.window:
            post[fired] += 1
            delivered, delayed = delayed, delivered
        excitation += delivered
        inhibition += QUANTUM * random.poisson(INHIBITION)
        fired = v > -54
        v[fired] = -60
        if not order.window:
            post[fired] += 1
            strengthen(weights, fired, pre)
        spikes += int(fired.sum()) if n >= SETTLING else 0
    return spikes / neurons / ((steps - SETTLING) * STEP * 1e-3), float(weights.mean())


def strengthen(weights: np.ndarray, fired: np.ndarray, pre: np.ndarray) -> None:
    """What spikes of the targets do to their weights, (inputs, targets)."""
    weights[:, fired] = np.minimum(weights[:, fired] + POTENTIATION * LARGEST * pre[:, None], LARGEST)


def main() -> None:
    """A line for every order: sncc's, sncc's but for one thing that is NEST's, and NEST's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--neurons", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--orders", default=",".join(ORDERS))
    options = parser.parse_args()
    for name in options.orders.split(","):
        found = [run(ORDERS[name], options.seconds, options.neurons, seed) for seed in range(1, options.seeds + 1)]
        rate, weight = np.mean(found, axis=0)
        spread = np.std([rate for rate, _ in found], ddof=1) if options.seeds > 1 else float("nan")
        print(f"{name}: {rate:.2f} Hz (sd of seeds {spread:.2f}), mean weight {weight:.4f} nS", flush=True)


if __name__ == "__main__":
    main()
