"""States that flow by themselves, as dynamics of their own."""

from __future__ import annotations

from dataclasses import replace

from sncc.lower.noise import noise_of
from sncc.model.integration import integration
from sncc.model.nodes import Apart, Dynamics, Input


def alone(dynamics: Dynamics, group: Apart) -> Dynamics:
    """The dynamics of a group's states alone, to which all others are given."""
    names = group.states
    return replace(
        dynamics,
        states=tuple(s for s in dynamics.states if s.name in names),
        inputs=(*dynamics.inputs, *(Input(s.name, s.unit) for s in dynamics.states if s.name not in names)),
        equations=tuple(e for e in dynamics.equations if e.state in names),
        method=group.method,
        substeps=group.substeps,
        apart=(),
        brought=group.brought,
    )


def noises_of(dynamics: Dynamics, group: Apart, step: float, parameters: frozenset[str]) -> tuple[str, ...]:
    """What a group's flow draws in a step, by name: normal numbers."""
    own = alone(dynamics, group)
    exact = integration(replace(own, each_step=())) == "exact"
    return tuple(draw.name for draw in noise_of(own.equations, exact, step, parameters).draws)
