"""What lowers into a Program and no engine carries out yet: a line goes when the CPU and the CUDA half do it."""

from __future__ import annotations

from collections.abc import Iterator

from sncc.diagnostics import Diagnostic, DiagnosticError, not_supported_yet
from sncc.model.nodes import Connection, Model, Simulation

MOST_DIMENSIONS = 4  # that a pattern of connections knows of a population


def refuse(model: Model) -> None:
    """Raise `DiagnosticError` with everything in a Model that no engine carries out yet."""
    if found := tuple(unsupported(model)):
        raise DiagnosticError(found)


def unsupported(model: Model) -> Iterator[Diagnostic]:
    """A `not-supported-yet` for every construct that no engine carries out yet."""
    if model.training is None:  # one sample, its neurons spread over the threads
        for population in model.populations:
            if len(population.shape) > MOST_DIMENSIONS:
                help = f"give it at most {MOST_DIMENSIONS}; the order of its neurons stays"
                yield not_supported_yet(population.span, f"a population of {len(population.shape)} dimensions", help)
        return
    for connection in model.connections:
        yield from _connection(connection)
    if model.simulation is not None:
        yield from _simulation(model.simulation)


def _connection(connection: Connection) -> Iterator[Diagnostic]:
    span = connection.span
    if connection.plasticity is not None:
        yield not_supported_yet(span, f"the plasticity `{connection.plasticity.model}`")


def _simulation(simulation: Simulation) -> Iterator[Diagnostic]:
    for record in simulation.records:
        if record.part is None:
            yield not_supported_yet(record.span, f"recording `{record.variable}` of a connection")
        elif not record.part.is_whole:
            help = f"record all of `{record.owner}`"
            yield not_supported_yet(record.span, "recording a part of a population", help)
    for stimulus in simulation.stimuli:
        help = "hand the values over through a `signal` population"
        yield not_supported_yet(stimulus.span, "`stimulate`", help)
    if simulation.trials > 1:
        yield not_supported_yet(simulation.span, "`trials`", "call `simulate` with several seeds")
