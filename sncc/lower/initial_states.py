"""Model → Model: first values of states that are learnt become parameters of their population, `POP.STATE.initial`."""

from __future__ import annotations

from dataclasses import replace

from sncc.expressions.algebra import has_draws
from sncc.expressions.nodes import Symbol
from sncc.model.nodes import Model, Parameter, Population, State, Storage


def store_initial_states(model: Model) -> Model:
    """The Model with a parameter for each learnt first value: one number, or one per neuron where it is drawn."""
    learnt = {entry.key for entry in model.training.learn} if model.training else set()
    populations = tuple(_stored(population, learnt) for population in model.populations)
    return replace(model, populations=populations)


def _stored(population: Population, learnt: set[str]) -> Population:
    if population.dynamics is None:
        return population
    states: list[State] = []
    parameters = list(population.parameters)
    for state in population.dynamics.states:
        name = f"{state.name}.initial"
        if f"{population.name}.{name}" not in learnt:
            states.append(state)
            continue
        storage: Storage = "each" if has_draws(state.initial) else "shared"
        parameters.append(Parameter(name, state.initial, state.unit, storage))
        states.append(replace(state, initial=Symbol(name)))
    dynamics = replace(population.dynamics, states=tuple(states))
    return replace(population, parameters=tuple(parameters), dynamics=dynamics)
