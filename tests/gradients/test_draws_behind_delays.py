"""Traces that draw behind learnt delays: both parts of a spike move by what has been drawn at it,
which is a constant for the gradient.
"""

from __future__ import annotations

import bent_draws
import numpy as np
import pytest
from draws_behind_delays import inputs, loss_and_gradients, text_of
from networks import program_of
from synapse_gradients import relative_error

from sncc.backends.reference.interpreter import Reference

SLOW = pytest.mark.slow


def learnt(program) -> dict[str, np.ndarray]:
    drawn = Reference(program).parameters
    return {p.key: np.asarray(drawn[p.key]) for p in program.parameters if p.learnt}


@pytest.mark.parametrize("lines", [pytest.param("ahead", marks=SLOW), "behind"])
def test_gradients_equal_automatic_differentiation_with_traces_at_their_source(lines):
    program = program_of(text_of("bptt", lines))
    values = learnt(program)
    run = Reference(program, values).run(inputs(), [2])
    loss, gradients = loss_and_gradients(program, values, inputs(), 2, lines)
    assert run.loss == pytest.approx(loss, rel=1e-12) and run.spikes[0]["hidden"].sum() > 20
    for key, gradient in run.gradients.items():
        assert np.any(gradient) and relative_error(gradient, gradients[key]) < 1e-9, key


@pytest.mark.parametrize(
    "lines, pattern, window",
    [
        ("ahead", "random(p = 0.7)", ""),
        pytest.param("behind", "dense", "", marks=SLOW),
        pytest.param("ahead", "dense", "truncate = 9 ms", marks=SLOW),
        pytest.param("behind", "random(p = 0.7)", "truncate = 9 ms", marks=SLOW),
    ],
)
def test_forwards_is_reverse_and_where_nothing_is_cut_bptt(lines, pattern, window):
    rules = [f"eprop({', '.join(filter(None, (window, more)))})" for more in ("feedback = symmetric", "online = true")]
    rules.append(f"bptt({window})" if window else "bptt")
    exact, *others = (program_of(text_of(rule, lines, pattern=pattern)) for rule in reversed(rules))
    values = learnt(exact)
    expected, *found = (Reference(p, values).run(inputs(), [2]).gradients for p in (exact, *others))
    for key, gradient in expected.items():
        assert np.any(gradient) and all(relative_error(f[key], gradient) < 1e-12 for f in found), key


@pytest.mark.slow
@pytest.mark.parametrize("lines", ["ahead", "behind"])
def test_feedback_by_the_weights_is_symmetric(lines):
    random, symmetric = (program_of(text_of(rule, lines)) for rule in ("eprop(feedback = random)", "eprop"))
    values = dict(Reference(random).parameters)
    values["hidden_output.feedback"] = values["hidden_output.weight"]
    found, expected = (Reference(p, values).run(inputs(), [2]).gradients for p in (random, symmetric))
    assert all(relative_error(found[key], gradient) < 1e-12 for key, gradient in expected.items())


@pytest.mark.parametrize("lines", ["ahead", pytest.param("behind", marks=SLOW)])
def test_gradients_are_those_of_differences_also_at_delays_of_whole_steps(lines):
    """No credit passes spikes, whose derivative is none of the loss."""
    program = program_of(text_of("bptt", lines).replace("triangle(width = 1, height = 0.5)", "0 * u"))
    drawn = {k: v for k, v in learnt(program).items() if k.startswith("hidden_output")}
    whole = {"hidden_output.delay": np.round(drawn["hidden_output.delay"])}
    for values, both in ((drawn, True), (drawn | whole, False)):
        run, rng = Reference(program, values).run(inputs(), [2]), np.random.default_rng(3)
        for key in drawn if both else whole:
            turn = np.abs(rng.normal(0, 1, values[key].shape))
            up, down = (
                Reference(program, values | {key: values[key] + by * turn}).run(inputs(), [2]).loss
                for by in (2e-5, -2e-5 if both else 4e-5)
            )
            slope = (up - down) / 4e-5 if both else (4 * up - down - 3 * run.loss) / 4e-5
            assert np.sum(run.gradients[key] * turn) == pytest.approx(slope, rel=1e-5), key


FORMS = "gamma(2, 0.3) * (1 + pre.v) + lognormal(0.1, 0.2) - exponential(0.5)", "(1 + tanh(x)) * noise"


@pytest.mark.slow
def test_draws_of_every_form_noise_that_a_trace_bends_and_starts_that_are_drawn():
    head, mark, tail = text_of("bptt", "ahead").partition("plasticity single")
    for before, after in (("uniform(0.2, 0.8) * (1 + 0.3 * q)", FORMS[0]), ("0.5 * noise", f"0.5 * {FORMS[1]}")):
        assert before in tail
        tail = tail.replace(before, after)
    text = head + mark + tail.replace("pre state q = 0", "pre state q = uniform(0.1, 0.3)")
    program = program_of(text.replace("triangle(width = 1, height = 0.5)", "0 * u"))
    values, rng = learnt(program), np.random.default_rng(1)
    gradients = Reference(program, values).run(inputs(), [2]).gradients
    for key in (k for k in values if k.startswith("hidden_output")):
        turn = rng.normal(0, 1, values[key].shape)
        moved = [values | {key: values[key] + by * turn} for by in (1e-5, -1e-5)]
        up, down = (Reference(program, m).run(inputs(), [2]).loss for m in moved)
        assert np.sum(gradients[key] * turn) == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-8), key


CONSTANT = {"normal(0.6, 0.2)": "0.6", "uniform(0.2, 0.8)": "0.5", " + 0.5 * noise / sqrt(tau)": ""}
DRAWN = {
    "normal(0.6, 0.2)": "normal(0.6, 0)",
    "uniform(0.2, 0.8)": "uniform(x - x + 0.5, 0.5)",
    "+ 0.5 * noise": "+ 0 * noise",
}


@pytest.mark.parametrize("lines", ["ahead", pytest.param("behind", marks=SLOW)])
def test_what_is_drawn_without_a_spread_is_what_is_written(lines):
    text, runs = text_of("bptt", lines), []
    for changes in (CONSTANT, DRAWN):
        changed = text
        for before, after in changes.items():
            assert before in text
            changed = changed.replace(before, after)
        program = program_of(changed)
        runs.append(Reference(program, learnt(program)).run(inputs(), [2]))
    assert runs[0].loss == pytest.approx(runs[1].loss, rel=1e-12)
    for key, gradient in runs[0].gradients.items():
        assert relative_error(runs[1].gradients[key], gradient) < 1e-10, key


@pytest.mark.slow
@pytest.mark.parametrize("lines", ["ahead", "behind"])
def test_it_is_the_same_where_the_spike_waits_to_see_its_target(lines):
    """Rules that read their target's state move synapses a step later; nothing else changes."""
    text, runs = text_of("bptt(truncate = 7 ms)", lines).replace("- 0.3 * e", ""), []
    for one in (text, text.replace("rate * (x ", "rate * (0 * post.v + x ")):
        program = program_of(one)
        runs.append(Reference(program, learnt(program)).run(inputs(), [2]))
    assert runs[0].loss == pytest.approx(runs[1].loss, rel=1e-12)
    for key, gradient in runs[0].gradients.items():
        assert relative_error(runs[1].gradients[key], gradient) < 1e-12, key


def test_gradients_equal_automatic_differentiation_by_parts_where_nothing_adds_up():
    """A trace bends its draws, whose form follows a state; weights are bounded, and draw themselves;
    inputs spike several times in a step.
    """
    program = program_of(bent_draws.text_of("bptt"))
    values = learnt(program)
    run = Reference(program, values).run(inputs(), [2])
    loss, gradients = bent_draws.loss_and_gradients(program, values, inputs(), 2)
    assert run.loss == pytest.approx(loss, rel=1e-12) and run.spikes[0]["hidden"].sum() > 20
    for key, gradient in run.gradients.items():
        assert np.any(gradient) and relative_error(gradient, gradients[key]) < 1e-9, key


@pytest.mark.parametrize(
    "pattern, window, steps", [("random(p = 0.7)", "truncate = 5 ms", 9), pytest.param("dense", "", 24, marks=SLOW)]
)
def test_forwards_is_reverse_where_nothing_adds_up(pattern, window, steps):
    rules = [f"eprop({', '.join(filter(None, (window, more)))})" for more in ("feedback = symmetric", "online = true")]
    rules.append(f"bptt({window})" if window else "bptt")
    exact, *others = (program_of(bent_draws.text_of(rule, pattern=pattern)) for rule in reversed(rules))
    values = learnt(exact)
    expected, *found = (Reference(p, values).run(inputs(steps), [2]).gradients for p in (exact, *others))
    for key, gradient in expected.items():
        assert np.any(gradient) and all(relative_error(f[key], gradient) < 1e-12 for f in found), key


@pytest.mark.slow
def test_where_nothing_adds_up_it_is_the_same_if_the_spike_waits_to_see_its_target():
    text, runs = bent_draws.text_of("bptt(truncate = 7 ms)").replace(" * normal(1, 0.3)", ""), []
    for one in (text, text.replace("(0.1 + x - e)", "(0.1 + x - e + 0 * post.v)")):
        program = program_of(one.replace("- e", ""))
        runs.append(Reference(program, learnt(program)).run(inputs(), [2]))
    assert runs[0].loss == pytest.approx(runs[1].loss, rel=1e-12)
    for key, gradient in runs[0].gradients.items():
        assert relative_error(runs[1].gradients[key], gradient) < 1e-12, key
