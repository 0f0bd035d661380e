"""Random examples of a strategy, counted; shared by the tests and by the benchmarks that try more of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.strategies import SearchStrategy


def count_checked(strategy: SearchStrategy[Any], check: Callable[[Any], bool], examples: int, seed: int = 0) -> int:
    """How many of so many examples were checked; `check` gives False for one that it passes over."""
    checked = 0

    @seeded(seed)
    @settings(
        max_examples=examples, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(strategy)
    def one(example: Any) -> None:
        nonlocal checked
        checked += check(example)

    one()
    return checked
