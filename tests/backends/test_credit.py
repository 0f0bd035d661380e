"""Ways that credit takes, of which each is rare: both halves give the reference's gradients."""

from __future__ import annotations

import numpy as np
import pytest
from beside_draws import everything
from drawing_rules import drawing, sharing
from moving_behind_sources import NETWORK
from networks import program_of
from numbers_of_sources import MOVING
from numbers_of_sources import NETWORK as NUMBERS
from projects import Projects, handed_over, needs_compiler, set_parameters
from reading_targets import LEARNT, SOURCE, synapses, weights
from starting_states import starting
from synapses_forwards import OF_SOURCES, text_of

import sncc
from sncc.backends.reference.interpreter import Reference

ALL = "x_hidden.weight, hidden_hidden.weight, "


def of_sources(loss: str) -> str:
    """Forwards, in windows, with numbers of synapses that deliver states of their source a delay of their own later."""
    text = text_of("truncate = 6 ms, online = true", loss, OF_SOURCES + ", hidden_other.delay(in = [1 ms, 6 ms])")
    late = ", delay = uniform(0 ms, 3 ms), synapse = tsodyks"
    return text.replace(", synapse = tsodyks", late, 1).replace(
        "delay = 1 ms, synapse = sat", "delay = uniform(1 ms, 4 ms), synapse = sat", 1
    )


CASES = {
    "numbers of sources, at every step": (of_sources("mean(cross_entropy(output.v))"), {}),
    "numbers of sources, at the end": (of_sources("cross_entropy(mean(output.v))"), {}),
    "jumps made up for in the next window": (
        synapses("bptt(truncate = 9 ms)", "uniform(1 ms, 4 ms)", SOURCE, LEARNT),
        {},
    ),
    "rules that draw": (drawing("eprop(feedback = adaptive, truncate = 9 ms)", ALL), {}),
    "traces that draw for all synapses of a neuron": (sharing("eprop(feedback = adaptive, truncate = 9 ms)", ALL), {}),
    "and by feedback": (
        weights("eprop(feedback = adaptive, truncate = 6 ms)", "uniform(1 ms, 4 ms)").replace("input[4]", "input[6]"),
        {},
    ),
    "weights that move behind states of their source, forwards": (
        NETWORK.replace("PATTERN", "random(p = 0.8), delay = uniform(1 ms, 4 ms)").replace(
            "RULE", "eprop(online = true, feedback = adaptive, truncate = 9 ms)"
        ),
        {},
    ),
    "numbers that synapses read of their source, in windows": (
        NUMBERS.replace("PATTERN", "random(p = 0.8)").replace("RULE", "eprop(feedback = random, truncate = 9 ms)"),
        {},
    ),
    "numbers that synapses read of their source, forwards": (
        MOVING.replace("PATTERN", "dense").replace("RULE", "eprop(online = true, truncate = 9 ms)"),
        {},
    ),
    "numbers beside draws": (everything("bptt"), {}),
    "numbers beside draws, forwards": (everything("eprop(online = true, truncate = 9 ms)"), {}),
    "first values by feedback": (starting("eprop(feedback = random, truncate = 9 ms)"), {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("half", ["cpu", "emulated"])
def test_gradients_equal_the_reference(tmp_path, half, name):
    needs_compiler()
    text, pairs = CASES[name]
    program, rng = program_of(text), np.random.default_rng(4)
    inputs = [{"x": (rng.random((25 - 4 * k, 6)) < 0.3) * 1.0} for k in range(3)]
    if half == "cpu":
        network = sncc.load(sncc.build(text, backend="cpu", precision="float64"), connections=pairs, threads=1)
    else:
        project = Projects(tmp_path).emulated(text, build="checked")[1]
        network = sncc.load(project, backend="emulated", connections=pairs)
    drawn = Reference(program, pairs=pairs)
    set_parameters(network, program, drawn.parameters)
    loss, gradients = network.gradients(handed_over(program, inputs), np.array([1, 0, 2]))
    expected = drawn.run(inputs, [1, 0, 2])
    assert expected.spikes[0]["hidden"].sum() > 10
    assert loss == pytest.approx(expected.loss, rel=1e-12)
    for key, gradient in expected.gradients.items():
        got = np.reshape(gradients[key], np.shape(gradient)) * program.parameter(key).si
        assert np.any(gradient) and np.max(np.abs(got - gradient)) <= 1e-9 * np.max(np.abs(gradient)), key
