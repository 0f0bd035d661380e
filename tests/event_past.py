"""The way that states have come in an event-driven simulation, for what reads them some time later."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

BEHIND = 1e-10  # ms: at the time of a jump, what is there behind it


class Past:
    """Values and slopes at both ends of every step, a cubic in between; before the first step, the first values."""

    def __init__(self, first: np.ndarray) -> None:
        self.first = first
        self.starts: list[float] = []
        self.steps: list[tuple] = []

    def add(self, start: float, h: float, before: tuple[np.ndarray, np.ndarray], after: tuple[np.ndarray, np.ndarray]):
        """A step without events: values and slopes as it starts and as it ends."""
        if h > 0:
            self.starts.append(start)
            self.steps.append((start, h, before, after))

    def at(self, time: float, within: float | None = None) -> np.ndarray:
        """The states at a time, on the way on which they are at the time `within`."""
        k = bisect_right(self.starts, (time if within is None else within) + BEHIND) - 1
        if k < 0:
            return self.first
        start, h, (a, da), (b, db) = self.steps[k]
        u = (time - start) / h
        rest, slopes = u * u * (3 - 2 * u), u * (1 - u) * h
        return a + (b - a) * rest + slopes * ((1 - u) * da - u * db)
