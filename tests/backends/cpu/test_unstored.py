"""Synapses that are not stored are those that would be, to the last bit: spikes, states, and what Python reads, for any number of workers."""

from __future__ import annotations

import numpy as np
import pytest
from blocks_simulations import LEAKY
from projects import needs_compiler

import sncc

TEXT = (
    LEAKY
    + """
synapse facilitating:
    state u = 0.2
    state g = 0
    du/dt = (0.2 - u) / (50 ms)
    dg/dt = -g / (3 ms)
    on pre:
        u += 0.2 * (1 - u)
        g += weight * u
    deliver g / (1 ms)
network Net:
    step = 0.5 ms
    population a: Leaky[300], v = uniform(0, 1.2)
    population b: Leaky[13, 17], v = uniform(0, 1.2)
    population drive: poisson[300](rate = 300 Hz)
    connect drive -> a: one_to_one, weight = 0.2
    connect drive[0:221] -> b: random(fan_out = 30), weight = 0.02
    connect a -> a: random(p = 0.3, self = false), weight = normal(0, 0.03), delay = 1.5 ms
    connect b -> a: random(p = 0.002), weight = uniform(0, 0.5), delay = 1 ms
    connect a -> b: random(fan_out = 150), weight = 0.1 * exp(-abs(i - j) / 10), delay = 2 ms
    connect near = a[20:90] -> a[10:300]: random(fan_out = 20, repeats = true, self = false), weight = normal(0, 0.03, clip = [-0.05, 0.05]), delay = 2 ms
    connect inner = b[2:9, 3:8] -> b[1:12, 1:17]: random(p = 0.4, self = false), weight = -0.013, delay = 2 ms
    connect gained = a -> b: random(p = 0.3), weight = normal(0.03, 0.03) in [0, 1], delay = 1 ms, synapse = facilitating()
    connect every = a -> b: random(p = 1), weight = 0.0001, delay = 1 ms
simulate:
    duration = 60 ms
"""
)
RECORD = ["a.v", "b.v", "a.spikes", "b.spikes"]


def unstored(text):
    """The text whose random connections are not stored."""
    return "\n".join(line + ", stored = false" * (": random" in line) for line in text.split("\n"))


@pytest.fixture(scope="module", params=["float32", pytest.param("float64", marks=pytest.mark.slow)])
def projects(request):
    """The network stored, and not."""
    needs_compiler()
    return [sncc.build(text, backend="cpu", precision=request.param) for text in (TEXT, unstored(TEXT))]


@pytest.fixture(scope="module")
def load(projects):
    """The network with so many workers."""

    def loaded(stored, workers, seed=3):
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("SNCC_WORKERS", str(workers))
            return sncc.load(projects[not stored], seed=seed, threads=workers)

    return loaded


@pytest.fixture(scope="module")
def expected(load):
    """The stored network, and what it does."""
    network = load(True, 1)
    return network, network.simulate(record=RECORD, seed=4)


def same(found, wanted):
    """The same bits in a run, or in its parts after one another."""
    for name in wanted.trace:
        assert np.array_equal(np.concatenate([run.trace[name] for run in found]), wanted.trace[name])
    for name, spikes in wanted.spikes.items():
        assert len(spikes) > 500
        assert np.array_equal(np.concatenate([run.spikes[name].neurons for run in found]), spikes.neurons)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_run_has_the_bits_of_the_stored_network(load, expected, workers):
    network = load(False, workers)
    same([network.simulate(record=RECORD, seed=4)], expected[1])
    for key, wanted in expected[0].parameters.items():
        found = network.parameters[key]
        assert np.array_equal(found, wanted), key
        if wanted.ndim == 1 and hasattr(wanted, "pre"):
            assert np.array_equal(found.pre, wanted.pre) and np.array_equal(found.post, wanted.post), key


def test_a_state_is_stored_and_restored_by_other_workers(load, expected):
    first = load(False, 3)
    head = first.simulate(0.02, record=RECORD, seed=4)
    state = first.store()
    assert len(state) < 40_000  # none of the 100,000 weights is there
    second = load(False, 2)
    second.restore(state)
    same([head, second.simulate(0.04, record=RECORD, seed=4, resume=True)], expected[1])


def test_what_is_stored_nowhere_cannot_be_set_or_recorded(load):
    network = load(False, 1)
    with pytest.raises(ValueError, match=r"`a_a.weight` is stored nowhere .* leave `stored = false` out"):
        network.parameters["a_a.weight"] = network.parameters["a_a.weight"]
    with pytest.raises(ValueError, match=r"cannot record `a_a.weight`: it is stored nowhere"):
        network.simulate(0.01, record=["a_a.weight"])


def test_saved_numbers_are_for_the_seed_from_which_the_others_follow(load, tmp_path):
    load(False, 1).save(tmp_path / "numbers.npz")
    assert not [name for name in np.load(tmp_path / "numbers.npz") if name.endswith("weight")]
    load(False, 1).load(tmp_path / "numbers.npz")
    with pytest.raises(ValueError, match="load the network with seed 3"):
        load(False, 1, seed=5).load(tmp_path / "numbers.npz")


def test_no_memory_is_asked_for_synapses_that_are_not_stored(load, monkeypatch):
    monkeypatch.setenv("SNCC_MEMORY_LIMIT", "300000")
    with pytest.raises(MemoryError, match="the network needs .* of memory, 300 kB are free"):
        load(True, 1)
    assert load(False, 1).parameters["gained.weight"].size > 15_000
