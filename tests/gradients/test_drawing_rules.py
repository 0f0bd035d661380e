"""What synapses and rules of plasticity draw is a constant for the gradient, anew for each synapse, spike and step."""

from __future__ import annotations

import numpy as np
import pytest
from drawing_rules import drawing
from networks import program_of
from synapse_gradients import equals_differences, relative_error

from sncc.backends.reference.interpreter import Reference
from sncc.diagnostics import DiagnosticError

ALL = "x_hidden.weight, hidden_hidden.weight, "


def inputs():
    return [{"x": np.random.default_rng(1).poisson(0.3, (30, 6)).astype(float)}]


def test_gradients_are_those_of_differences_with_the_same_draws():
    program = program_of(drawing("bptt"))
    drawn = Reference(program).parameters
    values = {p.key: np.asarray(drawn[p.key]) for p in program.parameters if p.learnt}
    assert Reference(program, values).run(inputs()).spikes[0]["hidden"].sum() > 50
    equals_differences(program, values, inputs(), np.random.default_rng(1))


def test_forwards_is_reverse_and_feedback_by_the_weights_symmetric():
    rules = (
        "eprop(truncate = 9 ms)",
        "eprop(truncate = 9 ms, online = true)",
        "eprop(truncate = 9 ms, feedback = random)",
    )
    reverse, forwards, random = (program_of(drawing(rule, ALL)) for rule in rules)
    values = dict(Reference(random).parameters)
    values["hidden_output.feedback"] = values["hidden_output.weight"]
    found = [Reference(p, values).run(inputs(), [2]).gradients for p in (reverse, forwards, random)]
    for key, gradient in found[0].items():
        assert np.any(gradient), key
        for other in found[1:]:
            assert relative_error(other[key], gradient) < 1e-12, key


WALK = """
plasticity walk:
    on pre: weight += normal(0.5, 0.1)
network Net:
    step = 1 ms
    population x: input[2000]
    population output: LI[2000](tau_m = 10 ms)
    connect x -> output: one_to_one, weight = each(0), plasticity = walk()
train:
    rule = bptt
    loss = mean(cross_entropy(output.v))
    optimiser = sgd(learning_rate = 1e-3)
"""


@pytest.mark.parametrize("between", [0, 3])
def test_each_spike_at_each_synapse_draws_for_itself(between):
    """A single spike shows the weight that it finds; other steps have no spike or three."""
    counts = np.tile([1, between], 6)[:, None] * np.ones((1, 2000))
    v = Reference(program_of(WALK)).run([{"x": counts}]).traces[0]["output", "v"]
    delivered = v - np.exp(-0.1) * np.vstack([np.zeros(2000), v[:-1]])
    moves = np.diff(delivered[::2], axis=0)
    assert np.mean(moves) == pytest.approx(0.5 * (1 + between), rel=0.01)
    assert np.std(moves) == pytest.approx(0.1 * (1 + between) ** 0.5, rel=0.03)
    assert abs(np.corrcoef(moves)[np.triu_indices(5, 1)]).max() < 0.08 and len(np.unique(moves)) == moves.size


@pytest.mark.parametrize(
    "before, after, name",
    [("x += 1", "x += uniform(0, 1)", "x"), ("dx/dt = -x / tau", "dx/dt = -x / tau + 0.1 * noise * sqrt(1 / tau)", "x"),
     ("post state y = 0", "post state y = uniform(0, 1)", "y")],
)  # fmt: skip
def test_traces_that_all_synapses_of_a_neuron_share_do_not_draw(before, after, name):
    with pytest.raises(DiagnosticError, match=f"whose `{name}`, one for all synapses of a neuron, draws numbers"):
        program_of(drawing("bptt").replace(before, after, 1))
