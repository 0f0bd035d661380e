"""Synapses that the device makes: the host's, bit for bit, in the layout that deliveries read,
and on the host once somebody asks for them.
"""

from __future__ import annotations

import os
import re
import subprocess

import numpy as np
import pytest
from blocks_simulations import LEAKY, STDP
from networks import program_of
from projects import Projects, needs_compiler
from simulations import NETWORKS, same, same_numbers
from stand_in import needs_emulation

import sncc
from sncc.backends.cpu.neuron_tables import NeuronTables
from sncc.backends.cuda.connecting import connects_itself
from sncc.backends.cxx.dynamics import dynamics
from sncc.backends.cxx.layout import Layout

# Every pattern, part of a population, weight and delay; rows of no synapse, of some, and of more than a warp sorts.
DRAWN = (
    LEAKY
    + STDP
    + """
network Drawn:
    step = 0.5 ms
    population drive: poisson[40](rate = 200 Hz)
    population few: poisson[3](rate = 50 Hz)
    population grid: Leaky[9, 14], v = uniform(0, 1)
    population wide: Leaky[330], v = uniform(0, 1)
    connect drive -> wide: random(p = 0.13), weight = 0.4
    connect drive[0:30] -> grid: random(p = 0.02), weight = uniform(0, 0.9), delay = 1 ms
    connect sure = few -> grid: random(p = 1), weight = each(0.02), delay = 2 ms
    connect within = grid[2:8, 3:14] -> grid[1:7, 0:9]: random(p = 0.3, self = false), weight = normal(0.1, 0.1, clip = [0, 0.2]), delay = uniform(0.5 ms, 6 ms)
    connect onto = wide -> grid: random(fan_in = 7), weight = 0.01 * (1 + j) / (1 + i), delay = normal(3 ms, 1 ms)
    connect nearly = wide[10:90] -> wide[0:70]: random(fan_in = 71, self = false), weight = lognormal(-5, 1)
    connect again = drive -> wide: random(fan_in = 4, repeats = true), weight = exponential(0.05), delay = gamma(3, 1 ms)
    connect out = wide -> grid: random(fan_out = 5), weight = normal(0, 0.05)
    connect out_again = wide -> wide: random(fan_out = 6, repeats = true, self = false), weight = normal(0, 0.05), delay = 300 ms
    connect many = few -> wide: random(total = 4500), weight = uniform(0, 0.01), delay = uniform(0.5 ms, 130 ms)
    connect others = grid[0:9, 0:5] -> grid: random(total = 400, self = false), weight = gamma(2, 0.01), delay = 1 ms
    connect learnt = drive -> wide: random(fan_in = 5), weight = 0.1, delay = 1 ms, plasticity = stdp()
    connect moved = wide -> grid: random(p = 0.03), weight = uniform(0, 0.2), delay = uniform(0.5 ms, 4 ms), plasticity = stdp()
    connect pairs = wide -> wide: random(total = 300, repeats = false), weight = 0.05
simulate:
    duration = 60 ms
"""
)


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    needs_compiler()
    return Projects(tmp_path_factory.mktemp("connectivity"))


@pytest.fixture(scope="module")
def cpu():
    needs_compiler()
    return sncc.build(DRAWN, backend="cpu")


@pytest.fixture
def loaded(projects, monkeypatch):
    monkeypatch.setenv("SNCC_CUDA_DELIVERY", "push")
    monkeypatch.setenv("SNCC_EMULATION_SMS", "7")

    def load(build: str = "plain"):
        return sncc.load(projects.emulated(DRAWN, "float32", build)[1], seed=4, backend="emulated")

    return load


def run(network, **options):
    return network.simulate(10e-3, seed=9, record=["grid.v", "wide.v"], **options)


@pytest.mark.parametrize(
    "order, delivery",
    [("", "push"), *(pytest.param(*c, marks=pytest.mark.slow) for c in (("3", "push"), ("", "pull"), ("4", "pull")))],
)
def test_they_are_the_hosts_in_every_bit(loaded, monkeypatch, order, delivery):
    """Each array of the device's is compared with the one that is made on the host and copied."""
    monkeypatch.setenv("SNCC_CUDA_SYNAPSES", "check")
    monkeypatch.setenv("SNCC_CUDA_DELIVERY", delivery)
    monkeypatch.setenv("SNCC_EMULATION_ORDER_SEED", order)
    if order:
        monkeypatch.setenv("SNCC_EMULATION_SMS", "2")
    assert len(run(loaded()).spikes["wide"].times) > 50


def test_spikes_and_what_python_reads_are_the_cpus(loaded, cpu):
    first, second = sncc.load(cpu, seed=4), loaded()
    assert same(run(first), run(second)) > 100
    same_numbers(first, second)
    for name in ("within.weight", "nearly.weight", "others.weight"):
        assert np.array_equal(first.parameters[name].pre, second.parameters[name].pre)
        assert np.array_equal(first.parameters[name].post, second.parameters[name].post)
    same(run(first, resume=True), run(second, resume=True))
    assert not np.array_equal(first.parameters["moved.weight"], sncc.load(cpu, seed=4).parameters["moved.weight"])


@pytest.mark.slow
def test_weights_that_move_stay_where_they_are_until_somebody_asks(loaded, cpu, monkeypatch):
    monkeypatch.setenv("SNCC_CUDA_DELIVERY", "pull")
    first, second = sncc.load(cpu, seed=4), loaded()
    for options in ({}, {"resume": True}, {}):  # the last one begins anew, with the weights that there are
        assert same(run(first, **options), run(second, **options)) > 50
    assert np.array_equal(first.parameters["moved.weight"], second.parameters["moved.weight"])
    assert np.array_equal(first.parameters["learnt.weight"], second.parameters["learnt.weight"])
    second.restore(first.store())
    same(run(first, resume=True), run(second, resume=True))
    assert np.array_equal(first.parameters["learnt.weight"], second.parameters["learnt.weight"])


def test_the_host_has_none_of_them_until_somebody_asks(loaded, monkeypatch):
    monkeypatch.setenv("SNCC_MEMORY_LIMIT", "34e3")  # bytes: enough for the states and the one connection of the host's
    network = loaded()
    assert len(network.simulate(10e-3, seed=9).spikes["wide"].times) > 50
    with pytest.raises(
        MemoryError, match=r"the synapses of the connection `nearly` need 35 kB of the host's memory, 34 kB are free"
    ):
        network.parameters["nearly.weight"]
    monkeypatch.setenv("SNCC_CUDA_SYNAPSES", "host")
    with pytest.raises(
        MemoryError, match="the network needs 226 kB of memory, 34 kB are free; the largest connection, nearly"
    ):
        loaded().simulate(10e-3, seed=9)


def test_numbers_that_are_set_take_the_place_of_those_drawn(loaded, cpu):
    first, second = sncc.load(cpu, seed=4), loaded()
    for network in (first, second):
        run(network)
        network.parameters["within.weight"] = np.linspace(0, 0.2, len(network.parameters["within.weight"]))
        network.parameters["again.delay"] = 1e-3 * (1 + np.arange(len(network.parameters["again.delay"])) % 9)
    assert same(run(first), run(second)) > 100
    first.restore(second.store())
    same(run(first, resume=True), run(second, resume=True))


def test_what_kernels_do_not_know_is_made_on_the_host(loaded, cpu, monkeypatch):
    expected = run(sncc.load(cpu, seed=4))
    monkeypatch.setenv("SNCC_CUDA_SYNAPSES", "host")
    same(expected, run(loaded()))


MADE = [
    "drive_wide", "drive_grid", "sure", "within", "onto", "nearly", "again", "out", "out_again", "many", "others", "learnt", "moved",
]  # fmt: skip


@pytest.mark.parametrize(
    "text, itself",
    [
        (DRAWN, MADE),
        (NETWORKS["plasticity with traces, bounds and drawn delays"], ["late", "out_out"]),
        (DRAWN.replace("delay = gamma(3, 1 ms)", "delay = 1 ms + 0.01 ms * j"), [name for name in MADE if name != "again"]),
    ],
)  # fmt: skip
def test_the_emitter_says_which_are_made_where(text, itself):
    program = program_of(text)
    tables = NeuronTables(Layout(program, dynamics(program)), dynamics(program))
    assert [c.name for c in program.connections if connects_itself(tables, c)] == itself


# ------------------------------------------------------------------------------------------------ memory
@needs_emulation
def test_each_allocation_may_fail_and_nothing_is_lost(loaded, cpu, monkeypatch):
    expected = run(sncc.load(cpu, seed=4))
    network, failures = loaded(), 0
    while failures < 200:
        monkeypatch.setenv("SNCC_EMULATION_FAIL_MALLOC", "9" if failures else "1")
        try:
            got = run(network)
            break
        except MemoryError as error:
            assert re.search(r"no room on the device for [a-z ']+: \d+ bytes asked for, \d+ of \d+ free", str(error))
            failures += 1
    monkeypatch.delenv("SNCC_EMULATION_FAIL_MALLOC")
    assert 5 <= failures < 200
    same(expected, got)


@needs_emulation
def test_what_does_not_fit_is_refused_before_anything_is_made(loaded, monkeypatch):
    network = loaded()
    assert len(network.parameters["within.weight"]) > 0  # on the host
    monkeypatch.setenv("SNCC_EMULATION_MEMORY", "50000")
    refusal = (
        r"no room on the device for the synapses: \d+ bytes asked for, \d+ of \d+ free; this network holds .*; of these \d+ for the synapses by "
        r"source, \d+ for the synapses' delays, \d+ for the weights, \d+ for their making, \d+ for the synapses by target; a network of fewer synapses needs less"
    )
    with pytest.raises(MemoryError, match=refusal):
        run(network)
    monkeypatch.delenv("SNCC_EMULATION_MEMORY")
    assert len(run(network).spikes["wide"].times) > 50


# ------------------------------------------------------------------------------------------------ checks
@pytest.mark.slow
@pytest.mark.parametrize("delivery", ["push", "pull"])
def test_no_kernel_has_a_race_or_reads_what_nobody_wrote(loaded, monkeypatch, delivery):
    monkeypatch.setenv("SNCC_CUDA_DELIVERY", delivery)
    assert len(run(loaded("checked")).spikes["wide"].times) > 50


@pytest.mark.slow
@needs_emulation
def test_no_access_is_outside_of_its_memory(projects):
    _, project = projects.write(DRAWN, "float32")
    runner = projects.link(project, "drawn", "address", "drawn_run", main="run")
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0", "SNCC_CUDA_DELIVERY": "push"}
    done = subprocess.run([runner, "--seconds", "0.08"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert re.search(r"wide: [1-9]\d* spikes", done.stdout) and "ERROR" not in done.stderr
