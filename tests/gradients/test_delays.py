"""Learnt delays under bptt and e-prop: interpolated between steps, in training and inference, against automatic differentiation."""

from __future__ import annotations

import numpy as np
import pytest
from networks import lively, model_of, program_of, recurrent, spikes
from oracle import loss_and_gradients

from sncc.backends.reference.interpreter import Reference

DELAYED = {
    "one number": ("connect x -> hidden: dense, weight = normal(0, 1), delay = 2.3 ms", "x_hidden.delay"),
    "one per synapse": (
        "connect x -> hidden: dense, weight = normal(0, 1), delay = uniform(0 ms, 6 ms)", "x_hidden.delay",
    ),
    "into the readout": ("connect x -> hidden: dense, weight = normal(0, 1)", "hidden_output.delay"),
    "recurrent": ("connect x -> hidden: dense, weight = normal(0, 1)", "hidden_hidden.delay"),
}  # fmt: skip


def text_of(name: str, rule: str = "bptt") -> str:
    line, learnt = DELAYED[name]
    text = recurrent("LIF", rule=rule, learn=f"weights, {learnt}, hidden.tau_m", size=4)
    text = text.replace("connect x -> hidden: dense, weight = normal(0, 1)", line)
    if name == "into the readout":
        before, connect, after = text.partition("connect hidden -> output: dense, weight = normal(0, 1)")
        assert connect
        return f"{before}{connect}, delay = uniform(0 ms, 5 ms){after}"
    return text.replace("delay = 1 ms", "delay = uniform(1 ms, 4 ms)") if name == "recurrent" else text


def case(name: str, rule: str = "bptt"):
    text, rng = text_of(name, rule), np.random.default_rng(5)
    inputs, labels = spikes(rng, 2, 30), [0, 1]
    model, program = model_of(text), program_of(text)
    values = lively(program, 3, inputs)
    for p in program.parameters:
        if p.key.endswith(".delay") and p.learnt:
            values[p.key] = rng.uniform(1.1, 5.9, p.shape)
    return model, program, values, inputs, labels


@pytest.mark.parametrize("rule", ["bptt", "eprop"])
@pytest.mark.parametrize("name", DELAYED)
def test_weights_and_delays_have_the_gradient_of_what_is_delivered(name, rule):
    model, program, values, inputs, labels = case(name, rule)
    run = Reference(program, values).run(inputs, labels)
    loss, gradients = loss_and_gradients(model, values, inputs, labels, rule)
    assert run.loss == pytest.approx(loss, rel=1e-12)
    learnt = [key for key in run.gradients if key.endswith(".delay")]
    assert learnt and run.spikes[0]["hidden"].sum() > 0
    for key, got in run.gradients.items():
        assert np.max(np.abs(got - gradients[key])) <= 1e-9 * np.max(np.abs(gradients[key])) != 0, key


def test_whole_steps_deliver_as_a_delay_that_is_not_learnt():
    inputs, labels = spikes(np.random.default_rng(5), 2, 30), [0, 1]
    learnt = program_of(text_of("one number"))
    fixed = program_of(text_of("one number").replace("2.3 ms", "3 ms").replace(", x_hidden.delay", ""))
    values = lively(fixed, 3, inputs)
    one = Reference(learnt, {**values, "x_hidden.delay": np.array(3.0)}).run(inputs, labels)
    other = Reference(fixed, values).run(inputs, labels)
    assert one.loss == pytest.approx(other.loss, rel=1e-12)
    assert np.allclose(one.gradients["x_hidden.weight"], other.gradients["x_hidden.weight"], rtol=1e-9)
