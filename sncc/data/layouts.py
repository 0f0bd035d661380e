"""How event data sets lie on a disk, and what is wrong with one.

Of that tonic takes much for data, or fails in words of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BYTES_OF_AN_EVENT = 5  # of N-MNIST
AGAIN = "fetch the data set again, or take the file out of its folder"
_LARGEST = 2.0**62  # µs: what 64 bits hold, with room for rounding


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a data set's two parts lie below its folder, where they come from, and what its files must be like.

    `check_part` is called with a part before anything is read, `check_sample` with a sample's file and its number
    there. Both raise ValueError, naming the file.
    """

    name: str  # of tonic's class and of the folder
    parts: tuple[str, str]
    files: str
    source: str
    check_part: Callable[[Path], None]
    check_sample: Callable[[Path, int], None]


def check_events(place: str, events: NDArray[Any], sensor: tuple[int, int, int]) -> None:
    """Raises ValueError for events, as tonic reads them, outside the sensor (width, height) or before the start."""
    for name, length in zip(("x", "y"), sensor):
        values = events[name] if name in (events.dtype.names or ()) else None
        if values is not None and values.size and (values.min() < 0 or values.max() >= length):
            raise ValueError(
                f"{place}: {name} from {values.min()} to {values.max()}, outside a sensor of {length}; {AGAIN}"
            )
    if events.size and events["t"].min() < 0:
        raise ValueError(f"{place}: an event before the start, at {events['t'].min()} µs; {AGAIN}")


# ------------------------------------------------------------------------------------------------ N-MNIST
def _check_digits(part: Path) -> None:
    for file in sorted(part.rglob("*bin")):
        if file.is_dir():
            continue
        if not re.fullmatch("[0-9]", file.parent.name):
            raise ValueError(f"{file}: samples lie in a folder that is called by their digit, {part / '7' / file.name}")
        if not file.is_file():
            raise ValueError(f"{file} is no file; {AGAIN}")


def _check_digit(file: Path, sample: int) -> None:
    size = file.stat().st_size
    if size % BYTES_OF_AN_EVENT:
        raise ValueError(
            f"{file} is cut short: it has {size} bytes, and an event has {BYTES_OF_AN_EVENT} of them; {AGAIN}"
        )


# ------------------------------------------------------------------------------------------------ DVS Gesture
def _check_gestures(part: Path) -> None:
    for path in sorted(part.rglob("*")):
        if path.is_dir():
            if not re.fullmatch(r"user[0-9]+_.+", path.relative_to(part).parts[0]):
                raise ValueError(f"{path}: folders are called userNN_LIGHT, such as {part / 'user01_led'}")
        elif path.name.endswith("npy"):
            if not path.is_file():
                raise ValueError(f"{path} is no file; {AGAIN}")
            if path.parent != part and not re.fullmatch(r"([0-9]|10)\.npy", path.name):
                raise ValueError(f"{path}: files are called by their gesture, 0.npy to 10.npy")


def _check_gesture(file: Path, sample: int) -> None:
    if not file.stat().st_size:
        raise ValueError(f"{file} is empty; {AGAIN}")
    try:
        events = np.load(file, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{file} is no array of NumPy, or it is damaged ({error}); {AGAIN}") from None
    if not isinstance(events, np.ndarray) or events.ndim != 2 or events.shape[1] != 4 or events.dtype.kind not in "iuf":
        found = f"{events.dtype} of shape {events.shape}" if isinstance(events, np.ndarray) else "several arrays"
        raise ValueError(f"{file}: events are numbers of the shape (events, 4), columns x, y, p, t in ms, not {found}")
    if not len(events):
        return
    low, high = events.min(0), events.max(0)
    if not (np.isfinite(low).all() and np.isfinite(high).all()) or (low < 0).any() or high[3] * 1000.0 > _LARGEST:
        raise ValueError(f"{file}: events are finite numbers from 0, columns x, y, p, t in ms; {AGAIN}")
    for name, value, length in zip("xyp", high, (128, 128, 2)):
        if value >= length:
            raise ValueError(f"{file}: {name} up to {value:g}, outside a sensor of 128 x 128 x 2; {AGAIN}")
    if events.dtype.kind == "f":
        if (events[:, :3] % 1 != 0).any():
            raise ValueError(f"{file}: x, y and p are whole numbers; {AGAIN}")
    elif (
        high[3] * 1000.0 > np.iinfo(events.dtype).max or np.iinfo(events.dtype).max < 1000
    ):  # tonic's ms become µs there
        raise ValueError(
            f"{file}: {events.dtype} has no room for times in µs, which its ms become: save the array as int64 or float64"
        )


# ------------------------------------------------------------------------------------------------ SHD
_SHD_ARRAYS = ("spikes/times", "spikes/units", "labels", "extra/speaker", "extra/keys")


def _check_digits_spoken(file: Path) -> None:
    import h5py  # which tonic needs too

    try:
        with h5py.File(file, "r") as opened:
            if missing := [name for name in _SHD_ARRAYS if not isinstance(opened.get(name), h5py.Dataset)]:
                raise ValueError(f"{file} has no array `{missing[0]}`; SHD's files have {', '.join(_SHD_ARRAYS)}")
            times, units, labels = (opened[name] for name in _SHD_ARRAYS[:3])
            if labels.ndim != 1 or labels.dtype.kind not in "iu" or (len(labels) and labels[()].min() < 0):
                raise ValueError(f"{file}: `labels` are whole numbers from 0, one a sample")
            if not len(times) == len(units) == len(labels):
                raise ValueError(
                    f"{file}: {len(times)} samples in `spikes/times`, {len(units)} in `spikes/units` and {len(labels)} labels"
                )
    except OSError as error:
        raise ValueError(f"{file} is no HDF5 file, or it is damaged ({str(error).splitlines()[0]}); {AGAIN}") from None


def _check_digit_spoken(file: Path, sample: int) -> None:
    import h5py

    with h5py.File(file, "r") as opened:
        times, units = (np.asarray(opened[name][sample]) for name in _SHD_ARRAYS[:2])
    place = f"{file}, sample {sample}"
    if times.ndim != 1 or times.shape != units.shape:
        raise ValueError(f"{place}: {times.shape} times and {units.shape} units, one of each for a spike; {AGAIN}")
    if times.dtype.kind not in "iuf" or units.dtype.kind not in "iu":
        raise ValueError(f"{place}: times are seconds and units whole numbers, not {times.dtype} and {units.dtype}")
    seconds = times.astype(np.float64)
    if not np.isfinite(seconds).all() or (seconds < 0).any() or seconds.max(initial=0) * 1e6 > _LARGEST:
        raise ValueError(f"{place}: times are seconds from the sample's start, finite and not negative; {AGAIN}")


# ------------------------------------------------------------------------------------------------ all of them
NMNIST = Layout(
    "NMNIST", ("Train", "Test"), "DIGIT/ID.bin", "https://www.garrickorchard.com/datasets/n-mnist",
    _check_digits, _check_digit,
)  # fmt: skip
SHD = Layout(
    "SHD", ("shd_train.h5", "shd_test.h5"), "", "https://zenkelab.org/datasets", _check_digits_spoken, _check_digit_spoken
)  # fmt: skip
DVS_GESTURE = Layout(
    "DVSGesture", ("ibmGestureTrain", "ibmGestureTest"), "userNN_LIGHT/LABEL.npy", "tonic.datasets.DVSGesture",
    _check_gestures, _check_gesture,
)  # fmt: skip
