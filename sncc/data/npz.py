"""Events and labels from a NumPy `.npz` file."""

from __future__ import annotations

import math
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from sncc.data.splits import DataSet, split_set, stratified
from sncc.runtime import Events
from sncc.runtime.checkpoint import BROKEN
from sncc.runtime.dataset import time_first

Arrays = Mapping[str, NDArray[Any]]


def npz(
    path: str,
    step: float,
    split: float = 0.2,
    seed: int = 0,
    test: str = "",
    unit: float = 0.0,
    shape: str = "",
    steps: int = 0,
    none: int = -1,
    *,
    target: tuple[int, ...] | None = None,
) -> DataSet:
    """The events of a file: `events` (samples, steps, …; counts), or `times`, `channels`, `offsets` (samples + 1,).

    - `labels`, an array of the file: integers or targets.
    - To test on: the arrays `test_events` (or `test_times` …) and `test_labels` where they are there; else the samples
      that `test` names, e.g. `takes<5` with an array `takes` (samples,), or `index>499`; else a fraction `split` of
      each class, drawn by the seed.
    - `unit`: of the times, in seconds (default 1 for real numbers).
    - `shape`: e.g. 34x34x2; by default `target`, that of the network's source, else as many as the channels.
    - `steps` cuts or pads the samples.
    - `none`: the label that means none.

    Raises FileNotFoundError, PermissionError, and ValueError for missing arrays and options that do not fit.
    """
    arrays = _read(Path(path))
    events, labels = _part(path, arrays, "", step, unit, shape, steps, none, target)
    if "test_labels" in arrays or "test_events" in arrays or "test_times" in arrays:
        if test:
            raise ValueError(
                f"`test={test}`: {path} says by arrays of its own, `test_labels`, what to test on; leave one out"
            )
        held_out, held_out_labels = _part(path, arrays, "test_", step, unit, shape, steps, none, target)
        about = f"{path}: {len(events)} samples to train, {len(held_out)} to test on"
        return DataSet(events, labels, held_out, held_out_labels, events.shape, about)
    if not len(events):
        raise ValueError(f"{path} holds no samples")
    chosen = _chosen(path, arrays, test, len(events)) if test else stratified(labels, split, seed)
    if chosen.all():
        raise ValueError(f"{path}: no samples are left to train on")
    return split_set(events, labels, chosen, path)


def _read(path: Path) -> Arrays:
    if not path.is_file():
        raise FileNotFoundError(f"no data file {path}")
    try:
        with path.open("rb") as opened:
            if not zipfile.is_zipfile(opened):  # NumPy takes what is neither this nor one array for pickled objects
                raise ValueError("it is no `.npz` file; np.savez(file, events=…, labels=…) writes one")
        with np.load(path, allow_pickle=False) as file:
            return {name: _member(file, name) for name in file.files}
    except PermissionError:
        raise PermissionError(f"cannot read {path}: permission denied") from None
    except BROKEN as error:
        raise ValueError(f"cannot read {path}: {error}") from None


def _member(file: Any, name: str) -> NDArray[Any]:
    try:
        return cast("NDArray[Any]", file[name])
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise ValueError(
            f"`{name}` holds Python objects, as arrays of unequal length make: samples of unequal length are `times`, "
            "`channels` and `offsets`, or padded with zeros to one length"
        ) from None


def _part(
    path: str, arrays: Arrays, prefix: str, step: float, unit: float, shape: str, steps: int, none: int,
    target: tuple[int, ...] | None,
) -> tuple[Events, NDArray[Any]]:  # fmt: skip
    """The events and labels whose arrays have the prefix."""
    labels = _labels(path, _array(path, arrays, f"{prefix}labels"), none)
    if labels.ndim == 0:
        raise ValueError(f"{path}: `{prefix}labels` is one number, not one for each sample")
    try:
        if f"{prefix}events" in arrays:
            if unit or shape:
                raise ValueError(
                    f"`unit` and `shape` are for `times` and `channels`; `{prefix}events` has its own shape"
                )
            events = Events.from_dense(arrays[f"{prefix}events"], step)
        elif f"{prefix}times" in arrays:
            events = _from_times(arrays, prefix, step, unit, shape, target)
        else:
            raise ValueError(f"neither `{prefix}events` nor `{prefix}times`; it has {', '.join(arrays)}")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if len(events) != len(labels):
        raise ValueError(
            f"{path}: {len(events)} samples and {len(labels)} labels{time_first(len(labels), events.steps)}"
        )
    return (events.resized(steps) if steps else events), labels


def _from_times(
    arrays: Arrays, prefix: str, step: float, unit: float, shape: str, target: tuple[int, ...] | None
) -> Events:
    times, channels, offsets = (_array("it", arrays, prefix + name) for name in ("times", "channels", "offsets"))
    if not 0 <= unit < math.inf:
        raise ValueError(f"`unit` is the seconds of one in `times`, a number above zero, not {unit:g}")
    if not times.ndim or not channels.ndim or channels.dtype.kind not in "iuf":
        raise ValueError("`times` and `channels` are lists, one number for each event")
    if times.dtype.kind in "iu" and not unit:
        raise ValueError("`times` are whole numbers: say how many seconds one is, e.g. `unit=0.001`")
    if offsets.ndim != 1 or not len(offsets) or offsets.dtype.kind not in "iu":
        raise ValueError("`offsets` are whole numbers (samples + 1,): where each sample's events begin, and the end")
    bounds = offsets.astype(np.int64)
    if bounds[0] != 0 or (np.diff(bounds) < 0).any() or bounds[-1] != len(times):
        raise ValueError(f"`offsets` begin with 0, do not fall, and end with the number of times, {len(times)}")
    if len(channels) != len(times):
        raise ValueError(f"{len(times)} `times` and {len(channels)} `channels`: each event has one of both")
    if times.dtype.kind not in "iuf":
        raise ValueError(f"`times` are numbers, not {times.dtype}")
    if shape and not re.fullmatch(r"[0-9]+(x[0-9]+)*", shape):
        raise ValueError(f"`shape={shape}`: write e.g. `shape=34x34x2`")
    seconds = times.astype(np.float64) * (unit or 1.0)
    whole = tuple(int(n) for n in shape.split("x")) if shape else target or (int(channels.max(initial=0)) + 1,)
    pairs = [(seconds[a:b], channels[a:b]) for a, b in zip(bounds[:-1], bounds[1:])]
    return Events.from_lists(pairs, whole, step)


def _labels(path: str, labels: NDArray[Any], none: int) -> NDArray[Any]:
    if labels.dtype.kind not in "iu":
        return labels
    if labels.size and int(labels.max()) >= 2**63:
        raise ValueError(f"{path}: a label of {labels.max()} is too large")
    whole = labels.astype(np.int64)
    return np.where(whole == none, -1, whole)


def _chosen(path: str, arrays: Arrays, test: str, samples: int) -> NDArray[np.bool_]:
    """Which samples a condition such as `takes<5` names."""
    match = re.fullmatch(r"(\w+)(<|>|==)(-?[0-9]+(?:\.[0-9]*)?)", test)
    if match is None:
        raise ValueError(
            f"`test={test}`: write e.g. `test=takes<5`, with an array `takes` of the file and <, > or ==; a part of each "
            "class is `split=0.2`"
        )
    name, comparison, number = match.groups()
    values = np.arange(samples) if name == "index" and name not in arrays else _array(path, arrays, name)
    if values.shape != (samples,):
        raise ValueError(f"{path}: `{name}` has the shape {values.shape}, not one number for each of {samples} samples")
    compare = {"<": np.less, ">": np.greater, "==": np.equal}[comparison]
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{path}: `{name}` holds {values.dtype}, not numbers")
    return np.asarray(compare(values.astype(np.float64), float(number)), bool)


def _array(path: str, arrays: Arrays, name: str) -> NDArray[Any]:
    if name not in arrays:
        raise ValueError(f"{path} has no array `{name}`; it has {', '.join(arrays) or 'none'}")
    return arrays[name]
