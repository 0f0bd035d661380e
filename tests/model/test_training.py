"""The `train` block: losses, optimisers, what is learnt, and settings from outside."""

import math
from dataclasses import replace

import pytest
from resolving import HEAD, NETWORK, TRAIN, model, small

from sncc.diagnostics import DiagnosticError
from sncc.gradients.optimisers import OPTIMISERS
from sncc.model import training as module
from sncc.model.training_nodes import Learnt, Loss
from sncc.runtime.schedules import SCHEDULES


def training(loss="cross_entropy(mean(y.v))", settings=None, **others):
    text = HEAD + NETWORK.replace("LI[2]", "LI[n]") + TRAIN.replace("cross_entropy(mean(y.v))", loss)
    return model(text + "".join(f"    {key} = {value}\n" for key, value in others.items()), settings).training


@pytest.mark.parametrize(
    "text, loss",
    [
        ("cross_entropy(mean(y.v))", Loss("cross_entropy", "y", "v", "mean", None)),
        (
            "cross_entropy(mean(y.v), weights = [1, n / 8, 2, 0])",
            Loss("cross_entropy", "y", "v", "mean", None, class_weights=(1.0, 0.5, 2.0, 0.0)),
        ),
        ("cross_entropy(max(y.v))", Loss("cross_entropy", "y", "v", "max", None)),
        ("mse(last(y.v))", Loss("mse", "y", "v", "last", None)),
        ("mean(cross_entropy(y.v))", Loss("cross_entropy", "y", "v", None, "mean")),
        ("sum(huber(y.v))", Loss("huber", "y", "v", None, "sum")),
        ("cross_entropy(count(h))", Loss("cross_entropy", "h", "spikes", "sum", None)),
        ("cross_entropy(mean(h.spikes))", Loss("cross_entropy", "h", "spikes", "mean", None)),
        ("cross_entropy(mean(y.v, from = 50 ms))", Loss("cross_entropy", "y", "v", "mean", None, (50, None))),
        ("mean(cross_entropy(y.v), from = 5 ms, to = 9 ms)", Loss("cross_entropy", "y", "v", None, "mean", (5, 9))),
        ("0.5 * mse(mean(y.v)) / 2", Loss("mse", "y", "v", "mean", None, factor=0.25)),
    ],
)
def test_losses(text, loss):
    assert replace(training(text).losses[0], span=None) == loss


def test_a_window_stands_in_what_goes_over_the_steps():
    with pytest.raises(DiagnosticError, match=r"write `mean\(cross_entropy\(…\), from = 5 ms\)`"):
        training("mean(cross_entropy(y.v, from = 5 ms))")


def test_the_optimiser_has_all_its_settings():
    t = training(schedule="cosine(final = 0.1)", clip="norm(1)", batch="64")
    assert t.optimiser.settings == (("learning_rate", 1e-3), ("beta1", 0.9), ("beta2", 0.999), ("eps", 1e-8))
    assert t.optimiser.schedule == ("cosine", (("final", 0.1), ("warmup", 0.0))) and t.optimiser.clip == ("norm", 1.0)
    assert t.batch == 64 and training().batch == 32


def test_a_switch_of_an_optimiser_is_true_or_false():
    for written, value in [("true", 1.0), ("false", 0.0), ("1", 1.0)]:
        t = training(settings={"train.optimiser": f"sgd(momentum = 0.9, nesterov = {written})"})
        assert dict(t.optimiser.settings)["nesterov"] == value


def test_optimisers_and_schedules_are_those_that_later_stages_carry_out():
    assert {name: dict(numbers) for name, numbers in module.OPTIMISERS.items()} == {
        name: dict(formula.settings) for name, formula in OPTIMISERS.items()
    }
    for name, numbers in module.SCHEDULES.items():
        function = SCHEDULES[name]
        defaults = function.__defaults__ or ()
        assert dict(numbers) == dict(zip(function.__code__.co_varnames[1 : 1 + len(defaults)], defaults, strict=True))
    assert set(module.SCHEDULES) == set(SCHEDULES)


def test_what_is_learnt():
    assert [learnt.key for learnt in training().learn] == ["x_h.weight", "h_h.weight", "h_y.weight"]
    t = training(learn="h_y.weight, h.tau(rate = 0.1, in = [2 ms, 0.5 s]), y.bias")
    assert t.learn == (Learnt("h_y.weight"), Learnt("h.tau", 0.1, (2.0, 500.0)), Learnt("y.bias"))


def test_learnt_time_constants_stay_above_the_step():
    assert training(learn="weights, h.tau").learn[-1] == Learnt("h.tau", 1.0, (1.0, math.inf))
    assert training(learn="weights, h.tau(in = [0.1 ms, 9 ms])").learn[-1].bounds == (1.0, 9.0)
    m = model(HEAD + NETWORK.replace("LI[2]", "LI[n]") + TRAIN + "    learn = h.tau\n")
    assert m.population("h").parameter("tau").bounds == (1.0, math.inf)


def test_settings_replace_keys_of_blocks():
    t = training(
        settings={"train.rule": "eprop(feedback = symmetric)", "train.batch": 8, "train.learn": "weights, h.tau"}
    )
    assert t.rule.name == "eprop" and t.batch == 8 and t.learn[-1].key == "h.tau"
    penalties = "firing_rate(h, target = 9 Hz, strength = 1), firing_rate(h, target = 5 Hz, strength = 1, over = batch)"
    assert len(training(settings={"train.penalty": penalties}).penalties) == 2
    assert model(small(), {"network.step": "0.5 ms"}).step == 0.5


@pytest.mark.parametrize(
    "key, value, message, written",
    [
        ("train.learn", "", "a value is missing", ""),
        ("train.penalty", " ", "a value is missing", ""),
        ("train.learn", "weights) + f(x", "unexpected `\\)`", ")"),
        ("train.learn", "rate=weights", "unexpected `=`", "="),
        ("train.learn", "weights, 3", "`learn` lists names", "3"),
        (
            "train.learn",
            "h.tau(in = [1 us, 9 us])",
            "leave nothing: it stays above the step, 1 ms",
            "h.tau(in = [1 us, 9 us])",
        ),
        ("train.penalty", "firing_rate(nope, target = 1 Hz, strength = 1)", "unknown population `nope`", "nope"),
        ("train.foo", "1", "the file has no `param train.foo`", "train.foo"),
        ("train.clip.norm", "1", r"a key is set as a whole, e.g. `train.clip=NAME\(norm = 1\)`", "train.clip.norm"),
    ],
)
def test_a_mistake_in_a_value_from_outside_is_told_once_at_its_place(key, value, message, written):
    with pytest.raises(DiagnosticError, match=message) as error:
        training(settings={key: value})
    (found,) = error.value.diagnostics
    assert found.span.text == written and found.span.source.text in (value, f"{key}={value}")


@pytest.mark.parametrize(
    "setting, message",
    [
        ({"schedule": "step(every = 0)"}, "`every` must be above 0"),
        ({"penalty": "firing_rate(h, target = -1 Hz, strength = 1)"}, "`target` cannot be negative"),
        ({"penalty": "firing_rate(h, target = 10, strength = 1)"}, "write `10 Hz`"),
        ({"learn": "y.tau_m(rate = -1)"}, "`rate`, a factor on the learning rate, cannot be negative"),
        ({"optimiser": "adam(beta2 = 1)"}, "`beta2` must be below 1"),
        ({"optimiser": "rmsprop(eps = 0)"}, "`eps` must be above 0"),
        ({"optimiser": "rmsprop(alpha = 1)"}, "`alpha` must be below 1"),
        ({"optimiser": "sgd(momentum = -0.1)"}, "`momentum` cannot be negative"),
        ({"optimiser": "sgd(momentum = 1)"}, "`momentum` must be below 1"),
        ({"optimiser": "sgd(momentum = 2)"}, "`momentum` must be below 1"),
        ({"optimiser": "sgd(nesterov = 0.5)"}, "`nesterov` is `true` or `false`"),
        ({"optimiser": "sgd(learning_rate = 0)"}, "`learning_rate` must be above 0"),
        ({"optimiser": "adam(learning_rate = -0.1)"}, "`learning_rate` cannot be negative"),
        ({"optimiser": "adam(learning_rate = 1e400)"}, "this number is out of range"),
        ({"optimiser": "adamw(decay = -0.1)"}, "`decay` cannot be negative"),
        ({"optimiser": "sgd(nesterov = yes)"}, "`nesterov` is `true` or `false`"),
        ({"clip": "norm(0)"}, "`at` must be above 0"),
        ({"loss": "cross_entropy(mean(y.v, from = -5 ms))"}, "`from` is a time in the sample, which begins at 0"),
    ],
)
def test_numbers_by_which_no_training_could_compute_are_refused(setting, message):
    outside = {f"train.{key}": value for key, value in setting.items() if key == "optimiser"}
    with pytest.raises(DiagnosticError, match=message):
        training(settings=outside, **{key: value for key, value in setting.items() if key != "optimiser"})


def test_delays_of_a_connection_with_another_mistake_are_not_missing():
    text = HEAD + NETWORK.replace("dense, weight", "dense, delay = 2 ms, weight", 1).replace("LI[2]", "LI[n]")
    assert "delay = 2 ms" in text
    wrong = text.replace("delay = 2 ms, weight = ", "delay = 2 ms, weight = 1 mV + ", 1)
    with pytest.raises(DiagnosticError) as error:
        model(wrong + TRAIN + "    learn = weights, delays\n")
    assert not any("no connection states a delay" in d.message for d in error.value.diagnostics)
    assert model(text + TRAIN + "    learn = weights, delays\n").training is not None
