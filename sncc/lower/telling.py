"""Populations that tell synapses more than their states: numbers of each neuron, and values at moments of a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sncc.expressions.algebra import ONE, ZERO
from sncc.expressions.nodes import Expression, Symbol
from sncc.expressions.units import PLAIN
from sncc.lower.readings import FLOWED
from sncc.model.nodes import Assignment, Population, State
from sncc.program.statements import IS_THERE, NUMBER, SLOPED, SPIKED


def telling(population: Population, values: Sequence[str]) -> Population:
    """A population with states for synapses to read: numbers that each of its neurons has, and values at moments."""
    told = (v for v in sorted(values) if v.startswith(NUMBER))
    numbers: dict[str, Expression] = {v: ONE if v == IS_THERE else Symbol(v.removeprefix(NUMBER)) for v in told}
    flowed = tuple(v.removeprefix(FLOWED) for v in sorted(values) if v.startswith(FLOWED))
    others = [v for v in sorted(values) if v.startswith((FLOWED, SLOPED, SPIKED))]
    if population.dynamics is None or not (numbers or others):
        return population
    kept = {**numbers, **dict.fromkeys(others, ZERO)}
    spiked = tuple(Assignment(v, Symbol(v.removeprefix(SPIKED))) for v in others if v.startswith(SPIKED))
    dynamics = replace(
        population.dynamics,
        flowed=(*population.dynamics.flowed, *flowed),
        states=(*population.dynamics.states, *(State(name, number, PLAIN) for name, number in kept.items())),
        leaving=(*population.dynamics.leaving, *(Assignment(name, number) for name, number in numbers.items())),
        outputs=(*population.dynamics.outputs, *spiked),
    )
    return replace(population, dynamics=dynamics)
