"""Sources and draws of the reference: distributions, their streams, noise in equations against exact moments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from blocks import expression
from networks import model_of
from scipy.linalg import expm, solve_continuous_lyapunov
from scipy.stats import chisquare, kstest, poisson, truncnorm

from sncc.backends.reference.draws import DISTRIBUTIONS, Counter
from sncc.backends.reference.interpreter import Reference
from sncc.compiler import compile_program
from sncc.connectivity.philox import philox
from sncc.expressions.nodes import Number
from sncc.expressions.units import PLAIN
from sncc.model.nodes import Assignment, Equation, Parameter, Population
from sncc.program.streams import stream

ELEMENTS = Counter(5, 77, np.arange(40_000), 3, 1)


@pytest.mark.parametrize("mean", [0.02, 1.7, 15.9, 40.0])
def test_poisson_counts_have_their_distribution(mean):
    counts = DISTRIBUTIONS["poisson"](ELEMENTS, 0, mean).astype(int)
    edges = np.unique(poisson.ppf([0.001, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 0.999], mean)).astype(int)
    seen = np.diff([0, *(np.sum(counts <= k) for k in edges), len(counts)])
    expected = np.diff([0, *poisson.cdf(edges, mean), 1]) * len(counts)
    assert chisquare(seen, expected).pvalue > 1e-3


def test_poisson_counts_are_thresholds_of_one_word():
    neuron = 200
    word = int(philox(5, 77, neuron // 64 * 16 + neuron % 16, 3, 1)[neuron // 16 % 4])
    p, total, k = np.exp(-2.5), np.exp(-2.5), 0
    while word >= np.floor(total * 2**32 + 0.5):
        k += 1
        p = p * 2.5 / k
        total = total + p
    assert DISTRIBUTIONS["poisson"](ELEMENTS, 0, 2.5)[neuron] == k


@pytest.mark.parametrize(
    "name, arguments, law",
    [
        ("uniform", (2.0, 5.0), ("uniform", (2, 3))), ("normal", (1.0, 0.5), ("norm", (1, 0.5))),
        ("gamma", (2.5, 0.4), ("gamma", (2.5, 0, 0.4))), ("gamma", (0.3, 2.0), ("gamma", (0.3, 0, 2))),
        ("exponential", (3.0,), ("expon", (0, 3))), ("lognormal", (0.2, 0.4), ("lognorm", (0.4, 0, np.exp(0.2)))),
    ],
)  # fmt: skip
def test_draws_have_their_distributions(name, arguments, law):
    assert kstest(DISTRIBUTIONS[name](ELEMENTS, 0, *arguments), law[0], args=law[1]).pvalue > 1e-3


def with_source(model, source):
    return replace(model, populations=tuple(source if p.name == source.name else p for p in model.populations))


def test_a_poisson_source_emits_at_its_rate_and_delivers_every_spike():
    text = """
network Tested:
    step = 0.5 ms
    population x: input[100]
    population y: LI[100](tau_m = 10 ms)
    connect x -> y: one_to_one, weight = 1
"""
    rate = Parameter("rate", Number(0.4), PLAIN)  # 400 Hz, 0.2 spikes a step
    model = with_source(model_of(text), Population("x", "poisson", (100,), "poisson", (rate,)))
    program = compile_program(model, "float64")
    run = Reference(program, {"y.bias": np.zeros(100)}).run([{}], steps=400, seed=9)
    counts = run.spikes[0]["x"]
    assert abs(counts.sum() - 8000) < 4 * np.sqrt(8000) and counts.max() > 1
    expected = DISTRIBUTIONS["poisson"](Counter(9, stream("x", "spike"), np.arange(100), 17, 0), 0, 0.2)
    assert np.array_equal(counts[16], expected)
    v = np.zeros(100)
    for n in range(400):
        v = v * np.exp(-0.05) + counts[n]
    assert np.allclose(run.traces[0]["y", "v"][-1], v)


NOISY = """
neuron Noisy:
    state v = 0
    state w = 0
    input I
    dv/dt = -v / (10 ms) + w / (4 ms) + I
    dw/dt = -w / (5 ms)

network Tested:
    step = 2 ms
    population x: signal[1]
    population y: Noisy[5000]
    connect x -> y: dense, weight = 0
"""


def noisy(text: str, extra: dict[str, str], steps: int):
    model = model_of(text)
    y = model.population("y")
    equations = tuple(
        Equation(e.state, expression_sum(e.derivative, extra[e.state])) if e.state in extra else e
        for e in y.dynamics.equations
    )
    model = with_source(model, replace(y, dynamics=replace(y.dynamics, equations=equations)))
    return Reference(compile_program(model, "float64")).run([{"x": np.zeros((steps, 1))}])


def expression_sum(left, text):
    from sncc.expressions.nodes import apply

    return apply("add", left, expression(text))


def test_additive_noise_of_a_linear_flow_has_the_exact_covariance():
    run = noisy(NOISY, {"w": "0.3 * noise.n1 + 0.1 * noise.n2"}, 40)
    a = np.array([[-1 / 10, 1 / 4], [0, -1 / 5]])
    q = np.diag([0, 0.3**2 + 0.1**2])
    stationary = solve_continuous_lyapunov(a, -q)
    v, w = (run.traces[0]["y", s] for s in "vw")
    got = np.cov(v[-1], w[-1])
    assert np.allclose(got, stationary, rtol=0.1, atol=0.01 * stationary.max())
    first = stationary - expm(a * 2) @ stationary @ expm(a * 2).T  # after one step from rest
    assert np.allclose(np.cov(v[0], w[0]), first, rtol=0.1)
    lagged = np.mean(v[-1] * v[-3])
    assert lagged == pytest.approx((expm(a * 4) @ stationary)[0, 0], rel=0.1)


def test_one_state_with_noise_is_an_ornstein_uhlenbeck_process():
    run = noisy(NOISY, {"v": "0.2 * noise.n1"}, 30)
    v = run.traces[0]["y", "v"]
    assert np.var(v[-1]) == pytest.approx(0.2**2 * 10 / 2, rel=0.06)
    assert np.mean(v[-1] * v[-2]) == pytest.approx(0.2**2 * 5 * np.exp(-0.2), rel=0.06)
    assert kstest(v[-1] / np.std(v[-1]), "norm").pvalue > 1e-3


def test_multiplied_noise_is_a_step_of_euler_and_maruyama():
    run = noisy(NOISY, {"v": "(0.1 + 0.05 * v) * noise.n1"}, 3)
    v = run.traces[0]["y", "v"]
    assert np.var(v[0]) == pytest.approx(0.01 * 2, rel=0.06)
    standard = DISTRIBUTIONS["normal"](Counter(0, stream("y", "noise.n1"), np.arange(5000), 2, 0), 0, 0.0, 1.0)
    gain = np.exp(-0.2)  # exponential Euler of the rest
    assert np.allclose(v[1], v[0] * gain + (0.1 + 0.05 * v[0]) * np.sqrt(2) * standard, rtol=1e-12)


def test_draws_in_a_map_and_in_first_values_are_of_each_neuron_step_and_trial():
    text = """
neuron Walk:
    state v = 0
    input I
    each step:
        v = v + I

network Tested:
    step = 1 ms
    population x: signal[1]
    population y: Walk[6], v = uniform(-1, 1)
    connect x -> y: dense, weight = 0
"""
    model = model_of(text)
    y = model.population("y")
    step = (Assignment("v", expression("v + I + uniform(0, 1) + normal(0, 2)")),)
    model = with_source(model, replace(y, dynamics=replace(y.dynamics, each_step=step)))
    network = Reference(compile_program(model, "float64"))
    runs = network.run([{"x": np.zeros((5, 1))}] * 2, seed=4)
    for trial in range(2):
        v = DISTRIBUTIONS["uniform"](Counter(4, stream("y.v", "initial"), np.arange(6), 0, trial), 0, -1.0, 1.0)
        for n in range(1, 6):
            v = v + DISTRIBUTIONS["uniform"](Counter(4, stream("y", "draw.1"), np.arange(6), n, trial), 0, 0.0, 1.0)
            v = v + DISTRIBUTIONS["normal"](Counter(4, stream("y", "draw.2"), np.arange(6), n, trial), 0, 0.0, 2.0)
            assert np.allclose(runs.traces[trial]["y", "v"][n - 1], v, rtol=1e-13)
    assert not np.array_equal(runs.traces[0]["y", "v"], runs.traces[1]["y", "v"])


def test_first_values_outside_their_limits_are_drawn_again():
    """A truncated normal distribution, not values heaped at the limits; another one for every trial."""
    text = (
        "network N:\n    step = 1 ms\n    population x: input[1]\n    population a: LIF[20000](theta = 9, tau_m = 1 s)"
    )
    program = compile_program(model_of(f"{text}, v = normal(0.2, 1, clip = [-0.5, 1])\n"), "float64")
    result = Reference(program, seed=3).run([{}], steps=1)
    v = result.traces[0]["a", "v"][0] * np.exp(1e-3)  # before the first step
    assert v.min() >= -0.5 - 1e-9 and v.max() <= 1 + 1e-9
    assert kstest(v, truncnorm(-0.7, 0.8, loc=0.2, scale=1).cdf).pvalue > 1e-3
