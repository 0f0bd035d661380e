"""The texts that stand for other libraries' networks, and what counts as the same network;
none of the libraries is needed.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sncc


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    yield
    for name in ("train_peers", "peers", "peers_torch", "peers_jax", "turns"):
        sys.modules.pop(name, None)


def test_every_network_of_another_library_is_one_of_ours(benchmarks):
    import train_peers

    for name, case in train_peers.CASES.items():
        small = replace(case, inputs=5, hidden=4, batch=2)
        for kind in train_peers.PEERS:
            ours = kind(small, kind.gains[name], threads=1).sncc()
            for rule in ("bptt", ours.eprop):
                assert sncc.check(ours.text(rule)) == ()
    recurrent = train_peers.CASES["recurrent"]
    assert recurrent.connections == [("x", "hidden0"), ("hidden0", "output"), ("hidden0", "hidden0")]
    assert [w.shape for w in recurrent.weights(1.0)] == [(700, 256), (256, 20), (256, 256)]


class Said:
    """A side of the comparison that gives what it was told to."""

    def __init__(self, worker, spikes, gradient):
        self.worker, self.spikes, self.gradient = worker, spikes, gradient

    def __call__(self, wanted, samples):
        from peers import Evidence

        weights = [np.zeros((5, 4)), np.zeros((4, 20)), np.zeros((4, 4))]
        gradients = [w + self.gradient for w in weights]
        return Evidence([self.spikes[samples]], 1.0, gradients, [w - 1e-6 for w in weights])


def test_networks_whose_gradients_or_spikes_differ_are_not_compared(benchmarks):
    import train_peers

    case = replace(train_peers.CASES["recurrent"], inputs=5, hidden=4, batch=8, steps=6)
    ours = train_peers.SnnTorch(case, 1.0, threads=1).sncc()
    spikes = np.random.default_rng(0).random((8, 6, 4)) < 0.2
    one, most = spikes.copy(), ~spikes
    one[0, 0, 0] ^= True  # rounding may fire one neuron at another time: that sample is left out
    most[0] = spikes[0]
    for other, gradient, good in ((spikes, 1.0, True), (one, 1.0, True), (most, 1.0, False), (spikes, 1.01, False)):
        sides = [Said(ours, spikes, 1.0), Said(ours, other, gradient)]
        assert train_peers.agreement(sides, "float32", 1e-3)[1] == good
