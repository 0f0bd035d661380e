"""Weights behind a signal, which spikes of the target move, are trained:
gradients are those of automatic differentiation.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import model_of, program_of
from oracle_plasticity import gradients_with_plasticity
from synapse_gradients import relative_error

import sncc
from sncc.backends.reference.interpreter import Reference
from sncc.compiler import compile_program, scheduled

NETWORK = """
plasticity growing:
    param tau = 12 ms
    param rate = 0.1
    post state y = 0
    state e = 0.2
    dy/dt = -y / tau
    de/dt = (0.3 * post.v - e) / tau
    on post:
        weight += rate * (1 + y) * (eUNIT - weight)
        y += 1
    bound weight in [-2BOUND, 2BOUND]

network Chain:
    step = 1 ms
    population level: signal[6]KIND
    population a: LIF[5](theta = 0.3)
    population output: LI[3](tau_m = 10 ms)
    connect level -> a: PATTERN, weight = normal(0.03BOUND, 0.05BOUND), plasticity = growing()
    connect a -> a: dense, weight = normal(0, 0.1), delay = 1 ms
    connect a -> output: dense, weight = normal(0, 0.5)

train:
    rule = RULE
    loss = mean(cross_entropy(output.v))
    learn = weights, level_a.plasticity.tau, level_a.plasticity.rate
    optimiser = sgd(learning_rate = 1e-3)
"""
DRIVE = ("dense, delay = 2 ms", "", " * (1 /ms)", " /ms")
IMPULSE = ("random(p = 0.7), delay = uniform(1 ms, 4 ms)", "(as = impulse)", "", "")


def text_of(case: tuple[str, ...], rule: str) -> str:
    pattern, kind, unit, bound = case
    text = NETWORK.replace("PATTERN", pattern).replace("KIND", kind).replace("RULE", rule)
    return text.replace("eUNIT", f"e{unit}").replace("BOUND", bound)


def inputs():
    return [{"level": np.abs(np.random.default_rng(1).normal(0, 1, (20, 6)))}]


@pytest.mark.parametrize(
    "case, rule",
    [(DRIVE, "bptt"), (IMPULSE, "eprop"), pytest.param(IMPULSE, "bptt(truncate = 7 ms)", marks=pytest.mark.slow)],
)
def test_gradients_are_those_of_automatic_differentiation(case, rule):
    model = model_of(text_of(case, rule))
    program = compile_program(model, "float64")
    values = {
        p.key: np.asarray(Reference(program).parameters[p.key]) for p in program.parameters if p.storage != "compiled"
    }
    run = Reference(program, values).run(inputs(), [2])
    assert run.spikes[0]["a"].sum() > 30
    loss, gradients = gradients_with_plasticity(model, values, inputs(), [2], model.training.rule.name)
    assert run.loss == pytest.approx(loss, rel=1e-12)
    for key, got in run.gradients.items():
        assert np.any(got) and relative_error(got, gradients[key]) < 1e-9, key


@pytest.mark.parametrize("case", [DRIVE, IMPULSE])
def test_forwards_it_is_the_same_and_a_sample_does_what_a_simulation_does(case):
    reverse, forwards = (program_of(text_of(case, rule)) for rule in ("eprop", "eprop(online = true)"))
    assert not sncc.check(text_of(case, "eprop"))
    expected, found = (Reference(p).run(inputs(), [2]) for p in (reverse, forwards))
    for key, gradient in expected.gradients.items():
        assert np.any(gradient) and relative_error(found.gradients[key], gradient) < 1e-12, key
    alone = compile_program(scheduled(model_of(text_of(case, "eprop")), "neuron_parallel"), "float64")
    simulated = Reference(alone).run(inputs())
    assert np.array_equal(simulated.spikes[0]["a"], expected.spikes[0]["a"])
    assert np.allclose(simulated.traces[0]["a", "v"], expected.traces[0]["a", "v"], rtol=1e-12, atol=1e-14)
