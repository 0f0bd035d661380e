"""Thresholds that look like slips: out of reach of every state, or never left by what a spike does."""

from __future__ import annotations

from collections.abc import Mapping

from sncc.diagnostics import Diagnostics
from sncc.expressions.algebra import fold_all, has_draws
from sncc.expressions.nodes import Expression, Number, Symbol, substitute, symbols
from sncc.model.nodes import Dynamics, Model, Spike


def check_thresholds(model: Model, diagnostics: Diagnostics) -> None:
    """Warn where a neuron never fires whatever its states, or fires again for certain after its own jumps."""
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
        after = _number(_after_jumps(spike, population.dynamics), numbers)
        if after is not None and _is_above(after, spike):
            message = f"a spike leaves `{population.model}` above its threshold: it fires again and again"
            help = "let the spike move the state below the threshold"
            diagnostics.warning("fixed-threshold", spike.span, message, help=help)


def _after_jumps(spike: Spike, dynamics: Dynamics) -> Expression:
    """The distance to the threshold behind the block of `spike when`."""
    now: dict[str, Expression] = {state.name: Symbol(state.name) for state in dynamics.states}
    for jump in spike.jumps:
        now[jump.state] = substitute(jump.value, now)
    return substitute(spike.distance, now)


def _number(distance: Expression, numbers: Mapping[str, Expression]) -> float | None:
    """The distance where it is one number, with every parameter at its value in the source."""
    if has_draws(distance) or symbols(distance) - set(numbers):
        return None
    value = fold_all(substitute(distance, numbers))
    return value.value if isinstance(value, Number) else None


def _is_above(distance: float, spike: Spike) -> bool:
    return distance > 0 if spike.strict else distance >= 0
