"""What the language can say and lowering cannot do yet: a line goes when its construct is lowered."""

from __future__ import annotations

from collections.abc import Iterator

from sncc.diagnostics import Diagnostic, DiagnosticError, not_supported_yet
from sncc.model.nodes import Connection, Model


def refuse(model: Model) -> None:
    """Raise `DiagnosticError` with everything in a Model that cannot be lowered yet."""
    if found := tuple(unsupported(model)):
        raise DiagnosticError(found)


def unsupported(model: Model) -> Iterator[Diagnostic]:
    """A `not-supported-yet` for every construct that cannot be lowered yet."""
    for connection in model.connections:
        yield from _connection(connection)


def _connection(connection: Connection) -> Iterator[Diagnostic]:
    span = connection.span
    if connection.share is not None and connection.share[1]:
        if any(part.contiguous is None for part in (connection.source_part, connection.target_part)):
            yield not_supported_yet(span, "`share = … transposed` between parts whose neurons do not follow each other")
    if connection.rewiring is not None and connection.synapse is not None:
        for parameter in connection.synapse.parameters:
            if parameter.storage == "each":
                yield not_supported_yet(span, f"`rewire` with a `{parameter.name}` for every synapse")
