"""Linear neurons equal their closed forms, step by step,
under random impulses and a random current held over each step.
"""

from __future__ import annotations

import numpy as np
import pytest
from stepping import run

STEPS, SIZE, STEP = 300, 6, 0.5
RNG = np.random.default_rng(4)
COUNTS = RNG.poisson(0.1, (STEPS, SIZE)).astype(float)
NOISE = RNG.normal(0, 1, (STEPS, SIZE))


def decay(tau):
    return np.exp(-STEP / tau)


def simulate(advance, **states):
    """Traces and spikes of a loop over the steps; `advance` changes the states in place and returns the spikes."""
    now = {name: np.full(SIZE, float(start)) for name, start in states.items()}
    traces, spikes = {name: [] for name in now}, []
    for n in range(STEPS):
        spikes.append(advance(now, n))
        for name in now:
            traces[name].append(np.array(now[name]))
    return {name: np.array(t) for name, t in traces.items()}, np.array(spikes)


def agree(got, expected, spikes, least=20, tolerance=1e-11):
    assert np.array_equal(got.spikes, spikes) and spikes.sum() >= least
    for name, trace in expected.items():
        assert np.allclose(got.states[name], trace, rtol=tolerance, atol=tolerance * np.max(np.abs(trace))), name


def leaky(v, tau, target, drive):
    """v' = (target - v) / tau + drive, exactly."""
    return target + tau * drive + (v - target - tau * drive) * decay(tau)


@pytest.mark.parametrize("adapts", [False, True])
def test_lif_and_alif(adapts):
    tau_m, tau_a, beta, bias = 20.0, 100.0, 0.3 if adapts else 0.0, 0.2
    impulses, drive = 0.35 * COUNTS, 0.05 * NOISE + 0.04

    def advance(s, n):
        s["v"] = leaky(s["v"], tau_m, bias, drive[n]) + impulses[n]
        s["a"] = s["a"] * decay(tau_a)
        z = s["v"] > 0.6 + beta * s["a"]
        s["v"], s["a"] = s["v"] - 0.6 * z, s["a"] + z
        return z

    expected, spikes = simulate(advance, v=0, a=0)
    if adapts:
        arguments = "tau_a = 100 ms, beta = 0.3"
        agree(
            run("ALIF", STEP, STEP * STEPS, SIZE, arguments, impulses=impulses, drive=drive, bias=bias),
            expected,
            spikes,
        )
    else:
        del expected["a"]
        arguments = "theta = 0.6"
        agree(
            run("LIF", STEP, STEP * STEPS, SIZE, arguments, impulses=impulses, drive=drive, bias=bias), expected, spikes
        )


def test_li_and_if_integrate():
    impulses, drive = 0.35 * COUNTS, 0.05 * NOISE + 0.02

    def filter_(s, n):
        s["v"] = leaky(s["v"], 20.0, 0.3, drive[n]) + impulses[n]
        return np.zeros(SIZE)

    def sum_(s, n):
        s["v"] = s["v"] + STEP * drive[n] + impulses[n]
        z = s["v"] > 1
        s["v"] = s["v"] - z
        return z

    agree(
        run("LI", STEP, STEP * STEPS, SIZE, impulses=impulses, drive=drive, bias=0.3), *simulate(filter_, v=0), least=0
    )
    agree(run("IF", STEP, STEP * STEPS, SIZE, impulses=impulses, drive=drive), *simulate(sum_, v=0))


@pytest.mark.parametrize("tau_syn", [5.0, 20.0], ids=["unequal", "equal"])
@pytest.mark.parametrize("model", ["CubaLIF", "CubaALIF"])
def test_an_exponential_current_into_a_leaky_membrane(model, tau_syn):
    tau_m, beta, bias = 20.0, 0.25 if model == "CubaALIF" else 0.0, 0.4
    impulses, drive = 3.0 * COUNTS, 0.1 * NOISE

    def advance(s, n):
        steady = drive[n] * tau_syn  # the current that the drive alone would settle at
        free, i = decay(tau_m), s["i"] - steady
        # a decaying current i moves v by i / tau_m times the convolution of the two exponentials
        pulled = STEP / tau_m * free if tau_syn == tau_m else (free - decay(tau_syn)) * tau_syn / (tau_m - tau_syn)
        s["v"] = bias + steady + (s["v"] - bias - steady) * free + i * pulled
        s["i"] = steady + i * decay(tau_syn) + impulses[n]
        s["a"] = s["a"] * decay(200.0)
        z = s["v"] > 1 + beta * s["a"]
        s["v"], s["a"] = s["v"] - z, s["a"] + z
        return z

    expected, spikes = simulate(advance, v=0, i=0, a=0)
    if model == "CubaLIF":
        del expected["a"]
    arguments = f"tau_syn = {tau_syn} ms" + (", beta = 0.25" if model == "CubaALIF" else "")
    got = run(model, STEP, STEP * STEPS, SIZE, arguments, impulses=impulses, drive=drive, bias=bias)
    agree(got, expected, spikes, least=15)


def test_cobalif_in_volts_and_amperes_with_its_refractory_time():
    impulses, drive, bias = 1000.0 * COUNTS, 50 * NOISE, 60.0  # fC, pA, pA

    waiting = np.zeros(SIZE)

    def advance(s, n):
        nonlocal waiting
        v = leaky(s["v"], 200 / 10, -60.0, (bias + drive[n]) / 200) + impulses[n] / 200
        free = waiting == 0
        s["v"] = np.where(free, v, s["v"])
        z = free & (s["v"] > -50)
        s["v"] = np.where(z, -60, s["v"])
        waiting = np.where(z, 10, np.maximum(waiting - 1, 0))  # 5 ms of 0.5 ms
        return z

    expected, spikes = simulate(advance, v=-60)
    got = run("CobaLIF", STEP, STEP * STEPS, SIZE, impulses=impulses, drive=drive, bias=bias)
    agree(got, expected, spikes)
    for neuron in range(SIZE):
        assert np.min(np.diff(got.times(neuron)), initial=99) >= 5.5 - 1e-9  # R steps held, the next may fire


def test_mihalas_niebur_by_the_exponential_of_its_matrix():
    from scipy.linalg import expm

    impulses, drive, bias = 500.0 * COUNTS, 50 * NOISE, 150.0
    matrix = np.zeros((5, 5))  # v - e_leak, theta - theta_rest, i1, i2 and the current from outside, per ms
    matrix[0] = [-1 / 20, 0, 1 / 100, 1 / 100, 1 / 100]
    matrix[1, :2] = [5e-3, -10e-3]
    matrix[2, 2], matrix[3, 3] = -0.2, -0.02
    flow = expm(matrix * STEP)

    def advance(s, n):
        x = flow @ np.array([s["v"] + 70, s["theta"] + 50, s["i1"], s["i2"], bias + drive[n]])
        s["v"], s["theta"], s["i1"], s["i2"] = x[0] - 70 + impulses[n] / 100, x[1] - 50, x[2], x[3]
        z = s["v"] >= s["theta"]
        s["i1"], s["i2"] = np.where(z, 0.5 * s["i1"] + 300, s["i1"]), np.where(z, s["i2"] - 60, s["i2"])
        s["v"], s["theta"] = np.where(z, -70, s["v"]), np.where(z, np.maximum(s["theta"], -60), s["theta"])
        return z

    expected, spikes = simulate(advance, v=-70, theta=-50, i1=0, i2=0)
    arguments = "r1 = 0.5, jump1 = 300 pA, jump2 = -60 pA"
    got = run("MihalasNiebur", STEP, STEP * STEPS, SIZE, arguments, impulses=impulses, drive=drive, bias=bias)
    agree(got, expected, spikes)


def test_resonate_and_fire_as_one_complex_number():
    impulses, drive, bias = 0.5 * COUNTS, 0.02 * NOISE, 0.01
    pole = -0.01 + 0.1j

    def advance(s, n):
        z = s["x"] + 1j * s["y"]
        z = z * np.exp(pole * STEP) + (bias + drive[n]) * (np.exp(pole * STEP) - 1) / pole + impulses[n]
        fired = z.imag > 1
        s["x"], s["y"] = np.where(fired, 0, z.real), np.where(fired, 1, z.imag)
        return fired

    expected, spikes = simulate(advance, x=0, y=0)
    got = run("ResonateAndFire", STEP, STEP * STEPS, SIZE, impulses=impulses, drive=drive, bias=bias)
    agree(got, expected, spikes)


def test_leaky_steps_as_the_libraries_do():
    impulses, drive = 0.35 * COUNTS, 0.05 * NOISE  # in a map both are added as they are

    def advance(s, n):
        s["v"] = 0.9 * s["v"] + 0.05 + impulses[n] + drive[n]
        z = s["v"] > 1
        s["v"] = s["v"] - z
        return z

    got = run("Leaky", STEP, STEP * STEPS, SIZE, impulses=impulses, drive=drive, bias=0.05)
    agree(got, *simulate(advance, v=0))
    # snnTorch subtracts one step later: mem = beta * mem + input - reset * theta, spike = mem > theta
    theirs, mem, z = [], np.zeros(SIZE), np.zeros(SIZE)
    for n in range(STEPS):
        mem = 0.9 * mem + 0.05 + impulses[n] + drive[n] - z
        z = (mem > 1) * 1.0
        theirs.append(z)
    text = """
neuron Later:
    state v = 0
    input I
    each step: v = 0.9 * v + 0.05 + I
    spike when v > 1: reset v -= 1 / 0.9
    surrogate atan()
"""
    got = run("Later", STEP, STEP * STEPS, SIZE, definition=text, impulses=impulses, drive=drive)
    assert np.array_equal(got.spikes, np.array(theirs)) and got.spikes.sum() > 20


def test_a_constant_current_gives_the_textbooks_rate():
    """Period of a leaky neuron that is reset to rest: refractory + tau log(RI / (RI - threshold)), up to the grid."""
    # pA on 10 nS: 12 .. 100 mV above rest; 10 are needed
    current = np.array([120.0, 150.0, 250.0, 500.0, 1000.0, 99.0])
    got = run("CobaLIF", 0.1, 400, 6, bias=current)
    lifted = current[:5] / 10
    exact = 5 + 20 * np.log(lifted / (lifted - 10))
    for neuron in range(5):
        period = np.diff(got.times(neuron))
        assert np.all(np.abs(period - exact[neuron]) < 0.21)
    assert got.spikes[:, 5].sum() == 0


def test_mihalas_niebur_fires_in_the_patterns_of_its_paper():
    def intervals(arguments, bias):
        return np.diff(run("MihalasNiebur", 0.5, 500, 1, arguments, bias=bias).times())

    tonic = intervals("a = 0 Hz", 150.0)
    assert len(tonic) > 5 and np.ptp(tonic[1:]) < 1
    adapting = intervals("", 200.0)
    assert len(adapting) > 3 and adapting[-1] > 1.5 * adapting[0]
    phasic = run("MihalasNiebur", 0.5, 500, 1, bias=150.0).times()
    assert len(phasic) >= 1 and phasic[-1] < 250  # only at the start
    bursts = intervals("jump1 = 1000 pA, jump2 = -60 pA", 200.0)
    assert np.sum(bursts < 10) > 5 and np.sum(bursts > 40) >= 2  # spikes within bursts, pauses between
