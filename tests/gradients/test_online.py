"""e-prop forwards gives the numbers of e-prop in reverse, for every standard neuron and for one in no library."""

from __future__ import annotations

import numpy as np
import pytest
from networks import SPIKING, UNKNOWN, everything, lively, program_of, recurrent, spikes

from sncc.backends.reference.interpreter import Reference
from sncc.diagnostics import DiagnosticError


def agree(text: str, tolerance: float = 1e-12, **settings: str) -> None:
    inputs, labels = spikes(np.random.default_rng(5), 2, 30), [0, 2]
    inputs[1]["x"] = inputs[1]["x"][:23]
    reverse = program_of(text, **settings)
    forwards = program_of(text, **{**settings, "train__rule": "eprop(online = true)"})
    assert forwards.traces and not forwards.reverse and not reverse.traces
    values = lively(reverse, 3, inputs)
    expected, got = Reference(reverse, values).run(inputs, labels), Reference(forwards, values).run(inputs, labels)
    assert got.loss == expected.loss
    assert set(got.gradients) == set(expected.gradients)
    for key, gradient in expected.gradients.items():
        error = np.max(np.abs(got.gradients[key] - gradient))
        assert error <= tolerance * max(np.max(np.abs(gradient)), 1e-9), key


@pytest.mark.parametrize("neuron", SPIKING)
def test_every_standard_neuron_has_the_same_gradient_in_both_directions(neuron):
    agree(recurrent(neuron, learn=everything(recurrent(neuron))))


def test_a_neuron_that_is_in_no_library():
    agree(recurrent("Curious", UNKNOWN, learn=everything(recurrent("Curious", UNKNOWN))))


@pytest.mark.parametrize(
    "loss",
    [
        "cross_entropy(mean(output.v, from = 5 ms, to = 20 ms))", "cross_entropy(sum(output.v))",
        "cross_entropy(last(output.v))", "mean(cross_entropy(output.v), from = 10 ms)", "sum(cross_entropy(output.v))",
        "mean(cross_entropy(output.v)) + 0.3 * mean(cross_entropy(output.v), from = 10 ms)",
    ],
)  # fmt: skip
def test_every_readout(loss):
    agree(recurrent("ALIF", loss=loss))


def test_the_program_is_the_same_in_every_process():
    forwards = program_of(recurrent("CubaALIF"), train__rule="eprop(online = true)")
    derivatives = [name for name in forwards.groups[0].states if "/" in name]
    outputs = list(dict.fromkeys(name.split("/")[0] for name in derivatives))
    assert derivatives == sorted(derivatives, key=lambda name: (outputs.index(name.split("/")[0]), name))  # of no set


def test_a_delay_to_the_readout_and_one_to_one_connections():
    text = recurrent("ALIF").replace(
        "connect hidden -> output: dense, weight = normal(0, 1)",
        "connect hidden -> output: dense, weight = normal(0, 1), delay = 3 ms",
    )
    agree(text)
    agree(
        text.replace(
            "connect hidden -> hidden: dense, weight = normal(0, 1)",
            "connect hidden -> hidden: one_to_one, weight = each(0.3)",
        )
    )


@pytest.mark.parametrize("loss", ["mean(cross_entropy(output.v))", "cross_entropy(mean(output.v))"])
def test_the_weights_change_after_every_step_where_the_loss_is_one_of_every_step(loss):
    """Against the reverse gradient of shorter and shorter pasts: the first update is that of a sequence of one step."""
    text = recurrent("ALIF", loss=loss)
    inputs, labels = spikes(np.random.default_rng(5), 2, 12), [0, 2]
    program = program_of(text, train__rule="eprop(online = true)")
    values = lively(program, 3, spikes(np.random.default_rng(5), 2, 30))
    trained = Reference(program, values)
    trained.train_online(inputs, labels)
    assert trained.optimiser_step == (12 if loss.startswith("mean(cross") else 1)
    if trained.optimiser_step == 1:
        once = Reference(program_of(text), values)
        once.optimise(once.run(inputs, labels).gradients)
        for key, value in once.parameters.items():
            assert np.allclose(trained.parameters[key], value, rtol=1e-9), key


@pytest.mark.parametrize("over", ["sample", "batch"])
@pytest.mark.parametrize("loss", ["mean(cross_entropy(output.v))", "cross_entropy(last(output.v))"])
def test_penalties_are_summed_forwards_too(loss, over):
    penalty = f"firing_rate(hidden, target = 20 Hz, strength = 1e-4, over = {over})"
    agree(recurrent("ALIF", loss=loss, penalty=penalty, learn="weights, hidden.tau_a"))


def test_a_penalty_comes_with_the_last_update():
    """After all others: two runs that differ in the penalty alone part at the last step."""
    inputs, labels = spikes(np.random.default_rng(5), 2, 30), [0, 2]
    plain = recurrent("ALIF", rule="eprop(online = true)")
    held = recurrent("ALIF", rule="eprop(online = true)", penalty="firing_rate(hidden, target = 5 Hz, strength = 1)")
    values = lively(program_of(plain), 3, inputs)
    found = []
    for text in (plain, held):
        trained = Reference(program_of(text), values)
        steps = []
        trained.optimise = lambda g, steps=steps: steps.append(g)  # gradients alone
        trained.train_online(inputs, labels)
        found.append(steps)
    same = [all(np.array_equal(a[k], b[k]) for k in a) for a, b in zip(*found, strict=True)]
    assert same == [True] * 29 + [False]


def test_max_is_refused_and_why_is_said():
    with pytest.raises(DiagnosticError, match="for every synapse one per output"):
        program_of(recurrent("ALIF", rule="eprop(online = true)", loss="cross_entropy(max(output.v))"))


@pytest.mark.parametrize("readout", ["LI[3](tau_m = each(10 ms))", "LIF[3]"])
def test_a_readout_whose_neurons_filter_differently_is_refused(readout):
    text = recurrent("ALIF", rule="eprop(online = true)").replace("LI[3](tau_m = 10 ms)", readout)
    with pytest.raises(DiagnosticError, match="readout `output`"):
        program_of(text)
