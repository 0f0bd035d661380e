"""What users hand over, checked where it comes in: numbers, switches, paths, arrays. A misfit is a ValueError."""

from __future__ import annotations

import math
import os
import reprlib
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


# ------------------------------------------------------------------------------------------------ single values
def check_whole(name: str, value: Any, low: int, high: int = 2**31 - 1) -> int:
    """The value as an int. Raises ValueError unless it is a whole number in low … high."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.timedelta64))
    if not whole or not low <= value <= high:
        limit = f" to {high}" if high < 2**31 - 1 or (whole and value > high) else ""
        raise ValueError(f"`{name}` is a whole number from {low}{limit}, not {shown(value)}")
    return int(value)


def check_real(what: str, value: Any) -> float:
    """The value as a float. Raises ValueError unless it is one finite number; `what`: "`x` is a number of seconds"."""
    number = real(value)
    if number is None or not math.isfinite(number):
        raise ValueError(f"{what}, not {shown(value)}")
    return number


def real(value: Any) -> float | None:
    """A number, or an array that holds one without axes, as a float; None for anything else, truth values too."""
    if isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "iuf":
        value = value[()]
    if not isinstance(value, Real) or isinstance(value, (bool, np.bool_, np.timedelta64)):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def check_switch(name: str, value: Any) -> bool:
    """The value as a bool. Raises ValueError unless it is one."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"`{name}` is True or False, not {shown(value)}")
    return bool(value)


def check_text(name: str, value: Any) -> str:
    """The value as a str. Raises ValueError unless it is one."""
    if not isinstance(value, str):
        raise ValueError(f"`{name}` is a text, not {shown(value)}")
    return str(value)


def check_choice(name: str, value: Any) -> bool | None:
    """As `check_switch`, or None, which leaves the choice open."""
    return None if value is None else check_switch(name, value)


def check_mapping(name: str, value: Any, example: str) -> dict[Any, Any]:
    """A copy of a mapping; None: an empty one. Raises ValueError for what is none."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(f"`{name}` is a dict, such as {example}, not {shown(value)}")
    return dict(value)


def shown(value: Any) -> str:
    """The value for a message, cut where it is long."""
    return reprlib.repr(value)


# ------------------------------------------------------------------------------------------------ files
def check_path(name: str, value: Any) -> Path:
    """The value as a path. Raises ValueError unless it is a text or a path, and not empty."""
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ValueError(f"`{name}` is a path, not {shown(value)}")
    return Path(text)


def check_writable(name: str, value: Any) -> Path:
    """The path of a file to write, before the work that would be lost.

    Raises ValueError for what is no path, OSError where no file of that name can be written.
    """
    path = check_path(name, value)
    folder = path.resolve().parent
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, not a file")
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise PermissionError(f"cannot write to {path}")
    return path


def check_replaceable(name: str, value: Any) -> Path:
    """The path of a file that is written beside and then renamed, links followed; else as `check_writable`.

    Raises OSError for what is there and no file: a device would be gone.
    """
    path = check_writable(name, value)
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is a pipe or a device, which a file cannot take the place of")
    return path.resolve()


# ------------------------------------------------------------------------------------------------ arrays
def regular_array(what: str, value: ArrayLike) -> NDArray[Any]:
    """The value as an array. Raises ValueError where its parts differ in shape, or a mask hides some of it."""
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        raise ValueError(f"{what}: a regular array is needed; the parts of this one differ in shape") from None
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(f"{what}: a mask hides numbers of it; say what stands there instead, e.g. `array.filled(0)`")
    return array


def finite_array(what: str, value: ArrayLike, largest: float = math.inf) -> NDArray[np.float64]:
    """An array of real, finite numbers in double precision, native byte order. Raises ValueError for others.

    `largest`: the magnitude that the network's precision holds.
    """
    array = regular_array(what, value)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{what}: an array of real numbers is needed, not of {array.dtype}")
    result = array.astype(np.float64)
    if not np.isfinite(result).all():
        raise ValueError(f"{what}: NaN or infinite numbers are in it")
    if largest < math.inf and result.size and max(-result.min(), result.max()) > largest:
        raise ValueError(
            f"{what}: numbers beyond {largest:.4g} are in it, the largest that this network's precision holds"
        )
    return result


def neuron_indices(what: str, value: ArrayLike, size: int) -> NDArray[Any]:
    """A list of flat indices 0 … size - 1. Raises ValueError for others."""
    array = regular_array(what, value)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        dense = "; for an array of zeros and ones: np.flatnonzero(array)" if array.size == size else ""
        raise ValueError(
            f"{what}: a list of neurons, whole numbers, is needed, not {array.dtype} of shape {array.shape}{dense}"
        )
    if array.size:
        low, high = array.min(), array.max()
        if low < 0 or high >= size:
            raise ValueError(f"{what}: neuron {low if low < 0 else high} of {size} (0 … {size - 1})")
    return array
