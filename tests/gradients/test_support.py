"""What cannot be differentiated yet is refused at its place; no gradient is computed that leaves a path out."""

from __future__ import annotations

import pytest
from networks import program_of

from sncc.diagnostics import DiagnosticError

NETWORK = """
synapse reading:
    state g = 0
    dg/dt = -g / (5 ms)
    on pre: g += weight * (2 - post.v)
    deliver g / (1 ms)

synapse saturating:
    state s = 0
    state g = 0
    ds/dt = -s / (50 ms)
    dg/dt = -g / (5 ms)
    on pre:
        s += 0.5 * (1 - s)
        g += weight * s
    deliver g / (1 ms)

synapse continuous:
    deliver weight * pre.v / (1 ms)

synapse square:
    state g = 0
    dg/dt = -g * g / (5 ms)
    on pre: g += weight
    deliver g / (1 ms)

plasticity grow:
    on pre: weight += 0.01

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


@pytest.mark.parametrize("rule", ["bptt", "eprop"])
@pytest.mark.parametrize(
    "synapse",
    [
        "synapse = reading()",
        "synapse = saturating()",
        "synapse = continuous()",
        "synapse = square()",
        "plasticity = grow()",
    ],
)
def test_training_through_what_has_no_transposed_operation_is_refused_at_the_connection(rule, synapse):
    text = NETWORK.format(rule=rule, synapse=synapse)
    with pytest.raises(DiagnosticError) as raised:
        program_of(text)
    (found,) = raised.value.diagnostics
    line = text[: found.span.start].count("\n")
    assert found.code == "not-supported-yet" and text.split("\n")[line].strip().startswith("connect hidden -> output")
