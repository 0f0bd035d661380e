"""The emitted CUDA, sources unchanged, run on the CPU: it gives the reference's numbers in any order of its threads."""

from __future__ import annotations

import os
import subprocess

import numpy as np
import pytest
from networks import recurrent
from projects import (
    Projects,
    agree,
    cases,
    handed_over,
    needs_compiler,
    set_parameters,
    trains_like_the_reference,
    trains_online_like_the_reference,
)
from stand_in import needs_emulation
from trained_networks import NETWORKS, NOISY, ONLINE

import sncc
from sncc.backends.cxx.names import project_name

LONG = pytest.mark.slow  # `make test` leaves out every second of the builds that take longest


@pytest.fixture(scope="session")
def projects(tmp_path_factory):
    needs_compiler()
    return Projects(tmp_path_factory.mktemp("emulated"))


RACES = [n for k, n in enumerate(NETWORKS) if k in (0, 2, 8)]  # where `make test` looks for races, in checked builds


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=LONG if n in RACES or k == 4 else ()) for k, n in enumerate(NETWORKS)]
)
def test_emulated_cuda_equals_the_reference(projects, name):
    program, project = projects.emulated(NETWORKS[name])
    network = sncc.load(project, backend="emulated")
    agree(network, program, 1e-9)
    trains_like_the_reference(network, program, 1e-8)


@pytest.mark.parametrize("name", ["an ALIF under e-prop", "targets"])
def test_more_spikes_than_a_warp_writes_down_at_once_are_all_summed(projects, name):
    """20 samples of up to 96 steps are 60 words of 32 steps;
    in the first 32 a channel of rate 0.3 has about 280 events.
    """
    program, project = projects.emulated(NETWORKS[name])
    agree(sncc.load(project, backend="emulated"), program, 1e-9, samples=20, steps=96)


SHAPES = {
    "more neurons than threads": recurrent("LIF", rule="bptt", size=290),
    "what the loss reads excites others": recurrent("ALIF", loss="cross_entropy(mean(output.spikes))").replace(
        "output: LI[3](tau_m = 10 ms)", "output: LIF[3](tau_m = 10 ms, theta = 0.4)"
    ).replace(
        "\n\ntrain:",
        "\n    connect output -> output: dense, weight = normal(0, 1), delay = 2 ms"
        "\n    connect output -> hidden: dense, weight = normal(0, 1), delay = 3 ms\n\ntrain:",
    ),
    "a layer that is read alone": """
network Alone:
    step = 1 ms
    population x: input[6]
    population hidden: LIF[5](tau_m = 10 ms, theta = 0.4)
    connect x -> hidden: dense, weight = normal(0, 1)

train:
    rule = bptt
    loss = mean(cross_entropy(hidden.v))
    optimiser = adam(learning_rate = 1e-3)
""",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("build", ["plain", "checked"])
@pytest.mark.parametrize("name", SHAPES)
def test_shapes_at_the_borders_of_how_threads_are_shared_out(projects, name, build):
    program, project = projects.emulated(SHAPES[name], build=build)
    network = sncc.load(project, backend="emulated")
    agree(network, program, 1e-9, steps=15)
    trains_like_the_reference(network, program, 1e-8, steps=1)


@pytest.mark.parametrize("build", ["plain", pytest.param("checked", marks=LONG)])
def test_noise_draws_and_poisson_counts_are_the_references(projects, build):
    program, project = projects.emulated(NOISY, build=build)
    agree(sncc.load(project, backend="emulated"), program, 1e-8, samples=5)


BOUNDS = {"a loss at every step": 400_000, "a loss at the end": 60_000}  # bytes, in which six samples take turns


@pytest.mark.parametrize("build", ["plain", pytest.param("checked", marks=LONG)])
@pytest.mark.parametrize("name", ONLINE)
def test_training_forwards_in_time_equals_the_reference(projects, name, build):
    program, project = projects.emulated(ONLINE[name], build=build, memory=BOUNDS[name])
    network = sncc.load(project, backend="emulated")
    agree(network, program, 1e-9, samples=6)
    trains_online_like_the_reference(network, program)
    if "every step" in name:  # in lockstep they cannot
        many = sncc.Events.from_dense(np.ones((200, 3, 6), int), step=1e-3)
        with pytest.raises(MemoryError, match=r"takes at least [1-9][\d.]* [kM]B on the GPU, .* = 400 kB: build it"):
            network.fit(many, np.zeros(200, int), epochs=1, batch=200, verbose=False)


@pytest.mark.parametrize(
    "name, memory",  # gradients, and two samples of 40 steps
    [
        ("layers, delays, a signal", 200_000),
        pytest.param("states of synapses, of their targets, their sources and their own", 2_400_000, marks=LONG),
        pytest.param("e-prop by adaptive feedback, with penalties", 150_000, marks=LONG),
    ],
)
def test_a_bound_on_memory_lets_samples_take_turns_and_changes_no_bit(projects, name, memory):
    text = NETWORKS[name]
    program, free = projects.emulated(text)
    _, bound = projects.emulated(text, memory=memory)
    inputs, labels, values = cases(program, samples=5)
    one, two = (sncc.load(project, backend="emulated") for project in (free, bound))
    for network in (one, two):
        set_parameters(network, program, values)
    data = handed_over(program, inputs)
    loss, expected = one.gradients(data, np.array(labels))
    found_loss, found = two.gradients(data, np.array(labels))
    assert found_loss == pytest.approx(loss, rel=1e-15)
    late = {
        key
        for c in program.connections
        if c.delays and program.parameter(c.delays).learnt
        for key in (c.weight, c.delays)
    }
    for key, gradient in expected.items():  # where delays are learnt a turn's samples are summed by themselves
        same = np.allclose(found[key], gradient, rtol=0, atol=1e-14 * np.abs(gradient).max())
        assert same if key in late else np.array_equal(found[key], gradient), key
    assert np.array_equal(one.predict(data), two.predict(data))
    long = {"x": sncc.Events.from_dense(np.ones((1, 8000, 6), int), step=1e-3), "level": np.zeros((1, 8000, 2))}
    long = {name: values for name, values in long.items() if name in data}
    with pytest.raises(
        MemoryError,
        match=r"training on 8000 steps takes at least [1-9][\d.]* [kM]B on the GPU, .* = [1-9][\d.]* [kM]B: build it",
    ):
        two.gradients(long, np.array(labels[:1]))


def test_a_sequence_whose_tape_does_not_fit_goes_back_in_segments(projects):
    program, project = projects.emulated(NETWORKS["layers, delays, a signal"], memory=200_000)
    tape = 8 * sum(program.group(slot.group).size for slot in program.tape if slot.shares is None)
    assert 150 * tape > program.memory
    agree(sncc.load(project, backend="emulated"), program, 1e-9, steps=150)


DRAWN_JUNCTION = recurrent("LIF", rule="bptt", size=17).replace(
    "hidden -> hidden: dense, weight = normal(0, 1), delay = 1 ms",
    "hidden -> hidden: random(p = 0.4), weight = normal(0.05 /ms, 0.02 /ms), synapse = gap_junction()",
)


@LONG
@pytest.mark.parametrize("build", ["plain", "checked"])
@pytest.mark.parametrize("rule", ["bptt", "eprop(online = true)"])
def test_two_sums_over_the_same_drawn_synapses_learn(projects, rule, build):
    program, project = projects.emulated(DRAWN_JUNCTION.replace("bptt", rule), build=build)
    weights = [c.weight for c in program.connections if c.wiring is not None]
    assert len(weights) == 2 and len(set(weights)) == 1
    network = sncc.load(project, backend="emulated")
    agree(network, program, 1e-9, steps=20)
    if rule == "bptt":
        trains_like_the_reference(network, program, 1e-8, steps=1)
    else:
        trains_online_like_the_reference(network, program)


def test_float32_is_close(projects):
    program, project = projects.emulated(NETWORKS["merged populations"], "float32")
    agree(sncc.load(project, backend="emulated"), program, 2e-4)


@pytest.mark.parametrize("name", [pytest.param(n, marks=LONG if k == 4 else ()) for k, n in enumerate(NETWORKS)])
@needs_emulation
def test_the_order_of_the_threads_changes_nothing(projects, name, monkeypatch):
    program, project = projects.emulated(NETWORKS[name])
    for seed in ("1", "2"):
        monkeypatch.setenv("SNCC_EMULATION_ORDER_SEED", seed)
        agree(sncc.load(project, backend="emulated"), program, 1e-9, steps=15)


def test_a_norm_clip_shrinks_the_step(projects):
    text = NETWORKS["an ALIF under e-prop"].replace("batch = 4", "batch = 4\n    clip = norm(0.01)")
    program, project = projects.emulated(text)
    assert program.optimise.clip == ("norm", 0.01)
    trains_like_the_reference(sncc.load(project, backend="emulated"), program, 1e-8)


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in RACES else LONG) for n in NETWORKS])
def test_no_kernel_has_a_race_or_reads_what_nobody_wrote(projects, name):
    program, project = projects.emulated(NETWORKS[name], build="checked")
    network = sncc.load(project, backend="emulated")
    agree(network, program, 1e-9)
    trains_like_the_reference(network, program, 1e-8, steps=1)


@pytest.mark.parametrize(
    "name",
    [
        "an ALIF under e-prop",
        pytest.param("layers, delays, a signal", marks=LONG),
        pytest.param("unknown neurons, one refractory", marks=LONG),
    ],
)
@needs_emulation
def test_no_access_is_outside_of_its_memory(projects, name, tmp_path):
    program, project = projects.write(NETWORKS[name], "float64")
    name = project_name(program.name)
    runner = projects.link(project, name, "address", f"{name}_run", main="run")
    events = tmp_path / "events.txt"
    events.write_text("".join(f"{n} {n % 6}\n" for n in range(1, 30)))
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run([runner, events], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "hidden:" in done.stdout and "output 2:" in done.stdout and "ERROR" not in done.stderr
