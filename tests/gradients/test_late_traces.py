"""With a delay for each synapse traces may move before their first spike,
and rules read their source all the time and under `on post`.
"""

from __future__ import annotations

import numpy as np
import pytest
from late_traces import inputs, text_of
from networks import model_of, program_of
from oracle_plasticity import gradients_with_plasticity
from synapse_gradients import relative_error, values_of
from timed_rules import compare, moving, rule

from sncc.backends.reference.interpreter import Reference

SLOW = pytest.mark.slow


WAITS = ("weight += 0.05 * e +", "weight += 0.1 * post.v + 0.05 * e +")  # a spike meets its target's state


@pytest.mark.parametrize(
    "rule, pattern, change",
    [
        ("bptt(truncate = 7 ms)", "random(fan_in = 3)", WAITS),
        pytest.param("bptt(truncate = 7 ms)", "random(fan_in = 3)", None, marks=SLOW),
        pytest.param("bptt", "dense", None, marks=SLOW),
        pytest.param("eprop", "dense", None, marks=SLOW),
        pytest.param("eprop", "dense", WAITS, marks=SLOW),
        pytest.param("eprop(feedback = random)", "dense", None, marks=SLOW),
        pytest.param("eprop(online = true)", "dense", None, marks=SLOW),
    ],
)
def test_gradients_equal_automatic_differentiation_and_the_run_that_of_neurons_spread(rule, pattern, change):
    text = text_of(rule, pattern=pattern)
    text = text.replace(*change) if change else text
    model, program = model_of(text), program_of(text)
    values = values_of(program, np.random.default_rng(1))
    run = Reference(program, values).run(inputs(), [2])
    loss, gradients = gradients_with_plasticity(model, values, inputs(), [2], model.training.rule.name)
    assert run.loss == pytest.approx(loss, rel=1e-12) and run.spikes[0]["hidden"].sum() > 30
    for key, gradient in run.gradients.items():
        assert np.any(gradient) and relative_error(gradient, gradients[key]) < 1e-9, key
    spread = Reference(program_of(text, schedule="neuron_parallel"), values).run(inputs())
    assert np.allclose(spread.traces[0]["output", "v"], run.traces[0]["output", "v"], rtol=1e-12, atol=1e-12)


@pytest.mark.slow
def test_learnt_delays_tell_what_moving_them_does():
    program = program_of(text_of("bptt", ", hidden_hidden.delay, hidden_output.delay", "Still"))
    values = values_of(program, np.random.default_rng(1))
    values = {key: value for key, value in values.items() if key in program_learnt(program)}
    gradients = Reference(program, values).run(inputs(), [2]).gradients
    for key, value in values.items():
        turn = np.random.default_rng(1).normal(0, 1, value.shape)
        moved = [Reference(program, values | {key: value + s * 1e-5 * turn}).run(inputs(), [2]).loss for s in (1, -1)]
        assert np.sum(gradients[key] * turn) == pytest.approx((moved[0] - moved[1]) / 2e-5, rel=1e-5, abs=1e-8), key


def program_learnt(program) -> set[str]:
    return {p.key for p in program.parameters if p.learnt}


def test_one_delay_and_one_for_each_synapse_are_the_same_where_they_are_equal():
    """An equation of a synapse finds a trace as spikes have left it that have arrived,
    also where these wait to see their target.
    """
    text = text_of("bptt").replace("dx/dt = (base - x)", "dx/dt = -x").replace("state x = 0.1", "state x = 0")
    text = text.replace("q = base", "q = 0")
    drawn = {"uniform(1.2 ms, 5.8 ms) in [1 ms, 9 ms]": "2 ms", "uniform(0 ms, 3 ms) in [0 ms, 9 ms]": "1 ms"}
    runs = []
    for each, change in ((False, ""), (True, ""), (False, "0 * post.v + "), (True, "0 * post.v + ")):
        one = text.replace("weight += 0.05", f"weight += {change}0.05")
        for found, delay in drawn.items():
            one = one.replace(found, f"each({delay})" if each else delay)
        for schedule in (None, "neuron_parallel"):
            program = program_of(one, schedule=schedule)
            values = values_of(program_of(one), np.random.default_rng(1))
            runs.append(Reference(program, values).run(inputs()).traces[0]["output", "v"])
    assert np.ptp(runs[0]) > 0.1 and all(np.allclose(v, runs[0], rtol=1e-12, atol=1e-12) for v in runs)


UNEASY = rule().replace("dx/dt = -x / tau", "dx/dt = (0.3 - x) / tau")


def driven(slope: str) -> str:
    """A network with a trace for which its neuron is all the time."""
    return moving(rule().replace("dx/dt = -x / tau", f"dx/dt = {slope}"), None, "each")


TIMED = {
    "its source, when the target spikes": (moving(rule(post="up * x * tanh(pre.i + pre.v)"), None, "each"), 6),
    "a trace that does not rest": (moving(UNEASY, None, "each"), 8),
    "a trace, all the time": (moving(rule(post="up * e", flow="x * (0.5 /ms)"), None, "each"), 11),
    "a trace that its neuron drives": (driven("-x / tau + 0.1 /ms * pre.v"), 7),
    "a trace that its neuron bends": (driven("-x * (1 + pre.v) / tau"), 7),
    "a trace that reads its neuron nonlinearly": (driven("-x / tau + 0.1 /ms * tanh(4 * pre.v)"), 12),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", TIMED)
def test_eventprop_follows_what_is_late_by_a_delay_for_each_synapse(what):
    compare(*TIMED[what], by=1e-4, arrays=4)
