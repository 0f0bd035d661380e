"""Callbacks of a fit: called after every epoch; one that returns True ends the training."""

from __future__ import annotations

import math
from collections.abc import Callable
from os import PathLike
from typing import TYPE_CHECKING

from .arguments import check_path, check_real, check_switch, check_text, check_whole, shown
from .checkpoint import Snapshot, Waiting, load_waiting, restore, save, take_snapshot

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
        self.goes_on = False  # the next fit continues the last one

    def improves(self, history: History, by: float = 0.0) -> bool:
        """Whether the last epoch is the best so far, by more than `by`. Raises ValueError for an unknown quantity."""
        values = history.get(self.monitor)
        if not values:
            raise ValueError(
                f"the history has no `{self.monitor}`; it has {', '.join(history)}; `val_…` need `validation`"
            )
        if len(values) == 1 and not self.goes_on:  # a new fit
            self.value = math.nan
        self.goes_on = False
        sign = 1.0 if self.monitor.endswith("accuracy") else -1.0
        better = math.isnan(self.value) or sign * (values[-1] - self.value) > by
        if better:
            self.value = values[-1]
        return better


class EarlyStopping:
    """Ends the training once `monitor` has not improved for `patience` epochs, and brings the best numbers back."""

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int | None = 5,
        minimum_change: float = 0.0,
        restore_best: bool = True,
        validated_on: str = "",
    ) -> None:
        """`minimum_change`: what counts as an improvement. `restore_best`: set the best epoch's numbers on stopping.
        `patience`: None never stops, and `bring_back` sets them. `validated_on`: what the values are of, in your words;
        `resume` refuses a file with others.
        """
        self.patience = None if patience is None else check_whole("patience", patience, 1)
        self.minimum_change = check_real("`minimum_change` is a number", minimum_change)
        self.restore_best = check_switch("restore_best", restore_best)
        self.validated_on = check_text("validated_on", validated_on)
        self.waited = 0
        self._best = Best(monitor)
        self._snapshot: Snapshot | None = None  # of the best epoch
        self._last: Snapshot | None = None  # what training goes on from, once the best numbers are back
        self._epochs = 0  # that the network had been trained for when this was called last

    @property
    def monitor(self) -> str:
        """The key of the history that is to improve."""
        return self._best.monitor

    @property
    def value(self) -> float:
        """The best value of what is monitored; NaN before the first epoch."""
        return self._best.value

    @property
    def epoch(self) -> int | None:
        """The best epoch, from 0 over all fits; None where no epoch's numbers are kept."""
        return None if self._snapshot is None else self._snapshot.progress.epoch - 1

    def __call__(self, network: Network, epoch: int, history: History) -> bool:
        """Whether to stop."""
        self._last, self._epochs = None, network.progress.epoch
        if self._best.improves(history, self.minimum_change):
            self.waited = 0
            self._snapshot = take_snapshot(network) if self.restore_best else None
            return False
        self.waited += 1
        if self.patience is None or self.waited < self.patience:
            return False
        self.bring_back(network)
        return True

    def bring_back(self, network: Network) -> None:
        """Sets the best epoch's numbers, as stopping does, e.g. after a fit that was not stopped."""
        if self._snapshot is not None and self._last is None:
            with network.library.alone():
                self._last = take_snapshot(network)
                restore(network, self._snapshot)

    def save(self, network: Network, path: str | PathLike[str]) -> None:
        """As `network.save`, of the best epoch, with what `resume` needs to go on from the last one;
        after a whole epoch.

        Raises ValueError where there was no epoch yet, or the network was trained on since this was called last.
        """
        if self._snapshot is None:
            raise ValueError("an early stopping is saved after an epoch, and with `restore_best=True`")
        if self._last is None and self._epochs != network.progress.epoch:
            raise ValueError(
                "the early stopping has not seen the last epoch: it stands before a checkpoint in `callbacks`"
            )
        with network.library.alone():
            last = self._last or take_snapshot(network)
            waiting = Waiting(self.monitor, self.value, self.waited, self.validated_on, self._snapshot, last)
            save(network, path, waiting)

    def resume(self, network: Network, path: str | PathLike[str]) -> None:
        """Sets the network and this early stopping to where they were when `save` wrote the file:
        `fit` goes on from there.

        Raises as `network.load` does, and ValueError where the file is of another early stopping or one that has ended;
        then nothing has changed.
        """
        with network.library.alone():
            found = load_waiting(network, path)
            self._check(path, found)
            restore(network, found.last)
        self._best.value, self._best.goes_on, self.waited = found.value, True, found.waited
        self._snapshot, self._last, self._epochs = found.best, None, network.progress.epoch

    def _check(self, path: str | PathLike[str], found: Waiting) -> None:
        if found.monitor != self.monitor:
            raise ValueError(f"{path}: its best epoch is that of `{found.monitor}`, here it is `{self.monitor}`'s")
        if found.validated_on != self.validated_on:
            raise ValueError(
                f"{path}: its training was validated on {found.validated_on or 'what it does not say'}, here it is "
                f"{self.validated_on or 'not said what on'}: to go on, validate on the same"
            )
        if self.patience is not None and found.waited >= self.patience:
            raise ValueError(
                f"{path}: its training had ended, as `{found.monitor}` had not improved for {found.waited} epochs; to go on, "
                "give more patience than that"
            )


class Checkpoint:
    """Saves the network after every epoch, or with `monitor` after those that are the best so far."""

    def __init__(
        self, path: str | PathLike[str], monitor: str | None = None, stopping: EarlyStopping | None = None
    ) -> None:
        """`path`: the file, replaced each time.

        `monitor`: e.g. `val_accuracy`. `stopping`: one that stands before this in `callbacks`, which is saved too: the
        file has the best epoch's numbers, and `stopping.resume` goes on from the last one.
        """
        self.path = check_path("path", path)
        if stopping is not None and (monitor is not None or not isinstance(stopping, EarlyStopping)):
            raise ValueError("`stopping` is an EarlyStopping, which has a `monitor` of its own")
        self._best = Best(monitor) if monitor is not None else None
        self._stopping = stopping

    def __call__(self, network: Network, epoch: int, history: History) -> None:
        """Saves."""
        if self._stopping is not None:
            self._stopping.save(network, self.path)
        elif self._best is None or self._best.improves(history):
            network.save(self.path)
