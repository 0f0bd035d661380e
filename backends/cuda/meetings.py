"""Where the threads of a block have to meet between two parts of a step:
where one works on what another thread has written, or reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

MEET = "__syncthreads();"


@dataclass(frozen=True, slots=True)
class Access:
    """What a part does with an array of the sample's.

    `own`: the way in which numbers belong to threads, where each thread touches its own alone; parts that share numbers
    out in the same way need not meet. `by_step`: a row for every step, which is written once: nothing that was read is
    overwritten.
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


_Open = tuple[Access, ...] | None  # since a meeting; None: anything


def with_meetings(
    parts: Sequence[Part], wide: str | None = None, is_far: Callable[[str], bool] | None = None
) -> list[str]:
    """The lines of a loop's body, which begins after a meeting, with meetings where parts need them,
    those of the last turn among them.

    `wide`: a meeting of several blocks, where it is about a place that is far: one that threads of other blocks reach.
    """
    walk = partial(_walk, parts, wide=wide, is_far=is_far or (lambda _: False))
    before: tuple[_Open, _Open] = ((), ())
    for _ in range(2 * len(parts) + 1):
        lines, after = walk(before)
        if all(b is not None and a is not None and set(a) <= set(b) for a, b in zip(after, before, strict=True)):
            return lines
        before = (_union(before[0], after[0]), _union(before[1], after[1]))
    return [*walk(((), ()))[0], wide or MEET]


def _union(one: _Open, other: _Open) -> _Open:
    return None if one is None or other is None else tuple(dict.fromkeys((*one, *other)))


def _walk(
    parts: Sequence[Part], before: tuple[_Open, _Open], wide: str | None, is_far: Callable[[str], bool]
) -> tuple[list[str], tuple[_Open, _Open]]:
    """The lines, where these accesses came before, and those since the last meeting of the block, and of several."""
    lines: list[str] = []
    near, far = before
    for part in parts:
        touched = part.accesses
        if wide and _needs(far, None if touched is None else [a for a in touched if is_far(a.place)]):
            lines.append(wide)
            near = far = ()
        elif _needs(near, touched):
            lines.append(MEET)
            near = ()
        lines += part.lines
        near = None if touched is None else (*(near or ()), *touched)
        if wide:
            far = None if touched is None else (*(far or ()), *(a for a in touched if is_far(a.place)))
    return lines, (near, far)


def _needs(open_: _Open, touched: Sequence[Access] | None) -> bool:
    """Whether threads meet before a part."""
    return open_ is None or (touched is None and bool(open_)) or _clash(open_, touched or ())


def _clash(earlier: Sequence[Access], later: Sequence[Access]) -> bool:
    return any(
        a.place == b.place
        and (a.writes or (b.writes and not b.by_step))
        and (a.own is None or a.own != b.own)
        for a in earlier
        for b in later
    )  # fmt: skip
