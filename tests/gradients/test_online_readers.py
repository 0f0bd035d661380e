"""e-prop forwards, with credit through outputs whose synapses keep states each and read them,
gives the numbers of e-prop in reverse.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from networks import equal_gradients, program_of
from synapses_forwards import ONTO_READERS, reaching_readers

from sncc.backends.reference.interpreter import Reference
from sncc.program.learning import TraceUpdate

LOSS = "mean(cross_entropy(output.v))"
SPIKING = "LIF[4](theta = 0.6)"
READING = """
plasticity seeing:
    state e = 0
    de/dt = (tanh(post.v) - e) / (9 ms)
    pre state x = 0
    dx/dt = -x / (9 ms)
    on pre:
        x += 1
        weight += 0.02 * e
    on post: weight += 0.01 * x * (1 - e)

"""


def runs(text: str, rule: str):
    """Programs of e-prop in reverse and forwards, and what both find on the same numbers."""
    programs = [program_of(text.replace("RULE", r)) for r in (rule, f"{rule}, online = true")]
    values = dict(Reference(programs[0]).parameters)
    inputs = [{"x": np.random.default_rng(2).integers(0, 2, (25, 6)) * 1.0}]
    return programs, [Reference(p, values).run(inputs, [1]) for p in programs], values, inputs


@pytest.mark.parametrize(
    "name, rule, output, loss",
    [
        ("all", "feedback = symmetric", "LI[3](tau_m = 10 ms)", LOSS),
        ("late", "feedback = random, truncate = 7 ms", SPIKING, "cross_entropy(count(output))"),
        ("one", "feedback = symmetric, truncate = 9 ms", "LI[3](tau_m = 10 ms)", "cross_entropy(mean(output.v))"),
        ("plain", "feedback = symmetric", SPIKING, "cross_entropy(max(output.v))"),
        ("some", "feedback = random", "LI[4](tau_m = each(10 ms))", LOSS),
    ],
)
def test_credit_goes_on_through_outputs_that_their_synapses_read(name, rule, output, loss):
    _, found, _, _ = runs(reaching_readers("RULE", loss, ONTO_READERS[name], output), rule)
    assert found[0].spikes[0]["hidden"].sum() > 50
    equal_gradients(found[1].gradients, found[0].gradients)


def test_so_it_does_where_synapses_onto_an_output_learn_by_what_they_read_of_it_late():
    onto = """connect hidden -> output: dense, weight = normal(0.2, 0.3), delay = 2 ms, post_delay = 3 ms,
        plasticity = seeing(), synapse = driven()"""
    _, found, _, _ = runs(READING + reaching_readers("RULE", LOSS, onto, SPIKING), "feedback = symmetric")
    assert found[0].spikes[0]["output"].sum() > 10
    equal_gradients(found[1].gradients, found[0].gradients)


def test_it_is_all_synapses_of_an_output_that_carry_it_on():
    """Without their part the gradient is another one, so that the tests above can tell."""
    (_, ahead), found, values, inputs = runs(
        reaching_readers("RULE", LOSS, ONTO_READERS["all"]), "feedback = symmetric"
    )
    inside = [
        o for o in ahead.traces if isinstance(o, TraceUpdate) and o.each is not None and o.each.inside is not None
    ]
    assert inside
    silent = replace(ahead, traces=tuple(replace(o, adds=()) if o in inside else o for o in ahead.traces))
    other = Reference(silent, values).run(inputs, [1]).gradients["x_hidden.weight"]
    expected = found[0].gradients["x_hidden.weight"]
    assert np.max(np.abs(other - expected)) > 1e-3 * np.max(np.abs(expected))
