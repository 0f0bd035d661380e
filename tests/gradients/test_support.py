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


EACH = ", delay = uniform(1 ms, 3 ms)"


def test_training_through_what_has_no_transposed_operation_is_refused_at_the_connection():
    text = NETWORK.format(rule="bptt", synapse=f"plasticity = grow(){EACH}").replace(*BENT).replace(*DELAYS)
    with pytest.raises(DiagnosticError) as raised:
        program_of(text)
    (found,) = raised.value.diagnostics
    line = text[: found.span.start].count("\n")
    assert found.code == "not-supported-yet" and text.split("\n")[line].strip().startswith("connect hidden -> output")


def test_check_says_it_once_and_before_build():
    text = NETWORK.format(rule="bptt", synapse=f"plasticity = grow(){EACH}").replace(*BENT).replace(*DELAYS)
    (found,) = (d for d in sncc.check(text) if d.code == "not-supported-yet")
    assert found.severity == "warning" and found.help and "training through `grow`" in found.message


SEEING = ("pre state x = 0", "state e = 0\n    de/dt = (post.v - e) / (9 ms)\n    pre state x = 0")
BENT = ("on pre: weight += rate * level", "on pre:\n        x += normal(1, 0.1)\n        weight += tanh(x) * level")
DELAYS = ("    optimiser", "    learn = weights, hidden_output.delay\n    optimiser")


@pytest.mark.parametrize(
    "rule, options, change, said",
    [
        (
            "bptt",
            ", delay = uniform(1 ms, 3 ms)",
            BENT,
            "with learnt delays, by which parts of a spike arrive, and whose `x`, one for all of a neuron, draws what a line below",
        ),
    ],
)
def test_what_weights_that_move_cannot_do_yet_is_said_with_what_helps(rule, options, change, said):
    text = NETWORK.format(rule=rule, synapse=f"plasticity = grow(){options}")
    text = text.replace(*change)
    if change == BENT:
        text = text.replace(*DELAYS)
    with pytest.raises(DiagnosticError) as raised:
        program_of(text)
    (found,) = (d for d in raised.value.diagnostics if d.severity == "error")
    assert found.code == "not-supported-yet" and said in found.message and found.span and found.help


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
