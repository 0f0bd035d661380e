"""Noise of traces where delays are learnt: their source draws it and sends it on, over the delays of its spikes.

A delay of k + f steps is neither that of k steps nor that of k + 1. What a flow adds of noise to a trace, B(x) d in
each step, is B(x) · ((1 - f) d[n-k] + f d[n-k-1]) there. So a trace that is linear is (1 - f) x[n-k] + f x[n-k-1] of
its neuron's, as one that draws nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from sncc.expressions.algebra import ONE, ZERO
from sncc.expressions.nodes import apply
from sncc.expressions.units import PLAIN
from sncc.lower.traces import trace_population
from sncc.model.nodes import Assignment, Connection, Dynamics, Population, State

SENT = "sent."  # before the name of a noise: what arrives of it


def sending(c: Connection, name: str, source: Population, noises: Sequence[str]) -> Population:
    """What each neuron of a source draws in each step."""
    states = tuple(State(noise, ZERO, PLAIN) for noise in noises)
    drawn = tuple(Assignment(noise, apply("normal", ZERO, ONE)) for noise in noises)
    return trace_population(name, source, (), Dynamics(states, (), each_step=drawn), c.span)
