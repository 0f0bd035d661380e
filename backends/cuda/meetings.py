"""Where the threads of a block have to meet between two parts of a step: where one works on what another thread has written, or reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MEET = "__syncthreads();"


@dataclass(frozen=True, slots=True)
class Access:
    """What a part does with an array of the sample's.

    `own`: the way in which numbers belong to threads, where each thread touches its own alone; parts that share numbers out in the same
    way need not meet. `by_step`: a row for every step, which is written once: nothing that was read is overwritten.
    """

    place: str
    writes: bool = False
    own: str | None = None
    by_step: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """Lines of a step and what they touch; None: anything."""

    lines: tuple[str, ...]
    accesses: tuple[Access, ...] | None = None


def with_meetings(parts: Sequence[Part]) -> list[str]:
    """The lines of a loop's body, which begins after a meeting, with meetings where parts need them, those of the last turn among them."""
    before: tuple[Access, ...] | None = ()
    for _ in range(len(parts) + 1):
        lines, after = _walk(parts, before)
        if after is not None and before is not None and set(after) <= set(before):
            return lines
        before = None if after is None or before is None else tuple(dict.fromkeys((*before, *after)))
    return [*_walk(parts, ())[0], MEET]


def _walk(parts: Sequence[Part], before: tuple[Access, ...] | None) -> tuple[list[str], tuple[Access, ...] | None]:
    """The lines, where these accesses came before, and the accesses since the last meeting; None: any."""
    lines: list[str] = []
    open_ = before
    for part in parts:
        if open_ is None or (part.accesses is None and open_) or _clash(open_, part.accesses or ()):
            lines.append(MEET)
            open_ = ()
        lines += part.lines
        open_ = None if part.accesses is None else (*open_, *part.accesses)
    return lines, open_


def _clash(earlier: Sequence[Access], later: Sequence[Access]) -> bool:
    return any(
        a.place == b.place
        and (a.writes or (b.writes and not b.by_step))
        and (a.own is None or a.own != b.own)
        for a in earlier
        for b in later
    )  # fmt: skip
