"""Callbacks of a fit: called after every epoch; one that returns True ends the training."""

from __future__ import annotations

import math
from collections.abc import Callable
from os import PathLike
from typing import TYPE_CHECKING

from .arguments import check_path, check_real, check_switch, check_whole, shown
from .checkpoint import Snapshot, restore, take_snapshot

if TYPE_CHECKING:
    from .network import Network

History = dict[str, list[float]]
# called with the network, the epoch (from 0, over all fits) and the history
Callback = Callable[["Network", int, History], bool | None]


class Best:
    """Keeps the best value of a monitored quantity: the lowest of a loss, the highest of an accuracy."""

    def __init__(self, monitor: str) -> None:
        """`monitor`: a key of the history."""
        if not isinstance(monitor, str):
            raise ValueError(f"`monitor` is a key of the history, such as `val_loss`, not {shown(monitor)}")
        self.monitor, self.value = monitor, math.nan

    def improves(self, history: History, by: float = 0.0) -> bool:
        """Whether the last epoch is the best so far, by more than `by`. Raises ValueError for an unknown quantity."""
        values = history.get(self.monitor)
        if not values:
            raise ValueError(
                f"the history has no `{self.monitor}`; it has {', '.join(history)}; `val_…` need `validation`"
            )
        if len(values) == 1:  # a new fit
            self.value = math.nan
        sign = 1.0 if self.monitor.endswith("accuracy") else -1.0
        better = math.isnan(self.value) or sign * (values[-1] - self.value) > by
        if better:
            self.value = values[-1]
        return better


class EarlyStopping:
    """Ends the training once `monitor` has not improved for `patience` epochs, and brings the best numbers back."""

    def __init__(
        self, monitor: str = "val_loss", patience: int = 5, minimum_change: float = 0.0, restore_best: bool = True
    ) -> None:
        """`minimum_change`: what counts as an improvement. `restore_best`: set the best epoch's numbers on stopping."""
        self.patience = check_whole("patience", patience, 1)
        self.minimum_change = check_real("`minimum_change` is a number", minimum_change)
        self.restore_best = check_switch("restore_best", restore_best)
        self._best = Best(monitor)
        self._waited = 0
        self._snapshot: Snapshot | None = None

    def __call__(self, network: Network, epoch: int, history: History) -> bool:
        """Whether to stop."""
        if self._best.improves(history, self.minimum_change):
            self._waited = 0
            self._snapshot = take_snapshot(network) if self.restore_best else None
            return False
        self._waited += 1
        if self._waited < self.patience:
            return False
        if self._snapshot is not None:
            restore(network, self._snapshot)
        return True


class Checkpoint:
    """Saves the network after every epoch, or with `monitor` after those that are the best so far."""

    def __init__(self, path: str | PathLike[str], monitor: str | None = None) -> None:
        """`path`: the file, replaced each time. `monitor`: e.g. `val_accuracy`."""
        self.path = check_path("path", path)
        self._best = Best(monitor) if monitor is not None else None

    def __call__(self, network: Network, epoch: int, history: History) -> None:
        """Saves."""
        if self._best is None or self._best.improves(history):
            network.save(self.path)
