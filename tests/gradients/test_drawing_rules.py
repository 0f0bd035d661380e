"""What synapses and rules of plasticity draw is a constant for the gradient, anew for each synapse, spike and step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import read_draws
from drawing_rules import drawing, sharing
from networks import model_of, program_of
from synapse_gradients import equals_differences, relative_error

from sncc.backends.reference.interpreter import Reference
from sncc.compiler import compile_program

ALL = "x_hidden.weight, hidden_hidden.weight, "


def inputs():
    return [{"x": np.random.default_rng(1).poisson(0.3, (30, 6)).astype(float)}]


def test_gradients_are_those_of_differences_with_the_same_draws():
    program = program_of(drawing("bptt"))
    drawn = Reference(program).parameters
    values = {p.key: np.asarray(drawn[p.key]) for p in program.parameters if p.learnt}
    assert Reference(program, values).run(inputs()).spikes[0]["hidden"].sum() > 50
    equals_differences(program, values, inputs(), np.random.default_rng(1))


RULES = (
    "eprop(truncate = 9 ms)",
    "eprop(truncate = 9 ms, online = true)",
    "eprop(truncate = 9 ms, feedback = random)",
)


def agree_with_feedback_that_is_symmetric(text):
    """In reverse, forwards, and by feedback that is given the weights: the same gradients."""
    reverse, forwards, random = (program_of(text(rule, ALL)) for rule in RULES)
    values = dict(Reference(random).parameters)
    values["hidden_output.feedback"] = values["hidden_output.weight"]
    found = [Reference(p, values).run(inputs(), [2]).gradients for p in (reverse, forwards, random)]
    for key, gradient in found[0].items():
        assert np.any(gradient), key
        for other in found[1:]:
            assert relative_error(other[key], gradient) < 1e-12, key


def test_forwards_is_reverse_and_feedback_by_the_weights_symmetric():
    agree_with_feedback_that_is_symmetric(drawing)


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


def test_traces_that_all_synapses_of_a_neuron_share_draw_in_training():
    """In jumps and in equations of either side."""
    program = program_of(sharing("bptt"))
    drawn, short = Reference(program).parameters, [{"x": inputs()[0]["x"][:16]}]
    values = {p.key: np.asarray(drawn[p.key]) for p in program.parameters if p.learnt}
    equals_differences(program, values, short, np.random.default_rng(1))


@pytest.mark.slow
def test_so_they_do_forwards_and_by_feedback():
    agree_with_feedback_that_is_symmetric(sharing)


ALIKE = """
plasticity shared:
    pre state x = 0
    post state y = 0
    dx/dt = -x / (9 ms) + 0.5 * noise / sqrt(9 ms)
    dy/dt = -y / (9 ms) + 0.5 * noise / sqrt(9 ms)
    on pre:
        weight = SIDE
        x += uniform(0, 1)
network Net:
    step = 1 ms
    population x: input[SOURCES]
    population output: LI[TARGETS](tau_m = 10 ms)
    connect x -> output: PATTERN, weight = each(0), plasticity = shared()
train:
    rule = bptt
    loss = mean(cross_entropy(output.v))
    optimiser = sgd(learning_rate = 1e-3)
"""


def alike(side: str, sources: int, targets: int, pattern: str = "dense") -> str:
    text = ALIKE.replace("SIDE", side).replace("PATTERN", pattern)
    return text.replace("SOURCES", str(sources)).replace("TARGETS", str(targets))


@pytest.mark.parametrize("pattern", ["dense", "random(p = 1)"])
def test_all_synapses_of_a_neuron_draw_the_same(pattern):
    """A second spike delivers what the first has found: a trace of the source alone, or of the target alone."""

    def delivered(side, spiking):
        counts = np.zeros((9, 3))
        counts[2::6, spiking] = 1
        return Reference(program_of(alike(side, 3, 4, pattern))).run([{"x": counts}]).traces[0]["output", "v"][8]

    of_sources, of_targets = ([delivered(side, k) for k in range(3)] for side in "xy")
    assert all(len(np.unique(v)) == 1 and v[0] != 0 for v in of_sources) and len(np.unique(of_sources)) == 3
    assert all(np.array_equal(v, of_targets[0]) for v in of_targets) and len(np.unique(of_targets)) == 4


@pytest.mark.parametrize("side", ["x", "y"])
def test_noise_in_shared_traces_has_the_spread_of_its_equation_trained_or_not(side):
    counts = np.zeros((9, 4000))
    counts[2::6] = 1
    model = model_of(alike(side, 4000, 4000, "one_to_one"))
    for one in (model, replace(model, training=None)):
        v = Reference(compile_program(one, "float64")).run([{"x": counts}]).traces[0]["output", "v"][8]
        assert np.mean(v) == pytest.approx(0, abs=0.01)
        assert np.var(v) == pytest.approx(0.125 * (1 - np.exp(-2 * 3 / 9)), rel=0.06)


@pytest.mark.parametrize(
    "rule, delay",
    [("bptt", "2 ms"), ("bptt", "uniform(1 ms, 5 ms)"), (None, "2 ms"), (None, "uniform(1 ms, 5 ms)")],
)
def test_what_a_line_sees_behind_a_draw_is_what_the_trace_has_drawn(rule, delay):
    program = program_of(read_draws.text_of(rule, delay))
    assert program.schedule == ("neuron_parallel" if rule is None else "sample_parallel")
    traces = Reference(program).run(read_draws.inputs()).traces[0]
    found, left, met, kept = (traces["hidden_output", s][:, :12] for s in ("found", "left", "met", "kept"))
    assert read_draws.finds_what_it_has_seen(found, left) and read_draws.finds_what_it_has_seen(met, kept)


def test_forwards_is_reverse_where_draws_are_read():
    reverse, forwards = (program_of(read_draws.text_of(rule)) for rule in ("eprop", "eprop(online = true)"))
    values = dict(Reference(reverse).parameters)
    expected, found = (Reference(p, values).run(read_draws.inputs(4), [2]).gradients for p in (reverse, forwards))
    for key, gradient in expected.items():
        assert np.any(gradient) and relative_error(found[key], gradient) < 1e-12, key


LATE = "delay = uniform(1 ms, 6 ms), plasticity"


def late(rule: str, learn: str = "") -> str:
    """Traces that draw and hold noise, with a delay for each synapse."""
    text = sharing(rule, learn).replace("delay = 2 ms, plasticity", LATE)
    return text.replace(
        "random(fan_out = 2), weight = normal(0.1, 0.3), ", f"dense, weight = normal(0.1, 0.3), {LATE[:-10]}"
    )


def test_synapses_of_a_neuron_draw_the_same_each_its_own_delay_later():
    program = program_of(late("bptt"))
    reference, steps = Reference(program), len(inputs()[0]["x"])
    x = reference.run(inputs(), [2]).traces[0]["hidden_output", "x"]
    delays = np.floor(np.asarray(reference.parameters["hidden_output.delay"]).ravel() + 0.5).astype(int)
    for a in range(15):
        first = 3 * (a // 3)
        last = steps - max(delays[a], delays[first])
        assert np.allclose(x[delays[a] :, a][:last], x[delays[first] :, first][:last], rtol=1e-12, atol=1e-12)
    assert len(np.unique(delays)) > 3 and np.ptp(x) > 1


def test_draws_that_come_late_are_constants():
    program = program_of(late("bptt"))
    drawn = Reference(program).parameters
    values = {p.key: np.asarray(drawn[p.key]) for p in program.parameters if p.learnt}
    equals_differences(program, values, inputs(), np.random.default_rng(1))
