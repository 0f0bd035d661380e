"""Windows of truncated credit, `truncate = …`, as expressions of `t`, the time before a step.

No credit passes from a window to the one before.
"""

from __future__ import annotations

from sncc.expressions.algebra import mul
from sncc.expressions.nodes import Expression, Number, Symbol, apply


def steps_before(step: float) -> Expression:
    """The steps before this one."""
    return apply("floor", apply("add", apply("div", Symbol("t"), step), 0.5))


def steps_of_window(step: float, window: int) -> Expression:
    """The steps of the window before this one."""
    steps = steps_before(step)
    return apply("sub", steps, mul(apply("floor", apply("div", steps, Number(float(window)))), Number(float(window))))


def begins(step: float, window: int) -> Expression:
    """Whether a window begins with this step; not the first one, to which first values belong."""
    first = apply("eq", steps_of_window(step, window), 0.0)
    return apply("and", first, apply("gt", steps_before(step), 0.0))
