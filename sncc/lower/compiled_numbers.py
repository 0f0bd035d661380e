"""Numbers that are compiled in and stand in no operation, but are still there to be read:
fixed delays, first values of states.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from sncc.expressions.nodes import Expression, Number, substitute
from sncc.model.constants import fold
from sncc.model.infer import TIME
from sncc.model.nodes import Model, Parameter, Population, State


def compiled_numbers(model: Model) -> Iterator[tuple[str, Parameter]]:
    """`CONN.delay`, as rounded to steps, and `POP.STATE.initial` of a Model:
    each that is one number, under Python's name.
    """
    for connection in model.connections:
        if connection.delay is None:
            delay = float(connection.delay_steps * Fraction(repr(model.step)))
            yield f"{connection.name}.delay", Parameter("delay", Number(delay), TIME)
    for population in model.populations:
        for state in population.dynamics.states if population.dynamics is not None else ():
            first = _first_value(population, state)
            if isinstance(first, Number):
                name = f"{state.name}.initial"
                yield f"{population.name}.{name}", Parameter(name, first, state.unit, scale=state.scale, doc=state.doc)


def _first_value(population: Population, state: State) -> Expression:
    """The first value of a state with the numbers of its population that are compiled in."""
    known = {p.name: p.value for p in population.parameters if p.storage == "compiled"}
    try:
        return fold(substitute(state.initial, known))
    except (ArithmeticError, ValueError):  # every run stops at it, with a message of its own
        return state.initial
