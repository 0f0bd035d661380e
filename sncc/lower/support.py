"""What the language can say and lowering cannot do yet: a line goes when its construct is lowered."""

from __future__ import annotations

from collections.abc import Iterator

from sncc.diagnostics import Diagnostic, DiagnosticError, not_supported_yet
from sncc.lower.reduction import reduce_synapse
from sncc.model.nodes import Connection, Model
from sncc.model.unstored import REMEDY


def refuse(model: Model) -> None:
    """Raise `DiagnosticError` with everything in a Model that cannot be lowered yet."""
    if found := tuple(unsupported(model)):
        raise DiagnosticError(found)


def unsupported(model: Model) -> Iterator[Diagnostic]:
    """A `not-supported-yet` for every construct that cannot be lowered yet."""
    for connection in model.connections:
        if not connection.stored:
            yield from _unstored(connection)


def _unstored(connection: Connection) -> Iterator[Diagnostic]:
    """What synapses that are made again for every spike cannot do: all but to deliver a weight then.

    Where samples are spread they are stored.
    """
    span = connection.span
    if connection.synapse is None:
        return
    reduction = reduce_synapse(connection)
    if reduction is None:
        what = f"`stored = false` with `{connection.synapse.model}`, of which every synapse keeps states,"
        yield not_supported_yet(span, what, f"use a synapse whose states its neurons can carry, or {REMEDY}")
    elif reduction.sums:
        what = f"`stored = false` with `{connection.synapse.model}`, which delivers all the time and not by spikes,"
        yield not_supported_yet(span, what, f"use a synapse that spikes move, or {REMEDY}")
