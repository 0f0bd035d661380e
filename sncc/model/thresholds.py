"""Warnings of thresholds that are always met, never met, or still met after a spike; only of what is certain."""

from __future__ import annotations

from collections.abc import Mapping

from sncc.diagnostics import Diagnostics
from sncc.expressions.algebra import affine, fold_all, has_draws
from sncc.expressions.nodes import Expression, Number, Symbol, substitute, symbols
from sncc.model.nodes import Connection, Dynamics, Model, Population, Spike

Numbers = Mapping[str, Expression]


def check_thresholds(model: Model, diagnostics: Diagnostics) -> None:
    """Warn where a neuron fires in every step or never, or again and again once it has."""
    for population in model.populations:
        if population.dynamics is None or population.dynamics.spike is None:
            continue
        spike = population.dynamics.spike
        numbers = {p.name: p.value for p in population.parameters if isinstance(p.value, Number)}
        before = _number(spike.distance, numbers)
        if before is not None:
            fires = "fires in every step" if _is_above(before, spike) else "never fires"
            message = f"`{population.model}` {fires}: its threshold depends on no state"
            diagnostics.warning("fixed-threshold", spike.span, message)
            continue
        fixed = {p.name: p.value for p in population.parameters if p.storage == "compiled"}
        if _stays_above(spike, population.dynamics, fixed):
            message = f"a spike leaves `{population.model}` above its threshold: it fires again and again"
            help = "let the spike move the state below the threshold"
            diagnostics.warning("fixed-threshold", spike.span, message, help=help)
        elif (state := _out_of_reach(population, model, fixed)) is not None:
            message = (
                f"`{population.name}` never fires: nothing takes `{state}` of `{population.model}` to its threshold"
            )
            note = f"`{state}` starts short of it, rests short of it, and no connection moves `{state}` towards it"
            diagnostics.warning("fixed-threshold", population.span, message, notes=(note,))


# ------------------------------------------------------------------------------------------------ after a spike
def _stays_above(spike: Spike, dynamics: Dynamics, numbers: Numbers) -> bool:
    """Whether the distance after the jumps is above zero wherever that before is: with a slope and an offset >= 0.

    Jumps that leave the distance as it is are none of a reset.
    """
    if not symbols(spike.distance) & {jump.state for jump in spike.jumps}:
        return False
    states = [state.name for state in dynamics.states]
    before, after = (
        affine(fold_all(substitute(distance, numbers)), states)
        for distance in (spike.distance, _after_jumps(spike, dynamics))
    )
    if before is None or after is None:
        return False
    slope = _slope(before[0], after[0])
    ends = _number(before[1], {}), _number(after[1], {})
    if slope is None or ends[0] is None or ends[1] is None:
        return False
    offset = ends[1] - slope * ends[0]
    if slope == 0:
        return _is_above(offset, spike)
    return slope > 0 and (offset > 0 or (offset == 0 and slope > 1))


def _slope(before: Numbers, after: Numbers) -> float | None:
    """The number by which all coefficients of states are multiplied, or None."""
    found: set[float] = set()
    for name in {*before, *after}:
        first, second = (_number(c[name], {}) if name in c else 0.0 for c in (before, after))
        if first is None or second is None or (first == 0 and second != 0):
            return None
        if first != 0:
            found.add(second / first)
    return found.pop() if len(found) == 1 else None


def _after_jumps(spike: Spike, dynamics: Dynamics) -> Expression:
    """The distance to the threshold behind the block of `spike when`."""
    now: dict[str, Expression] = {state.name: Symbol(state.name) for state in dynamics.states}
    for jump in spike.jumps:
        now[jump.state] = substitute(jump.value, now)
    return substitute(spike.distance, now)


# ------------------------------------------------------------------------------------------------ out of reach
def _out_of_reach(population: Population, model: Model, numbers: Numbers) -> str | None:
    """The one state that the threshold depends on, where it stays short of it for certain, else None.

    Certain where its equation is linear and in no other state, does not grow, and everything that arrives moves it
    away: then it stays between its first value and where it rests.
    """
    dynamics = population.dynamics
    assert dynamics is not None and dynamics.spike is not None
    arriving = [c for c in model.connections if c.target == population.name]
    if dynamics.each_step or dynamics.method not in (None, "exact") or (dynamics.inputs and not arriving):
        return None  # an input without any connection has a warning of its own
    if not all(_is_certain(c, model) for c in arriving):
        return None
    distance = affine(fold_all(substitute(dynamics.spike.distance, numbers)), [s.name for s in dynamics.states])
    if distance is None or len(distance[0]) != 1:
        return None
    ((state, towards),) = distance[0].items()
    equation = next((e.derivative for e in dynamics.equations if e.state == state), None)
    inputs = [i.name for i in dynamics.inputs]
    flow = None if equation is None else affine(fold_all(substitute(equation, numbers)), [state, *inputs])
    if flow is None:
        return None
    initial = next(s for s in dynamics.states if s.name == state)
    first = _number(initial.initial, numbers) if initial.storage == "compiled" else None
    steepness, offset = _number(towards, {}), _number(distance[1], {})
    decay, drive = _number(flow[0].get(state, Number(0.0)), {}), _number(flow[1], {})
    if first is None or steepness is None or offset is None or decay is None or drive is None or decay > 0:
        return None
    for name in inputs:
        factor = _number(flow[0].get(name, Number(0.0)), {})
        into = [c for c in arriving if c.input == name]
        weights = [_number(c.weight.value, {}) for c in into]
        if factor is None or any(w is None or factor * steepness * w > 0 for w in weights):
            return None
    if model.simulation is not None and any(s.owner == population.name for s in model.simulation.stimuli):
        return None
    reached = [steepness * first + offset]
    if decay < 0:
        reached.append(steepness * (-drive / decay) + offset)
    elif steepness * drive > 0:
        return None
    return None if any(_is_above(d, dynamics.spike) for d in reached) else state


def _is_certain(connection: Connection, model: Model) -> bool:
    """Whether a connection delivers impulses of one weight that nothing changes."""
    bare = connection.synapse is None and connection.plasticity is None
    fixed = connection.weight.storage == "compiled" and isinstance(connection.weight.value, Number)
    return bare and fixed and model.population(connection.source).kind != "signal"


def _number(distance: Expression, numbers: Numbers) -> float | None:
    """An expression's value where it is one number, with parameters at the numbers given."""
    if has_draws(distance) or symbols(distance) - set(numbers):
        return None
    value = fold_all(substitute(distance, numbers))
    return value.value if isinstance(value, Number) else None


def _is_above(distance: float, spike: Spike) -> bool:
    return distance > 0 if spike.strict else distance >= 0
