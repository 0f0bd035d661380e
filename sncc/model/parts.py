"""Slices such as `exc[0:80]` or `image[0:16, 0:16, 1]` → parts of populations."""

from __future__ import annotations

from sncc.connectivity.patterns import Part
from sncc.diagnostics import Diagnostics
from sncc.model import nodes
from sncc.model.scope import Scope
from sncc.model.values import constant_whole
from sncc.syntax import tree


def resolve_part(
    endpoint: tree.Endpoint, population: nodes.Population, scope: Scope, diagnostics: Diagnostics
) -> Part | None:
    """The part of a population that an endpoint names, or None after a mistake.

    Slices stand in the order of the shape; dimensions without one are taken whole.
    """
    shape = population.shape
    if len(endpoint.slices) > len(shape):
        extra = endpoint.slices[len(shape)].span
        message = (
            f"`{population.name}` has {len(shape)} dimension{'s' if len(shape) > 1 else ''}, not {len(endpoint.slices)}"
        )
        diagnostics.error("wrong-shape", extra, message)
        return None
    ranges: list[tuple[int, int]] = []
    for length, written in zip(shape, endpoint.slices, strict=False):
        found = _range(written, length, population.name, scope, diagnostics)
        if found is None:
            return None
        ranges.append(found)
    ranges += [(0, length) for length in shape[len(ranges) :]]
    return Part(shape, tuple(ranges))


def _range(
    written: tree.Range | tree.Index, length: int, name: str, scope: Scope, diagnostics: Diagnostics
) -> tuple[int, int] | None:
    if isinstance(written, tree.Index):
        start = constant_whole(written.value, "an index", scope, diagnostics)
        stop = None if start is None else start + 1
    else:
        start = constant_whole(written.start, "the start of a slice", scope, diagnostics)
        stop = constant_whole(written.stop, "the end of a slice", scope, diagnostics)
    if start is None or stop is None:
        return None
    if start < 0 or stop > length:
        note = f"`{name}` has indices 0 to {length - 1} here; the end of a slice is excluded"
        diagnostics.error("wrong-shape", written.span, "this is outside of the population", notes=(note,))
        return None
    if stop <= start:
        diagnostics.error("wrong-shape", written.span, "this slice is empty", help="write `first:last + 1`")
        return None
    return start, stop
