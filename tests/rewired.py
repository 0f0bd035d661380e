"""A network of which training moves the synapses of every pattern, and how a library's follow the reference's."""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from projects import set_parameters

import sncc
from sncc.backends.reference.interpreter import Reference

TEXT = """
synapse clipped:
    "Each synapse has at most so much, so that it keeps its state itself."
    param most = 1.5
    state g = 0
    dg/dt = -g * (1 + 0.2 * tanh(post.v)) / (6 ms)
    on pre: g += weight * (most - tanh(g))
    deliver g / (5 ms)

network Rewired:
    step = 1 ms
    population x: input[4, 3]
    population hidden: LIF[9](tau_m = 12 ms, theta = 0.7)
    population output: LI[3](tau_m = 10 ms)
    connect drawn = x[1:4, 0:3] -> hidden: random(p = 0.5), weight = normal(0, 1, clip = [-2, 2]) in [-2, 2],
        rewire = deep_r(l1 = 0.05, temperature = 0.02)
    connect back = hidden -> hidden: random(fan_in = 3, self = false), weight = normal(0, 1), delay = uniform(1 ms, 4 ms),
        rewire = deep_r()
    connect each = hidden -> hidden: random(p = 0.3), weight = normal(-0.3, 0.4), delay = uniform(1 ms, 4 ms), synapse = clipped(most = uniform(1, 2)), rewire = deep_r()
    connect hidden -> output: sparse, weight = each(0.05), rewire = deep_r(l1 = 0.1)
    connect other = hidden -> output: random(total = 20), weight = normal(0, 0.05), sign = fixed, rewire = deep_r()

train:
    rule = bptt
    loss = mean(cross_entropy(output.v))
    learn = weights, hidden.tau_m, delays, each.most
    optimiser = adam(learning_rate = 0.05)
    clip = norm(1)
    batch = 4
"""
REWIRED = ("drawn", "back", "each", "hidden_output", "other")
PAIRS = {"hidden_output": (np.arange(9), np.arange(9) % 3)}

# by feedback, over weights that move within a sample as well
FED_BACK = TEXT.replace("rule = bptt", "rule = eprop(feedback = adaptive)")
FED_BACK = FED_BACK.replace(
    "network Rewired:",
    """plasticity growing:
    param rate = 0.05
    pre state x = 0
    dx/dt = -x / (10 ms)
    on pre:
        weight += rate * x * (1 - weight)
        x += 1

network Rewired:""",
).replace(
    "\n\ntrain",
    """
    connect plastic = hidden -> output: random(p = 0.4), weight = normal(0, 0.1), plasticity = growing(rate = uniform(0.01, 0.1)),
        rewire = deep_r(l1 = 0.1)

train""",
)

# forwards, by a loss of the end
FORWARDS = FED_BACK.replace("adaptive)", "adaptive, online = true)").replace(
    "loss = mean(cross_entropy(output.v))", "loss = cross_entropy(mean(output.v))"
)

# forwards, by a loss of every step: weights change after each, and synapses move once a batch
LOCKSTEP = FED_BACK.replace("adaptive)", "adaptive, online = true)").replace("rate = 0.05)\n", "rate = 0.01)\n")


def batch():
    """Counts of four samples, as events too, and their labels."""
    counts = np.random.default_rng(2).poisson(0.2, (4, 30, 12))
    return counts, sncc.Events.from_dense(counts.reshape(4, 30, 4, 3), step=1e-3), np.array([0, 1, 2, 1])


def follows_the_reference(load, text: str = TEXT) -> None:
    """Synapses, weights and what goes with them after each of eight steps;
    `load(program, reference)` gives the network.
    """
    program = program_of(text)
    reference = Reference(program, seed=5, pairs=PAIRS)
    reference.parameters["drawn.weight"] = np.minimum(np.abs(reference.parameters["drawn.weight"]) + 0.02, 2)
    network = load(program, reference)
    counts, events, labels = batch()
    names = (*REWIRED, *(("plastic",) if text != TEXT else ()))
    moved = dict.fromkeys(names, 0)
    for _ in range(3 if text == LOCKSTEP else 8):  # rounding grows with every step
        before = {c: set(zip(*_pairs(reference, c), strict=True)) for c in names}
        inputs = [{"x": sample} for sample in counts]
        if text == LOCKSTEP:
            loss = reference.train_online(inputs, list(labels))
        else:
            run = reference.run(inputs, list(labels))
            loss = run.loss
            reference.optimise(run.gradients)
        history = network.fit(events, labels, epochs=1, batch=4, verbose=False)
        assert history["loss"][0] == pytest.approx(loss, rel=1e-10)
        for c in names:
            weights = network.parameters[f"{c}.weight"]
            pre, post = _pairs(reference, c)
            assert np.array_equal(weights.pre, pre) and np.array_equal(weights.post, post)
            assert np.allclose(weights, reference.parameters[f"{c}.weight"], rtol=1e-9, atol=1e-12), c
            moved[c] += len(set(zip(pre, post, strict=True)) - before[c])
        with_them = [p for c in names for p in program.numbers_of_synapses(program.connection(c))]
        assert len(with_them) == 3 + 4 * (text != TEXT)
        for p in with_them:
            assert np.allclose(network.parameters[p.key] / p.si, reference.parameters[p.key]), p.key
    assert min(moved.values()) > 0
    assert reference.run([{"x": counts[0]}], steps=30).spikes[0]["hidden"].sum() > 5
    assert np.abs(network.parameters["drawn.weight"]).max() <= 2


def a_simulation_goes_on_unless_delays_or_states_move(network) -> None:
    """Between steps of training; states of a synapse are not another one's."""
    _, events, labels = batch()

    def synapses(connection):
        weights = network.parameters[f"{connection}.weight"]
        return [*zip(weights.pre, weights.post, strict=True)]

    seen = set()
    for _ in range(3):
        network.reset()
        network.step({"x": [1, 2]})
        before = {c: synapses(c) for c in REWIRED}
        network.fit(events, labels, epochs=1, batch=4, verbose=False)
        moved = {c: synapses(c) != before[c] for c in before}
        assert network.library.get_count("step_count") == (0 if moved["back"] or moved["each"] else 1), moved
        seen.add((any(moved.values()), moved["back"] or moved["each"]))
    assert seen == {(True, False), (True, True)}


def goes_on_exactly_from_a_file(first, again, file) -> None:
    """Two networks with the same pairs: the second one loads what the first saved between two fits."""
    _, events, labels = batch()

    def fit(network):
        network.fit(events, labels, epochs=4, batch=2, seed=1, verbose=False)

    fit(first)
    first.save(file)
    kept = first.parameters["drawn.weight"]
    where = kept.pre.copy()
    fit(first)
    assert np.array_equal(kept.pre, where)  # of a copy: the synapses that its numbers were of
    again.load(file)
    fit(again)
    for c in REWIRED:
        one, other = first.parameters[f"{c}.weight"], again.parameters[f"{c}.weight"]
        assert np.array_equal(one, other), c
        assert np.array_equal(one.pre, other.pre) and np.array_equal(one.post, other.post), c


def refuses_synapses_that_cannot_be(network, folder) -> None:
    """A file with such synapses changes nothing."""
    network.save(folder / "w.npz")
    arrays = dict(np.load(folder / "w.npz"))
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
        np.savez(folder / "other.npz", **{**arrays, **changed})
        with pytest.raises(ValueError, match="cannot have these synapses"):
            network.load(folder / "other.npz")
        assert np.array_equal(network.parameters["drawn.weight"].pre, before.pre), what


def _pairs(reference, connection):
    table = reference.tables[connection]
    return table.source, table.target


def starts_like(network, program, reference):
    """The network with the reference's parameters."""
    set_parameters(network, program, reference.parameters)
    return network
