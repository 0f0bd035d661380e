"""What a loss at every step takes a jump times: its mean derivative from before the jump to behind it."""

from __future__ import annotations

import numpy as np
import pytest
from event_case import network
from networks import program_of

from sncc.backends.reference.statements import statement_value

LOSSES = {
    "cross_entropy(output.v)": np.array([0.0, 1.0]),
    "cross_entropy(output.v / 0.2, smoothing = 0.1)": np.array([1.0, 0.0]),
    "cross_entropy(output.v, smoothing = 0.1, weights = [1, 3])": np.array([0.0, 3.0]),
    "huber(output.v)": np.array([0.3, -2.0]),
    "output.v^4 + exp(label * output.v)": np.array([0.5, 1.0]),
}


def along(loss: str, precision: str, before: np.ndarray, x: np.ndarray, target: np.ndarray):
    """The loss at both ends, its derivative at `x`, and the mean one from `before` to `x`."""
    program = program_of(network(output="LI", loss=f"mean({loss})"), precision)
    own, jumping = program.readouts
    results = []
    for readout, at in ((own, before), (own, x), (jumping, x)):
        values = {"x": at, "target": target, "before": before}
        for s in (*readout.body, *readout.gradient):
            values[s.name] = statement_value(s, values)
        results.append((values[readout.loss], np.broadcast_to(values["x~"], x.shape)))
    (start, _), (end, slope), (nothing, mean) = results
    assert nothing == 0
    return start, end, slope, mean


@pytest.mark.parametrize("loss", LOSSES)
def test_the_mean_derivative_times_the_jump_is_how_much_the_loss_jumps(loss):
    rng = np.random.default_rng(0)
    for size in (0.01, 1.0, 5.0):
        before = rng.normal(0, 1, 2)
        x = before + size * rng.normal(0, 1, 2)
        start, end, _, mean = along(loss, "float64", before, x, LOSSES[loss])
        assert mean @ (x - before) == pytest.approx(end - start, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_without_a_jump_it_is_the_derivative(loss, precision):
    x = np.array([0.4, -0.7])
    for apart in (0.0, 1e-9):
        _, _, slope, mean = along(loss, precision, x - apart, x, LOSSES[loss])
        assert np.allclose(mean, slope, rtol=1e-7)


def test_a_variable_that_does_not_jump_needs_none():
    filtering = (
        "    state v = 0\n    state i = 0\n    input I\n    dv/dt = (i - v) / (20 ms)\n    di/dt = -i / (5 ms) + I"
    )
    text = network(output="Filter", definition=f"neuron Filter:\n{filtering}", loss="mean(cross_entropy(output.v))")
    assert len(program_of(text).readouts) == 1
    assert len(program_of(text.replace("output.v", "output.i")).readouts) == 2
