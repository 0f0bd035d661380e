"""Delays for each synapse below the smallest possible one, where samples run in parallel:
raised where they are drawn, refused where they are set.
"""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from networks import program_of
from projects import Projects, needs_compiler

import sncc
from sncc.backends.reference.interpreter import Reference

TEXT = """
network Brief:
    step = 0.5 ms
    population x: input[6]
    population a: LIF[9]
    population b: LI[3]
    connect few = x -> a: random(p = 0.7), weight = normal(0, 1), delay = normal(0.5 ms, 1 ms, clip = [-1 ms, 4 ms])
    connect loop = a -> a: random(p = 0.7), weight = normal(0, 0.1), delay = normal(0.5 ms, 1 ms)
    connect apart = a -> a: dense(self = false), weight = 0.1, delay = normal(2 ms, 1 ms, clip = [1 ms, 3 ms])
    connect a -> b: dense, weight = normal(0, 1), delay = uniform(1 ms, 2 ms)

train:
    rule = bptt
    loss = cross_entropy(mean(b.v))
    optimiser = sgd(learning_rate = 1e-3)
"""
SMALLEST = {"few": 0.0, "loop": 0.5, "apart": 1.0, "a_b": 1.0}  # ms


@pytest.fixture(scope="module", params=["cpu", pytest.param("emulated", marks=pytest.mark.slow)])
def network(request, tmp_path_factory):
    needs_compiler()
    if request.param == "cpu":
        return sncc.load(sncc.build(TEXT, backend="cpu", precision="float64"), seed=2)
    project = Projects(tmp_path_factory.mktemp("emulated")).emulated(TEXT)[1]
    return sncc.load(project, backend="emulated", seed=2)


def test_delays_that_are_drawn_too_short_are_the_smallest_one(network):
    reference = Reference(program_of(TEXT), seed=2)
    for name, smallest in SMALLEST.items():
        delays = np.asarray(network.parameters[f"{name}.delay"])
        there = delays[~np.eye(9, dtype=bool)] if name == "apart" else delays
        expected = np.asarray(reference.parameters[f"{name}.delay"])
        assert np.allclose(there * 1e3, expected[~np.eye(9, dtype=bool)] if name == "apart" else expected)
        assert there.min() >= max(smallest - 0.25, 0) * 1e-3 - 1e-12  # what is rounded up stays as it was drawn
    raised = np.asarray(network.parameters["loop.delay"])
    assert np.count_nonzero(np.abs(raised - 0.5e-3) < 1e-12) > 9 > np.count_nonzero(raised < 0.4e-3)
    for name in SMALLEST:
        network.parameters[f"{name}.delay"] = network.parameters[f"{name}.delay"]


def test_a_shorter_one_cannot_be_set_and_nothing_changes(network):
    for name, delay, bound in (
        ("loop", 0.2, "0.5 ms (1 step)"),
        ("apart", 0.7, "1 ms (2 steps)"),
        ("a_b", 0.0, "1 ms (2 steps)"),
    ):
        before = np.asarray(network.parameters[f"{name}.delay"])
        for delays in (
            np.full(before.shape, delay * 1e-3),
            np.where(np.arange(before.size).reshape(before.shape) == 1, delay * 1e-3, before),
        ):
            with pytest.raises(ValueError) as refused:
                network.parameters[f"{name}.delay"] = delays
            assert (
                f"the connection `{name}`: a delay of {delay:g} ms: the smallest of this connection is {bound}"
                in str(refused.value)
            )
        assert np.array_equal(network.parameters[f"{name}.delay"], before)
    network.parameters["few.delay"] = np.zeros(network.parameters["few.delay"].shape)


def test_a_file_that_holds_shorter_ones_is_refused_and_nothing_changes(network, tmp_path):
    network.save(tmp_path / "w.npz")
    before = {key: np.asarray(values) for key, values in network.parameters.items()}
    saved = dict(np.load(tmp_path / "w.npz"))
    for key in ("parameter/loop.delay", "unscaled/loop.delay"):
        saved[key] = saved[key] * 0
    np.savez(tmp_path / "short.npz", **saved)
    with pytest.raises(
        ValueError, match=r"the connection `loop`: a delay of 0 ms: the smallest of this connection is 0\.5 ms"
    ):
        network.load(tmp_path / "short.npz")
    by_c = ctypes.CDLL(str(network.library.path)).brief_load
    for path, code in ((tmp_path / "short.npz", 1), (tmp_path / "w.npz", 0)):
        assert bool(by_c(ctypes.c_void_p(network.library._handle), str(path).encode())) == code
        assert all(np.array_equal(network.parameters[key], values) for key, values in before.items())
    network.load(tmp_path / "w.npz")
