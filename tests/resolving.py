"""Small texts of the language, and what resolution makes of them."""

from __future__ import annotations

import pytest

from sncc.diagnostics import DiagnosticError
from sncc.model.resolve import model_of_text

HEAD = """
param n = 4
neuron Leaky:
    param tau = 20 ms
    param theta = 1
    state v = 0
    input I
    dv/dt = -v / tau + I
    spike when v > theta:
        reset v -= theta
    surrogate triangle(width = theta, height = 0.3 / theta)
"""
NETWORK = """
network N:
    step = 1 ms
    population x: input[2, 3]
    population h: Leaky[n]
    population y: LI[2]
    connect x -> h: dense, weight = normal(0, 1 / sqrt(fan_in))
    connect h -> h: dense, weight = 0.5
    connect h -> y: one_to_one, weight = each(fan_out)
"""
TRAIN = """
train:
    rule = bptt
    loss = cross_entropy(mean(y.v))
    optimiser = adam(learning_rate = 1e-3)
"""
COBA = """
neuron Coba:
    param g_l = 10 nS
    param c_m = 200 pF
    param e_l = -70 mV
    state v = -70 mV
    state g = 0 nS
    input I
    input G
    let total = g * (0 mV - v) + I
    dv/dt = (g_l * (e_l - v) + total) / c_m
    dg/dt = -g / (5 ms) + G
    spike when v > -50 mV:
        reset v = e_l
        g *= 0.5
    surrogate triangle(width = 10 mV, height = 0.3 / (10 mV))
"""


def model(text, settings=None, **options):
    return model_of_text(text, settings, **options)


def mistakes(text, settings=None):
    """The code and the line of every error."""
    with pytest.raises(DiagnosticError) as error:
        model_of_text(text, settings)
    return [(d.code, d.span.line if d.span else 0) for d in error.value.diagnostics if d.severity == "error"]


def small(population="Leaky[n]", head=HEAD, more=""):
    """A network of one population, and more lines of it."""
    return head + f"network N:\n    step = 1 ms\n    population h: {population}\n{more}"


def parameter(text, name="tau", **options):
    return model(text, **options).population("h").parameter(name)


def coba(weights):
    """A network of conductances and currents with units."""
    return (
        COBA
        + "network N:\n    step = 1 ms\n    population x: input[3]\n    population s: signal[3]\n"
        + ("    population h: Coba[3], v = uniform(-70 mV, -60 mV)\n" + weights)
    )
