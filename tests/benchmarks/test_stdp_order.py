"""NEST's order of events at a plastic synapse, as the benchmark writes it in the language,
against stdp_synapse's own steps.
"""

from pathlib import Path

import numpy as np
from networks import program_of

from sncc.backends.reference.interpreter import Reference

SOURCE = (Path(__file__).resolve().parents[2] / "benchmarks" / "song_abbott_nest.snn").read_text()
RULE = SOURCE[SOURCE.index("plasticity dendritic") : SOURCE.index("network Competition")]
START, UP, DOWN, WINDOW = 0.075, 0.00075, 0.0007875, 200  # nS, nS, nS, steps
NETWORK = f"""
neuron Relay:
    "Fires where it is told to, and hears everything else in vain."
    state v = 0 nS
    input I
    each step: v = I
    spike when v > 50 nS: v = 0 nS

{RULE}
network N:
    step = 0.1 ms
    population x: input[4]
    population kick: input[2]
    population p: Relay[2]
    connect kick -> p: one_to_one, weight = 100 nS
    connect x -> p: dense, weight = each({START} nS), plasticity = dendritic(), post_delay = 0.2 ms
"""


def sent(arrivals: np.ndarray, fired: np.ndarray) -> float:
    """The weight after the last spike, in the order of `stdp_synapse::send`;
    steps of arrival at the neuron and of its spikes.

    A spike passes the synapse a step before it arrives; one of the target is there a step after it was fired.
    """
    weight, traced, last = START, 0.0, -1
    there = fired + 1
    for now in arrivals - 1:
        for then in there[(there > last) & (there <= now)]:
            weight += UP * traced * np.exp((last - then) / WINDOW)
        weight -= DOWN * np.exp((there[there < now] - now) / WINDOW).sum()
        traced, last = traced * np.exp((last - now) / WINDOW) + 1, now
    return weight


def test_the_benchmarks_rule_changes_weights_as_nests_synapse_does():
    random = np.random.default_rng(3)
    x, kicks = (random.random((400, 4)) < 0.03).astype(float), (random.random((400, 2)) < 0.03).astype(float)
    x[-1] = 1  # NEST brings a weight up to date when a spike passes
    done = Reference(program_of(NETWORK), {}).run([{"x": x, "kick": kicks}])
    steps = [np.flatnonzero(x[:, i]) for i in range(4)], [np.flatnonzero(kicks[:, j]) for j in range(2)]
    shifts = np.concatenate([(a[:, None] - b).ravel() for a in steps[0] for b in steps[1]])
    assert {-1, 0, 1, 2, 3} <= set(shifts)  # every case in which the orders differ
    expected = np.array([[sent(a, b) for b in steps[1]] for a in steps[0]])
    assert np.allclose(np.reshape(done.weights[0]["x_p.weight"], (4, 2)), expected, rtol=1e-9)
    assert np.abs(expected - START).max() > 0.001
