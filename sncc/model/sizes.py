"""How large expressions become where functions and `let`s are put in."""

from __future__ import annotations

from itertools import islice

from sncc.diagnostics import Span
from sncc.expressions.nodes import Expression, walk
from sncc.syntax.mistakes import failure

LARGEST = 20_000  # parts: what is printed, differentiated and compiled


def refuse_too_large(value: Expression, span: Span, name: str) -> None:
    """Ends the check: what stands twice in one `let` or function, and this one twice in the next, doubles with each."""
    if next(islice(walk(value), LARGEST, None), None) is not None:
        message = f"`{name}` has more than {LARGEST} parts when the names and functions in it are put in"
        raise failure("too-complex", span, message)
