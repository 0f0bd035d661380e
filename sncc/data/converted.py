"""Event data that were converted once, kept in the cache: one file for both parts of a data set."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sncc.cache import location
from sncc.runtime import Events
from sncc.runtime.checkpoint import BROKEN

Part = tuple[Events, NDArray[Any]]
VERSION = 2  # of the file's layout and of how events are binned
FIELDS = ("lengths", "starts", "offsets", "indices")


def listing(path: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of change of a file, or of all files below a folder; empty where there are none."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    found = []
    for file in files:
        about = file.stat()
        found.append((str(file.relative_to(path.parent)), about.st_size, about.st_mtime_ns))
    return found


def kept(key: str, convert: Callable[[], Iterable[Part]]) -> list[Part]:
    """The parts of a data set under a key, from the cache, else converted and, if that can be written, kept there."""
    name = hashlib.sha256(f"{VERSION} {key}".encode()).hexdigest()[:32]
    file = location() / "events" / f"{name}.npz"
    with contextlib.suppress(*BROKEN):
        return _load(file)
    parts = list(convert())
    with contextlib.suppress(OSError):
        _save(file, parts)
    return parts


def _load(file: Path) -> list[Part]:
    with np.load(file, allow_pickle=False) as arrays:
        parts = []
        for k in range(int(arrays["parts"])):
            lengths, starts, offsets, indices = (arrays[f"{field}{k}"] for field in FIELDS)
            shape = tuple(int(n) for n in arrays[f"shape{k}"])
            parts.append(
                (Events(shape, lengths, starts, offsets, indices, float(arrays[f"step{k}"])), arrays[f"labels{k}"])
            )
        return parts


def _save(file: Path, parts: list[Part]) -> None:
    """Written beside and renamed: the file is whole or not there."""
    arrays: dict[str, Any] = {"parts": np.int64(len(parts))}
    for k, (events, labels) in enumerate(parts):
        arrays |= {f"{field}{k}": getattr(events, field) for field in FIELDS}
        arrays |= {f"shape{k}": np.asarray(events.shape), f"step{k}": np.float64(events.step), f"labels{k}": labels}
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(suffix=".npz", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as opened:
            np.savez(opened, **arrays)
        os.replace(beside, file)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)
