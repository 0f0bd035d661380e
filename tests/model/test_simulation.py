"""`simulate`: records of parts, weights and synapses' states, stimuli, trials."""

import pytest

from sncc.connectivity.patterns import Part
from sncc.diagnostics import DiagnosticError
from sncc.expressions.printer import print_expression
from sncc.model.resolve import model_of_text

HEAD = """
plasticity rewarded:
    modulator reward
    state e = 0
    on pre: e += 1
    on post: weight += e * reward
neuron Cell:
    state v = 0 mV
    input I
    dv/dt = (-v + I * (0.1 GOhm)) / (20 ms)
    spike when v > 10 mV: reset v = 0 mV
network N:
    step = 0.1 ms
    population p: poisson[4](rate = 5 Hz)
    population a: Cell[4, 3]
    population b: Cell[5]
    connect p -> b: random(p = 0.5), weight = 3 pA, synapse = exponential()
    connect a -> b: dense, weight = 1 fC, plasticity = rewarded()
simulate:
    duration = 1 s
"""


def simulation(*lines):
    return model_of_text(HEAD + "".join(f"    {line}\n" for line in lines)).simulation


def mistake(*lines):
    with pytest.raises(DiagnosticError) as error:
        simulation(*lines)
    (found,) = (d for d in error.value.diagnostics if d.severity == "error")
    return found.code, found.span.text


def test_duration_and_trials():
    found = simulation("trials = 20")
    assert (found.duration_steps, found.trials) == (10_000, 20)
    assert mistake("trials = 0") == ("wrong-argument", "0") and mistake("trials = 1.5") == ("wrong-shape", "1.5")


def test_a_time_between_records_is_a_multiple_of_the_step():
    assert [simulation(f"record v of b every {k} ms").records[0].every_steps for k in (0.1, 0.3, 0.7)] == [1, 3, 7]
    for time in ("0.25 ms", "1.01 ms", "0.04 ms"):
        assert mistake(f"record v of b every {time}") == ("wrong-argument", time)


def test_records():
    found = simulation(
        "record spikes of p, a, b[0:2]", "record v of a[0, 1:3] every 1 ms", "record weight of p_b every 10 ms",
        "record i of p_b", "record e of a_b",
    )  # fmt: skip
    assert [(r.owner, r.variable, r.every_steps) for r in found.records] == [
        ("p", "spikes", 1), ("a", "spikes", 1), ("b", "spikes", 1), ("a", "v", 10), ("p_b", "weight", 100),
        ("p_b", "i", 1), ("a_b", "e", 1),
    ]  # fmt: skip
    assert found.records[2].part == Part((5,), ((0, 2),)) and found.records[3].part == Part((4, 3), ((0, 1), (1, 3)))
    assert found.records[4].part is None


@pytest.mark.parametrize(
    "line, code, place",
    [
        ("record w of a", "unknown-name", "w"),
        ("record v of c", "unknown-name", "c"),
        ("record v of a[5]", "wrong-shape", "5"),
        ("record v of p", "unknown-name", "v"),
        ("record g of p_b", "unknown-name", "g"),
        ("record weight of p_b[0:2]", "wrong-argument", "p_b[0:2]"),
        ("record spikes of a every 1 ms", "wrong-argument", "1 ms"),
        ("record v of a.I", "wrong-argument", "I"),
        ("record v of a every 0.01 ms", "wrong-argument", "0.01 ms"),
    ],
)
def test_what_cannot_be_recorded(line, code, place):
    assert mistake(line) == (code, place)


def test_shared_weights_are_recorded_of_the_connection_that_has_them():
    shared = "    connect one = p -> a: dense, weight = 1 fC\n    connect two = p -> a: dense, share = one\nsimulate:"
    with pytest.raises(DiagnosticError, match="write `record weight of one`"):
        model_of_text(HEAD.replace("simulate:", shared) + "    record weight of two\n")


def test_stimuli():
    found = simulation(
        "stimulate a[0, 0:2].I: 200 pA from 100 ms to 200 ms",
        "stimulate b: 50 pA * sin(2 * pi * t / (100 ms)) to 0.5 s",
        "stimulate a_b.reward: 1 fC from 0.3 s",
        "for k in a, b:\n        stimulate {k}.I: 1 pA",
    )
    first, wave, third, *loop = found.stimuli
    assert (first.owner, first.input, first.window, first.part) == (
        "a",
        "I",
        (1000, 2000),
        Part((4, 3), ((0, 1), (0, 2))),
    )
    assert wave.window == (0, 5000) and "sin(" in print_expression(wave.value)
    assert (third.owner, third.input, third.window, third.part) == ("a_b", "reward", (3000, None), None)
    assert [s.owner for s in loop] == ["a", "b"]


@pytest.mark.parametrize(
    "line, code, place",
    [
        ("stimulate a.I: 2 mV", "wrong-unit", "2 mV"),
        ("stimulate a.J: 2 pA", "unknown-name", "J"),
        ("stimulate p: 2 pA", "unknown-name", "p"),
        ("stimulate a_b.dopamine: 1", "unknown-name", "a_b.dopamine"),
        ("stimulate a: 2 pA from 2 ms to 1 ms", "wrong-argument", "1 ms"),
        ("stimulate a: 2 pA from -2 ms", "wrong-argument", "-2 ms"),
        ("stimulate a: normal(0 pA, 1 pA)", "misplaced", "normal(0 pA, 1 pA)"),
    ],
)
def test_mistakes_in_a_stimulus(line, code, place):
    assert mistake(line) == (code, place)


def test_a_modulator_that_follows_a_population_is_not_stimulated():
    text = HEAD.replace("rewarded()", "rewarded(reward = b.v)").replace("e * reward", "e * reward * (1 fC / (1 mV))")
    with pytest.raises(DiagnosticError) as error:
        model_of_text(text + "    stimulate a_b.reward: 1 mV\n")
    found = [(d.code, d.span.text) for d in error.value.diagnostics if d.severity == "error"]
    assert found == [("wrong-argument", "a_b.reward")]
