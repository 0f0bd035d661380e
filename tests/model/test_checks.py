"""What is said of a whole model."""

from __future__ import annotations

import pytest

import sncc

NETWORK = """
neuron Cell:
    param {of_neuron} = 2
    state v = 0
    input I
    dv/dt = -v / (10 ms) + {of_neuron} * I
    spike when v > 1:
        v = 0
    surrogate triangle(width = 1, height = 1)

synapse filter:
    param {of_synapse} = 3 ms
    state g = 0
    dg/dt = -g / {of_synapse}
    on pre: g += weight
    deliver g

network N:
    step = 1 ms
    population x: input[6]
    population first: Cell[4]
    population hidden: Cell[4]
    population y: LI[2]
    connect x -> first: dense, weight = normal(0, 1)
    connect first -> hidden: dense, weight = normal(0, 1)
    connect hidden -> y: dense, weight = normal(0 kHz, 1 kHz), synapse = filter(){delay}

train:
    rule = eprop(feedback = {feedback})
    loss = cross_entropy(mean(y.v))
    learn = {learn}
    optimiser = sgd(learning_rate = 1e-2)
"""


def mistakes(of_neuron="gain", of_synapse="tau", delay="", feedback="random"):
    learn = "weights" if feedback == "random" else "hidden_y.weight"
    found = sncc.check(NETWORK.format(**locals()))
    return [(d.code, d.message.partition(" would")[0]) for d in found if d.severity == "error"]


@pytest.mark.parametrize(
    "choices, said",
    [
        ({"of_synapse": "delay", "delay": ", delay = uniform(1 ms, 4 ms)"}, "`hidden_y.delay`"),
        ({"of_synapse": "feedback"}, "`hidden_y.feedback`"),
        ({"of_neuron": "feedback"}, "`first.feedback`"),
    ],
)
def test_a_parameter_has_no_name_by_which_python_knows_another_number(choices, said):
    assert mistakes(**choices) == [("duplicate", said)]


@pytest.mark.parametrize(
    "choices",
    [
        {"of_synapse": "delay", "delay": ", delay = 2 ms"},
        {"of_synapse": "feedback", "of_neuron": "feedback", "feedback": "symmetric"},
    ],
)
def test_where_there_is_no_other_number_it_may(choices):
    assert mistakes(**choices) == []


def test_a_state_is_not_called_as_the_spikes_are_that_are_recorded():
    text = "neuron Cell:\n    state spikes = 0\n    each step: spikes += 1\n    spike when spikes > 5\nnetwork N:\n    step = 1 ms\n"
    found = sncc.check(text + "    population a: Cell[2]\n    population b: Cell[3]")
    assert [(d.code, d.severity, d.span.line) for d in found] == [("duplicate", "error", 2)]


def test_nothing_but_diagnostics_is_said_of_equations_that_begin_at_a_pole(recwarn):
    text = NETWORK.split("train:")[0].format(of_neuron="gain", of_synapse="tau", delay="")
    found = sncc.check(text.replace("+ gain * I", "+ gain * I + 1 / (v - v) / (1 s)"))
    assert [d.code for d in found if d.severity == "error"] == [] and not recwarn.list
