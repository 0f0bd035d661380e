"""Synapses with a delay each lie by source and delay, many of one weight are bits;
the user has them by source and target, and a run adds them in that order.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

import sncc
from sncc import compiler, toolchain
from sncc.arguments import source_of
from sncc.backends.reference.interpreter import Reference

TEXT = """
neuron Leaky:
    state v = 0
    input I
    dv/dt = -v / (20 ms) + I
    spike when v > 1:
        v = 0
synapse mixed:
    "Its weight is read in two places."
    state g = 0
    dg/dt = -g / (3 ms)
    on pre: g += weight
    deliver (0.3 * g + 0.1 * weight * pre.v) / (1 ms)
network Net:
    step = 0.5 ms
    population a: Leaky[90], v = uniform(0, 1.2)
    population b: Leaky[70], v = uniform(0, 1.2)
    population drive: poisson[160](rate = 300 Hz)
    connect drive[0:90] -> a: one_to_one, weight = 0.2
    connect drive[90:160] -> b: one_to_one, weight = 0.2
    connect a -> a: random(total = 3000, repeats = true), weight = normal(0, 0.1), delay = uniform(0.5 ms, 4 ms)
    connect b -> a: random(p = 0.2), weight = normal(0, 0.1), delay = uniform(0.5 ms, 150 ms)
    connect a -> b: random(total = 2500, repeats = true), weight = normal(0, 0.1), delay = uniform(0.5 ms, 4 ms)
    connect again = a -> a: random(fan_in = 6), weight = normal(0, 0.1), delay = uniform(0.5 ms, 4 ms)
    connect b -> b: random(fan_out = 9), weight = 0.05, delay = uniform(1 ms, 5 ms)
    connect mixed = a -> b: random(p = 0.3), weight = normal(0, 0.03), delay = uniform(0.5 ms, 6 ms), synapse = mixed()
    connect full = b -> b: dense(self = false), weight = normal(0, 0.02), delay = uniform(1 ms, 3 ms)
    connect twin = b -> b: dense(self = false), share = full, delay = uniform(1 ms, 5 ms)
    connect many = b -> a: random(p = 0.4, self = false), weight = -0.013, delay = 2 ms
simulate:
    duration = 60 ms
    record spikes of a, b
"""
SPARSE = ("a_a", "b_a", "a_b", "again", "mixed", "b_b", "many")


@pytest.fixture(scope="module")
def project():
    if toolchain.find_compiler() is None or toolchain.find_cmake() is None:
        pytest.skip("no C++ compiler or CMake")
    return sncc.build(TEXT, backend="cpu", precision="float64")


@pytest.fixture(params=["summed at arrival", "summed at once"])
def load(project, monkeypatch, request):
    """The library with so many workers."""

    def loaded(workers):
        monkeypatch.setenv("SNCC_WORKERS", str(workers))
        monkeypatch.setenv("SNCC_SUM_AT_ONCE", str(int(request.param == "summed at once")))
        return sncc.load(project, seed=3, threads=workers)

    return loaded


@pytest.fixture
def reference():
    return Reference(compiler.compile_program(compiler.compile_model(source_of(TEXT)), "float64"), seed=3)


def spikes_of(run):
    return {p: (np.round(run.spikes[p].times / 5e-4).astype(int), run.spikes[p].neurons) for p in ("a", "b")}


def same(run, expected):
    for population, (steps, neurons) in spikes_of(run).items():
        n, i = np.nonzero(expected.spikes[0][population])
        assert n.size > 100 and np.array_equal(steps, n + 1) and np.array_equal(neurons, i)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_numbers_are_had_and_set_in_the_users_order(load, reference, workers):
    network, rng = load(workers), np.random.default_rng(0)
    same(network.simulate(seed=4), reference.run([{}], steps=120, seed=4))
    drawn = [p for p in network.parameters if p.endswith(("weight", "delay")) and np.size(network.parameters[p]) > 1]
    assert len(drawn) == 14
    for key in drawn:
        own = np.asarray(network.parameters[key])
        given = np.asarray(reference.parameters[key]) * (1e-3 if key.endswith("delay") else 1)
        if key.endswith("delay"):
            given = np.floor(given / 5e-4 + 0.5) * 5e-4
        off = ~np.eye(len(own), dtype=bool) if own.ndim > 1 else slice(None)
        assert np.allclose(own[off], given[off], rtol=1e-12)
        changed = own.copy()
        changed[off] = rng.permutation(own[off])
        network.parameters[key] = changed
        assert np.allclose(network.parameters[key], changed, rtol=1e-12)
        reference.parameters[key] = changed * (1e3 if key.endswith("delay") else 1)
    same(network.simulate(seed=4), reference.run([{}], steps=120, seed=4))


def test_the_memory_that_laying_out_synapses_by_delay_takes_is_counted(load, monkeypatch):
    network = load(1)
    count = {
        c.name: network.library.get_count("synapse_count", c.index)
        for c in network.manifest.connections
        if c.name in SPARSE
    }
    delayed = {name: n for name, n in count.items() if name != "many"} | {"full": 70 * 69, "twin": 70 * 69}
    row = {name: 2 + 8 * (name != "b_b") + 1 for name in delayed}  # bytes: the target, the weight, the delay
    rows = sum(n * row[name] for name, n in delayed.items())
    copies = max(10 * (count["a_a"] + count["a_b"]), 10 * 70 * 69) + 10 * count["mixed"]
    monkeypatch.setenv("SNCC_MEMORY_LIMIT", "280000")  # enough for the parameters
    with pytest.raises(MemoryError, match="needs .* kB of memory, ") as refused:
        load(1)
    told = 1e3 * float(re.search(r"needs (\d+) kB", str(refused.value))[1])
    assert rows + copies < told < 1.5 * (rows + copies)


def test_a_delay_that_is_too_long_is_refused_and_changes_nothing(load):
    network = load(2)
    before = {key: np.asarray(network.parameters[key]) for key in ("b_a.delay", "b_a.weight")}
    expected = spikes_of(network.simulate(seed=4))
    delays = before["b_a.delay"].copy()
    delays[7] = 65536 * 5e-4
    with pytest.raises(ValueError, match="`b_a`: a delay of 32768 ms is 65536 steps, at most 65535 are possible"):
        network.parameters["b_a.delay"] = delays
    assert all(np.array_equal(network.parameters[key], value) for key, value in before.items())
    for population, (steps, neurons) in spikes_of(network.simulate(seed=4)).items():
        assert all(map(np.array_equal, expected[population], (steps, neurons)))


@pytest.mark.parametrize("workers", [1, 4])
def test_synapses_are_listed_by_source_then_target(load, reference, workers):
    network = load(workers)
    for c in network.manifest.connections:
        if c.name in SPARSE:
            pre, post = network.library.synapses(c.index)
            assert pre.size > 100
            table = reference.tables[c.name]
            assert np.array_equal(pre, table.source) and np.array_equal(post, table.target)


def test_what_is_on_its_way_is_stored_and_restored(load):
    one, four = load(1), load(4)
    one.simulate(0.03, seed=4)
    stored = one.store()
    expected = spikes_of(one.simulate(0.03, seed=4, resume=True))
    for network in (one, four):
        given = {key: np.asarray(network.parameters[key]) for key in ("a_a.weight", "mixed.weight", "full.weight")}
        for key, weights in given.items():
            network.parameters[key] = 2 * weights
        network.restore(stored)  # spikes on their way, and no parameter that was set
        assert all(np.array_equal(network.parameters[key], 2 * weights) for key, weights in given.items())
        for key, weights in given.items():
            network.parameters[key] = weights
        found = spikes_of(network.simulate(0.03, seed=4, resume=True))
        for population, (steps, neurons) in expected.items():
            assert steps.size > 50 and all(map(np.array_equal, found[population], (steps, neurons)))


def both_ways(project, monkeypatch, run):
    """What a run of a network gives where spikes are summed at arrival, and where nothing is forced."""
    found = []
    for forced in ("0", None):
        monkeypatch.delenv("SNCC_SUM_AT_ONCE", raising=False)
        if forced:
            monkeypatch.setenv("SNCC_SUM_AT_ONCE", forced)
        found.append(run(sncc.load(project, seed=3, threads=2)))
    return found


def test_spikes_on_their_way_arrive_with_the_weights_that_were_set_meanwhile(project, monkeypatch):
    def run(network, factor):
        network.simulate(0.03, seed=4)
        network.parameters["a_a.weight"] = factor * np.asarray(network.parameters["a_a.weight"])
        return spikes_of(network.simulate(0.03, seed=4, resume=True))

    at_arrival, found = both_ways(project, monkeypatch, lambda network: run(network, 3))
    unset = run(sncc.load(project, seed=3), 1)
    for population in ("a", "b"):
        assert all(map(np.array_equal, at_arrival[population], found[population]))
        assert not np.array_equal(unset[population][1], found[population][1])


def test_delays_may_become_longer_than_those_for_which_sums_are_kept(project, monkeypatch):
    def run(network):
        expected = np.where(np.arange(network.parameters["b_a.delay"].size) % 2, 6.0, 0.5e-3)  # 12,000 steps or 1
        network.parameters["b_a.delay"] = expected
        assert np.allclose(network.parameters["b_a.delay"], expected, rtol=1e-12)
        return spikes_of(network.simulate(seed=4)), np.asarray(network.parameters["b_a.weight"])

    (at_arrival, weights), (found, kept) = both_ways(project, monkeypatch, run)
    assert np.array_equal(weights, kept)
    assert all(found[p][0].size > 100 and all(map(np.array_equal, at_arrival[p], found[p])) for p in ("a", "b"))


@pytest.mark.slow
def test_what_arrives_in_the_step_of_its_spike_is_not_on_its_way_afterwards(monkeypatch):
    project = sncc.build(
        """
network Net:
    step = 1 ms
    population a: poisson[40](rate = 100 Hz)
    population b: LI[30]
    connect a -> b: random(p = 0.5), weight = normal(0, 1), delay = uniform(0 ms, 6 ms)
""",
        backend="cpu",
    )

    def run(network):
        network.simulate(0.05, seed=4)
        stored = network.store()
        expected = network.simulate(0.05, seed=4, resume=True, record=["b.v"]).trace["b.v"]
        network.restore(stored)
        assert np.array_equal(network.simulate(0.05, seed=4, resume=True, record=["b.v"]).trace["b.v"], expected)
        network.restore(stored)
        network.parameters["a_b.weight"] = np.asarray(network.parameters["a_b.weight"])  # as they were
        assert np.array_equal(network.simulate(0.05, seed=4, resume=True, record=["b.v"]).trace["b.v"], expected)
        assert np.min(network.parameters["a_b.delay"]) == 0
        return expected

    at_arrival, found = both_ways(project, monkeypatch, run)
    assert np.any(found) and np.array_equal(at_arrival, found)
