"""Synapses that are not stored on the device either:
drawn again at each spike, they are those that would be stored, to the last bit.
"""

from __future__ import annotations

import numpy as np
import pytest
from blocks_simulations import LEAKY
from networks import program_of
from projects import Projects, needs_compiler
from stand_in import needs_emulation
from unstored import RECORD, TEXT, unstored

import sncc
from sncc.backends.cuda.emit import emit


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    needs_compiler()
    return Projects(tmp_path_factory.mktemp("made"))


@pytest.fixture
def load(projects, monkeypatch):
    monkeypatch.setenv("SNCC_EMULATION_SMS", "3")

    def loaded(build="plain"):
        return sncc.load(projects.emulated(unstored(TEXT), "float32", build)[1], seed=3, backend="emulated")

    return loaded


@pytest.fixture(scope="module")
def stored():
    """The same network, stored, of the C++ half."""
    needs_compiler()
    project = sncc.build(TEXT, backend="cpu", precision="float32")
    return lambda: sncc.load(project, seed=3)


def equal(found, wanted):
    for name in RECORD[:2]:
        assert np.array_equal(found.trace[name], wanted.trace[name])
    for name, spikes in wanted.spikes.items():
        assert np.array_equal(found.spikes[name].neurons, spikes.neurons)


def test_a_run_has_the_bits_of_the_cpus_stored_network(load, stored):
    first, second = stored(), load()
    wanted, found = (n.simulate(0.02, record=RECORD, seed=4) for n in (first, second))
    assert all(len(spikes) > 100 for spikes in wanted.spikes.values())
    equal(found, wanted)
    for key in ("a_a.weight", "inner.weight", "a_b.weight"):
        assert np.array_equal(second.parameters[key], first.parameters[key])
    equal(
        second.simulate(0.003, record=RECORD, seed=4, resume=True),
        first.simulate(0.003, record=RECORD, seed=4, resume=True),
    )


def test_a_run_that_the_cpu_began_goes_on(load, stored):
    project = sncc.build(unstored(TEXT), backend="cpu", precision="float32")
    first, second, whole = sncc.load(project, seed=3), load(), stored()
    first.simulate(0.02, record=RECORD, seed=4)
    second.restore(first.store())
    whole.simulate(0.02, record=RECORD, seed=4)
    equal(*(n.simulate(0.003, record=RECORD, seed=4, resume=True) for n in (second, whole)))


@needs_emulation
def test_the_devices_memory_has_none_of_them(load, monkeypatch):
    monkeypatch.setenv("SNCC_EMULATION_MEMORY", "900000")  # 190,000 synapses of 2 or 6 bytes
    monkeypatch.setenv("SNCC_CUDA_SYNAPSES", "stored")
    with pytest.raises(MemoryError, match="the synapses"):
        load().simulate(1e-3)
    monkeypatch.delenv("SNCC_CUDA_SYNAPSES")
    load().simulate(1e-3)


@pytest.mark.slow
@needs_emulation
@pytest.mark.parametrize("order, form", [("0", "persistent"), ("2", "graph")])
def test_in_any_order_and_without_a_race(load, stored, monkeypatch, order, form):
    monkeypatch.setenv("SNCC_EMULATION_ORDER_SEED", order)
    monkeypatch.setenv("SNCC_CUDA_FORM", form)
    equal(load("checked").simulate(0.006, record=RECORD, seed=4), stored().simulate(0.006, record=RECORD, seed=4))


WIDE = (
    LEAKY
    + """
network Wide:
    step = 0.5 ms
    population drive: poisson[5](rate = 400 Hz)
    population wide: Leaky[17001], v = uniform(0, 1)
    connect drive -> wide: random(p = 0.1), weight = normal(0.1, 0.1)
    connect near = drive -> wide: random(fan_out = 900), weight = 0.2, delay = 1 ms
simulate:
    duration = 10 ms
"""
)


@pytest.mark.slow
def test_a_block_with_more_neurons_than_there_is_room_for_at_once_takes_them_in_turn(projects, monkeypatch):
    monkeypatch.setenv("SNCC_EMULATION_SMS", "1")
    device = sncc.load(projects.emulated(unstored(WIDE), "float32")[1], seed=3, backend="emulated")
    cpu = sncc.load(sncc.build(WIDE, backend="cpu"), seed=3)
    found, wanted = (n.simulate(record=["wide.v"], seed=4) for n in (device, cpu))
    assert np.array_equal(found.trace["wide.v"], wanted.trace["wide.v"])
    assert (
        np.array_equal(found.spikes["wide"].neurons, wanted.spikes["wide"].neurons) and len(wanted.spikes["wide"]) > 500
    )


def test_a_project_says_which_ones_are_drawn_again():
    page = emit(program_of(unstored(TEXT), "float32"))["src/cuda/KERNELS.md"]
    again = page.split("made again at each spike, on the device: ")[1].split(";")[0].split(".")[0]
    assert "`a_a`" in again and "`inner`" in again and "`near`" not in again  # which may reach a target several times
