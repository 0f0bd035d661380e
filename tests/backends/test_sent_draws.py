"""Behind learnt delays a source sends what its traces draw: the halves draw, and learn, as the reference does."""

from __future__ import annotations

import pytest
from halves import gradients_agree
from sent_draws import inputs, text_of


@pytest.mark.slow
@pytest.mark.parametrize("half", ["cpu", "emulated"])
@pytest.mark.parametrize(
    "text",
    [text_of("bptt(truncate = 9 ms)", "behind"), text_of("eprop(online = true)", "ahead", pattern="random(p = 0.7)")],
    ids=["behind", "forwards"],
)
def test_gradients_equal_the_reference(tmp_path, half, text):
    gradients_agree(half, tmp_path, text, inputs(), [2])
