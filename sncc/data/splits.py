"""A data set with its parts for training and testing, and how one set is split into the two."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sncc.runtime import Events


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """Events and labels to train and, where there are some, to test on and, as a pair, to validate on;
    `shape` is a sample's, per step.
    """

    train: Events
    train_labels: NDArray[Any]
    test: Events | None
    test_labels: NDArray[Any] | None
    shape: tuple[int, ...]
    description: str
    validation: tuple[Events, NDArray[Any]] | None = None


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
    classes = labels if labels.ndim == 1 and labels.dtype.kind in "iu" else np.zeros(len(labels), int)
    keys = random_bits(seed, "split", len(labels))
    test = np.zeros(len(labels), bool)
    for value in np.unique(classes):
        members = np.flatnonzero(classes == value)
        test[members[np.argsort(keys[members], kind="stable")][: round(fraction * len(members))]] = True
    return test


def set_aside(data: DataSet, share: float, seed: int) -> DataSet:
    """The set with a share of the samples to train on, drawn by the seed, to validate on instead;
    those to test on stay.

    Raises ValueError for a share outside (0, 1), and for one that leaves no sample in either part.
    """
    if not 0 < share < 1:
        raise ValueError(f"the share to validate on is above 0 % and below 100 %, not {100 * share:g} %")
    samples = len(data.train)
    count = round(share * samples)
    if not 0 < count < samples:
        part = "train" if count else "validate"
        remedy = f"one of them is {100 / samples:.3g} %" if samples > 1 else "two are needed at least"
        raise ValueError(f"{100 * share:g} % of {samples} samples to train leaves none to {part} on: {remedy}")
    chosen = np.zeros(samples, bool)
    chosen[np.argsort(random_bits(seed, "validate", samples), kind="stable")[:count]] = True
    return replace(
        data,
        train=data.train[~chosen],
        train_labels=data.train_labels[~chosen],
        validation=(data.train[chosen], data.train_labels[chosen]),
        description=f"{data.description}; {count} of the {samples} to train are to validate on, drawn by seed {seed}",
    )


def random_bits(seed: int, purpose: str, count: int) -> NDArray[np.uint64]:
    """64 random bits each, (count,), the same with every NumPy. Raises ValueError for a seed outside 0 … 2^64 - 1."""
    if not 0 <= seed < 2**64:
        raise ValueError(f"`seed` is a whole number from 0 to {2**64 - 1}, not {seed}")
    key = np.array([seed, int.from_bytes(purpose.encode(), "big")], np.uint64)
    return np.random.Philox(key=key).random_raw(count)
