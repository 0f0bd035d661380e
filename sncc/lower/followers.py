"""Populations that are what another one was at the end of the step before:
modulators, and traces that flows of late synapses read.
"""

from __future__ import annotations

from dataclasses import replace

from sncc.expressions.algebra import ZERO
from sncc.expressions.nodes import Symbol, symbols
from sncc.expressions.units import PLAIN
from sncc.lower.traces import drive, trace_population
from sncc.model.nodes import Assignment, Connection, Dynamics, Input, Model, Plasticity, Population, State


def trace_name(connection: Connection, side: str) -> str:
    """The population that carries a plasticity's `pre` or `post` states, or follows what sets a modulator."""
    return f"{connection.name}.plasticity.{side}"


def follow_modulator(
    model: Model, connection: Connection, modulator: str, population: str, variable: str
) -> tuple[Population, Connection]:
    """A modulator that follows a population: within a step it is what that was at the end of the step before."""
    source, name = model.population(population), trace_name(connection, modulator)
    dynamics = Dynamics(
        (State("m", ZERO, PLAIN),), (Input("in", PLAIN),), each_step=(Assignment("m", Symbol("in")),)
    )  # fmt: skip
    trace = replace(trace_population(name, source, (), dynamics, connection.span), holds="modulators")
    return trace, drive(name, source, name, "in", 1, None if variable == "spikes" else variable)


def follower_of(connection: Connection, trace: str) -> str:
    """The population that tells a trace as it was at the end of the step before."""
    return trace_name(connection, f"pre.{trace}")


def followed_traces(
    model: Model, connection: Connection, plasticity: Plasticity
) -> list[tuple[Population, Connection]]:
    """Traces that flows of synapses with a delay for each read, which is as they were a step and that delay ago."""
    own = {s.name for s in plasticity.states}
    read = {name for e in plasticity.equations if e.state in own for name in symbols(e.derivative)}
    result: list[tuple[Population, Connection]] = []
    for state in plasticity.pre_states if connection.delay is not None else ():
        if state.name not in read:
            continue
        source, name = model.population(connection.source), follower_of(connection, state.name)
        start = State(
            "m", state.initial, PLAIN, clip=state.clip, starts_as=f"{trace_name(connection, 'pre')}.{state.name}"
        )
        dynamics = Dynamics((start,), (Input("in", PLAIN),), each_step=(Assignment("m", Symbol("in")),))
        used = symbols(state.initial)
        numbers = tuple(
            replace(p, key=f"{connection.name}.plasticity.{p.name}") for p in plasticity.parameters if p.name in used
        )
        follower = trace_population(name, source, numbers, dynamics, connection.span)
        follows = drive(name, source, name, "in", 1, state.name)
        result.append((replace(follower, holds="modulators"), replace(follows, source=trace_name(connection, "pre"))))
    return result
