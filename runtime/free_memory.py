"""How much memory is left, so that what does not fit is refused before it is taken."""

from __future__ import annotations

import math
import os
from pathlib import Path

_ALWAYS_THERE = 2**20  # bytes: less is not worth a look at the system's files
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def free_memory() -> float:
    """Bytes that this process may still take: what the system has free, and what its control group allows;
    infinite where nothing says.
    """
    if limit := os.environ.get("SNCC_MEMORY_LIMIT"):  # for tests
        return float(limit)
    system = _number("/proc/meminfo", "MemAvailable:")
    free = math.inf if system is None else 1024 * system
    most, now = _number("/sys/fs/cgroup/memory.max"), _number("/sys/fs/cgroup/memory.current")
    if most is None or now is None:
        return free
    files = _number("/sys/fs/cgroup/memory.stat", "inactive_file") or 0  # given back where memory is short
    return min(free, max(0.0, most - now + files))


def check_memory(what: str, needed: int, hint: str = "") -> None:
    """Raises ValueError where `what` needs more bytes than are free."""
    if needed < _ALWAYS_THERE:
        return
    free = free_memory()
    if needed > free:
        raise ValueError(f"{what} take {readable_bytes(needed)} of memory, {readable_bytes(free)} are free{hint}")


def readable_bytes(count: float) -> str:
    """Two digits, or as many as a whole number of the unit has: `1.5 GB`, `20 GB`."""
    unit = 0
    while count >= 1000 and unit < len(_UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.{1 if count < 10 and unit else 0}f} {_UNITS[unit]}"


def _number(path: str, word: str = "") -> float | None:
    """The number behind a word in a file of the system, or at its start."""
    try:
        words = Path(path).read_text().split()
        return float(words[words.index(word) + 1 if word else 0])
    except (OSError, ValueError, IndexError):
        return None
