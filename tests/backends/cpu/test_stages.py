"""Layers that go many steps ahead of the next: sums over all those spikes at once have the bits of single steps."""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from projects import needs_compiler

import sncc
from sncc.backends.cpu.stages import stages
from sncc.backends.cxx.dynamics import dynamics
from sncc.backends.cxx.layout import Layout
from sncc.backends.reference.interpreter import Reference

BUSY = """
network Busy:
    step = 1 ms
    population x: input[150]
    population y: input[140]
    population first: LIF[130]
    population second: LIF[136]
    population third: LIF[128]
    population output: LI[3]
    connect x -> first: dense, weight = normal(0.02, 0.1)
    connect y -> first: dense, weight = normal(0.02, 0.1), delay = 2 ms
    connect first -> second: dense, weight = normal(0.02, 0.1)
    connect again = first -> second: dense, weight = normal(0.02, 0.1), delay = 3 ms
    connect third -> third: dense, weight = normal(0, 0.1), delay = 1 ms
    connect second -> third: dense, weight = normal(0.02, 0.1)
    connect x -> third: dense, weight = normal(0.02, 0.1)
    connect third -> output: dense, weight = normal(0, 0.2)
    connect second -> output: dense, weight = normal(0, 0.2)

train:
    rule = bptt
    loss = mean(cross_entropy(output.v))
    optimiser = adam(learning_rate = 1e-3)
"""
STEPS = 45  # more than one block, and not whole ones


def stages_of(text: str):
    program = program_of(text)
    return stages(Layout(program, dynamics(program)))


def connections(text: str) -> list[tuple[int, list[str]]]:
    """The stage of everything that arrives ahead, and the connections that bring it."""
    return [(a.stage, [c.name for c in a.connections]) for a in stages_of(text).arrivals]


def test_a_layer_is_a_stage_behind_what_it_hears():
    found = stages_of(BUSY)
    assert len(found.operations) == 3
    # in `third` its own spikes come first, and sums keep their order
    assert connections(BUSY) == [(0, ["x_first", "y_first"]), (1, ["first_second", "again"])]
    assert found.columns == 144 + 144


def test_circles_and_readouts_are_one_stage():
    back = "connect second -> first: dense, weight = normal(0, 0.1), delay = 1 ms"
    circle = BUSY.replace("    connect third -> output", f"    {back}\n    connect third -> output")
    assert connections(circle) == [(0, ["x_first", "y_first"])] and len(stages_of(circle).operations) == 2
    seen = BUSY.replace("output.v", "second.v")
    assert [stage for stage, _ in connections(seen)] == [0, 1] and len(stages_of(seen).operations) == 2


def inputs(rate: float, steps: int = STEPS):
    rng = np.random.default_rng(0)
    lengths = (steps, steps - 1, steps - 20, steps, steps - 7)  # a tile of four and one more
    samples = [
        {"x": (rng.random((n, 150)) < rate) * rng.integers(1, 3, (n, 150)), "y": rng.random((n, 140)) < rate}
        for n in lengths
    ]
    padded = {
        name: np.array([np.pad(s[name].astype(int), ((0, steps - len(s[name])), (0, 0))) for s in samples])
        for name in "xy"
    }
    data = {name: sncc.Events.from_dense(array, 1e-3, lengths=np.array(lengths)) for name, array in padded.items()}
    return samples, data, np.arange(len(lengths)) % 3


@pytest.mark.parametrize("rate", [0.4, pytest.param(0.01, marks=pytest.mark.slow)])
def test_sums_of_many_steps_are_those_of_single_ones(rate):
    needs_compiler()
    program, project = program_of(BUSY), sncc.build(BUSY, backend="cpu", precision="float64")
    network = sncc.load(project, seed=3, threads=1)
    samples, data, labels = inputs(rate)
    values = {p.key: np.asarray(network.parameters[p.key]) / p.si for p in program.parameters}
    run = Reference(program, values).run(samples, list(labels))
    loss, gradients = network.gradients(data, labels)
    assert loss == pytest.approx(run.loss, rel=1e-10)
    for key, expected in run.gradients.items():
        assert np.allclose(
            gradients[key], np.reshape(expected, gradients[key].shape), rtol=0, atol=1e-10 * np.abs(expected).max()
        ), key
    busy = [run.spikes[0][name].mean() for name in ("first", "second", "third")]
    assert min(busy) > 0.15 if rate == 0.4 else min(busy) < 0.1
    # a simulation goes step by step
    predicted = network.predict(data, per_step=True)
    simulated = network.simulate(duration=STEPS * 1e-3, inputs=data, record=["output.v"]).trace["output.v"]
    for k, sample in enumerate(samples):
        n = len(sample["x"])
        assert np.array_equal(predicted[k][:n], simulated[k][:n])
    _, others = sncc.load(project, seed=3, threads=3).gradients(data, labels)
    assert all(np.array_equal(gradients[key], others[key]) for key in gradients)


@pytest.mark.slow
def test_a_bound_on_memory_changes_no_bit():
    needs_compiler()
    _, data, labels = inputs(0.2, steps=1100)  # more than two of the blocks over which gradients are gathered
    found = []
    for memory in (None, "10 MB"):
        network = sncc.load(sncc.build(BUSY, backend="cpu", memory=memory), seed=3, threads=2)
        found.append(network.gradients(data, labels))
    assert found[0][0] == found[1][0]
    assert all(np.array_equal(found[0][1][key], gradient) for key, gradient in found[1][1].items())
