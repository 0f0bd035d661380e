"""Deep R in the C++ half: the reference's synapses and weights after every step, with any number of threads; saved and gone on with."""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from projects import needs_compiler, set_parameters

import sncc
from sncc.backends.cuda.supported import unsupported
from sncc.backends.reference.interpreter import Reference

TEXT = """
network Rewired:
    step = 1 ms
    population x: input[4, 3]
    population hidden: LIF[9](tau_m = 12 ms, theta = 0.7)
    population output: LI[3](tau_m = 10 ms)
    connect drawn = x[1:4, 0:3] -> hidden: random(p = 0.5), weight = normal(0, 1, clip = [-2, 2]) in [-2, 2],
        rewire = deep_r(l1 = 0.05, temperature = 0.02)
    connect back = hidden -> hidden: random(fan_in = 3, self = false), weight = normal(0, 1), delay = uniform(1 ms, 4 ms),
        rewire = deep_r()
    connect hidden -> output: sparse, weight = each(0.05), rewire = deep_r(l1 = 0.1)
    connect other = hidden -> output: random(total = 20), weight = normal(0, 0.05), sign = fixed, rewire = deep_r()

train:
    rule = bptt
    loss = mean(cross_entropy(output.v))
    learn = weights, hidden.tau_m
    optimiser = adam(learning_rate = 0.05)
    clip = norm(1)
    batch = 4
"""
REWIRED = ("drawn", "back", "hidden_output", "other")
PAIRS = {"hidden_output": (np.arange(9), np.arange(9) % 3)}


@pytest.fixture(scope="module")
def project():
    needs_compiler()
    return sncc.build(TEXT, backend="cpu", precision="float64")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(2)
    counts = rng.poisson(0.2, (4, 30, 12))
    return counts, sncc.Events.from_dense(counts.reshape(4, 30, 4, 3), step=1e-3), np.array([0, 1, 2, 1])


def loaded(project, program, reference, threads=2):
    network = sncc.load(project, connections=PAIRS, seed=5, threads=threads)
    set_parameters(network, program, reference.parameters)
    return network


def test_synapses_and_weights_are_the_references(project, data):
    program = program_of(TEXT)
    reference = Reference(program, seed=5, pairs=PAIRS)
    reference.parameters["drawn.weight"] = np.minimum(np.abs(reference.parameters["drawn.weight"]) + 0.02, 2)
    network = loaded(project, program, reference)
    counts, events, labels = data
    moved = dict.fromkeys(REWIRED, 0)
    for _ in range(8):
        before = {c: set(zip(*_pairs(reference, c), strict=True)) for c in REWIRED}
        run = reference.run([{"x": sample} for sample in counts], list(labels))
        reference.optimise(run.gradients)
        history = network.fit(events, labels, epochs=1, batch=4, verbose=False)
        assert history["loss"][0] == pytest.approx(run.loss, rel=1e-10)
        for c in REWIRED:
            weights = network.parameters[f"{c}.weight"]
            pre, post = _pairs(reference, c)
            assert np.array_equal(weights.pre, pre) and np.array_equal(weights.post, post)
            assert np.allclose(weights, reference.parameters[f"{c}.weight"], rtol=1e-9, atol=1e-12), c
            moved[c] += len(set(zip(pre, post, strict=True)) - before[c])
        assert np.allclose(network.parameters["back.delay"] * 1e3, reference.parameters["back.delay"])
    assert min(moved.values()) > 0 and run.spikes[0]["hidden"].sum() > 5
    assert np.abs(network.parameters["drawn.weight"]).max() <= 2


def _pairs(reference, connection):
    table = reference.tables[connection]
    return table.source, table.target


def test_training_goes_on_exactly_from_a_file_and_with_other_threads(project, data, tmp_path):
    program = program_of(TEXT)
    reference = Reference(program, seed=5, pairs=PAIRS)
    _, events, labels = data

    def fit(network, epochs):
        network.fit(events, labels, epochs=epochs, batch=2, seed=1, verbose=False)

    first = loaded(project, program, reference)
    fit(first, 4)
    first.save(tmp_path / "w.npz")
    kept = first.parameters["drawn.weight"]
    where = kept.pre.copy()
    fit(first, 4)
    assert np.array_equal(kept.pre, where)  # of a copy: the synapses that its numbers were of
    again = sncc.load(project, connections=PAIRS, seed=5, threads=1)
    again.load(tmp_path / "w.npz")
    fit(again, 4)
    for c in REWIRED:
        one, other = first.parameters[f"{c}.weight"], again.parameters[f"{c}.weight"]
        assert (
            np.array_equal(one, other) and np.array_equal(one.pre, other.pre) and np.array_equal(one.post, other.post)
        )


def test_a_file_with_synapses_that_cannot_be_changes_nothing(project, tmp_path):
    network = sncc.load(project, connections=PAIRS, seed=5)
    network.save(tmp_path / "w.npz")
    arrays = dict(np.load(tmp_path / "w.npz"))
    before = network.parameters["drawn.weight"]
    drawn, back = ([arrays[f"synapses/{c}/{end}"] for end in ("pre", "post")] for c in ("drawn", "back"))
    itself, apart = (np.where(np.arange(len(back[0])) == 0, x, back[1]) for x in (back[0][0], back[1][0] + 1))
    wrong = {
        "out of order": {"synapses/drawn/pre": drawn[0][::-1]},
        "of no part": {"synapses/drawn/pre": drawn[0] * 0},
        "one pair twice": {f"synapses/drawn/{end}": np.r_[x[1], x[1:]] for end, x in zip(("pre", "post"), drawn)},
        "a neuron and itself": {"synapses/back/post": itself},
        "more to one target": {"synapses/back/post": apart},
    }
    for what, changed in wrong.items():
        np.savez(tmp_path / "other.npz", **{**arrays, **changed})
        with pytest.raises(ValueError, match="cannot have these synapses"):
            network.load(tmp_path / "other.npz")
        assert np.array_equal(network.parameters["drawn.weight"].pre, before.pre), what


def test_parameters_alone_leave_nothing_of_an_optimiser_to_other_synapses(project, data, tmp_path):
    program = program_of(TEXT)
    _, events, labels = data
    first = loaded(project, program, Reference(program, seed=5, pairs=PAIRS))
    first.save(tmp_path / "w.npz")
    first.fit(events, labels, epochs=4, batch=2, seed=1, verbose=False)
    first.load(tmp_path / "w.npz", optimiser=False)
    first.save(tmp_path / "again.npz")
    kept = np.load(tmp_path / "again.npz")
    assert not np.any(kept["optimiser/drawn.weight/m"]) and np.any(kept["optimiser/hidden.tau_m/m"])


def test_cuda_says_that_it_does_not_move_synapses_yet():
    assert {f"the rewiring of `{c}`" for c in REWIRED} <= set(unsupported(program_of(TEXT)))
