"""The Yin-Yang data set: points in a disc that is parted into yin, yang and their two dots, told by times of spikes.

Source: L. Kriener, J. Göltz and M. A. Petrovici, The Yin-Yang dataset, Neuro-Inspired Computational Elements Conference
(2022); the parting of the disc is its formula, the points are drawn here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sncc.data.splits import DataSet, random_bits
from sncc.runtime import Events

RADIUS, DOT = 0.5, 0.1  # of the disc, whose middle is (0.5, 0.5), and of a dot


def yin_yang(
    step: float, train: int = 5000, test: int = 1000, early: float = 0.5, late: float = 20.5, duration: float = 30.0,
    seed: int = 0,
) -> DataSet:  # fmt: skip
    """Points as five spikes each: x, y, 1 - x and 1 - y between the times `early` and `late` (ms), and one at `early`.

    Classes: 0 yin, 1 yang, 2 dots, equally likely. Samples last `duration` ms. Points to train and to test on are drawn
    by `seed`. Raises ValueError where a number of samples is below 1, or times are not in order.
    """
    if train < 1 or test < 1:
        raise ValueError("`train` and `test` are numbers of points, from 1")
    if not 0 <= early < late < duration:
        raise ValueError("`early`, `late` and `duration` are times in this order, in ms, `early` from 0")
    sets = []
    for purpose, count in (("train", train), ("test", test)):
        points, classes = draw(count, seed, purpose)
        times = early + np.concatenate([points, 1 - points, np.zeros((count, 1))], axis=1) * (late - early)
        samples = [(row, np.arange(5)) for row in times * 1e-3]
        sets.append((Events.from_lists(samples, (5,), step, steps=round(duration * 1e-3 / step)), classes))
    (events, labels), (test_events, test_labels) = sets
    description = f"Yin-Yang, spikes from {early:g} ms to {late:g} ms, {train} points to train, {test} to test on"
    return DataSet(events, labels, test_events, test_labels, (5,), description)


def draw(count: int, seed: int, purpose: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points (count, 2) in the disc and their classes (count,), each class equally likely."""
    tries = 10 * count + 1000  # the dots are 1 in 16 points of the square, and a third of what is wanted
    bits = random_bits(seed, purpose, count + 2 * tries)
    wanted = (bits[:count] % np.uint64(3)).astype(np.int64)
    points = ((bits[count:] >> np.uint64(11)).astype(np.float64) * 2.0**-53).reshape(tries, 2)
    points = points[np.hypot(points[:, 0] - RADIUS, points[:, 1] - RADIUS) <= RADIUS]
    classes = class_of(points)
    result = np.zeros((count, 2))
    for k in range(3):
        result[wanted == k] = points[classes == k][: int(np.sum(wanted == k))]
    return result, wanted


def class_of(points: NDArray[Any]) -> NDArray[np.int64]:
    """0 yin, 1 yang, 2 a dot, of points (…, 2) in the disc."""
    x, y = points[..., 0], points[..., 1]
    right, left = np.hypot(x - 1.5 * RADIUS, y - RADIUS), np.hypot(x - 0.5 * RADIUS, y - RADIUS)
    yang = (right <= DOT) | ((left > DOT) & (left <= 0.5 * RADIUS)) | ((y > RADIUS) & (right > 0.5 * RADIUS))
    dots = (right < DOT) | (left < DOT)
    return np.where(dots, 2, yang.astype(np.int64))
