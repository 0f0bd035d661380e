"""Samples that the blocks of a cluster share, sources unchanged, run on the CPU:
the reference's numbers in any order of threads.
"""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
from engine_patterns import case_of, equals_the_reference
from lockstep import EVERY_STEP, GO_FORWARDS, MOST, OWN_STATES, SHARED
from networks import program_of
from patterns import CASES
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

import sncc
from sncc.backends.cuda import clusters
from sncc.compiler import emit

SLICED = """
synapse spread:
    deliver weight * pre.v

network Sliced:
    step = 1 ms
    population x: input[6]
    population same: input[80]
    population level: signal[80]
    population played: spike_times[5]
    population first: LIF[150](theta = 0.8)
    population second: LIF[80](theta = 0.7, tau_m = 10 ms)
    population third: ALIF[33]
    population output: LI[3](tau_m = 10 ms)
    connect x -> first: dense, weight = normal(0, 1)
    connect same -> second: one_to_one, weight = normal(0.5, 0.5)
    connect level -> second: one_to_one, weight = normal(0, 0.3)
    connect played -> third: dense, weight = normal(0, 0.5), delay = 1 ms
    connect straight = level -> third: dense, weight = normal(0, 0.3)
    connect first -> first: one_to_one, weight = normal(0, 0.5), delay = 2 ms
    connect mixed = second -> first: dense, weight = normal(0, 0.2), delay = 3 ms, dropout = 0.2
    connect first -> second: random(p = 0.3), weight = normal(0, 0.4), delay = 1 ms, dropout = 0.3
    connect drawn = first -> third: random(p = 0.4), weight = normal(0, 0.4), delay = uniform(1 ms, 4 ms)
    connect second -> third: dense, weight = normal(0, 0.4)
    connect seen = second -> first: dense, weight = normal(0, 0.05 /ms), delay = 3 ms, synapse = spread()
    connect graded = second -> third: dense, weight = normal(0, 0.2 /ms), delay = 2 ms, synapse = tsodyks_markram(), dropout = 0.2
    connect lag = first -> third: dense, weight = normal(0, 0.2), delay = each(2 ms), dropout = 0.1
    connect lags = second -> second: one_to_one, weight = each(0.2), delay = each(1.5 ms)
    connect levels = second -> second: one_to_one, weight = each(0.1 /ms), delay = each(1.7 ms), synapse = spread()
    connect widely = third -> second: dense, weight = normal(0, 0.1 /ms), delay = each(2.3 ms), synapse = spread()
    connect come = x -> second: dense, weight = normal(0, 0.2), delay = each(1 ms)
    connect part = second[8:75] -> first[40:140]: dense, weight = normal(0, 0.2), delay = 1 ms
    connect ones = first[100:130] -> third[2:32]: one_to_one, weight = each(0.3)
    connect first -> output: dense, weight = normal(0, 0.3)
    connect third -> output: dense, weight = normal(0, 0.5)

train:
    rule = bptt
    loss = cross_entropy(mean(output.v))
    penalty = firing_rate(first, target = 20 Hz, strength = 1e-5), firing_rate(second, target = 5 Hz, strength = 1e-5, over = batch)
    learn = weights, first.tau_m, third.bias, output.bias, initial(second.v), lag.delay(in = [1 ms, 5 ms]), lags.delay(in = [1 ms, 4 ms]), levels.delay(in = [1 ms, 3 ms]), widely.delay(in = [1 ms, 4 ms]), come.delay(in = [0 ms, 3 ms])
    optimiser = adam(learning_rate = 1e-3)
"""
FED_BACK = """
network FedBack:
    step = 1 ms
    population x: input[6]
    population hidden: ALIF[100]
    population other: ALIF[70](tau_m = 10 ms, theta = 0.5)
    population output: LIF[40](tau_m = 10 ms, theta = 0.4)
    for k in hidden, other:
        connect x -> {k}: dense, weight = normal(0.2, 0.5)
        connect {k} -> output: dense, weight = normal(0, 0.3)
    connect hidden -> hidden: dense, weight = normal(0, 0.2), delay = 1 ms
    connect output -> other: dense, weight = normal(0, 0.2), delay = 2 ms

train:
    rule = eprop(feedback = adaptive)
    loss = mean(cross_entropy(output.v))
    penalty = firing_rate(hidden, target = 20 Hz, strength = 1e-5)
    learn = weights, hidden.tau_m
    optimiser = sgd(learning_rate = 1e-2)
"""


@pytest.fixture(scope="session")
def projects(tmp_path_factory):
    needs_compiler()
    return Projects(tmp_path_factory.mktemp("clusters"))


@pytest.fixture
def sliced(projects, monkeypatch):
    """A network on a device whose blocks have so few bytes of shared memory that four must share a sample."""

    def build(text: str, most: int, build: str = "plain", seed: int = 3):
        monkeypatch.setattr(clusters, "MOST_SHARED", most)
        program, project = projects.emulated(text, build=build)
        header = next(
            p
            for p in projects.folder.glob("*/src/cuda/*_network.cuh")
            if f"namespace {program.name.lower()}" in p.read_text()
        )
        assert "int cluster = 4;" in header.read_text()
        return program, sncc.load(project, backend="emulated", seed=seed)

    return build


@pytest.mark.slow
@pytest.mark.parametrize("build", ["plain", "checked"])
@pytest.mark.parametrize("order", ["0", "1"])
def test_blocks_that_share_a_sample_give_the_references_numbers(sliced, build, order, monkeypatch):
    monkeypatch.setenv("SNCC_EMULATION_ORDER_SEED", order)
    program, network = sliced(FED_BACK, 11_000, build)
    agree(network, program, 1e-9, steps=25)
    trains_like_the_reference(network, program, 1e-8, steps=1)


@pytest.mark.slow
@pytest.mark.parametrize("build", ["plain", "checked"])
@pytest.mark.parametrize("loss", ["mean(cross_entropy(output.v))", "cross_entropy(mean(output.v))"])
@pytest.mark.parametrize("text", GO_FORWARDS.values(), ids=GO_FORWARDS)
def test_blocks_that_share_a_sample_go_forwards_in_time(sliced, build, text, loss, monkeypatch):
    monkeypatch.setenv("SNCC_EMULATION_ORDER_SEED", "2")
    program, network = sliced(text.replace("LOSS", loss), MOST.get(text, 16_000), build, seed=0)
    agree(network, program, 1e-9, steps=15)
    trains_online_like_the_reference(network, program)


@pytest.mark.slow
@pytest.mark.parametrize("rule, most", [("bptt", 4_000), ("eprop(online = true)", 6_000)])
def test_kernels_of_convolutions_are_shared_too(projects, monkeypatch, rule, most):
    monkeypatch.setattr(clusters, "MOST_SHARED", most)
    program, reference, values, inputs, labels, pairs = case_of("convolution", rule)
    _, project = projects.emulated(CASES["convolution"].text(rule=rule), build="checked")
    written = projects.folder / project.name.removesuffix("_checked")
    assert "int cluster = 2;" in (written / "src" / "cuda" / "patterns_network.cuh").read_text()
    network = sncc.load(project, backend="emulated", connections=pairs)
    equals_the_reference(network, "convolution", labels, program, reference, values, inputs, pairs)


def data(samples: int = 3, steps: int = 30):
    rng = np.random.default_rng(0)
    lengths = np.array([steps - 4 * k for k in range(samples)])
    events = {name: rng.random((samples, steps, size)) < 0.2 for name, size in (("x", 6), ("same", 80))}
    inputs = {name: sncc.Events.from_dense(value, lengths=lengths) for name, value in events.items()}
    return {**inputs, "level": rng.normal(0, 1, (samples, steps, 80))}, np.arange(samples) % 3


def with_times():
    """The same data with the spike times as events of each sample; the last one is beyond the end of the third."""
    inputs, labels = data()
    lengths = inputs["x"].lengths
    times = [([0.0025, 0.0035, 0.0035, 0.0245], [0, 4, 1, 1])] * len(lengths)
    return {**inputs, "played": sncc.Events.from_lists(times, 5, 1e-3, steps=lengths)}, labels


def trained(network):
    """The loss, gradients, readouts and, after two steps of the optimiser, parameters of a network."""
    network.set_spike_times("played", ([0.003, 0.004, 0.004, 0.025], [0, 4, 1, 1]))
    loss, gradients = network.gradients(*data())
    other, others = network.gradients(*with_times())
    assert other == loss and all(np.array_equal(others[key], value) for key, value in gradients.items())
    outputs = network.predict(data()[0])
    network.fit(*data(), epochs=2, batch=3, verbose=False)
    return {"loss": loss, "outputs": outputs, **gradients} | {
        f"then {key}": network.parameters[key] for key in network.parameters
    }


@pytest.mark.slow
@pytest.mark.parametrize("build", ["plain", "checked"])
def test_all_patterns_of_slices_give_the_cpus_numbers(sliced, build):
    _, network = sliced(SLICED, 15_000, build)
    expected, found = (
        trained(n) for n in (sncc.load(sncc.build(SLICED, backend="cpu", precision="float64"), seed=3), network)
    )
    moved = [
        f"{name}.{kind}"
        for name, kind in (
            ("drawn", "weight"),
            ("part", "weight"),
            ("ones", "weight"),
            ("lag", "delay"),
            ("lags", "delay"),
            ("levels", "delay"),
            ("widely", "delay"),
            ("come", "delay"),
        )
    ]
    assert set(expected) == set(found) and all(np.abs(expected[key]).max() > 0 for key in moved)
    for key, value in expected.items():
        assert np.allclose(found[key], value, rtol=1e-8, atol=1e-9 * np.max(np.abs(value))), key


@pytest.mark.slow
def test_a_number_that_is_none_is_named_as_where_one_block_has_the_sample(sliced):
    _, network = sliced(FED_BACK, 11_000)
    weights = np.array(network.parameters["x_hidden.weight"])
    weights[:, 99] = 1e308  # of the last neuron that any block has
    network.parameters["x_hidden.weight"] = weights
    events = np.repeat([[[0]] * 3 + [[1]] * 27] * 3, 6, axis=2)
    data = sncc.Events.from_dense(events, lengths=[30, 26, 22])
    for run in (network.gradients, network.evaluate):
        with pytest.raises(
            FloatingPointError, match="the state `v` of `hidden` is not finite in neuron 99 at step 4 of sample 0"
        ):
            run(data, np.arange(3))


@pytest.mark.slow
@needs_emulation
@pytest.mark.parametrize("text, most, file, behind", [
    (FED_BACK, 11_000, "cuda/{name}_clusters.cuh", "// other_output: other -> output"),
    (FED_BACK, 11_000, "sncc/cuda_cluster.h", "// a block may end, or look again"),  # while others read its shared memory
    (EVERY_STEP, 16_000, "cuda/{name}_clusters.cuh", "// traces of x_hidden"),  # the first block's derivative of the loss
    (EVERY_STEP, 16_000, "cuda/{name}_clusters.cuh", "if ((g.looks || "),  # which it forgets in the next step
    (SHARED.replace("LOSS", "cross_entropy(mean(output.v))"), 16_000, "cuda/{name}_clusters.cuh", "add_parts("),  # which the other blocks have added up
    (OWN_STATES.replace("LOSS", "mean(cross_entropy(output.v))"), 40_000, "cuda/{name}_clusters.cuh", "signal_back_of("),  # of neurons of other blocks
], ids=["spikes", "the end", "a loss", "the next step", "parts", "signals"])  # fmt: skip
def test_a_meeting_of_the_block_in_place_of_one_of_the_cluster_is_missed(
    projects, sliced, tmp_path, text, most, file, behind
):
    program, _ = sliced(text, most)
    _, project = projects.write(text, "float64")
    name = program.name.lower()
    broken = tmp_path / "too_small_a_meeting"
    shutil.copytree(project, broken)
    source = broken / "src" / file.format(name=name)
    before, found, after = source.read_text().partition(behind)
    assert found
    head, tail = before.rsplit("cluster.sync();", 1)
    source.write_text(f"{head}__syncthreads();{tail}{found}{after}")
    (broken / "lib").mkdir()
    shutil.copy(projects.link(broken, name, "checked", f"lib{name}_emulated.so", "-shared"), broken / "lib")
    with pytest.raises(
        RuntimeError,
        match="race: .*a barrier of the cluster|uninitialised|end of block 0 without a barrier of the cluster",
    ):
        agree(sncc.load(broken, backend="emulated"), program, 1e-9, steps=25)


@pytest.mark.slow
@needs_emulation
def test_where_the_device_has_no_room_for_a_cluster_one_block_has_the_sample(sliced, monkeypatch, tmp_path):
    program, _ = sliced(FED_BACK, 11_000)
    _, labels, values = cases(program)
    data = handed_over(program, cases(program)[0])
    found = []
    for part in ("16", "0"):  # multiprocessors that a cluster may lie on
        log = tmp_path / part
        monkeypatch.setenv("SNCC_EMULATION_PART", part)
        network = sliced(FED_BACK, 11_000)[1]
        set_parameters(network, program, values)
        monkeypatch.setenv("SNCC_EMULATION_LAUNCHES", str(log))
        loss, gradients = network.gradients(data, np.array(labels))
        # the first is of what follows from parameters
        found.append((log.read_text().splitlines()[1].split()[0], loss, gradients))
        monkeypatch.delenv("SNCC_EMULATION_LAUNCHES")
    (many, *expected), (few, *alone) = found
    assert int(few) == len(labels) < int(many)
    assert alone[0] == pytest.approx(expected[0], rel=1e-12)
    for key, gradient in expected[1].items():
        assert np.allclose(alone[1][key], gradient, rtol=1e-9, atol=1e-12 * np.abs(gradient).max()), key


# ----------------------------------------------------------------------------------------- which networks have clusters
PLAIN = """
network Plain:
    step = 1 ms
    population x: input[8, 8, 2]
    population hidden: ALIF[SIZE]
    population output: LI[20]
    connect x -> hidden: dense, weight = normal(0, 1)
    connect hidden -> output: dense, weight = normal(0, 1)

train:
    rule = eprop(feedback = symmetric)
    loss = mean(cross_entropy(output.v))
    optimiser = adam(learning_rate = 1e-3)
"""


def blocks(text: str) -> int:
    found = re.search(r"int cluster = (\d+);", emit(program_of(text, "float32"))["src/cuda/plain_network.cuh"])
    return int(found[1])


@pytest.mark.parametrize("size, expected", [(7000, 0), (9000, 2), (16_000, 4), (40_000, 8), (90_000, 0)])
def test_as_few_blocks_share_a_sample_as_have_room_for_it(size, expected):
    assert blocks(PLAIN.replace("SIZE", str(size))) == expected


@pytest.mark.parametrize(
    "rule, before, after, expected",
    [
        ("eprop(online = true)", "", "", 2),
        ("eprop(online = true)", "x -> hidden: dense, weight = normal(0, 1)", "x -> hidden: random(p = 0.5), weight = normal(0, 1)", 2),
        ("eprop(online = true)", "x -> hidden: dense, weight = normal(0, 1)", "x -> hidden: random(p = 0.5), weight = 0.1", 2),  # one number for all
        ("eprop(online = true)", "LI[20]", "LI[20](tau_m = each(20 ms))", 2),  # traces of each output
        ("eprop(feedback = random)", "hidden -> output", "hidden[0:100] -> output", 2),
        ("bptt\n    learn = weights, x_hidden.delay(in = [1 ms, 9 ms])", "1)\n    connect hidden", "1), delay = each(2 ms)\n    connect hidden", 2),
    ],
)  # fmt: skip
def test_parts_and_learnt_delays_are_shared_too(rule, before, after, expected):
    text = PLAIN.replace("SIZE", "9000").replace("eprop(feedback = symmetric)", rule)
    assert not before or before in text
    assert blocks(text.replace(before, after)) == expected
