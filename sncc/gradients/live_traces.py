"""Which eligibility traces anything depends on:
the others, such as those of what synapses deliver and nothing reads a step later, are not kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sncc.program.learning import TraceUpdate
from sncc.program.statements import Assign


def with_live_traces(updates: Sequence[TraceUpdate]) -> list[TraceUpdate]:
    """Updates of the same weights or number, of which each keeps the traces alone that lead to a gradient,
    and computes what these need.

    The update that serves all outputs stays, also where nothing comes of it.
    """
    live = _live(updates)
    result: list[TraceUpdate] = []
    for k, o in enumerate(updates):
        carry = tuple((trace, local) for trace, local in o.carry if (k, trace) in live)
        adds = tuple((trace, local) for trace, local in o.adds if (_beside(updates, o), trace) in live)
        if not carry and o.each is None:
            return list(updates)
        if carry or adds:
            needed = _needed(o.body, {local for _, local in (*carry, *adds)})
            kept = tuple((trace, c) for trace, c in o.kept if (k, trace) in live)
            start = tuple((trace, value) for trace, value in o.start if (k, trace) in live)
            body = tuple(s for s in o.body if s.name in needed)
            reads = {name for s in body for name in s.reads}
            delays = tuple((trace, symbol) for trace, symbol in o.delays if f"past.{trace}" in reads)
            result.append(replace(o, body=body, carry=carry, adds=adds, kept=kept, start=start, delays=delays))
    return result


def _live(updates: Sequence[TraceUpdate]) -> set[tuple[int, str]]:
    """The traces, with the places of their updates, that a gradient is made of, or others that are."""
    found: set[tuple[int, str]] = set()
    todo = [(k, trace) for k, o in enumerate(updates) for _, trace, _ in o.gradient]
    todo += [(k, trace) for k, o in enumerate(updates) for _, trace in o.penalised]
    while todo:
        k, trace = todo.pop()
        if (k, trace) in found:
            continue
        found.add((k, trace))
        todo += _behind(updates, k, dict(updates[k].carry)[trace])
        for m, o in enumerate(updates):
            if o.adds and _beside(updates, o) == k:
                todo += [one for to, local in o.adds if to == trace for one in _behind(updates, m, local)]
    return found


def _behind(updates: Sequence[TraceUpdate], k: int, local: str) -> list[tuple[int, str]]:
    """The traces, of the step before or of an update beside, that a local of an update is computed from."""
    o = updates[k]
    needed = _needed(o.body, {local})
    reads = {name for s in o.body if s.name in needed for name in s.reads}
    result = [(k, name) for name in reads if name in o.traces]
    heads = ("shared.", "past.")
    result += [
        (_beside(updates, o), name.removeprefix(head)) for name in reads for head in heads if name.startswith(head)
    ]
    return result


def _beside(updates: Sequence[TraceUpdate], o: TraceUpdate) -> int:
    """The place of the update beside which one of a loop stands."""
    around = o.each.inside if o.each is not None else None
    return next(k for k, other in enumerate(updates) if other.each == around)


def _needed(body: Sequence[Assign], locals: set[str]) -> set[str]:
    """The statements of a body, by name, that some of its locals are computed from."""
    needed = set(locals)
    for s in reversed(body):
        if s.name in needed:
            needed |= set(s.reads)
    return needed
