"""Many spikes of a step that do not add up: both halves follow each of them and give the reference's gradients."""

from __future__ import annotations

import pytest
from halves import gradients_agree
from many_spikes import inputs, text_of

LEARNT = "uniform(0.3 ms, 4 ms) in [0 ms, 9 ms]"


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule, delay",
    [("bptt", LEARNT), ("eprop(feedback = random, truncate = 9 ms)", "1 ms"), ("eprop(online = true)", "1 ms")],
)
@pytest.mark.parametrize("half", ["cpu", "emulated"])
def test_gradients_equal_the_reference(tmp_path, half, rule, delay):
    text = text_of(rule, delay, ", x_hidden.delay" if delay == LEARNT else "", draws=True)
    text = text.replace("(1.2 - tanh(post.v))", "1") if "online" in rule else text
    gradients_agree(half, tmp_path, text, [inputs(seed)[0] for seed in (1, 2, 3)], [0, 1, 2])
