"""Simulations of a network whose neurons are spread over the threads:
pieces, states, records, what is handed over, Ctrl-C.
"""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest

import sncc
from sncc import toolchain
from sncc.runtime.plotting import curves
from sncc.runtime.recording import Run, SpikesOf

TEXT = """
neuron Leaky:
    param bias = 0 adjustable
    state v = 0
    input I
    dv/dt = (bias - v) / (20 ms) + I
    spike when v > 1:
        v = 0
synapse decaying:
    param tau = 5 ms
    state g = 0
    dg/dt = -g / tau
    on pre: g += weight
    deliver g / (1 ms)
plasticity potentiation:
    modulator reward
    state seen = 0
    on post:
        seen += 1
        weight += 0.01 * (1 + reward)
    bound weight in [0, 0.5]
network Net:
    step = 0.5 ms
    population drive: poisson[150](rate = 100 Hz adjustable)
    population given: spike_times[4]
    population stimulus: signal[150]
    population cells: Leaky[150]
    connect drive -> cells: one_to_one, weight = 0.4
    connect given -> cells: sparse, weight = each(0.6)
    connect stimulus -> cells: one_to_one, weight = 1 / (1 ms)
    connect fixed = drive -> cells: random(fan_in = 4), weight = uniform(0, 0.01)
    connect full = drive[0:4] -> cells[0:5]: dense, weight = each(0.0001)
    connect again = drive[0:4] -> cells[0:5]: dense, share = full
    connect slow = drive -> cells: random(fan_in = 3), weight = 0.001, synapse = decaying()
    connect carried = drive -> cells: dense, weight = 0.0001, synapse = decaying(tau = 3 ms)
    connect cells -> cells: random(fan_in = 8), weight = uniform(0, 0.1), delay = uniform(1 ms, 6 ms), plasticity = potentiation()
simulate:
    duration = 100 ms
    record spikes of cells
    record v of cells[3:7] every 2 ms
    record weight of cells_cells every 25 ms
    record g of slow every 10 ms
"""
PAIRS = (np.array([2, 0, 2, 3]), np.array([9, 149, 3, 0]))
TIMES = (np.array([0.0005, 0.02, 0.02]), np.array([2, 0, 2]))


@pytest.fixture(scope="module")
def project():
    if toolchain.find_compiler() is None or toolchain.find_cmake() is None:
        pytest.skip("no C++ compiler or CMake")
    return sncc.build(TEXT, backend="cpu")


@pytest.fixture
def load(project, monkeypatch):
    def loaded(workers=2, **options):
        monkeypatch.setenv("SNCC_WORKERS", str(workers))
        options = {"connections": {"given_cells": PAIRS}, "spike_times": {"given": TIMES}} | options
        return sncc.load(project, seed=3, threads=workers, **options)

    return loaded


def same(a, b):
    return np.array_equal(a.times, b.times) and np.array_equal(a.neurons, b.neurons)


def joined(parts):
    return np.concatenate([p.times for p in parts]), np.concatenate([p.neurons for p in parts])


def test_what_the_block_records(load):
    run = load().simulate(seed=1)
    assert set(run.spikes) == {"cells"} and len(run.spikes["cells"]) > 100
    assert run.trace["cells.v"].shape == run.trace["cells[3:7].v"].shape == (50, 4)
    assert np.allclose(run.times["cells[3:7].v"], 0.002 * np.arange(1, 51))
    weights = run.trace["cells_cells.weight"]
    assert weights.shape == (4, 1200) and (weights[-1] >= weights[0]).all() and weights.max() <= 0.5 + 1e-6
    assert (weights[-1] > weights[0]).any()


def test_the_pairs_of_a_connection_are_known_where_its_weight_is_one_number(load):
    weight = load().parameters["slow.weight"]
    assert weight.shape == () and np.isclose(weight, 0.001)
    assert len(weight.pre) == len(weight.post) == 450 and (np.bincount(weight.post) == 3).all()


def test_states_of_synapses_are_recorded_one_for_each(load):
    network = load()
    run = network.simulate(seed=1, record=["cells_cells.seen", ("slow.g", 0.005), "cells.v"])
    assert run.trace["cells_cells.seen"].shape == (200, 1200) and run.trace["slow.g"].shape == (20, 450)
    post = network.parameters["cells_cells.weight"].post
    spikes = np.bincount(run.spikes["cells"].neurons, minlength=150)
    assert np.array_equal(run.trace["cells_cells.seen"][-1], spikes[post]) and spikes.any()
    assert np.array_equal(run.trace["slow.g"][1::2], load().simulate(seed=1).trace["slow.g"])
    assert np.allclose(run.times["slow.g"], 0.005 * np.arange(1, 21))


def test_a_state_that_neurons_carry_names_the_remedy(load):
    network = load()
    for name, text in {
        "carried.g": "`record g of carried` into the file's `simulate` block",
        "cells_cells.w": "has `seen` for itself",
        "fixed.g": "no state for itself",
        "again.weight": "its weights are those of `full`",
    }.items():
        with pytest.raises(ValueError, match=text):
            network.simulate(0.01, record=[name])


def test_weights_that_are_shared_stand_where_their_owner_has_them(load):
    for use in (
        lambda p: p["again.weight"],
        lambda p: p.describe("again.weight"),
        lambda p: p.__setitem__("again.weight", 1),
    ):
        with pytest.raises(
            KeyError, match="no parameter `again.weight`: these weights are shared, and kept as `full.weight`"
        ):
            use(load().parameters)


def test_a_stored_state_has_what_runs_move_and_no_parameter_that_was_set(load):
    network = load()
    network.simulate(0.05, seed=1)
    state, moved = network.store(), np.array(network.parameters["cells_cells.weight"])
    expected = network.simulate(0.02, seed=1, resume=True, record=["cells.v", "slow.g", "cells_cells.seen"])
    for key in ("cells_cells.weight", "given_cells.weight", "fixed.weight", "full.weight", "cells.bias"):
        network.parameters[key] = np.array(network.parameters[key]) * 0.5 + 0.01
    network.restore(state)
    assert np.array_equal(network.parameters["cells_cells.weight"], moved)  # by the plasticity
    first = load().parameters
    for key in ("given_cells.weight", "fixed.weight", "full.weight", "cells.bias"):  # in rows, in a matrix, of neurons
        assert np.allclose(network.parameters[key], np.array(first[key]) * 0.5 + 0.01)
        network.parameters[key] = first[key]
    again = network.simulate(0.02, seed=1, resume=True, record=["cells.v", "slow.g", "cells_cells.seen"])
    assert all(np.array_equal(again.trace[name], trace) for name, trace in expected.trace.items())


def test_a_state_from_before_other_delays_is_refused(load):
    network = load()
    network.simulate(0.01, seed=1)
    state = network.store()
    network.parameters["cells_cells.delay"] = 2 * np.array(network.parameters["cells_cells.delay"])
    with pytest.raises(ValueError, match="through other delays"):
        network.restore(state)


def test_a_run_in_pieces_is_the_same_run(load):
    whole = load().simulate(seed=1, record=["cells.v"])
    network = load()
    parts = [network.simulate(0.025, seed=1, record=["cells.v"], resume=True) for _ in range(4)]
    times, neurons = joined([p.spikes["cells"] for p in parts])
    assert np.allclose(times, whole.spikes["cells"].times) and np.array_equal(neurons, whole.spikes["cells"].neurons)
    assert np.array_equal(np.concatenate([p.trace["cells.v"] for p in parts]), whole.trace["cells.v"])


def test_single_steps_are_the_same_run(load):
    whole = load().simulate(0.02, seed=0)
    network = load()
    found = [network.step({}) for _ in range(40)]
    counts = [len(f["cells"]) for f in found]
    assert sum(counts) == len(whole.spikes["cells"]) > 0
    assert np.array_equal(np.concatenate([f["cells"] for f in found]), whole.spikes["cells"].neurons)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_stored_state_continues_with_the_same_bits_for_any_number_of_threads(load, workers):
    first = load(workers=2)
    first.simulate(0.05, seed=1)
    state = first.store()
    expected = first.simulate(0.05, seed=1, resume=True, record=["cells.v"])
    other = load(workers=workers)
    other.restore(state)
    again = other.simulate(0.05, seed=1, resume=True, record=["cells.v"])
    assert same(again.spikes["cells"], expected.spikes["cells"])
    assert np.array_equal(again.trace["cells.v"], expected.trace["cells.v"])
    assert np.array_equal(other.parameters["cells_cells.weight"], first.parameters["cells_cells.weight"])


def test_a_damaged_state_is_refused(load):
    network = load()
    state = network.store()
    for k in range(0, len(state), len(state) // 50):
        with pytest.raises(ValueError, match="state"):
            network.restore(state[:k])
        with pytest.raises(ValueError, match="state"):
            network.restore(state[:k] + bytes([state[k] ^ 4]) + state[k + 1 :])
    for other in (None, "state", 3, []):
        with pytest.raises(ValueError, match="bytes that `store` gives"):
            network.restore(other)


@pytest.mark.parametrize("reset", [False, True])
def test_the_state_of_a_network_that_has_not_run_is_the_initial_one(load, reset):
    network, expected = load(), load().simulate(0.02, seed=1)
    if reset:
        network.simulate(0.02, seed=2)
        network.reset()
        network.parameters["cells_cells.weight"] = load().parameters["cells_cells.weight"]
    other = load()
    other.restore(network.store())
    assert same(other.simulate(0.02, seed=1, resume=True).spikes["cells"], expected.spikes["cells"])


def test_pairs_and_spike_times_are_delivered(load):
    network = load()
    weight = network.parameters["given_cells.weight"]
    assert list(weight.pre) == [0, 2, 2, 3] and list(weight.post) == [149, 3, 9, 0] and np.allclose(weight, 0.6)
    network.parameters["given_cells.weight"] = np.array([1.0, 2.0, 3.0, 4.0])
    run = network.simulate(0.0005, record=["cells.v"])
    quiet = load(spike_times={}).simulate(0.0005, record=["cells.v"])
    fired = np.zeros(150, bool)
    fired[quiet.spikes["cells"].neurons if "cells" in quiet.spikes else []] = True
    moved = run.trace["cells.v"][0] != quiet.trace["cells.v"][0]
    assert set(np.flatnonzero(moved)) <= {3, 9}
    assert set(run.spikes["cells"].neurons) >= {3, 9}


def test_spike_times_take_the_memory_of_their_spikes_however_late_these_are(load):
    network = load(spike_times={"given": ([1e12, 0.001, 0.001], [0, 3, 2])})
    network.simulate(0.0005)
    again = network.simulate(0.002, resume=True, record=["given.spikes"])
    assert np.allclose(again.spikes["given"].times, 0.001) and again.spikes["given"].neurons.tolist() == [2, 3]
    one = network.simulate(0.001, {"given": ([1e12, 0.001], [0, 3])}, ["given.spikes"]).spikes["given"]
    assert np.allclose(one.times, 0.001) and one.neurons.tolist() == [3]
    with pytest.raises(ValueError, match="`given`: a spike at 1e[+]16 s is too late"):
        network.set_spike_times("given", ([1e16], [0]))


def test_weights_are_loaded_onto_the_synapses_that_they_were_saved_from(load, project, tmp_path):
    network = load()
    network.simulate(0.05, seed=1)
    network.save(tmp_path / "w.npz")
    same_synapses = load()
    same_synapses.load(tmp_path / "w.npz")
    assert np.array_equal(same_synapses.parameters["cells_cells.weight"], network.parameters["cells_cells.weight"])
    assert {c.name for c in network.manifest.connections if c.drawn} == {"fixed", "slow", "cells_cells"}
    other_seed = sncc.load(project, seed=4, connections={"given_cells": PAIRS})
    with pytest.raises(ValueError, match="load the network with seed 3"):
        other_seed.load(tmp_path / "w.npz")
    other_pairs = load(connections={"given_cells": (PAIRS[0], PAIRS[1][::-1])})
    with pytest.raises(ValueError, match="other pairs of neurons .* `given_cells`"):
        other_pairs.load(tmp_path / "w.npz")


def test_what_cannot_be_handed_over_is_explained(project):
    with pytest.raises(ValueError, match="sparse"):
        sncc.load(project)
    with pytest.raises(ValueError, match="150"):
        sncc.load(project, connections={"given_cells": ([0], [150])})
    with pytest.raises(ValueError, match="no `sparse`"):
        sncc.load(project, connections={"given_cells": PAIRS, "drive_cells": PAIRS})
    network = sncc.load(project, connections={"given_cells": PAIRS})
    with pytest.raises(ValueError, match="whole steps"):
        network.set_spike_times("given", ([0.0007], [1]))
    for wrong in (["1 ms"], [0]), ([True], [0]), ([0.0005], [-1]), ([0.0005], [0, 1]), ([0.0005], [0.0]), None, "x":
        with pytest.raises(ValueError, match="`given`"):
            network.set_spike_times("given", wrong)
    with pytest.raises(ValueError, match="no source"):
        network.set_spike_times(["given"], TIMES)


def test_a_signal_and_parameters_change_between_runs(load):
    network = load()
    before = network.simulate(0.05, seed=1)
    driven = network.simulate(0.05, {"stimulus": np.full(150, 0.2)}, seed=1)
    assert len(driven.spikes["cells"]) > len(before.spikes["cells"])
    network.parameters["cells.bias"] = 3.0
    assert len(network.simulate(0.05, seed=1).spikes["cells"]) > len(before.spikes["cells"])


def test_a_modulator_is_set_from_python(load):
    network = load()
    network.parameters["cells_cells.plasticity.reward"] = -1.0
    before = network.parameters["cells_cells.weight"]
    network.simulate(0.05, seed=1)
    assert np.array_equal(network.parameters["cells_cells.weight"], before)
    network.parameters["cells_cells.plasticity.reward"] = 1.0
    network.simulate(0.05, seed=1, resume=True)
    moved = np.asarray(network.parameters["cells_cells.weight"]) - np.asarray(before)
    assert (moved >= 0).all() and np.isclose(moved[moved > 0].min(), 0.02, atol=1e-6)


def test_delays_are_read_in_whole_steps_and_can_be_set(load):
    network = load()
    delays = network.parameters["cells_cells.delay"]
    assert delays.min() >= 0.001 - 1e-9 and np.allclose(delays / 0.0005, np.round(delays / 0.0005))
    with pytest.raises(ValueError, match=r"`cells_cells.delay`: a delay cannot be negative"):
        network.parameters["cells_cells.delay"] = -delays
    network.parameters["cells_cells.delay"] = np.full(delays.shape, 0.010)
    assert np.allclose(network.parameters["cells_cells.delay"], 0.010)
    assert len(network.simulate(0.05, seed=1).spikes["cells"]) > 0


def test_a_run_goes_to_a_file_as_it_comes(load, tmp_path):
    kept, network = load().simulate(seed=1), load()
    run = network.simulate(seed=1, out=tmp_path / "run.npz")
    assert same(run.spikes["cells"], kept.spikes["cells"])
    with np.load(tmp_path / "run.npz") as file:
        assert np.array_equal(file["cells.neurons"], kept.spikes["cells"].neurons)
        assert np.array_equal(file["cells[3:7].v"], kept.trace["cells.v"])
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


def test_ctrl_c_ends_a_run_with_what_was_recorded(load):
    network = load()
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    run = network.simulate(1e5, seed=1, record=[("cells[0:2].v", 0.1)])
    timer.join()
    assert run.interrupted and 0 < run.duration < 1e5
    assert run.spikes["cells"].times.max() <= run.duration + 1e-9
    assert len(run.trace["cells[0:2].v"]) == len(run.times["cells[0:2].v"])
    assert len(network.simulate(0.05, seed=1).spikes["cells"]) > 0


def test_a_network_that_does_not_fit_is_refused_with_the_numbers(project, monkeypatch):
    monkeypatch.setenv("SNCC_MEMORY_LIMIT", "1000")
    with pytest.raises(MemoryError, match=r"needs .* 1\.0 kB are free.*cells_cells"):
        sncc.load(project, connections={"given_cells": PAIRS})


def test_records_that_do_not_fit_into_memory_are_refused_with_the_numbers(load, monkeypatch, tmp_path):
    network = load()
    before = network.store()
    monkeypatch.setenv("SNCC_MEMORY_LIMIT", "1e6")
    with pytest.raises(MemoryError, match=r"3\.1 MB of memory, 1\.0 MB are free; the largest, `cells\.v`, has 1\.4 MB"):
        network.simulate(0.6, record=["cells.v", ("slow.weight", 0.02), "full.weight"])
    assert network.store() == before
    network.simulate(0.6, record=[("cells.v", 0.01)], resume=True)
    network.restore(before)
    assert network.simulate(0.6, record=["cells.v"], out=tmp_path / "run.npz").trace["cells.v"].shape == (1200, 150)


def test_what_is_drawn_is_of_the_first_sample_and_of_matrices_too():
    times = {"a.v": np.arange(3.0), "a_b.weight": np.arange(2.0)}
    states, weights = np.arange(24.0).reshape(2, 3, 4), np.arange(48.0).reshape(2, 2, 3, 4)
    several = Run(1.0, SpikesOf(), {"a.v": states, "a_b.weight": weights}, times, samples=2)
    assert np.array_equal(curves(several, "a.v"), states[0])
    assert np.array_equal(curves(several, "a_b.weight"), weights[0].reshape(2, 12)[:, :10])
    one = Run(1.0, SpikesOf(), {"a.v": states[0], "a_b.weight": weights[0]}, times)
    assert all(np.array_equal(curves(one, name), curves(several, name)) for name in times)


def test_a_plot(load, tmp_path):
    pytest.importorskip("matplotlib")
    load().simulate(seed=1).plot(tmp_path / "run.png")
    assert (tmp_path / "run.png").read_bytes()[:4] == b"\x89PNG"


def test_a_run_in_pieces_records_at_the_times_of_one_run(load):
    whole, network = load().simulate(0.1, seed=1), load()
    pieces = [network.simulate(length, seed=1, resume=True) for length in (0.0125, 0.001, 0.0005, 0.036, 0.05)]
    for name, expected in whole.trace.items():
        assert len(expected) > 3
        assert np.allclose(np.concatenate([p.times[name] for p in pieces]), whole.times[name], rtol=1e-12, atol=0)
        assert np.array_equal(np.concatenate([p.trace[name] for p in pieces]), expected), name


def test_a_pair_of_spike_times_is_what_runs_record_and_events_keep_the_bins_of_data(load):
    times, neurons = np.array([0.0005, 0.005]), np.array([2, 0])
    events = sncc.Events.from_lists([(times, neurons)], (4,), 0.0005)
    for given, expected in (((times, neurons), times), (events, times + 0.0005)):
        spikes = load(spike_times={"given": given}).simulate(0.01, record=["given.spikes"]).spikes["given"]
        assert np.allclose(spikes.times, expected, rtol=1e-12, atol=0) and list(spikes.neurons) == [2, 0]


def test_a_rate_cannot_become_negative(load):
    network = load()
    with pytest.raises(ValueError, match=r"`drive\.rate` cannot be negative"):
        network.parameters["drive.rate"] = -1.0
    assert network.parameters["drive.rate"] == 100
