"""What lowers into a Program and no engine carries out yet: a line goes when the CPU and the CUDA half do it."""

from __future__ import annotations

from collections.abc import Iterator

from sncc.diagnostics import Diagnostic, DiagnosticError, not_supported_yet
from sncc.model.nodes import Model

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
    else:
        for connection in model.connections:
            if connection.plasticity is not None:
                yield not_supported_yet(connection.span, f"the plasticity `{connection.plasticity.model}`")
    for record in model.simulation.records if model.simulation is not None else ():
        if record.part is None and record.variable != "weight":
            yield not_supported_yet(record.span, f"recording `{record.variable}` of a connection")
