"""What cannot be differentiated yet is refused at its place; no gradient is computed that leaves a path out."""

from __future__ import annotations

import pytest
from networks import program_of

import sncc
from sncc.diagnostics import DiagnosticError

NETWORK = """
plasticity grow:
    param rate = 0.01
    modulator level
    pre state x = 0
    dx/dt = -x / (9 ms)
    on pre: weight += rate * level

network Net:
    step = 1 ms
    population x: input[4]
    population hidden: LIF[5]
    population output: LI[2]
    connect x -> hidden: dense, weight = 0.5
    connect hidden -> output: dense, weight = normal(0, 0.1), {synapse}

train:
    rule = {rule}
    loss = mean(cross_entropy(output.v))
    optimiser = sgd(learning_rate = 0.1)
"""


LARGE = NETWORK.format(rule="bptt", synapse="plasticity = grow()").replace("LIF[5]", "LIF[600000]")


def test_training_through_what_has_no_transposed_operation_is_refused_at_the_connection():
    with pytest.raises(DiagnosticError) as raised:
        program_of(LARGE)
    (found,) = raised.value.diagnostics
    line = LARGE[: found.span.start].count("\n")
    assert found.code == "not-supported-yet" and LARGE.split("\n")[line].strip().startswith("connect hidden -> output")
    assert "training through `grow`" in found.message and "1,200,000 synapses" in found.message


def test_check_says_it_once_and_before_build():
    (found,) = (d for d in sncc.check(LARGE) if d.code == "not-supported-yet")
    assert found.severity == "warning" and found.help and "training through `grow`" in found.message


RUN = """
simulate:
    duration = 20 ms
    record weight of hidden_output
    record x of hidden_output
    stimulate hidden_output.level: 1 from 5 ms to 10 ms
"""


def test_a_network_that_is_trained_or_not_shows_weights_that_move():
    text = NETWORK.format(rule="bptt", synapse="plasticity = grow()") + RUN
    assert not sncc.check(text)
    assert not sncc.check(text.split("train:")[0] + RUN)
