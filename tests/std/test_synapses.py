"""Standard synapses move a passive membrane as SciPy's integrator finds it, jump for jump."""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from scipy.integrate import solve_ivp

from sncc.backends.reference.interpreter import Reference
from sncc.model.scope import library
from sncc.syntax import tree

SPIKES = np.array([1.0, 2.0, 2.6, 9.0, 10.0, 11.2, 25.0])  # ms, on all grids used
DURATION = 60.0


def simulate(synapse: str, weight: str, step: float, neuron: str, state: str = "v") -> np.ndarray:
    """A state of one neuron, after every step, whose only input are SPIKES through a synapse without delay."""
    text = f"""
neuron Passive:
    "A membrane of 200 pF and 10 nS."
    state v = -65 mV
    input I
    dv/dt = (10 nS * (-70 mV - v) + I) / (200 pF)

neuron Meter:
    "Shows the current that is delivered."
    state i = 0 pA
    input I
    each step: i = I

network N:
    step = {step!r} ms
    population x: input[1]
    population p: {neuron}[1]
    connect x -> p: dense, weight = {weight}, synapse = {synapse}
"""
    steps = round(DURATION / step)
    given = np.zeros((steps, 1))
    given[np.round(SPIKES / step).astype(int) - 1] = 1
    return Reference(program_of(text)).run([{"x": given}]).traces[0]["p", state][:, 0]


def exact(current, slopes, jump, start, step: float) -> np.ndarray:
    """The membrane's potential on the grid: C dv/dt = g (E - v) + current(v, s), ds/dt = slopes(s), jumps at SPIKES."""

    def whole(t, x):
        return [(10 * (-70 - x[0]) + current(x[0], x[1:])) / 200, *slopes(x[1:])]

    grid = np.arange(1, round(DURATION / step) + 1) * step
    x, values, began = np.array([-65.0, *start]), [], 0.0
    for end in [*SPIKES, DURATION]:
        inside = grid[(grid > began + 1e-9) & (grid < end + 1e-9)]
        part = solve_ivp(
            whole, (began, end), x, method="DOP853", rtol=1e-12, atol=1e-13, t_eval=np.minimum(inside, end)
        )
        values += list(part.y[0])
        x, began = part.y[:, -1], end
        x[1:] = jump(x[1:])
    return np.array(values)


def unblocked(v, magnesium=1.0):
    return 1 / (1 + magnesium / 3.57 * np.exp(-0.062 * v))


def scale(rise, decay):
    """One over the peak of the difference of two exponentials, found by its time."""
    peak = rise * decay / (decay - rise) * np.log(decay / rise)
    return 1 / (np.exp(-peak / decay) - np.exp(-peak / rise))


def release(s):
    """Tsodyks and Markram's jump: u, then the current, then the resources."""
    i, u, x = s
    u = u + 0.5 * (1 - u)
    return [i + 40 * u * x, u, x - u * x]


# synapse: (text, weight, delivered current of v and the states, slopes, jump, initial states, order of the method or
# None)
CASES = {
    "exponential": (
        "exponential()", "40 pA",
        lambda v, s: s[0], lambda s: [-s[0] / 5], lambda s: [s[0] + 40], [0], None,
    ),
    "alpha": (
        "alpha(tau = 3 ms)", "40 pA",  # w t/tau exp(1 - t/tau)
        lambda v, s: s[1], lambda s: [-s[0] / 3, (s[0] - s[1]) / 3], lambda s: [s[0] + 40 * np.e, s[1]], [0, 0], None,
    ),
    "dual_exponential": (
        "dual_exponential(tau_rise = 2 ms, tau_decay = 7 ms)", "40 pA",
        lambda v, s: 40 * scale(2, 7) * (s[0] - s[1]), lambda s: [-s[0] / 7, -s[1] / 2], lambda s: s + 1, [0, 0], None,
    ),
    "conductance": (
        "conductance()", "3 nS",
        lambda v, s: s[0] * (0 - v), lambda s: [-s[0] / 5], lambda s: [s[0] + 3], [0], 1,
    ),
    "alpha_conductance": (
        "alpha_conductance(reversal = -80 mV)", "3 nS",
        lambda v, s: s[1] * (-80 - v), lambda s: [-s[0] / 2, (s[0] - s[1]) / 2], lambda s: [s[0] + 3 * np.e, s[1]],
        [0, 0], 1,
    ),
    "nmda": (
        "nmda(tau_decay = 50 ms)", "3 nS",
        lambda v, s: 3 * scale(2, 50) * (s[0] - s[1]) * (0 - v) * unblocked(v), lambda s: [-s[0] / 50, -s[1] / 2],
        lambda s: s + 1, [0, 0], 4,
    ),
    "nmda_saturating": (
        "nmda_saturating(magnesium = 0.5 mM)", "3 nS",
        lambda v, s: 3 * s[1] * (0 - v) * unblocked(v, 0.5),
        lambda s: [-s[0] / 2, -s[1] / 100 + 0.5 * s[0] * (1 - s[1])], lambda s: [s[0] + 1, s[1]], [0, 0], 1,
    ),
    "tsodyks_markram": (
        "tsodyks_markram(tau_facil = 30 ms)", "40 pA",
        lambda v, s: s[0], lambda s: [-s[0] / 3, -s[1] / 30, (1 - s[2]) / 800], release, [0, 0, 1], None,
    ),
}  # fmt: skip


def test_every_synapse_of_the_library_has_its_case():
    waiting = {name for name, d in library().items() if isinstance(d, tree.Synapse)} - set(CASES)
    assert waiting == {"gap_junction"}  # which has no spikes, below


@pytest.mark.parametrize("name", CASES)
def test_a_synapse_moves_a_membrane_as_its_equations_say(name):
    synapse, weight, current, slopes, jump, start, order = CASES[name]
    if order is None:  # jointly linear with the membrane: exact
        got, expected = simulate(synapse, weight, 0.2, "Passive"), exact(current, slopes, jump, start, 0.2)
        assert got == pytest.approx(expected, abs=1e-8) and np.ptp(expected) > 0.5
        return
    errors = []
    for step in (0.2, 0.05):
        expected = exact(current, slopes, jump, start, step)
        errors.append(np.max(np.abs(simulate(synapse, weight, step, "Passive") - expected)))
    assert errors[1] < 0.02 * np.ptp(expected) and np.ptp(expected) > 0.5
    assert np.log(errors[0] / errors[1]) / np.log(4) == pytest.approx(order, abs=0.3)


@pytest.mark.parametrize("synapse", ["alpha(tau = 3 ms)", "dual_exponential()", "dual_exponential(tau_decay = 1 ms)"])
def test_a_weight_is_the_peak_of_what_a_single_spike_delivers(synapse):
    global SPIKES
    every, SPIKES = SPIKES, np.array([1.0])
    try:
        delivered = simulate(synapse, "40 pA", 0.01, "Meter", "i")
    finally:
        SPIKES = every
    assert np.max(delivered) == pytest.approx(40, rel=1e-4)


def test_gap_junctions_bring_potentials_together():
    """Two membranes, coupled both ways, relax with C / (g + 2 w) towards each other and with C / g to rest."""
    text = """
param h = 0.1 ms

neuron Passive:
    state v = -65 mV
    input I
    dv/dt = (10 nS * (-70 mV - v) + I) / (200 pF)

network N:
    step = h
    population x: input[1]
    population a: Passive[1], v = -50 mV
    population b: Passive[1], v = -80 mV
    connect a -> b: one_to_one, weight = 20 nS, synapse = gap_junction()
    connect b -> a: one_to_one, weight = 20 nS, synapse = gap_junction()
"""
    errors = []
    for step in (0.2, 0.05):
        steps = round(20 / step)
        traces = Reference(program_of(text, h=f"{step} ms")).run([{"x": np.zeros((steps, 1))}]).traces[0]
        t = np.arange(1, steps + 1) * step
        mean, half = -70 + 5 * np.exp(-t * 10 / 200), 15 * np.exp(-t * 50 / 200)
        errors.append(np.max(np.abs(traces["a", "v"][:, 0] - mean - half)))
        errors.append(np.max(np.abs(traces["b", "v"][:, 0] - mean + half)))
    coarse, fine = max(errors[:2]), max(errors[2:])
    assert coarse / fine == pytest.approx(4, abs=1) and fine < 0.1
