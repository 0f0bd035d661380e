"""Model → Model: stored first values of states become parameters of their population, `POP.STATE.initial`."""

from __future__ import annotations

from dataclasses import replace

from sncc.expressions.algebra import has_draws
from sncc.expressions.nodes import Symbol
from sncc.model.nodes import Model, Parameter, Population, State, Storage


def store_initial_states(model: Model) -> Model:
    """The Model with a parameter for each first value that is learnt or assignable: one number, or one per neuron."""
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
        storage: Storage = state.storage
        if storage == "compiled" and f"{population.name}.{name}" in learnt:
            storage = "each" if has_draws(state.initial) else "shared"
        if storage == "compiled":
            states.append(state)
            continue
        parameters.append(Parameter(name, state.initial, state.unit, storage, state.scale, state.clip))
        states.append(replace(state, initial=Symbol(name)))
    dynamics = replace(population.dynamics, states=tuple(states))
    return replace(population, parameters=tuple(parameters), dynamics=dynamics)
