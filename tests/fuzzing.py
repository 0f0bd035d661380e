"""Random examples of a strategy, counted; shared by the tests and by the benchmarks that try more of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.strategies import SearchStrategy


class PassedOver(Exception):
    """Why an example tells nothing: a reason, which is counted, and of this example the details."""

    def __init__(self, reason: str, details: str = "") -> None:
        super().__init__(reason)
        self.details = details


def count_checked(
    strategy: SearchStrategy[Any], check: Callable[[Any], None], examples: int, seed: int = 0,
    passed: Counter[str] | None = None,
) -> int:  # fmt: skip
    """How many of so many examples were checked; `passed` counts the reasons for which `check` passes over others."""
    checked = 0

    @seeded(seed)
    @settings(
        max_examples=examples, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(strategy)
    def one(example: Any) -> None:
        nonlocal checked
        try:
            check(example)
        except PassedOver as reason:
            if passed is not None:
                passed[str(reason)] += 1
        else:
            checked += 1

    one()
    return checked
