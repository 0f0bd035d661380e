"""Nonlinear neurons, compiled, equal SciPy's integrators with root-found spikes, and figures from the literature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import sncc

NETWORK = """
param h = 0.1 ms

neuron Gate:
    param x = each(0)
    state rate = 0
    input I
    each step:
        rate = bernoulli(x) + I

network N:
    step = h
    population izhikevich: Izhikevich[6]
    population bursting: Izhikevich[1](c = -55, d = 4)
    population chattering: Izhikevich[1](c = -50, d = 2)
    population fast: Izhikevich[1](a = 0.1, d = 2)
    population qif: QIF[6](tau_m = 2 ms)
    population adex: AdEx[6]
    population eif: EIF[6]
    population cell: HodgkinHuxley[6]
    population gate: Gate[12]
"""
COARSE, FINE = 0.1, 0.025  # ms


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    from projects import needs_compiler

    needs_compiler()
    return {h: sncc.load(sncc.build(NETWORK, backend="cpu", precision="float64", h=h * 1e-3)) for h in (COARSE, FINE)}


def simulate(network, population, duration, si, **numbers):
    """Spike times in ms by neuron, and traces by state; `numbers` are set in the units of `si` and put back."""
    keys = {name: f"{population}.{name}" for name in numbers}
    before = {name: network.parameters[key] for name, key in keys.items()}
    for name, key in keys.items():
        network.parameters[key] = np.broadcast_to(np.asarray(numbers[name]) * si, before[name].shape)
    states = {"izhikevich": "vu", "qif": "v", "adex": "vw", "eif": "v", "cell": "vmhn"}.get(population, "v")
    done = network.simulate(duration=duration * 1e-3, record=[f"{population}.{s}" for s in states])
    for name, key in keys.items():
        network.parameters[key] = before[name]
    found = done.spikes[population]
    return [found.times[found.neurons == k] * 1e3 for k in range(len(before["bias"]))], {
        s: np.asarray(done.trace[f"{population}.{s}"]) for s in states
    }


# ------------------------------------------------------------------------------------------------- the equations
def izhikevich(t, x, bias):
    v, u = x
    return [0.04 * v * v + 5 * v + 140 - u + bias, 0.02 * (0.2 * v - u)]


def qif(t, x, bias):
    return [(x[0] ** 2 + bias) / 2]


def adex(t, x, bias):  # mV, pA, nS, pF
    v, w = x
    upstroke = 30 * 2 * np.exp((min(v, 20) + 50.4) / 2)
    return [(30 * (-70.6 - v) + upstroke - w + bias) / 281, (4 * (v + 70.6) - w) / 144]


def eif(t, x, bias):
    upstroke = 20 * 3.48 * np.exp((min(x[0], -30) + 59.9) / 3.48)
    return [(20 * (-65 - x[0]) + upstroke + bias) / 200]


def cell(t, x, bias):
    v, m, h, n = x
    s = v + 63
    rate = lambda x, y: x / np.expm1(x / y)  # noqa: E731
    am, bm = 0.32 * rate(13 - s, 4), 0.28 * rate(s - 40, 5)
    ah, bh = 0.128 * np.exp((17 - s) / 18), 4 / (1 + np.exp((40 - s) / 5))
    an, bn = 0.032 * rate(15 - s, 5), 0.5 * np.exp((10 - s) / 40)
    current = 10 * (-60 - v) + 20000 * m**3 * h * (50 - v) + 6000 * n**4 * (-90 - v) + bias
    return [current / 200, am * (1 - m) - bm * m, ah * (1 - h) - bh * h, an * (1 - n) - bn * n]


START = {"izhikevich": [-65, -13], "qif": [-0.5], "adex": [-70.6, 0], "eif": [-65], "cell": [-60, 0, 1, 0]}
PEAK = {"izhikevich": 30, "qif": 10, "adex": 0, "eif": -30}  # from 0 mV on an AdEx needs 1e-10 ms more
RESET = {
    "izhikevich": lambda x: [-65, x[1] + 8], "qif": lambda x: [-10], "adex": lambda x: [-70.6, x[1] + 80.5],
    "eif": lambda x: [-68],
}  # fmt: skip
SI = {"izhikevich": 1.0, "qif": 1.0, "adex": 1e-12, "eif": 1e-12, "cell": 1e-12}
HIDDEN = {"izhikevich": 1.0, "qif": 1.0, "adex": 1e-3, "eif": 1e-3, "cell": 1e-3}  # SI value of one in memory, of v


def exact_spikes(name, bias, duration):
    """Spike times of the hybrid system: integrate to the crossing, jump, go on (after the refractory time)."""
    crossing = lambda t, x, bias: x[0] - PEAK[name]  # noqa: E731
    crossing.terminal, crossing.direction = True, 1
    t, x, times = 0.0, list(START[name]), []
    while t < duration:
        part = solve_ivp(
            globals()[name], (t, duration), x, args=(bias,), method="DOP853", rtol=1e-10, atol=1e-10, events=crossing
        )
        assert part.status >= 0, part.message
        t = part.t[-1]
        if part.status == 1:
            times.append(t)
            x = RESET[name](part.y[:, -1])
            t += 1.7 if name == "eif" else 0.0
    return np.array(times)


# ------------------------------------------------------------------------------------------------- convergence
@pytest.mark.parametrize(
    "name, bias, duration, order",
    [
        ("izhikevich", 2.0, 10, 4),
        ("qif", -1.0, 2, 4),
        ("adex", 400.0, 20, 4),
        ("eif", 25.0, 20, 4),
        ("cell", -200.0, 20, 1),
    ],
)
def test_a_trajectory_below_threshold_converges_with_the_methods_order(networks, name, bias, duration, order):
    exact = solve_ivp(
        globals()[name], (0, duration), START[name], args=(bias,), method="DOP853", rtol=1e-13, atol=1e-13
    )
    errors = []
    for h in (COARSE, FINE):
        spikes, traces = simulate(networks[h], name, duration, SI[name], bias=bias)
        assert not any(len(times) for times in spikes)
        errors.append(abs(traces["v"][-1, 0] / HIDDEN[name] - exact.y[0, -1]))
    assert np.log(errors[0] / errors[1]) / np.log(COARSE / FINE) == pytest.approx(order, abs=0.35)


@pytest.mark.parametrize(
    "name, biases, duration",
    [
        ("izhikevich", [4.5, 6.0, 8.0, 10.0, 14.0, 20.0], 250),
        ("qif", [0.1, 0.3, 0.5, 1.0, 2.0, 4.0], 60),
        ("adex", [600.0, 700.0, 800.0, 900.0, 1000.0, 1500.0], 250),
        ("eif", [60.0, 80.0, 100.0, 150.0, 200.0, 300.0], 150),
    ],
)
def test_spikes_are_late_by_at_most_a_step_each(networks, name, biases, duration):
    for h in (COARSE, FINE):
        found, _ = simulate(networks[h], name, duration, SI[name], bias=biases)
        total = 0
        for times, bias in zip(found, biases, strict=True):
            exact = exact_spikes(name, bias, duration)
            total += len(exact)
            assert abs(len(times) - len(exact)) <= 1
            common = min(len(times), len(exact))
            late = times[:common] - exact[:common]
            # a spike and its jump happen at the end of a step; what follows is late by as much, some more as it adapts
            assert np.all(late > -1e-6) and np.all(late <= 2 * h * np.arange(1, common + 1) + 1e-6)
        assert total > 20


def test_the_cell_of_traub_and_miles_fires_as_scipy_finds_it(networks):
    biases, duration = [0.0, 60.0, 200.0, 400.0, 800.0, 1500.0], 200.0
    upstroke = lambda t, x, bias: x[0] + 20  # noqa: E731
    upstroke.direction = 1
    errors = {}
    for h in (COARSE, FINE):
        found, _ = simulate(networks[h], "cell", duration, 1e-12, bias=biases)
        errors[h] = []
        for times, bias in zip(found, biases, strict=True):
            exact = solve_ivp(
                cell, (0, duration), START["cell"], args=(bias,), method="LSODA", rtol=1e-9, atol=1e-9, events=upstroke
            ).t_events[0]
            errors[h].append(np.mean(np.diff(times)) / np.mean(np.diff(exact)) - 1)
    assert np.max(np.abs(errors[COARSE])) < 0.15 and np.max(np.abs(errors[FINE])) < 0.04
    assert np.mean(errors[COARSE]) / np.mean(errors[FINE]) == pytest.approx(4, abs=1)


def test_the_rates_of_gates_have_no_hole_where_their_quotient_is_zero_by_zero(networks):
    network = networks[COARSE]
    x = np.array([0, 1e-300, 1e-12, -1e-9, 1e-4, -0.0999, 0.0999, 0.1001, -0.1001, 3, -40, 39])
    network.parameters["gate.x"] = x
    rate = np.asarray(network.simulate(duration=0.0001, record=["gate.rate"]).trace["gate.rate"])[0]
    expected = np.ones(12)
    expected[1:] = x[1:] / np.expm1(x[1:])
    assert rate == pytest.approx(expected, rel=1e-13)


# ------------------------------------------------------------------------------------------------- the literature
def test_qif_has_the_period_of_its_formula(networks):
    biases = np.array([0.1, 0.3, 0.5, 1.0, 2.0, 4.0])
    found, _ = simulate(networks[FINE], "qif", 100, 1.0, bias=biases)
    root = np.sqrt(biases)
    period = 2 / root * (np.arctan(10 / root) - np.arctan(-10 / root))
    for times, exact in zip(found, period, strict=True):
        assert np.mean(np.diff(times)) == pytest.approx(exact, abs=1.1 * FINE)


def test_eif_fires_from_the_rheobase_on(networks):
    """g_leak (v_threshold - e_leak - delta), Fourcaud-Trocme et al. 2003."""
    rheobase = 20 * (-59.9 + 65 - 3.48)
    found, _ = simulate(networks[COARSE], "eif", 1500, 1e-12, bias=rheobase * np.array([0.9, 0.99, 1.01, 1.1, 1.5, 2]))
    assert [len(times) > 0 for times in found] == [False, False, True, True, True, True]


def test_adex_fires_where_its_rest_loses_stability(networks):
    """The Andronov-Hopf current of Touboul and Brette, Biological Cybernetics 99 (2008)."""
    ratio, scaled = 281 / 30 / 144, 4 / 30  # tau_m / tau_w and a / g_leak
    hopf = 34 * (70.6 - 50.4 - 2 + 2 * np.log(1 + ratio)) + 2 * 30 * (scaled - ratio)
    network = networks[COARSE]
    before = network.parameters["adex.bias"]
    fired = {}
    # slowly: a sudden current fires it earlier
    for number, factor in enumerate((0.3, 0.6, 0.8, 0.9, 0.95, 0.98, 1.02)):
        network.parameters["adex.bias"] = np.full(6, factor * hopf * 1e-12)
        fired[factor] = len(network.simulate(duration=2.0, resume=number > 0).spikes["adex"])
    network.parameters["adex.bias"] = before
    assert fired.pop(1.02) > 0 and not any(fired.values())


def test_adex_adapts(networks):
    found, _ = simulate(networks[COARSE], "adex", 600, 1e-12, bias=1000.0)
    intervals = np.diff(found[0])
    assert len(intervals) > 4 and intervals[-1] > 1.3 * intervals[0] and np.all(np.diff(intervals) > -0.11)


def test_izhikevichs_cell_types_fire_in_their_patterns(networks):
    """Figure 2 of the paper, at a constant current of 10."""
    network = networks[COARSE]

    def intervals(population):
        return np.diff(simulate(network, population, 500, 1.0, bias=10.0)[0][0])

    regular = intervals("izhikevich")  # adapts: the first interval is the shortest
    assert regular[0] < 0.7 * regular[-1] and regular[-1] == pytest.approx(regular[-2], abs=0.2)
    bursting = intervals("bursting")  # a burst at the start, then single spikes
    assert bursting[0] < 0.4 * bursting[-1] and np.ptp(bursting[-3:]) < 1
    chattering = intervals("chattering")  # bursts again and again
    assert np.sum(chattering < 8) > 10 and np.sum(chattering > 2.5 * np.min(chattering)) >= 5
    fast = intervals("fast")  # hardly adapts, and faster than the regular one
    assert np.median(fast) < 0.6 * np.median(regular) and np.median(fast[-3:]) < 1.6 * np.median(fast[:3])
