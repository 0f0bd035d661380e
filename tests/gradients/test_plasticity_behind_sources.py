"""e-prop through weights that move behind states which a source has for its synapses:
where nothing is cut it is bptt, forwards as in reverse.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
from moving_behind_sources import NETWORK, READ
from networks import program_of
from synapse_gradients import relative_error

from sncc.backends.reference.interpreter import Reference

LATE = "random(p = 0.8), delay = uniform(1 ms, 4 ms)"


def gradients(text: str, values=None):
    program = program_of(text)
    given = dict(Reference(program).parameters) if values is None else values
    for p in program.parameters:
        if p.key.endswith(".feedback"):
            given[p.key] = given[f"{p.key.removesuffix('.feedback')}.weight"] if values is None else values[p.key]
    inputs = [{"x": np.random.default_rng(1).poisson(0.3, (30, 6)).astype(float)}]
    run = Reference(program, given).run(inputs, [2])
    assert run.spikes[0]["hidden"].sum() > 50 and run.spikes[0]["other"].sum() > 20
    return run.gradients


def compare(found, exact):
    assert set(found) == set(exact)
    for key, gradient in exact.items():
        assert np.any(gradient) and relative_error(found[key], gradient) < 1e-12, key


@pytest.mark.parametrize(
    "text, pattern",
    [
        pytest.param(NETWORK, "dense, delay = 1 ms", id="one synapse before the readout"),
        pytest.param(NETWORK, LATE, id="late, one synapse before the readout", marks=pytest.mark.slow),
        pytest.param(READ, "dense, delay = 1 ms", id="read by the loss", marks=pytest.mark.slow),
        pytest.param(READ, LATE, id="late, read by the loss"),
    ],
)
def test_credit_goes_through_weights_that_move_and_what_their_source_has_for_them(text, pattern):
    text = text.replace("PATTERN", pattern)
    exact = gradients(text.replace("RULE", "bptt"))
    for rule in ("eprop", "eprop(feedback = random)", "eprop(online = true)"):
        compare(gradients(text.replace("RULE", rule)), exact)


READS_TARGET = re.sub(
    r"(connect other -> output: random.*?\)),.*",
    r"\1, weight = normal(0.1, 0.5)",
    NETWORK.replace("rate * x *", "rate * (x + q + 0.3 * post.v) *")
    .replace("    dx/dt", "    state q = 0\n    dq/dt = (post.v - q) / tau\n    dx/dt")
    .replace(", other_output.plasticity.rate, other_output.tau_rec, other_output.tau", ""),
)


DELAYS = NETWORK.replace("random(p = 0.8)", "random(p = 0.8), delay = uniform(0.3 ms, 3 ms)").replace(
    "learn =", "learn = hidden_other.delay, other_output.delay,"
)
LARGEST = READ.replace("mean(cross_entropy(other.v))", "cross_entropy(max(other.v)) + cross_entropy(sum(other.v))")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(DELAYS, id="learnt delays", marks=pytest.mark.slow),
        pytest.param(LARGEST, id="the largest value"),
        pytest.param(READS_TARGET, id="rules that read their target", marks=pytest.mark.slow),
    ],
)
def test_forwards_it_is_the_same_number(text):
    text, options = text.replace("PATTERN", LATE), "feedback = random, truncate = 7 ms"
    values = dict(Reference(program_of(text.replace("RULE", f"eprop({options})"))).parameters)
    exact = gradients(text.replace("RULE", f"eprop({options})"), values)
    compare(gradients(text.replace("RULE", f"eprop({options}, online = true)"), values), exact)
