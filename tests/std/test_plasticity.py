"""Standard plasticity rules against sums over pairs and triplets of spikes, written from the papers' definitions."""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of

from sncc.backends.reference.interpreter import Reference
from sncc.model.scope import library
from sncc.syntax import tree

STEP, STEPS, PRE, POST = 0.5, 800, 3, 2
RNG = np.random.default_rng(11)
TRAIN = (RNG.random((STEPS, PRE)) < 0.02).astype(float)  # 40 Hz
KICKS = (RNG.random((STEPS, POST)) < 0.02).astype(float)


def final_weights(plasticity: str, start: str, unit: str = "", **parameters) -> np.ndarray:
    """(PRE, POST) weights after the trains; the target fires at KICKS, whatever the weights are."""
    text = f"""
neuron Relay:
    "Fires where it is told to, and hears everything else in vain."
    state v = 0{unit}
    input I
    each step: v = I
    spike when v > 50{unit}: v = 0{unit}

network N:
    step = {STEP} ms
    population x: input[{PRE}]
    population kick: input[{POST}]
    population p: Relay[{POST}]
    connect kick -> p: one_to_one, weight = 100{unit}
    connect x -> p: dense, weight = each({start}{unit}), plasticity = {plasticity}
"""
    values = {f"x_p.{name}": np.array(value, float) for name, value in parameters.items()}
    done = Reference(program_of(text), values).run([{"x": TRAIN, "kick": KICKS}])
    assert np.array_equal(done.spikes[0]["p"], KICKS)
    return np.asarray(done.weights[0]["x_p.weight"]).reshape(PRE, POST)


def times(train: np.ndarray, neuron: int) -> np.ndarray:
    return (np.flatnonzero(train[:, neuron]) + 1) * STEP


def each_pair(change) -> np.ndarray:
    """What `change(presynaptic times, postsynaptic times)` gives for every synapse."""
    return np.array([[change(times(TRAIN, i), times(KICKS, j)) for j in range(POST)] for i in range(PRE)])


def trace(at: float, spikes: np.ndarray, tau: float, included: bool) -> float:
    """Sum over earlier spikes (and one at the very time) of exp(-age / tau)."""
    past = spikes[spikes <= at + 1e-9] if included else spikes[spikes < at - 1e-9]
    return float(np.sum(np.exp(-(at - past) / tau)))


def in_order(pre: np.ndarray, post: np.ndarray):
    """(time, is it presynaptic) of both trains; where they coincide the presynaptic spike is first."""
    return sorted([(t, 0) for t in pre] + [(t, 1) for t in post])


def additive(pre, post):
    """A pair counts by its order; together counts as pre before post."""
    age = post[None, :] - pre[:, None]
    grown = np.where(age >= -1e-9, np.exp(-np.maximum(age, 0) / 20), 0).sum()
    return 0.005 * grown - 0.006 * np.where(age < -1e-9, np.exp(np.minimum(age, 0) / 30), 0).sum()


def multiplicative(pre, post):
    w = 0.4
    for t, after in in_order(pre, post):
        if after:
            w += 0.05 * (1 - w) * trace(t, pre, 20, True)
        else:
            w -= 0.06 * w * trace(t, post, 20, False)
    return w


def triplet(pre, post):
    w = 0.4
    for t, after in in_order(pre, post):
        if after:  # the target's own slow trace from before this spike
            w += trace(t, pre, 16.8, True) * (5e-10 + 6.2e-3 * trace(t, post, 125, False))
        else:
            w -= trace(t, post, 33.7, False) * (7e-3 + 2.3e-4 * trace(t, pre, 101, False))
    return w


def balancing(pre, post):
    pairs = np.exp(-np.abs(post[None, :] - pre[:, None]) / 20).sum()
    return 0.001 * (pairs - len(pre) * 2 * 5e-3 * 20)


def test_every_rule_of_the_library_is_here():
    rules = {name for name, d in library().items() if isinstance(d, tree.Plasticity)}
    assert rules == {"stdp", "stdp_multiplicative", "stdp_triplet", "vogels", "reward_modulated"}


@pytest.mark.parametrize("unit, most", [("", "1"), (" nS", "1 nS")])
def test_stdp_adds_up_over_all_pairs_in_any_unit(unit, most):
    got = final_weights(f"stdp(a_minus = 0.006, tau_minus = 30 ms, w_max = {most})", "0.4", unit)
    assert got == pytest.approx(0.4 + each_pair(additive), abs=1e-12)


def test_stdp_stays_within_its_bounds():
    strong = final_weights("stdp(a_plus = 0.5, a_minus = 0, w_max = 2)", "1.9")
    weak = final_weights("stdp(a_plus = 0, a_minus = 0.5)", "0.1")
    assert np.all(strong == 2) and np.all(weak == 0)


def test_multiplicative_stdp_moves_by_what_is_left():
    got = final_weights("stdp_multiplicative(a_plus = 0.05, a_minus = 0.06)", "0.4")
    assert got == pytest.approx(each_pair(multiplicative), abs=1e-12)


def test_triplets_of_spikes():
    assert final_weights("stdp_triplet()", "0.4") == pytest.approx(each_pair(triplet), abs=1e-12)


def test_inhibitory_plasticity_is_symmetric_and_fades_with_each_presynaptic_spike():
    assert final_weights("vogels()", "0.4") == pytest.approx(0.4 + each_pair(balancing), abs=1e-12)


def test_a_rewards_effect_is_the_integral_of_eligibility_times_reward():
    """The weight holds what was due at the synapse's last spike of either neuron."""

    def exact(pre, post):
        events = in_order(pre, post)
        w, c, due, last = 1.0, 0.0, 0.0, 0.0
        for t, after in events:
            decay = np.exp(-(t - last) / 1000)
            due += c * (1 - decay) * 0.7  # tau_c is 1 s, and so is the unit of time
            c, last = c * decay, t
            w, due = w + 4 * due, 0.0
            c += 0.1 * trace(t, pre, 20, True) if after else -0.15 * trace(t, post, 20, False)
        return w

    assert np.all(final_weights("reward_modulated(w_max = 4)", "1") == 1)  # without a reward nothing changes
    got = final_weights("reward_modulated(w_max = 4)", "1", **{"plasticity.reward": 0.7})
    expected = each_pair(exact)
    assert np.max(np.abs(expected - 1)) > 0.02
    assert got == pytest.approx(expected, abs=2e-3 * np.max(np.abs(expected - 1)))
