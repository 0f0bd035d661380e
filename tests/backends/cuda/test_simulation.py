"""The neuron-parallel schedule of the CUDA half, sources unchanged, run on the CPU:
the C++ half's numbers, bit for bit.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from blocks_simulations import LEAKY
from networks import program_of
from projects import Projects, needs_compiler
from simulations import FORMS, NETWORKS, same, same_numbers, states, synapse_states
from stand_in import needs_emulation

import sncc
from sncc.backends.cuda.supported import unsupported

DRIVEN = (
    LEAKY
    + """
network Driven:
    step = 1 ms
    population x: input[40]
    population level: signal[3]
    population out: Leaky[70], v = uniform(0, 1)
    population next: Leaky[33]
    connect x -> out: random(p = 0.3), weight = uniform(0, 0.3), delay = uniform(1 ms, 6 ms)
    connect x[0:33] -> next: one_to_one, weight = 0.4
    connect level -> out: dense, weight = normal(0, 0.05) / (1 ms)
    connect out -> next: sparse, weight = each(0.3), delay = 2 ms
    connect again = out -> out: dense(self = false), weight = normal(0, 0.02), delay = 3 ms
    connect late = out -> out: random(p = 0.2), weight = normal(0, 0.05), delay = uniform(3 ms, 9 ms)
    connect full = next -> next: dense(self = false), weight = normal(0, 0.02), delay = uniform(1 ms, 3 ms)
    connect twin = next -> next: dense(self = false), share = full, delay = uniform(1 ms, 5 ms)
simulate:
    duration = 60 ms
"""
)
PLASTIC = "plasticity with traces, bounds and drawn delays"
RINGS = "random delays, slices, Poisson sources"
DELAYED = "conductances with long and drawn delays"


@pytest.fixture(scope="session")
def projects(tmp_path_factory):
    needs_compiler()
    return Projects(tmp_path_factory.mktemp("simulations"))


@pytest.fixture(scope="session")
def halves(projects):
    """Both halves of a text, each loaded with the same seed, and its Program."""
    built: dict[tuple[str, str, str], tuple] = {}

    def load(text: str, build: str = "plain", precision: str = "float64", **options):
        key = text, build, precision
        if key not in built:
            program, project = projects.emulated(text, precision, build)
            built[key] = program, sncc.build(text, backend="cpu", precision=precision), project
        program, cpu, project = built[key]
        return program, sncc.load(cpu, seed=5, **options), sncc.load(project, seed=5, backend="emulated", **options)

    return load


def run(network, program, steps: int, **options):
    recorded = [*states(program), *((name, 25 * program.step * 1e-3) for name in synapse_states(program))]
    return network.simulate(steps * program.step * 1e-3, seed=9, record=recorded, **options)


SOME = [pytest.param(n, marks=() if k == 1 else pytest.mark.slow) for k, n in enumerate(NETWORKS)]


@pytest.mark.parametrize("name", SOME)
def test_spikes_states_and_weights_are_those_of_the_cpu(halves, name):
    program, cpu, cuda = halves(NETWORKS[name])
    steps = min(program.simulation.steps, 200)
    assert same(run(cpu, program, steps), run(cuda, program, steps)) > 50
    same_numbers(cpu, cuda)


@pytest.mark.parametrize("name", SOME)
def test_neither_the_order_of_threads_nor_the_form_of_the_launch_changes_anything(halves, name, monkeypatch):
    program, cpu, _ = halves(NETWORKS[name])
    expected = run(cpu, program, 60)
    for form in FORMS.values():
        for variable, value in form.items():
            monkeypatch.setenv(variable, value)
        _, _, cuda = halves(NETWORKS[name])
        assert same(expected, run(cuda, program, 60)) > 0
        same_numbers(cpu, cuda)
        for variable in form:
            monkeypatch.delenv(variable)


# ------------------------------------------------------------------------------------------------ from outside
@pytest.fixture
def driven(halves):
    """Both halves of a network with events (several of a neuron in a step among them),
    values and synapses handed over.
    """
    rng = np.random.default_rng(1)
    pairs = np.unravel_index(rng.choice(70 * 33, 200, replace=False), (70, 33))
    program, cpu, cuda = halves(DRIVEN, connections={"out_next": pairs})
    events = sncc.Events.from_dense(rng.poisson(0.1, (1, 60, 40)), step=1e-3)
    return program, cpu, cuda, {"x": events, "level": rng.normal(0, 1, (1, 60, 3))}


def test_events_values_and_synapses_are_handed_over(driven, monkeypatch):
    program, cpu, cuda, inputs = driven
    expected = run(cpu, program, 60, inputs=inputs)
    assert len(expected.spikes["out"]) > 20 and len(expected.spikes["next"]) > 20
    same(expected, run(cuda, program, 60, inputs=inputs))
    monkeypatch.setenv("SNCC_STEPS_AT_ONCE", "9")
    same(expected, run(cuda, program, 60, inputs=inputs))


def test_parameters_and_trials_are_those_of_the_cpu(driven):
    program, cpu, cuda, inputs = driven
    for network in (cpu, cuda):
        network.parameters["out_next.weight"] = np.linspace(0, 0.5, 200)
        network.parameters["x_out.delay"] = np.round(np.array(network.parameters["x_out.delay"]) * 2e3) / 1e3
    same_numbers(cpu, cuda)
    for trial in (0, 3):
        for network in (cpu, cuda):
            network.parameters["full.weight"] = 0.1 * (trial - 1) * (1 - np.eye(33))
        same(run(cpu, program, 60, inputs=inputs, trial=trial), run(cuda, program, 60, inputs=inputs, trial=trial))


# ------------------------------------------------------------------------------------------------ pieces, stored states
@pytest.mark.parametrize("name", [pytest.param(PLASTIC, marks=pytest.mark.slow), DELAYED])
def test_a_run_goes_on_where_it_ended_also_in_the_other_half(halves, name):
    program, cpu, cuda = halves(NETWORKS[name])
    run(cpu, program, 90)
    run(cuda, program, 50)
    run(cuda, program, 40, resume=True)
    stored = {"cpu": cpu.store(), "cuda": cuda.store()}
    expected = run(cpu, program, 70, resume=True)
    same(expected, run(cuda, program, 70, resume=True))
    same_numbers(cpu, cuda)
    for state in stored.values():
        for other in halves(NETWORKS[name])[1:]:
            other.restore(state)
            same(expected, run(other, program, 70, resume=True))


def test_what_follows_from_numbers_of_synapses_follows_those_set_between_pieces(halves):
    program, cpu, cuda = halves(NETWORKS[DELAYED])
    for network in (cpu, cuda):
        run(network, program, 30)
        network.parameters["exc_late.tau"] = 2 * network.parameters["exc_late.tau"]
    same(run(cpu, program, 40, resume=True), run(cuda, program, 40, resume=True))


def test_events_on_their_way_are_delivered_in_the_other_half(driven, halves):
    program, cpu, cuda, inputs = driven
    first, second = ({k: v[:, :30] if k == "level" else v for k, v in inputs.items()}, inputs)
    ended = [run(network, program, 30, inputs=first) for network in (cpu, cuda)]
    same(*ended)
    stored = cuda.store()
    expected = run(cuda, program, 60, inputs=second, resume=True)
    cpu.restore(stored)
    assert same(expected, run(cpu, program, 60, inputs=second, resume=True)) > 0


# ------------------------------------------------------------------------------------------------ checks
@pytest.mark.slow
@pytest.mark.parametrize("name", [PLASTIC, RINGS])
def test_no_kernel_has_a_race_or_reads_what_nobody_wrote(halves, monkeypatch, name):
    monkeypatch.setenv("SNCC_CUDA_REPLAYED", "2")
    for delivery, multiprocessors, form in (
        ("push", "132", "graph"),
        ("pull", "132", "persistent"),
        ("push", "2", "persistent"),
    ):
        monkeypatch.setenv("SNCC_CUDA_DELIVERY", delivery)
        monkeypatch.setenv("SNCC_CUDA_FORM", form)
        monkeypatch.setenv("SNCC_EMULATION_SMS", multiprocessors)
        program, cpu, cuda = halves(NETWORKS[name], "checked")
        assert same(run(cpu, program, 40), run(cuda, program, 40)) > 50


@pytest.mark.slow
@needs_emulation
def test_a_meeting_of_the_block_taken_out_of_the_delivery_is_missed(projects, monkeypatch):
    monkeypatch.setenv("SNCC_CUDA_DELIVERY", "push")
    monkeypatch.setenv("SNCC_EMULATION_SMS", "2")
    program, project = projects.write(NETWORKS[PLASTIC], "float64")
    broken = projects.folder / "without_a_meeting"
    shutil.copytree(project, broken)
    source = broken / "src" / "sncc" / "cuda_push.h"
    text = source.read_text()
    assert "        __syncthreads();  // the room is free" in text
    source.write_text(text.replace("        __syncthreads();  // the room is free", ""))
    (broken / "lib").mkdir()
    shutil.copy(projects.link(broken, "net", "checked", "libnet_emulated.so", "-shared"), broken / "lib")
    with pytest.raises(RuntimeError, match="race: .*a barrier of the block"):
        run(sncc.load(broken, seed=5, backend="emulated"), program, 40)


@pytest.mark.slow
@needs_emulation
def test_no_access_is_outside_of_its_memory(projects):
    short = re.sub(r"duration = .*", "duration = 15 ms", NETWORKS[DELAYED])
    _, project = projects.write(short, "float64")
    runner = projects.link(project, "net", "address", "net_run", main="run")
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run([runner], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert re.search(r"exc: [1-9]\d* spikes", done.stdout) and "ERROR" not in done.stderr


@needs_emulation
def test_each_allocation_may_fail_and_nothing_is_lost(halves, monkeypatch):
    program, cpu, cuda = halves(NETWORKS[PLASTIC])
    run(cpu, program, 50)
    expected = run(cpu, program, 50, resume=True)
    failures = 0
    for resume in (False, True):
        while failures < 80:
            monkeypatch.setenv("SNCC_EMULATION_FAIL_MALLOC", "2" if failures else "1")
            try:
                got = run(cuda, program, 50, resume=resume)
                break
            except MemoryError as error:
                refusal = r"no room on the device for the [a-z ']+: \d+ bytes asked for, \d+ of \d+ free; this network holds .*"
                assert re.search(refusal + "a network of fewer synapses needs less", str(error)), error
                failures += 1
        monkeypatch.delenv("SNCC_EMULATION_FAIL_MALLOC", raising=False)
    assert 5 <= failures < 80
    same(expected, got)
    same_numbers(cpu, cuda)


@needs_emulation
def test_a_graph_that_there_is_no_room_for_says_so_and_nothing_is_lost(halves, monkeypatch):
    program, cpu, cuda = halves(NETWORKS[DELAYED])
    same(run(cpu, program, 40), run(cuda, program, 40))
    monkeypatch.setenv("SNCC_CUDA_FORM", "graph")
    monkeypatch.setenv("SNCC_CUDA_REPLAYED", "3")
    refusals = (
        "no room on the device for the place of a replay",
        "cudaGraphInstantiateWithFlags of the graph of a run's steps: out of memory",
    )
    for allocation, refusal in enumerate(refusals, 1):
        monkeypatch.setenv("SNCC_EMULATION_FAIL_MALLOC", str(allocation))
        with pytest.raises(MemoryError, match=refusal):
            run(cuda, program, 40, resume=True)
    monkeypatch.delenv("SNCC_EMULATION_FAIL_MALLOC")
    same(run(cpu, program, 40, resume=True), run(cuda, program, 40, resume=True))
    same_numbers(cpu, cuda)
    for network in (cpu, cuda):  # the kept graph reads other numbers
        network.parameters["exc_late.tau"] = 2 * network.parameters["exc_late.tau"]
    same(run(cpu, program, 40, resume=True), run(cuda, program, 40, resume=True))
    monkeypatch.setenv("SNCC_CUDA_REPLAYED", "2")  # another graph
    same(run(cpu, program, 40, resume=True), run(cuda, program, 40, resume=True))


# ------------------------------------------------------------------------------------------------ what is refused
@pytest.mark.parametrize("text", [*NETWORKS.values(), DRIVEN], ids=[*NETWORKS, "driven"])
def test_all_that_the_schedule_knows_is_supported(text):
    assert unsupported(program_of(text)) == ()
