"""First values of traces that are drawn, one for all synapses of a neuron, where samples are spread: a population of the neurons' size draws them.

It has the name and the states that a population of traces has where neurons are spread, so the numbers are the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sncc.expressions.algebra import ZERO, has_draws
from sncc.expressions.nodes import Symbol, apply, symbols
from sncc.lower.followers import trace_name
from sncc.lower.traces import trace_population
from sncc.model.nodes import Assignment, Connection, Dynamics, Model, Population, State


@dataclass(frozen=True, slots=True)
class DrawnStarts:
    """Traces of a side: who draws them, and the inputs by which synapses are told, in their first step."""

    side: str
    population: Population
    inputs: tuple[tuple[str, str], ...]  # (state, input)

    def leaving(self, step: float) -> tuple[Assignment, ...]:
        """What synapses begin their first step with."""
        first = apply("lt", Symbol("t"), step / 2)
        return tuple(
            Assignment(state, apply("select", first, apply("stop", Symbol(given)), Symbol(state)))
            for state, given in self.inputs
        )


def drawn_starts(model: Model, c: Connection) -> list[DrawnStarts]:
    """Those of a connection."""
    plasticity = c.plasticity
    result: list[DrawnStarts] = []
    for side in ("pre", "post") if plasticity is not None else ():
        assert plasticity is not None
        states = plasticity.pre_states if side == "pre" else plasticity.post_states
        drawn = tuple(s for s in states if has_draws(s.initial))
        if not drawn:
            continue
        read = {name for s in drawn for name in symbols(s.initial)}
        numbers = tuple(
            replace(p, key=p.key or f"{c.name}.plasticity.{p.name}") for p in plasticity.parameters if p.name in read
        )
        neurons = model.population(c.source if side == "pre" else c.target)
        population = trace_population(trace_name(c, side), neurons, numbers, Dynamics(drawn, ()), c.span)
        result.append(DrawnStarts(side, population, tuple((s.name, f"first.{s.name}") for s in drawn)))
    return result


def with_starts(states: tuple[State, ...], starts: list[DrawnStarts]) -> tuple[State, ...]:
    """The states of synapses, of which some are told what they start at."""
    told = {state for one in starts for state, _ in one.inputs}
    return tuple(replace(s, initial=ZERO, clip=None) if s.name in told else s for s in states)
