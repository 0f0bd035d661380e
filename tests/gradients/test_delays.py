"""Learnt delays under bptt and e-prop: interpolated between steps, in training and inference,
against automatic differentiation.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import lively, model_of, program_of, recurrent, spikes
from oracle import loss_and_gradients

from sncc.backends.reference.interpreter import Reference

DELAYED = {
    "one number": ("connect x -> hidden: dense, weight = normal(0, 1), delay = 2.3 ms", "x_hidden.delay"),
    "one per synapse": (  # learnt ones become shorter than all that were drawn
        "connect x -> hidden: dense, weight = normal(0, 1), delay = uniform(3 ms, 6 ms)", "x_hidden.delay",
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


def test_a_delay_of_whole_steps_has_the_slope_above_it_whatever_its_digits_are_in_binary():
    text = text_of("one number").replace("step = 1 ms", "step = 0.1 ms")
    assert "step = 0.1 ms" in text
    program, inputs, labels = program_of(text), spikes(np.random.default_rng(5), 2, 30), [0, 1]
    values = lively(program, 3, inputs)

    def slope(delay: float) -> float:
        run = Reference(program, {**values, "x_hidden.delay": np.array(delay)}).run(inputs, labels)
        return float(run.gradients["x_hidden.delay"])

    assert 0.3 / 0.1 < 3
    assert slope(0.3) == pytest.approx(slope(0.3 + 1e-6), rel=1e-3) != pytest.approx(slope(0.3 - 1e-6), rel=1e-3)


SPARSE = """
network Fewer:
    step = 0.1 ms
    population x: input[4]
    population hidden: CubaLIF[5]
    population output: CubaLIF[2]
    connect x -> hidden: {}, weight = each(1), delay = each(1 ms)
    connect hidden -> hidden: {}, weight = each(1), delay = each(1 ms)
    connect hidden -> output: {}, weight = each(1), delay = each(1 ms)
train:
    rule = {rule}
    loss = {loss}
    learn = weights, delays
    optimiser = adam()
"""


@pytest.mark.parametrize("rule", ["eventprop", "bptt(truncate = 4 ms)"])
def test_over_fewer_synapses_gradients_are_those_of_whole_matrices_with_zeros(rule):
    loss = "cross_entropy(-first_spike(output) / (5 ms))" if rule == "eventprop" else "mean(cross_entropy(output.v))"
    sparse, dense = (program_of(SPARSE.format(*[p] * 3, rule=rule, loss=loss)) for p in ("sparse", "dense"))
    rng, sizes = np.random.default_rng(4), {"x_hidden": (4, 5), "hidden_hidden": (5, 5), "hidden_output": (5, 2)}
    there = {name: rng.random(size) < 0.6 for name, size in sizes.items()}
    matrices = {f"{name}.weight": rng.uniform(1, 4, size) * there[name] for name, size in sizes.items()}
    matrices |= {f"{name}.delay": rng.uniform(0.3, 2.9, size) for name, size in sizes.items()}
    inputs = [{"x": (rng.random((200, 4)) < 0.03) * 1.0}]
    expected = Reference(dense, matrices).run(inputs, [1])
    found = {key: value[there[key.split(".")[0]]] for key, value in matrices.items()}
    run = Reference(sparse, found, pairs={name: np.nonzero(x) for name, x in there.items()}).run(inputs, [1])
    assert run.spikes[0]["output"].any() and run.loss == pytest.approx(expected.loss, rel=1e-12)
    for key, gradient in run.gradients.items():
        whole = expected.gradients[key][there[key.split(".")[0]]]
        assert np.any(gradient) and np.max(np.abs(gradient - whole)) < 1e-11 * np.max(np.abs(whole)), key


def test_the_delay_of_a_signal_moves_what_follows_as_a_delay_of_its_spikes_does():
    text = """
network Signalled:
    step = 0.01 ms
    population level: signal[2]
    population hidden: CubaLIF[3]
    population output: LI[2]
    connect level -> hidden: dense, weight = each(1 /ms), delay = 1 ms
    connect hidden -> output: dense, weight = each(1), delay = 1 ms
train:
    rule = eventprop
    loss = cross_entropy(mean(output.v))
    learn = delays
    optimiser = adam()
"""
    rng, t = np.random.default_rng(1), np.arange(2400) * 0.01
    level = np.stack([np.sin(t / 3) ** 2, np.cos(t / 5) ** 2], 1) * (t[:, None] < 18)
    values = {"level_hidden.weight": rng.uniform(0.5, 1.2, (2, 3)), "hidden_output.weight": rng.normal(0, 1, (3, 2))}
    run = Reference(program_of(text), values).run([{"level": level}], [0])
    assert run.spikes[0]["hidden"].sum() > 5
    signalled, sent = (float(run.gradients[f"{name}.delay"]) for name in ("level_hidden", "hidden_output"))
    assert abs(sent) > 0.001 and signalled == pytest.approx(sent, rel=0.02)


@pytest.mark.parametrize(
    ("first", "learnt", "low", "high"),
    [
        ("2 ms", "", 0, 100), ("90 ms", "", 0, 360), ("uniform(0 ms, 250 ms)", "", 0, 500), ("exponential(20 ms)", "", 0, 960),
        ("(1 ms) * (i + 300)", "", 0, 2 * (300 + 305)), ("normal(80 ms, 20 ms, clip = [10 ms, 120 ms])", "", 0, 260),
        ("uniform(0 ms, 250 ms)", "(in = [5 ms, 60 ms])", 5, 60),
    ],
)  # fmt: skip
def test_the_bound_of_a_learnt_delay_lies_above_all_that_is_drawn(first, learnt, low, high):
    text = text_of("one number").replace("2.3 ms", first).replace("x_hidden.delay", f"x_hidden.delay{learnt}")
    program = program_of(text)
    assert program.parameter("x_hidden.delay").bounds == pytest.approx((low, high))
    values = Reference(program).parameters["x_hidden.delay"]
    assert low <= values.min() and values.max() <= high
