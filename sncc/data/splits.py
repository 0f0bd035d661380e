"""A data set with its parts for training and testing, and how one set is split into the two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sncc.runtime import Events


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """Events and labels to train and, where there are some, to test on; `shape` is a sample's, per step."""

    train: Events
    train_labels: NDArray[Any]
    test: Events | None
    test_labels: NDArray[Any] | None
    shape: tuple[int, ...]
    description: str


def split_set(events: Events, labels: NDArray[Any], test: NDArray[np.bool_], description: str) -> DataSet:
    """The set with those samples to test on that `test` (samples,) names; none where it names none."""
    whole = f"{description}: {int((~test).sum())} samples to train, {int(test.sum())} to test on"
    if not test.any():
        return DataSet(events, labels, None, None, events.shape, whole)
    return DataSet(events[~test], labels[~test], events[test], labels[test], events.shape, whole)


def stratified(labels: NDArray[Any], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Which samples are to test on, (samples,): a fraction of each class, drawn by the seed.

    Labels that are not whole numbers, or not one a sample, count as one class. Raises ValueError for a fraction outside
    [0, 1).
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"`split` is the fraction to test on, from 0 to below 1, not {fraction:g}")
    if seed < 0:
        raise ValueError(f"`seed` is a whole number from 0, not {seed}")
    classes = labels if labels.ndim == 1 and labels.dtype.kind in "iu" else np.zeros(len(labels), int)
    keys = np.random.Philox(key=[seed, 0x73706C6974]).random_raw(len(labels))  # the same with every NumPy
    test = np.zeros(len(labels), bool)
    for value in np.unique(classes):
        members = np.flatnonzero(classes == value)
        test[members[np.argsort(keys[members], kind="stable")][: round(fraction * len(members))]] = True
    return test
