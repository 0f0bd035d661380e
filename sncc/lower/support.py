"""What the language can say and lowering cannot do yet: a line goes when its construct is lowered."""

from __future__ import annotations

from collections.abc import Iterator

from sncc.diagnostics import Diagnostic, DiagnosticError, not_supported_yet
from sncc.expressions.nodes import Apply, walk
from sncc.model.nodes import Connection, Model, Population


def refuse(model: Model) -> None:
    """Raise `DiagnosticError` with everything in a Model that cannot be lowered yet."""
    if found := tuple(unsupported(model)):
        raise DiagnosticError(found)


def unsupported(model: Model) -> Iterator[Diagnostic]:
    """A `not-supported-yet` for every construct that cannot be lowered yet."""
    for population in model.populations:
        yield from _population(population)
    for connection in model.connections:
        yield from _connection(connection)


def _population(population: Population) -> Iterator[Diagnostic]:
    for state in population.dynamics.states if population.dynamics is not None else ():
        if state.clip is not None and state.storage == "compiled":
            yield not_supported_yet(state.span, "`clip` in a state's first value")


def _connection(connection: Connection) -> Iterator[Diagnostic]:
    span = connection.span
    if connection.post_delay_steps and connection.plasticity is None:
        yield not_supported_yet(span, "`post_delay`", "put it into `delay`")
    if connection.share is not None and connection.share[1]:
        yield not_supported_yet(span, "`share = … transposed`")
    if connection.dropout:
        yield not_supported_yet(span, "`dropout`")
    if any(isinstance(n, Apply) and n.operation == "orthogonal" for n in walk(connection.weight.value)):
        help = "draw the weights from `glorot()` or `kaiming()`"
        yield not_supported_yet(connection.weight.span, "`orthogonal`", help)
