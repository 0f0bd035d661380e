"""Numbers that each neuron has for itself and the synapses behind it read get their credit under e-prop:
where nothing is cut that of bptt, forwards as in reverse.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import program_of
from numbers_of_sources import JUNCTION, MOVING, NETWORK, READ
from synapse_gradients import relative_error

import sncc
from sncc.backends.reference.interpreter import Reference

INPUTS = [{"x": np.random.default_rng(1).poisson(0.4, (30, 6)).astype(float)}]


def run(text: str, rule: str, labels):
    program = program_of(text.replace("RULE", rule))
    values = dict(Reference(program).parameters)
    for p in program.parameters:
        if p.key.endswith(".feedback"):
            weight = values[f"{p.key.removesuffix('.feedback')}.weight"]
            values[p.key] = weight.T if weight.ndim == 2 else weight
    found = Reference(program, values).run(INPUTS, labels)
    assert found.spikes[0]["hidden"].sum() > 40 and found.spikes[0]["other"].sum() > 20
    return found.gradients


@pytest.mark.parametrize("pattern", ["dense", "random(p = 0.8)"])
def test_numbers_that_synapses_read_of_their_source_are_learnt_under_e_prop(pattern):
    text = NETWORK.replace("PATTERN", pattern)
    exact = run(text, "bptt", [2])
    for rule in ("eprop", "eprop(feedback = random)", "eprop(online = true)"):
        found = run(text, rule, [2])
        for key in exact:
            assert np.any(exact[key]) and relative_error(found[key], exact[key]) < 1e-12, (rule, key)


def test_so_they_are_where_the_way_to_the_loss_goes_over_the_same_synapses():
    exact, *found = (
        run(READ.replace("PATTERN", "dense"), rule, [2]) for rule in ("bptt", "eprop", "eprop(online = true)")
    )
    for gradients in found:
        for key in exact:
            assert np.any(exact[key]) and relative_error(gradients[key], exact[key]) < 1e-12, key


@pytest.mark.parametrize(
    "text, pattern",
    [
        pytest.param(NETWORK, "random(p = 0.8), delay = uniform(1 ms, 4 ms)", id="delays"),
        pytest.param(JUNCTION, "one_to_one", id="gap junctions"),
        pytest.param(MOVING, "dense", id="weights that move", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("options", ["feedback = random", "truncate = 7 ms"])
def test_forwards_they_have_the_number_of_the_reverse_phase(text, pattern, options):
    text = text.replace("PATTERN", pattern).replace(", delay = 1 ms", "" if "delay" in pattern else ", delay = 1 ms")
    text = text.replace("[5]", "[4]") if pattern == "one_to_one" else text
    programs = [program_of(text.replace("RULE", f"eprop({options}{more})")) for more in ("", ", online = true")]
    values = Reference(programs[0]).parameters
    reverse, forwards = (Reference(p, values).run(INPUTS, [2]).gradients for p in programs)
    assert set(reverse) == set(forwards)
    for key, gradient in reverse.items():
        assert np.any(gradient) and relative_error(forwards[key], gradient) < 1e-12, key


WITHOUT_MEMORY = """
neuron Now:
    state v = 0
    input I
    each step:
        v = I

synapse SYNAPSE

network Chain:
    step = 1 ms
    population x: input[6]
    population hidden: Sending[5]
    population output: Now[3]
    connect x -> hidden: dense, weight = normal(0.3, 0.2)
    connect hidden -> output: dense, weight = normal(0.3, 0.3), synapse = sent()

train:
    rule = RULE
    loss = mean(cross_entropy(output.v))
    learn = hidden.gain, hidden_output.weight
    optimiser = sgd(learning_rate = 1e-3)
"""


@pytest.mark.parametrize(
    "synapse",
    ["sent:\n    deliver weight * pre.gain * pre.v", "sent:\n    deliver weight * sigmoid(pre.gain * weight) * pre.v"],
    ids=["of the source", "of each synapse"],
)
def test_no_window_cuts_credit_for_a_number(synapse):
    """Nothing that is learnt moves what is remembered, so windows change nothing."""
    text = NETWORK[: NETWORK.index("synapse")] + WITHOUT_MEMORY.replace("synapse SYNAPSE", f"synapse {synapse}")
    rules = ("bptt", "bptt(truncate = 7 ms)", "eprop(truncate = 7 ms)", "eprop(truncate = 7 ms, online = true)")
    programs = [program_of(text.replace("RULE", rule)) for rule in rules]
    values = Reference(programs[0]).parameters
    whole, *cut = (Reference(p, values).run(INPUTS, [2]).gradients for p in programs)
    for gradients in cut:
        for key, gradient in whole.items():
            assert np.any(gradient) and relative_error(gradients[key], gradient) < 1e-12, key


def test_a_population_of_which_only_synapses_read_what_is_learnt_needs_no_learning_signal():
    """Its numbers move the loss by the neurons behind these synapses, which have one."""
    text = NETWORK.replace("    connect hidden -> output: dense, weight = normal(0, 0.5)\n", "").replace(
        "PATTERN", "dense"
    )
    exact, *found = (run(text, rule, [2]) for rule in ("bptt", "eprop", "eprop(online = true)"))
    for gradients in found:
        for key in exact:
            assert np.any(exact[key]) and relative_error(gradients[key], exact[key]) < 1e-12, key
    text = text.replace("RULE", "eprop")
    for other in ("learn = hidden.tau,", "learn = x_hidden.weight,"):
        refused = sncc.check(text.replace("learn =", other))
        assert [d.code for d in refused if d.severity == "error"] == ["no-learning-signal"]
    # where the neurons read it too they need one
    moved = text.replace("dv/dt = -v / tau + I", "dv/dt = -gain * v / tau + I")
    assert [d.code for d in sncc.check(moved) if d.severity == "error"] == ["no-learning-signal"]


def test_synapses_that_keep_no_states_but_read_numbers_one_by_one_are_emitted():
    text = JUNCTION.replace("PATTERN", "one_to_one").replace("[5]", "[4]").replace("RULE", "eprop(online = true)")
    assert sncc.build(text, emit_only=True)
