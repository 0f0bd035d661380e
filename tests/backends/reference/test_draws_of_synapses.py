"""Every synapse draws for itself: the moments of sums over many."""

from __future__ import annotations

import numpy as np
import pytest
from networks import model_of, program_of
from plain_neurons import STEP, network, run

from sncc.backends.reference.interpreter import Reference


def test_every_synapse_draws_for_every_spike():
    """Of three spikes in a step each synapse lets through a number of a binomial distribution;
    the weights walk by a variance each.
    """
    text = """
synapse releasing:
    param p = 0.3
    state s = 0
    on pre: s += 1 if uniform(0, 1) < p else 0
    deliver weight * s / (1 ms)
plasticity wandering:
    on pre: weight += normal(0, 0.1)
neuron Sum:
    state v = 0
    input I
    dv/dt = I
""" + network(
        "    population x: input[20]\n    population y: Sum[400]",
        "    connect a = x -> y: dense, weight = 1, synapse = releasing()\n"
        "    connect b = x -> y: dense, weight = 5, plasticity = wandering()",
    )
    x = np.zeros((4, 20))
    x[0] = 3
    reference, result = run(model_of(text), 4, {"x": x})
    v = np.asarray(result.traces[0]["y", "v"])
    let_through = (v[2] - v[1]) / STEP  # of all 20 sources
    assert np.mean(let_through) == pytest.approx(20 * 3 * 0.3, abs=4 * np.sqrt(60 * 0.21 / 400))
    assert np.var(let_through) == pytest.approx(60 * 0.21, rel=0.35)
    weights = np.asarray(result.weights[0]["b.weight"]).reshape(-1)
    assert len(np.unique(weights)) == 8000
    assert np.std(weights - 5) == pytest.approx(0.1 * np.sqrt(3), rel=0.05)
    again = reference.run([{"x": x}], steps=4, seed=1).traces[0]["y", "v"]
    assert not np.array_equal(again, v)


@pytest.mark.parametrize(
    "slope, first, variance",
    [("-g / tau + s * noise", 200, 0.2**2 * 2 / 2), ("s * g * noise", 15, np.exp(0.2**2 * 0.75) - 1)],
)
def test_every_synapse_has_noise_of_its_own(slope, first, variance):
    """Sums of 60 have 60 times the variance of one, with the noise added, or times the state."""
    text = f"""
synapse noisy:
    param tau = 2 ms
    param s = 0.2 / (1 ms)^0.5
    state g = 1
    dg/dt = {slope}
    deliver weight * g
neuron Hears:
    state v = 0
    input I
    each step: v = I

network N:
    step = 0.05 ms
    population x: LI[60]
    population y: Hears[80]
    connect x -> y: dense, weight = 1, synapse = noisy()
"""
    v = Reference(program_of(text)).run([{}], steps=2 * first, seed=3).traces[0]["y", "v"]
    sums = v[first::40]  # (steps, targets), so far apart that they are nearly independent
    assert np.var(sums) == pytest.approx(60 * variance, rel=0.2)
