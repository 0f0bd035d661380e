"""Events with times → rows, one a time step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import regular_array
from .free_memory import check_memory

_BYTES_OF_A_STEP = 24  # while the events of each step are counted and added up


def binned(
    sample: int, times: ArrayLike, neurons: ArrayLike, size: int, step: float
) -> tuple[NDArray[np.int32], NDArray[np.uint32]]:
    """Row (step - 1) and index of one sample's events, in order of row, then index."""
    t, index = regular_array(f"sample {sample}: times", times), regular_array(f"sample {sample}: neurons", neurons)
    if t.ndim != 1 or t.shape != index.shape:
        raise ValueError(
            f"sample {sample}: {t.shape} times and {index.shape} neurons; two lists of equal length are needed"
        )
    if t.size and (t.dtype.kind not in "iuf" or index.dtype.kind not in "iu"):
        raise ValueError(
            f"sample {sample}: times are numbers and neurons whole numbers, not {t.dtype} and {index.dtype}"
        )
    seconds = t.astype(np.float64)
    if not np.isfinite(seconds).all() or (seconds < 0).any():
        raise ValueError(f"sample {sample}: times are seconds from the sample's start: finite and not negative")
    if index.size and (index.min() < 0 or index.max() >= size):
        raise ValueError(
            f"sample {sample}: neuron {index.max() if index.min() >= 0 else index.min()} of {size} (0 … {size - 1})"
        )
    rows = np.floor(seconds / step + 1e-9)  # times that were written as multiples of the step stay in their own bin
    if rows.size and rows.max() >= 2**31 - 1:
        raise ValueError(
            f"sample {sample}: an event at {seconds.max():g} s is too late for steps of {step:g} s; are times in seconds?"
        )
    order = np.lexsort((index, rows))
    return rows[order].astype(np.int32), index[order].astype(np.uint32)


def check_room(steps: int, step: float) -> None:
    """Raises ValueError for more steps than memory has room for, as where times are in other units than seconds."""
    check_memory(f"{steps:.3g} steps of {step:g} s", _BYTES_OF_A_STEP * steps, "; are times in seconds?")


def offsets_of(rows: NDArray[np.integer[Any]], count: int) -> NDArray[np.int64]:
    """Where each row begins in a list sorted by row, and the end: (count + 1,)."""
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=count) if count else [], out=offsets[1:])
    return offsets
