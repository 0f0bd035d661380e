"""The 1,797 images of UCI's optical digits, 8 x 8 pixels of grey 0..16, coded as spikes.

Source and licence: digits.LICENSE.txt beside this file.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from sncc.data.splits import DataSet, random_bits, split_set, stratified
from sncc.runtime import Events

GREYS = 16  # the brightest grey


def digits(step: float, coding: str = "count", steps: int = 32, split: float = 0.2, seed: int = 0) -> DataSet:
    """The digits as spikes of 8 x 8 neurons: `split` of each class to test on, drawn by the seed.

    `coding`: count (as many spikes as the grey level, evenly spaced), latency (one spike, the brighter the earlier,
    none where it is black) or rate (random spikes, drawn by the seed). Raises ValueError for other codings and `steps`
    < 1.
    """
    if coding not in CODINGS:
        raise ValueError(f"digits have no coding `{coding}`; it is one of {', '.join(CODINGS)}")
    if steps < 1:
        raise ValueError(f"`steps` is a whole number from 1, not {steps}")
    images, labels = images_and_labels()
    events = Events.from_dense(CODINGS[coding](images, steps, seed), step)
    description = f"digits, {coding} coding, {steps} steps of {step * 1e3:g} ms"
    return split_set(events, labels, stratified(labels, split, seed), description)


def images_and_labels() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Grey levels (1797, 8, 8), 0..16, and digits (1797,)."""
    with (files("sncc.data") / "digits.npz").open("rb") as file, np.load(file) as arrays:
        return arrays["images"].astype(np.int64), arrays["labels"].astype(np.int64)


def _count(images: NDArray[np.int64], steps: int, seed: int) -> NDArray[np.uint8]:
    """Spike k of n at (k + 1/2) / n of the sample: so the mean time of a pixel's spikes does not depend on its grey."""
    counts = np.zeros((len(images), steps, *images.shape[1:]), np.uint8)
    for n in range(1, GREYS + 1):
        times = np.floor((np.arange(n) + 0.5) * steps / n).astype(int)
        train = np.bincount(times, minlength=steps).astype(np.uint8)
        counts += train[None, :, None, None] * (images == n)[:, None]
    return counts


def _latency(images: NDArray[np.int64], steps: int, seed: int) -> NDArray[np.bool_]:
    """Linear: the brightest in the first step, the darkest that spikes in the last."""
    when = np.round((GREYS - images) / (GREYS - 1) * (steps - 1)).astype(int)
    spikes: NDArray[np.bool_] = (when[:, None] == np.arange(steps)[None, :, None, None]) & (images > 0)[:, None]
    return spikes


def _rate(images: NDArray[np.int64], steps: int, seed: int) -> NDArray[np.bool_]:
    """A spike in a step with a probability of grey / 32: on average the counts of `count` over 32 steps."""
    bits = random_bits(seed, "rate", len(images) * steps * images[0].size)
    uniform = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
    spikes: NDArray[np.bool_] = uniform.reshape(len(images), steps, *images.shape[1:]) < images[:, None] / (2 * GREYS)
    return spikes


CODINGS: dict[str, Callable[[NDArray[np.int64], int, int], NDArray[np.uint8] | NDArray[np.bool_]]] = {
    "count": _count,
    "latency": _latency,
    "rate": _rate,
}
