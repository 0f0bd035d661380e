"""Traces that all synapses of a neuron share start at a draw in training:
the numbers of a simulation, constants for the gradient.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import model_of, program_of
from read_draws import FOLLOWED
from synapse_gradients import equals_differences, relative_error

import sncc
from sncc.backends.reference.interpreter import Reference
from sncc.compiler import compile_program, scheduled
from sncc.diagnostics import DiagnosticError

NETWORK = """
plasticity starting:
    param rate = 0.1
    param tau = 12 ms
    param most = 0.8
    pre state x = uniform(0.1, most)
    post state y = normal(0.3, 0.1, clip = [0, 1])
    dx/dt = -x / tau
    dy/dt = -y / (9 ms)
    on pre:
        weight += rate * (x - y) * (1.5 - weight)
        x += 0.5
    on post:
        weight += rate * x * y
        y += 0.4
    bound weight in [-3, 3]

plasticity ending:
    param rate = 0.1
    param tau = 12 ms
    param level = 0.5
    pre state x = level * uniform(0.2, 1.6) + 0.1 * normal(0, 1)
    post state y = 0.1
    dx/dt = -x / tau
    dy/dt = -y / (9 ms)
    on pre:
        weight += rate * (x - y) * (1.5 - weight)
        x += 0.5

network Net:
    step = 1 ms
    population x: input[6]
    population hidden: LIF[5](tau_m = 10 ms, theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.3, 0.3)
    connect hidden -> hidden: random(p = 0.6), weight = normal(0.1, 0.3), delay = 2 ms, plasticity = starting()
    connect hidden -> output: PATTERN, weight = normal(0, 0.4), delay = 1 ms, plasticity = ending()

train:
    rule = RULE
    loss = mean(cross_entropy(output.v))
    learn = hidden_output.weight, hidden_output.plasticity.level, hidden_output.plasticity.rate, hidden_output.plasticity.tau
    optimiser = sgd(learning_rate = 1e-3)
"""


def inputs():
    return [{"x": np.random.default_rng(1).poisson(0.3, (16, 6)).astype(float)}]


@pytest.mark.parametrize("pattern", ["random(p = 0.7)", pytest.param("dense", marks=pytest.mark.slow)])
def test_traces_start_at_draws(pattern):
    text = NETWORK.replace("PATTERN", pattern)
    assert not sncc.check(text.replace("RULE", "bptt"))
    exact, reverse, forwards = (
        program_of(text.replace("RULE", rule)) for rule in ("bptt", "eprop", "eprop(online = true)")
    )
    values = {p.key: np.asarray(Reference(exact).parameters[p.key]) for p in exact.parameters if p.learnt}
    trained = Reference(exact, values).run(inputs())
    alone = compile_program(scheduled(model_of(text.replace("RULE", "bptt")), "neuron_parallel"), "float64")
    simulated = Reference(alone, values).run(inputs())
    assert trained.spikes[0]["hidden"].sum() > 50
    for population in ("hidden", "output"):
        assert np.array_equal(trained.traces[0][population, "v"], simulated.traces[0][population, "v"])
    equals_differences(exact, values, inputs(), np.random.default_rng(1))
    found = [Reference(p, values).run(inputs(), [2]).gradients for p in (exact, reverse, forwards)]
    for key, gradient in found[0].items():  # the loss reads the target, so nothing is cut
        assert all(np.any(gradient) and relative_error(other[key], gradient) < 1e-12 for other in found[1:]), key


@pytest.mark.parametrize("rule", ["bptt", "eprop(online = true)"])
def test_a_draw_by_a_learnt_number_is_a_constant(rule):
    """A number by which traces start at a draw, and which moves weights besides,
    learns what one learns that does the latter alone.
    """
    text = NETWORK.replace("PATTERN", "dense").replace("RULE", rule).replace("rate * x * y", "rate * x * y * moves")
    text = text.replace("    param most", "    param moves = 0.8\n    param most")
    text = text.replace("learn =", "learn = hidden_hidden.plasticity.moves,")
    together = text.replace("    param moves = 0.8\n", "").replace("moves", "most")
    found = [Reference(program_of(t)).run(inputs(), [2]) for t in (text, together)]
    assert found[0].loss == found[1].loss and set(found[0].gradients) != set(found[1].gradients)
    for key, gradient in found[0].gradients.items():
        other = found[1].gradients[key.replace("moves", "most")]
        assert np.any(gradient) and relative_error(other, gradient) < 1e-12, key


@pytest.mark.parametrize("delay", ["2 ms", "uniform(0 ms, 6 ms)"])
def test_equations_of_synapses_read_traces_from_where_these_start(delay):
    text = FOLLOWED.replace("DELAY", delay)
    assert not sncc.check(text)
    spread, alone = (
        Reference(program_of(text, schedule=schedule)).run(inputs()).traces[0]
        for schedule in ("sample_parallel", "neuron_parallel")
    )
    for state in "ef":
        assert np.array_equal(spread["x_output", state][:, :24], alone["x_output", state])
    still = alone["x_output", "e"] / -np.expm1(-np.arange(1, 17)[:, None] / 8)  # what the first number was
    assert np.ptp(still, axis=0).max() < 1e-12 and np.ptp(still.reshape(16, 6, 4), axis=2).max() < 1e-12
    assert len(np.unique(np.round(still[0], 6))) == 6 and 0.2 < still.min() and still.max() < 1


def test_what_starts_at_a_draw_is_not_recorded_as_if_each_synapse_had_drawn():
    text = FOLLOWED.replace("DELAY", "2 ms").replace("record f of", "record x of")
    (found,) = sncc.check(text)
    assert found.code == "not-supported-yet" and "recording `x`" in found.message


def test_what_draws_of_a_start_cannot_depend_on_is_said():
    text = NETWORK.replace("PATTERN", "dense").replace("RULE", "bptt")
    text = text.replace("starting()", "starting(most = uniform(0.5, 0.9))")
    with pytest.raises(DiagnosticError, match="`x` is one number per presynaptic neuron and cannot depend on `most`"):
        program_of(text)
