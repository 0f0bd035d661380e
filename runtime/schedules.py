"""Learning-rate schedules: the factor on the learning rate at each update of a fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Position:
    """Where a fit is: the update, from 0, of `updates` in all, and how many updates an epoch has."""

    update: int
    updates: int
    per_epoch: int

    @property
    def epoch(self) -> int:
        """The epoch, from 0."""
        return self.update // self.per_epoch


def _constant(at: Position) -> float:
    return 1.0


def _cosine(at: Position, final: float = 0.0, warmup: float = 0.0) -> float:
    """From 1 to `final` along half a cosine, after a linear rise over `warmup` epochs."""
    rise = round(warmup * at.per_epoch)
    if at.update < rise:
        return (at.update + 1) / rise
    progress = (at.update - rise) / max(1, at.updates - rise)
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * progress))


def _exponential(at: Position, decay: float = 0.95) -> float:
    """Times `decay` after every epoch."""
    return float(decay**at.epoch)


def _step(at: Position, every: float = 10.0, factor: float = 0.1) -> float:
    """Times `factor` after every `every` epochs."""
    return float(factor ** int(at.epoch // every))


def _warmup(at: Position, epochs: float = 1.0) -> float:
    """A linear rise over the first `epochs` epochs."""
    return min(1.0, (at.update + 1) / max(1, round(epochs * at.per_epoch)))


SCHEDULES: dict[str, Callable[..., float]] = {
    "constant": _constant,
    "cosine": _cosine,
    "exponential": _exponential,
    "step": _step,
    "warmup": _warmup,
}


def schedule(name: str, settings: Mapping[str, float]) -> Callable[[Position], float]:
    """The schedule of that name. Raises ValueError for an unknown name or setting."""
    function = SCHEDULES.get(name)
    if function is None:
        raise ValueError(f"no learning-rate schedule `{name}`; there are {', '.join(SCHEDULES)}")
    defaults = function.__defaults__ or ()
    names = function.__code__.co_varnames[1 : 1 + len(defaults)]
    for setting in settings:
        if setting not in names:
            raise ValueError(f"the schedule `{name}` has no setting `{setting}`; it has {', '.join(names) or 'none'}")
    return lambda at: function(at, **settings)
