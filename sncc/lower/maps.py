"""Model → Model: maps that run after a flow by itself, and start from the states before it all the same."""

from __future__ import annotations

from dataclasses import replace

from sncc.expressions.nodes import Expression, Symbol, substitute, symbols
from sncc.lower.plasticity import reads_target
from sncc.model.nodes import Assignment, Model, Population, State

_TAIL = ".before"


def start_maps_before_flows(model: Model) -> Model:
    """The model in which neurons whose flow comes by itself, as `on pre` reads what it gives,
    keep for their map what it starts from.
    """
    read = {c.target for c in model.connections if reads_target(model, c)}
    return replace(model, populations=tuple(_with_copies(p) if p.name in read else p for p in model.populations))


def _with_copies(population: Population) -> Population:
    dynamics = population.dynamics
    if dynamics is None or not dynamics.each_step:
        return population
    flowing = {e.state for e in dynamics.equations}
    needed = [
        s for s in dynamics.states if s.name in flowing & {n for a in dynamics.each_step for n in symbols(a.value)}
    ]
    copies: dict[str, Expression] = {s.name: Symbol(f"{s.name}{_TAIL}") for s in needed}
    return replace(
        population,
        dynamics=replace(
            dynamics,
            states=(*dynamics.states, *(State(f"{s.name}{_TAIL}", s.initial, s.unit) for s in needed)),
            each_step=tuple(replace(a, value=substitute(a.value, copies)) for a in dynamics.each_step),
            leaving=(*(Assignment(f"{s.name}{_TAIL}", Symbol(s.name)) for s in needed), *dynamics.leaving),
        ),
    )
