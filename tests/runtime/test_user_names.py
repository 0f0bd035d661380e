"""What Python shows of a network are the user's names and numbers, whatever the compiler adds to carry them out."""

from __future__ import annotations

import ctypes
import json

import numpy as np
import pytest

import sncc
from sncc import toolchain

TEXT = """
neuron Leaky:
    param refractory = 20 ms
    state v = 0
    state spike = 0
    state spike_fired = 0
    state refractory_left = 0
    input I
    dv/dt = -v / refractory + I
    spike when v > 1 + 0 * spike * spike_fired * refractory_left:
        v = 0
        spike_fired = 1
    refractory 0.2 ms
synapse depressing:
    param U = 0.3
    state x = 1
    state g = 0
    dx/dt = (1 - x) / (150 ms)
    dg/dt = -g / (4 ms)
    on pre:
        g += weight * U * x
        x -= U * x
    deliver g / (1 ms)
synapse gap:
    deliver weight * (pre.v - post.v)
network Net:
    step = 0.1 ms
    population x: poisson[20](rate = 20 kHz)
    population a: Leaky[20]
    connect x -> a: one_to_one, weight = 0.1, synapse = depressing()
    connect g = a -> a: random(p = 0.5), weight = normal(0.1 / (1 ms), 0.01 / (1 ms)), synapse = gap()
    connect p = a -> a: random(p = 0.5), weight = 0.1, plasticity = stdp(), delay = 1 ms
    connect d = a -> a: random(p = 0.5), weight = 0.1, delay = each(1 ms)
    connect u = a -> a: random(p = 0.5), weight = 0.1, delay = uniform(0.5 ms, 2 ms)
    connect s = a -> a: dense(self = false), weight = 2
simulate:
    duration = 10 ms
"""


@pytest.fixture(scope="module")
def project():
    if toolchain.find_compiler() is None or toolchain.find_cmake() is None:
        pytest.skip("no C++ compiler or CMake")
    return sncc.build(TEXT, backend="cpu", precision="float64")


def test_populations_and_connections_of_traces_are_not_listed(project):
    network = sncc.load(project)
    run = network.simulate(seed=1, record=["a.v", "p.weight"])
    assert list(run.spikes) == ["x", "a"] and len(run.spikes["x"]) > 1000
    manifest = json.loads((project / "manifest.json").read_text())
    assert [p["name"] for p in manifest["populations"]] == ["x", "a"]
    assert [c["name"] for c in manifest["connections"]] == ["x_a", "g", "p", "d", "u", "s"]
    assert {k for k in network.parameters if k.endswith("weight")} == {f"{c}.weight" for c in ("x_a", *"gpdus")}
    assert network.parameters["x_a.U"] == 0.3 and network.parameters["p.plasticity.tau_plus"] == 0.02
    assert not any(part in repr(network) for part in ("x_a.", "p.plasticity"))


def test_numbers_that_are_compiled_in_are_readable(project):
    parameters = sncc.load(project).parameters
    compiled = {
        "x_a.delay": 0.0,
        "g.delay": 1e-4,
        "p.delay": 1e-3,
        "s.delay": 1e-4,
        "a.v.initial": 0.0,
        "a.refractory": 0.02,
    }
    assert {key: float(parameters[key]) for key in compiled} == pytest.approx(compiled)
    assert set(compiled) < set(parameters) and "a.spike.initial" in parameters
    for key, remedy in (("p.delay", r"`delay = each"), ("a.v.initial", "`v = each"), ("a.refractory", "adjustable")):
        with pytest.raises(ValueError, match=remedy):
            parameters[key] = 0.002


def test_a_file_gives_the_same_bits_whatever_the_units(project, tmp_path):
    first, by_python, by_c = (sncc.load(project, seed=3) for _ in range(3))
    rates = first.parameters.describe("g.weight")  # in memory in kHz
    in_memory = np.random.default_rng(0).uniform(0.05, 0.15, rates.shape)
    assert (in_memory * 1e3 / 1e3 != in_memory).any()
    first.library.set("set_unscaled", in_memory, rates.index)
    first.save(tmp_path / "w.npz")
    by_python.load(tmp_path / "w.npz")
    loaded = ctypes.CDLL(str(by_c.library.path)).net_load
    assert loaded(ctypes.c_void_p(by_c.library._handle), str(tmp_path / "w.npz").encode()) == 0
    for network in (by_python, by_c):
        assert np.array_equal(network.library.get("get_unscaled", rates.shape, rates.index), in_memory)
        assert np.array_equal(network.parameters["g.weight"], in_memory * 1e3)


def test_a_delay_below_the_smallest_possible_one_is_refused_and_changes_nothing(project):
    network = sncc.load(project, seed=3)
    before = network.parameters["u.delay"]
    assert before.min() >= 0.5e-3 - 1e-12
    for key, delay, bound in (
        ("d.delay", 0.04e-3, "0.1 ms"),
        ("d.delay", 0.0, "0.1 ms"),
        ("u.delay", 0.4e-3, "0.5 ms"),
    ):
        with pytest.raises(ValueError, match=f"smallest of this connection is {bound}"):
            network.parameters[key] = np.full(network.parameters[key].shape, delay)
    assert np.array_equal(network.parameters["u.delay"], before)
    network.parameters["d.delay"] = np.full(network.parameters["d.delay"].shape, 0.06e-3)  # rounds to one step
    assert np.allclose(network.parameters["d.delay"], 0.1e-3)


def test_assigned_delays_round_halves_up_as_their_digits_say(project):
    network = sncc.load(project, seed=3)
    given = [0.15e-3, 0.35e-3, 0.65e-3, 0.25e-3]  # 0.15 / 0.1 is below 1.5 in binary
    shape = network.parameters["d.delay"].shape
    network.parameters["d.delay"] = np.resize(given, shape)
    assert np.allclose(network.parameters["d.delay"], np.resize([0.2e-3, 0.4e-3, 0.7e-3, 0.3e-3], shape))


def test_a_neuron_does_not_reach_itself_through_dense_without_self():
    if toolchain.find_compiler() is None or toolchain.find_cmake() is None:
        pytest.skip("no C++ compiler or CMake")
    text = """
network Pairs:
    step = 1 ms
    population x: input[3]
    for k in 0..3:
        population a{k}: LIF[3](tau_m = 1 s)
        connect x -> a{k}: one_to_one, weight = 1.5
    connect a0 -> a0: dense(self = false), weight = 0.25
    connect a1 -> a1: dense(self = false), weight = each(0.25)
    connect a2 -> a2: dense(self = false), weight = 0.25, plasticity = stdp(a_plus = 0, a_minus = 0)
"""
    events = np.zeros((1, 3, 3), int)
    events[0, 0, 1] = 1  # neuron 1 fires in step 1
    network = sncc.load(sncc.build(text, backend="cpu", precision="float64"))
    run = network.simulate(inputs=sncc.Events.from_dense(events), record=["a0.v", "a1.v", "a2.v"])
    for k in range(3):
        assert run.spikes[f"a{k}"].neurons.tolist() == [1]
        kept = 0.5 * np.exp(-1e-3)  # after its reset; a connection to itself would add 0.25
        assert np.allclose(run.trace[f"a{k}.v"][1], [0.25, kept, 0.25], rtol=1e-9), k
