"""Traces that draw behind learnt delays: the halves draw, and learn, as the reference does."""

from __future__ import annotations

import bent_draws
import pytest
from draws_behind_delays import inputs, text_of
from halves import gradients_agree


@pytest.mark.slow
@pytest.mark.parametrize("half", ["cpu", "emulated"])
@pytest.mark.parametrize(
    "text",
    [
        text_of("bptt(truncate = 9 ms)", "behind"),
        text_of("eprop(online = true)", "ahead", pattern="random(p = 0.7)"),
        bent_draws.text_of("bptt(truncate = 9 ms)", pattern="random(p = 0.7)"),
        bent_draws.text_of("eprop(online = true)"),
    ],
    ids=["behind", "forwards", "bent", "bent, forwards"],
)
def test_gradients_equal_the_reference(tmp_path, half, text):
    gradients_agree(half, tmp_path, text, inputs(), [2])
