"""What the language can say and lowering cannot do yet: a line goes when its construct is lowered."""

from __future__ import annotations

from collections.abc import Iterator

from sncc.connectivity.patterns import Convolution, is_matrix, leaves_nothing_out
from sncc.diagnostics import Diagnostic, DiagnosticError, not_supported_yet
from sncc.lower.reduction import reduce_synapse
from sncc.lower.shared_draws import read_behind_its_draw
from sncc.model.nodes import Connection, Model
from sncc.model.unstored import REMEDY

WEIGHTS_OF_ITS_OWN = "give the connection a `weight` of its own"


def refuse(model: Model) -> None:
    """Raise `DiagnosticError` with everything in a Model that cannot be lowered yet."""
    if found := tuple(unsupported(model)):
        raise DiagnosticError(found)


def unsupported(model: Model) -> Iterator[Diagnostic]:
    """A `not-supported-yet` for every construct that cannot be lowered yet."""
    named = {connection.name: connection for connection in model.connections}
    for connection in model.connections:
        if connection.share is not None:
            yield from _shared(connection, named[connection.share[0]], connection.share[1])
        yield from _connection(model, connection)
        if not connection.stored:
            yield from _unstored(connection)


def _connection(model: Model, connection: Connection) -> Iterator[Diagnostic]:
    """Where samples are spread each synapse has a weight of its own within a sample, which begins at the kernel's."""
    if connection.plasticity is not None and isinstance(connection.pattern, Convolution) and not model.spreads_samples:
        what = "a `plasticity` on `conv2d`, where many synapses have one weight of the kernel,"
        yield not_supported_yet(
            connection.span, what, "connect with `sparse`, whose pairs are handed over: every synapse has a weight"
        )

    read = read_behind_its_draw(connection.plasticity) if connection.plasticity is not None else None
    if (
        connection.plasticity is not None
        and read is not None
        and connection.delay is not None
        and not model.spreads_samples
    ):
        name = connection.plasticity.model
        what = f"with a delay for each synapse, in `{name}` a line that reads `{read}`, one for all synapses of a neuron, after the one in which it draws,"
        help = f"put it before that line, or declare it with `state {read} = …`: one per synapse"
        yield not_supported_yet(connection.span, what, help)


def _unstored(connection: Connection) -> Iterator[Diagnostic]:
    """What synapses that are made again for every spike cannot do: all but to deliver a weight then. Where samples are spread they are stored."""
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


def _shared(connection: Connection, owner: Connection, turned: bool) -> Iterator[Diagnostic]:
    """What a connection cannot find in the owner's weights: they lie row by row, or one for each synapse there is."""
    if isinstance(connection.pattern, Convolution):
        return
    span = connection.span
    gaps = any(part.contiguous is None for part in (connection.source_part, connection.target_part))
    here, there = (is_matrix(c.pattern, c.source_part, c.target_part) for c in (connection, owner))
    if turned and (gaps or not there):
        what = "`share = … transposed` between parts with gaps, or without pairs inside of them"
        yield not_supported_yet(span, what, WEIGHTS_OF_ITS_OWN)
    elif not turned and here != there:
        what = "`share` between parts without gaps and others, or that lack pairs inside of them"
        yield not_supported_yet(span, what, WEIGHTS_OF_ITS_OWN)
    elif not leaves_nothing_out(owner.pattern) and _left_out(connection) != _left_out(owner, turned):
        yield not_supported_yet(span, "`share` between parts that leave out different pairs", WEIGHTS_OF_ITS_OWN)


def _left_out(connection: Connection, turned: bool = False) -> object:
    """The same for connections of one size without a neuron to itself that leave out the same pairs of their parts."""
    left, right = connection.source_part.contiguous, connection.target_part.contiguous
    if left is None or right is None:
        return connection.source_part, connection.target_part
    return right[0] - left[0] if turned else left[0] - right[0]
