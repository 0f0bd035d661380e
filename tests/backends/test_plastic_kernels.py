"""Weights of `conv2d` under a plasticity: every synapse has its own, which begins at the kernel's with every run."""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from projects import Projects, needs_compiler

import sncc
from sncc.backends.reference.interpreter import Reference

NETWORK = """
neuron Cell:
    state v = 0
    input I
    dv/dt = -v / (10 ms) + I
    spike when v > 0.5:
        v = 0

plasticity rule:
    param rate = 0.1
    param step_of_y = 0.4 adjustable
    pre state x = 0
    post state y = 0
    dx/dt = -x / (12 ms)
    dy/dt = -y / (9 ms)
    on pre:
        weight += rate * (0.3 - y) * (1.5 - weight)
        x += 0.5
    on post:
        weight += rate * x * y
        y += step_of_y
    bound weight in [-0.2, 0.5]

network Net:
    step = 1 ms
    population x: input[4, 5, 2]
    population seen: Cell[2, 3, 3]
    connect x -> seen: conv2d(kernel = [3, 2], stride = [2, 2], channels = 3, padding = same), weight = {weight}, delay = 2 ms,
        plasticity = rule()
"""
RECORD = ["seen.v", "x_seen.weight"]


def inputs() -> np.ndarray:
    return (np.random.default_rng(1).random((30, 4, 5, 2)) < 0.15).astype(int)


def plainly(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Potentials and weights after every step: synapse by synapse, each source's in the order of its targets."""
    # `same`: 2 rows of windows over 4 rows need one more below; 3 columns of windows over 5 need one more at the right
    pairs = sorted(
        (np.ravel_multi_index((2 * y + a, 2 * x + b, c), (4, 5, 2)), np.ravel_multi_index((y, x, o), (2, 3, 3)), a, b, c, o)
        for y in range(2) for x in range(3) for o in range(3) for a in range(3) for b in range(2) for c in range(2)
        if 2 * y + a < 4 and 2 * x + b < 5
    )  # fmt: skip
    pre, post, *places = np.array(pairs).T
    w = np.broadcast_to(kernel, (3, 2, 2, 3))[tuple(places)].copy()
    z, v, x, y = inputs().reshape(30, -1), np.zeros(18), np.zeros(40), np.zeros(18)
    potentials, weights = [], []
    for n in range(30):
        v, x, y = v * np.exp(-1 / 10), x * np.exp(-1 / 12), y * np.exp(-1 / 9)
        if n >= 2:
            arrived = z[n - 2]
            v = v + np.bincount(post, w * arrived[pre], 18)
            w = np.where(arrived[pre], np.clip(w + 0.1 * (0.3 - y[post]) * (1.5 - w), -0.2, 0.5), w)
            x = x + 0.5 * arrived
        fired = v > 0.5
        v = np.where(fired, 0, v)
        w = np.where(fired[post], np.clip(w + 0.1 * x[pre] * y[post], -0.2, 0.5), w)
        y = y + 0.4 * fired
        potentials.append(v)
        weights.append(w)
    return np.array(potentials), np.array(weights)


@pytest.mark.parametrize("weight", ["normal(0.1, 0.2)", "0.1"])
@pytest.mark.parametrize("schedule", ["neuron_parallel", "sample_parallel"])
def test_every_synapse_moves_from_the_kernels_weight(weight, schedule):
    reference = Reference(program_of(NETWORK.format(weight=weight), schedule=schedule))
    run = reference.run([{"x": inputs().reshape(30, -1).astype(float)}])
    kernel = np.asarray(reference.parameters["x_seen.weight"])
    v, weights = plainly(kernel.reshape(3, 2, 2, 3) if kernel.shape else kernel)
    assert np.allclose(run.traces[0]["seen", "v"], v, rtol=1e-12, atol=1e-14) and np.ptp(weights) > 0.5
    if schedule == "neuron_parallel":
        assert np.allclose(run.weights[0]["x_seen.weight"], weights[-1], rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("half", ["cpu", "emulated"])
@pytest.mark.parametrize("weight", ["normal(0.1, 0.2)", "0.1"])
def test_both_halves_move_them_and_begin_again_at_the_kernel(tmp_path, half, weight):
    needs_compiler()
    text = NETWORK.format(weight=weight)
    if half == "cpu":
        network = sncc.load(sncc.build(text, backend="cpu", precision="float64"), threads=2)
    else:
        network = sncc.load(Projects(tmp_path).emulated(text, build="checked")[1], backend="emulated")
    kernel = np.array(network.parameters["x_seen.weight"])
    v, weights = plainly(kernel)
    first, second = (sncc.Events.from_dense(part[None], step=1e-3) for part in np.split(inputs(), 2))
    for _ in range(2):  # the second begins as the first
        begun = network.simulate(inputs={"x": first}, record=RECORD)
        network.parameters["x_seen.plasticity.step_of_y"] = 0.4  # what moves goes on from where it is
        ended = network.simulate(inputs={"x": second}, record=RECORD, resume=True)
        for name, expected in zip(RECORD, (v, weights)):
            found = np.concatenate([begun.trace[name], ended.trace[name]])
            assert np.allclose(found, expected, rtol=1e-12, atol=1e-14), name
        assert np.array_equal(network.parameters["x_seen.weight"], kernel)
    if kernel.shape:
        network.parameters["x_seen.weight"] = kernel / 2
        again = network.simulate(inputs={"x": first}, record=RECORD)
        assert np.allclose(again.trace["x_seen.weight"], plainly(kernel / 2)[1][:15], rtol=1e-12)
