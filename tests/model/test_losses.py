"""Losses that are written out, and factors of what a loss sees."""

import pytest

from sncc.diagnostics import DiagnosticError
from sncc.expressions.nodes import Symbol
from sncc.expressions.printer import print_expression
from sncc.model.resolve import model_of_text

HEAD = """
param part = 0.25
function quartic(x) = x^4
neuron Volt:
    state v = 0 mV
    input I
    dv/dt = -v / (20 ms) + I
network N:
    step = 1 ms
    population x: input[3]
    population y: LI[2]
    population z: Volt[2]
    population h: LIF[2]
    connect x -> y: dense, weight = each(1)
    connect x -> z: dense, weight = each(1 mV)
    connect x -> h: dense, weight = each(1)
train:
    rule = bptt
    optimiser = adam()
"""


def loss(text):
    (found,) = model_of_text(f"{HEAD}    loss = {text}\n").training.losses
    return found


def mistake(text):
    with pytest.raises(DiagnosticError) as error:
        loss(text)
    (found,) = (d for d in error.value.diagnostics if d.severity == "error")
    return found.code, found.span.text


@pytest.mark.parametrize(
    "text, scale",
    [
        ("mse(mean(z.v) / (10 mV))", 0.1),
        ("mse(-2 * mean(z.v) / (1 V))", -0.002),
        ("mse(mean(y.v) * 3)", 3.0),
        ("mean(cross_entropy(z.v / (4 mV)))", 0.25),
        ("cross_entropy(mean(y.v))", 1.0),
    ],
)
def test_a_constant_factor_takes_the_unit_away(text, scale):
    assert loss(text).scale == pytest.approx(scale)


def test_terms_without_a_label_stand_beside_classes_whatever_their_population():
    found = model_of_text(f"{HEAD}    loss = 0.1 * mean(h.v^2) + cross_entropy(last(y.v))\n").training.losses
    assert [(one.population, one.reads_labels) for one in found] == [("y", True), ("h", False)]  # y is predicted


@pytest.mark.parametrize(
    "text, factors",
    [
        ("part * mse(last(y.v))", (0.25,)),
        ("-mse(last(y.v)) * (1 - part) + mse(mean(y.v)) / (2 * part)", (-0.75, 2)),
        ("(1 / 3) * -(mse(last(y.v)) - part * mse(mean(y.v)))", (-1 / 3, 1 / 12)),
        ("part * mean((y.v - label)^2) - sum(y.v^2) / 2", (0.25, -0.5)),
    ],
)
def test_losses_have_constant_factors_and_signs(text, factors):
    found = model_of_text(f"{HEAD}    loss = {text}\n").training.losses
    assert [one.factor for one in found] == pytest.approx(factors)


@pytest.mark.parametrize(
    "text, code, place",
    [
        ("mse(last(y.v)) / (part - 0.25)", "not-a-number", "part - 0.25"),
        ("label * mse(last(y.v))", "unknown-name", "label"),
        ("(1 ms) * mse(last(y.v))", "wrong-unit", "1 ms"),
    ],
)
def test_what_is_no_factor_of_a_loss_is_said(text, code, place):
    assert mistake(text) == (code, place)


@pytest.mark.parametrize("text, place", [("mse(mean(z.v))", "mean(z.v)"), ("mean(mse(z.v * 2))", "z.v * 2")])
def test_what_has_a_unit_is_divided_by_one(text, place):
    assert mistake(text) == ("wrong-unit", place)


@pytest.mark.parametrize(
    "text, population, reduction, over, expression",
    [
        ("mean((y.v - label)^2)", "y", None, "mean", "(output - label)^2"),
        ("sum(abs(y.v - label), from = 5 ms)", "y", None, "sum", "abs(output - label)"),
        ("mean(quartic(z.v / (1 mV) - label))", "z", None, "mean", "(output / 1 - label)^4"),
        ("(max(y.v) - label)^2", "y", "max", None, "(output - label)^2"),
        ("quartic(count(h) - 3 * label)", "h", "sum", None, "(output - 3 * label)^4"),
        ("0.5 * (last(y.v) - label)^2 * (1 if last(y.v) > label else 2)", "y", "last", None, None),
    ],
)
def test_a_loss_can_be_written_out(text, population, reduction, over, expression):
    found = loss(text)
    assert (found.function, found.population, found.reduction, found.over_steps) == (
        "expression",
        population,
        reduction,
        over,
    )
    assert expression is None or print_expression(found.expression) == expression
    assert found.window == ((5, None) if "from" in text else (0, None))


@pytest.mark.parametrize(
    "text, code, place",
    [
        ("(y.v - label)^2", "wrong-argument", "(y.v - label)^2"),
        ("mean((mean(y.v) - label)^2)", "wrong-argument", "(mean(y.v) - label)^2"),
        ("mean((z.v - label)^2)", "wrong-unit", "label"),
        ("mean((y.v - h.v)^2)", "wrong-argument", "h.v"),
        ("mean((y.w - label)^2)", "unknown-name", "y.w"),
        ("label^2", "wrong-argument", "label^2"),
        ("mse(mean(y.v) + 1)", "wrong-argument", "mean(y.v) + 1"),
        ("max(mse(y.v))", "wrong-argument", "max"),
        ("mze(mean(y.v))", "unknown-name", "mze"),
        ("mse(count(h.v))", "wrong-argument", "h.v"),
        ("cross_entropy(-first_spike(h.spk) / (1 ms))", "wrong-argument", "h.spk"),
        ("(count(h.v) - label)^2", "wrong-argument", "h.v"),
        ("mse_count_loss(h.spikes)", "unknown-name", "mse_count_loss"),
        ("mean(y.v)", "wrong-argument", "mean(y.v)"),
    ],
)  # fmt: skip
def test_mistakes_in_a_loss(text, code, place):
    assert mistake(text) == (code, place)


def test_a_factor_goes_into_every_term_of_a_sum():
    text = "0.5 * (mse(mean(y.v)) - huber(last(y.v))) / 2 + mean(mse(y.v))"
    terms = model_of_text(f"{HEAD}    loss = {text}\n").training.losses
    assert [(t.function, t.factor) for t in terms] == [("mse", 0.25), ("huber", -0.25), ("mse", 1.0)]


@pytest.mark.parametrize("readout", ["mean", "sum", "max", "last"])
def test_what_is_proposed_around_a_bare_readout_is_a_loss(readout):
    with pytest.raises(DiagnosticError) as error:
        loss(f"{readout}(y.v)")
    (found,) = (d for d in error.value.diagnostics if d.severity == "error")
    for proposed in found.help[0].replace("output", "y").split("`")[1::2]:
        assert loss(proposed).function == ("expression" if proposed == f"1 * {readout}(y.v)" else "cross_entropy")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("cross_entropy(last(y.v)) + 0.1 * mean(h.spikes, from = 2 ms)", ("h", "spikes", "mean", (2, None), 0.1)),
        ("mse(last(y.v)) - 0.1 * sum(h.v)", ("h", "v", "sum", (0, None), -0.1)),
        ("0.1 * mean(h.spikes)", ("h", "spikes", "mean", (0, None), 0.1)),
    ],
)
def test_a_bare_mean_is_a_term_beside_others_or_with_a_factor(text, expected):
    *_, found = model_of_text(f"{HEAD}    loss = {text}\n").training.losses
    assert (found.population, found.variable, found.over_steps, found.window, found.factor) == expected
    assert found.expression == Symbol("output") and not found.reads_labels


@pytest.mark.parametrize(
    "text, variable, reduction",
    [("mse(last(y.v)) + 0.1 * count(h)", "spikes", "sum"), ("mse(mean(y.v)) - 0.1 * max(h.v)", "v", "max")],
)
def test_other_bare_readouts_are_terms_at_the_end(text, variable, reduction):
    *_, found = model_of_text(f"{HEAD}    loss = {text}\n").training.losses
    assert (found.population, found.variable, found.reduction, found.over_steps) == ("h", variable, reduction, None)


def test_a_first_spike_needs_a_loss_around_it():
    assert mistake("first_spike(h)") == mistake("0.1 * first_spike(h)") == ("wrong-argument", "first_spike(h)")


def test_a_bare_mean_has_no_unit():
    assert mistake("mse(last(y.v)) + mean(z.v)") == ("wrong-unit", "z.v")


@pytest.mark.parametrize(
    "text, place, message, help",
    [
        (
            "mse(mean(y.v), smoothing = 0.1)",
            "smoothing = 0.1",
            "`mse` has no argument `smoothing`",
            "before they are handed over",
        ),
        (
            "mean(huber(y.v, smoothing = 0.1))",
            "smoothing = 0.1",
            "`huber` has no argument `smoothing`",
            "`cross_entropy`",
        ),
        (
            "cross_entropy(mean(y.v), smothing = 0.1)",
            "smothing = 0.1",
            "no argument `smothing`",
            "did you mean `smoothing`?",
        ),
        ("mse(mean(y.v), from = 2 ms)", "from = 2 ms", "no argument `from`", "`mse(mean(output.v, from = 2 ms))`"),
        ("mse(mean(y.v), weights = [1, 2])", "weights = [1, 2]", "`mse` has no argument `weights`", "factors"),
        ("cross_entropy(mean(y.v), weights = 2)", "weights = 2", "a list with a number for each class", "[1, 2, 0.5]"),
        ("mean(cross_entropy(y.v, weights = [1]))", "weights = [1]", "1 weights for 2 classes, the neurons of `y`", ""),
        ("cross_entropy(mean(y.v), weights = [1, -1])", "weights = [1, -1]", "weighs 0 or more", ""),
        ("cross_entropy(mean(y.v), weights = [0, 0])", "weights = [0, 0]", "one of them more than 0", ""),
        ("cross_entropy(mean(y.v), smoothing = 0, smoothing = 0.1)", "smoothing = 0.1", "given twice", ""),
    ],
)
def test_what_a_loss_does_not_take_is_named(text, place, message, help):
    with pytest.raises(DiagnosticError) as error:
        loss(text)
    (found,) = error.value.diagnostics
    assert found.span.text == place and message in found.message and help in " ".join(found.help)
