"""Lines of operations on traces, those of one loop over outputs, or along synapses, inside of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from sncc.program.learning import Each, TraceOperation, TraceUpdate


def turn_beside(o: TraceUpdate) -> str:
    """The turn of the traces that those of a loop stand beside: that of the loop around it, where there is one."""
    return "outer" if o.each is not None and o.each.inside is not None else "output"


def in_loops(
    operations: Sequence[TraceOperation], lines: Callable[[int, TraceOperation], list[str]], head: Callable[[Each], str],
    last: Sequence[str] = (),
) -> list[str]:  # fmt: skip
    """What `lines` says of each operation, which it gets with its place;
    a loop begins with its `head`, and `last` ends each of its turns.
    """
    result: list[str] = []
    for each, found in groupby(enumerate(operations), lambda o: getattr(o[1], "each", None)):
        inside = [line for k, o in found for line in lines(k, o)]
        if each is not None and inside:
            inside = [f"{head(each)} {{", *(f"    {line}" for line in (*inside, *last)), "}"]
        result += inside
    return result
