"""Lines that read what a trace has just drawn, and traces that draw with a delay for each synapse:
all halves draw the same.
"""

from __future__ import annotations

import numpy as np
import pytest
from drawing_rules import sharing
from halves import gradients_agree
from networks import program_of
from projects import Projects, handed_over, needs_compiler
from read_draws import FOLLOWED, finds_what_it_has_seen, inputs, text_of

import sncc
from sncc.backends.reference.interpreter import Reference

EACH = "uniform(1 ms, 5 ms)"
LATE = sharing("bptt", "x_hidden.weight").replace("delay = 2 ms", f"delay = {EACH}")


@pytest.mark.slow
@pytest.mark.parametrize("half", ["cpu", "emulated"])
@pytest.mark.parametrize(
    "text", [text_of("bptt", EACH), text_of("eprop(online = true)"), LATE], ids=["read", "forwards", "noise"]
)
def test_gradients_equal_the_reference(tmp_path, half, text):
    given = inputs(4)
    if text == LATE:
        given = [{"x": np.hstack([given[0]["x"], given[0]["x"][:, :1]])}]
    gradients_agree(half, tmp_path, text, given, [2])


@pytest.mark.slow
@pytest.mark.parametrize("half", ["cpu", "emulated"])
@pytest.mark.parametrize("pattern, delay", [("dense", "2 ms"), ("random(p = 0.7)", "2 ms"), ("random(p = 0.7)", EACH)])
def test_with_neurons_spread_synapses_see_what_traces_draw(tmp_path, half, pattern, delay):
    needs_compiler()
    text, names = text_of(None, delay, pattern), ("found", "left", "met", "kept")
    if half == "cpu":
        project = sncc.build(text, backend="cpu", precision="float64")
    else:
        project = Projects(tmp_path).emulated(text, build="checked")[1]
    for most in (1, 4):  # a run would go on with the weights that the last one has left
        network = sncc.load(project, backend=half, **({"threads": 2} if half == "cpu" else {}))
        run = network.simulate(inputs=handed_over(program_of(text), inputs(most)), seed=0)
        expected = Reference(program_of(text)).run(inputs(most)).traces[0]
        traces = {name: run.trace[f"hidden_output.{name}"].reshape(30, -1) for name in names}
        for name, trace in traces.items():
            right = expected["hidden_output", name][:, : trace.shape[1]]
            assert np.ptp(right) > 0.1 and np.allclose(trace, right, rtol=1e-9, atol=1e-9), name
        if most == 1:
            assert finds_what_it_has_seen(traces["found"], traces["left"])
            assert finds_what_it_has_seen(traces["met"], traces["kept"])


@pytest.mark.slow
@pytest.mark.parametrize("half", ["cpu", "emulated"])
def test_with_neurons_spread_equations_read_traces_from_where_they_start(tmp_path, half):
    needs_compiler()
    text = FOLLOWED.replace("DELAY", EACH)
    if half == "cpu":
        project = sncc.build(text, backend="cpu", precision="float64")
    else:
        project = Projects(tmp_path).emulated(text, build="checked")[1]
    program, given = program_of(text), [{"x": np.hstack([inputs()[0]["x"], inputs()[0]["x"][:, :1]])[:16]}]
    run = sncc.load(project, backend=half).simulate(inputs=handed_over(program, given), seed=0)
    expected = Reference(program).run(given).traces[0]
    for state in "ef":
        assert np.allclose(run.trace[f"x_output.{state}"].reshape(16, -1), expected["x_output", state], rtol=1e-12)
