"""Any number of spikes of a step is followed one by one where what they do does not add up,
and what is learnt by them has its gradient.
"""

from __future__ import annotations

import numpy as np
import pytest
from many_spikes import inputs, text_of
from networks import program_of
from synapse_gradients import agreeing, all_moves, equals_differences, relative_error, values_of

from sncc.backends.reference.interpreter import Reference


@pytest.mark.parametrize(
    "rule, delay",
    [
        ("bptt", "1 ms"),
        pytest.param("bptt(truncate = 7 ms)", "1 ms", marks=pytest.mark.slow),
        ("eprop", "uniform(0.3 ms, 4 ms) in [0 ms, 9 ms]"),
        pytest.param("bptt", "uniform(0.3 ms, 4 ms) in [0 ms, 9 ms]", marks=pytest.mark.slow),
    ],
)
def test_gradients_equal_automatic_differentiation_of_spike_after_spike(rule, delay):
    """The oracle draws nothing: it is handed the spikes that the `poisson` population has had."""
    text = text_of(rule, delay, ", x_hidden.delay" if "uniform" in delay else "")
    program, told = program_of(text), text.replace("poisson[4](rate = 1500 Hz)", "input[4]")
    drawn = Reference(program).run(inputs()).spikes[0]["p"]
    given = [{"x": inputs()[0]["x"], "p": drawn}]
    run, values, _ = agreeing(told, lambda rng: given)
    all_moves(run)
    assert max(given[0]["x"].max(), 5) > 5 and drawn.max() >= 4
    own = Reference(program, values).run(inputs(), [2])
    assert own.loss == pytest.approx(run.loss, rel=1e-12)
    for key, gradient in run.gradients.items():
        assert relative_error(own.gradients[key], gradient) < 1e-12, key


def test_forwards_is_reverse():
    texts = (text_of(rule, draws=True) for rule in ("eprop", "eprop(online = true)"))
    reverse, forwards = (program_of(text.replace("(1.2 - tanh(post.v))", "1")) for text in texts)
    values = values_of(reverse, np.random.default_rng(1))
    found, expected = (Reference(p, values).run(inputs(), [2]).gradients for p in (forwards, reverse))
    for key, gradient in expected.items():
        assert np.any(gradient) and relative_error(found[key], gradient) < 1e-12, key


def test_numbers_drawn_at_every_spike_are_constants():
    """On the way from what is learnt by them nothing spikes, so moving it tells its gradient."""
    program = program_of(text_of("bptt", draws=True))
    drawn = Reference(program).parameters
    values = {p.key: np.asarray(drawn[p.key]) for p in program.parameters if p.learnt and p.key.startswith("drawn.")}
    equals_differences(program, values, inputs(), np.random.default_rng(1))
