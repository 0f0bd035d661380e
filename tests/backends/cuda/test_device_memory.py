"""A device that is absent, full or too small: one clear line, and nothing is lost."""

from __future__ import annotations

import re

import numpy as np
import pytest
from projects import Projects, needs_compiler
from stand_in import needs_emulation
from trained_networks import NETWORKS

import sncc

pytestmark = needs_emulation

SAMPLES, STEPS = 3, 30
REFUSAL = re.compile(
    r"no room on the device for (the [a-z ']+): (\d+) bytes asked for, (\d+) of (\d+) free; "
    r"this network holds (nothing yet|\d+ for .+); a smaller batch needs less"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    needs_compiler()
    return Projects(tmp_path_factory.mktemp("memory")).emulated(NETWORKS["merged populations"], "float32")[1]


@pytest.fixture
def data():
    x = (np.random.default_rng(0).random((SAMPLES, STEPS, 6)) < 0.4).astype(int)
    return sncc.Events.from_dense(x), np.array([0, 1, 2])


def numbers(network, folder):
    """All that a checkpoint holds: parameters, the optimiser's state and step."""
    network.save(folder / "numbers.npz")
    with np.load(folder / "numbers.npz", allow_pickle=False) as kept:
        return {key: kept[key] for key in kept.files if key != "progress"}  # which fit was begun


def train(network, data):
    network.fit(*data, epochs=1, batch=SAMPLES, verbose=False)


def test_without_a_device_it_says_so_in_one_line(built, monkeypatch):
    monkeypatch.setenv("SNCC_EMULATION_NO_DEVICE", "1")
    with pytest.raises(RuntimeError, match="NVIDIA GPU.*the CPU backend"):
        sncc.load(built, backend="emulated")


def test_each_allocation_of_a_new_network_may_fail(built, monkeypatch):
    failures = 0
    for k in range(1, 50):
        monkeypatch.setenv("SNCC_EMULATION_FAIL_MALLOC", str(k))
        try:
            network = sncc.load(built, backend="emulated")
            break
        except (MemoryError, RuntimeError) as error:
            assert REFUSAL.search(str(error)), error
            failures += 1
    monkeypatch.delenv("SNCC_EMULATION_FAIL_MALLOC")
    assert failures >= 6
    assert np.isfinite(network.parameters["x_hidden.weight"]).all()


@pytest.mark.parametrize("work", ["fit", "evaluate", "simulate"])
def test_each_allocation_of_a_run_may_fail_and_nothing_is_lost(built, data, monkeypatch, tmp_path, work):
    """The same numbers come out as of a network that always had its memory."""

    def do(network):
        if work == "fit":
            return train(network, data)
        if work == "evaluate":
            return network.evaluate(*data)
        run = network.simulate(duration=0.02, inputs={"x": data[0][:1]}, resume=True)
        return run.spikes["hidden"].neurons.tolist()

    undisturbed, disturbed = sncc.load(built, backend="emulated"), sncc.load(built, backend="emulated")
    before = numbers(disturbed, tmp_path)
    failures = 0
    while failures < 80:
        # the first fails, then every second: what failed last is there, what follows is not
        monkeypatch.setenv("SNCC_EMULATION_FAIL_MALLOC", "2" if failures else "1")
        try:
            got = do(disturbed)
            break
        except MemoryError as error:
            assert REFUSAL.search(str(error)), error
            failures += 1
        after = numbers(disturbed, tmp_path)
        assert [key for key in before if not np.array_equal(before[key], after[key])] == []
    monkeypatch.delenv("SNCC_EMULATION_FAIL_MALLOC")
    assert failures >= 5
    assert got == do(undisturbed)
    assert do(disturbed) == do(undisturbed)
    expected, found = numbers(undisturbed, tmp_path), numbers(disturbed, tmp_path)
    assert [key for key in expected if not np.array_equal(expected[key], found[key])] == []


def test_a_batch_that_does_not_fit_says_what_it_asked_for_and_a_smaller_one_runs(built, monkeypatch):
    network = sncc.load(built, backend="emulated")
    monkeypatch.setenv("SNCC_EMULATION_MEMORY", "600000")
    x = sncc.Events.from_dense(np.ones((200, 200, 6), int))
    with pytest.raises(MemoryError) as caught:
        network.gradients(x, np.zeros(200, int))
    part, asked, free, total = REFUSAL.search(str(caught.value)).groups()[:4]
    assert int(asked) > int(free) and int(total) == 600000 and part.startswith("the ")
    loss, _ = network.gradients(x[:1], np.zeros(1, int))
    assert np.isfinite(loss)


WIDE = """
network Wide:
    step = 1 ms
    population x: input[6]
    population level: signal[60]
    population first: LIF[60](theta = 0.5)
    population output: LI[3]
    connect x -> first: dense, weight = normal(0.5, 0.2)
    connect level -> first: dense, weight = normal(0, 0.1), dropout = 0.2
    connect slow = first -> first: dense, weight = normal(0, 0.1 /ms), delay = 30 ms, synapse = tsodyks_markram()
    connect first -> output: dense, weight = normal(0, 1), dropout = 0.5

train:
    rule = bptt
    loss = cross_entropy(mean(output.v))
    optimiser = sgd(learning_rate = 1e-3)
"""


def test_a_bound_on_memory_counts_all_that_a_sample_keeps(tmp_path, monkeypatch):
    """Signals, delivered states and spikes without those of neurons left out, too:
    on a device that has little more than the bound.
    """
    needs_compiler()
    bound, rest, samples, steps = 2_000_000, 400_000, 12, 120
    project = Projects(tmp_path).emulated(WIDE, "float32", memory=bound)[1]
    rng = np.random.default_rng(0)
    data = {
        "x": sncc.Events.from_dense(rng.poisson(0.2, (samples, steps, 6)), step=1e-3),
        "level": rng.random((samples, steps, 60)),
    }
    expected = sncc.load(project, backend="emulated").gradients(data, np.arange(samples) % 3)
    monkeypatch.setenv("SNCC_EMULATION_MEMORY", str(bound + rest))
    found = sncc.load(project, backend="emulated").gradients(data, np.arange(samples) % 3)
    assert found[0] == expected[0] and all(np.array_equal(found[1][key], expected[1][key]) for key in found[1])
