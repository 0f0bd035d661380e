"""How large the states, adjoints and readouts are that a block has in shared memory."""

from __future__ import annotations

from collections.abc import Iterable

from sncc.backends.cuda.samples import Samples
from sncc.backends.cxx.layout import padded


def _up(size: int, unit: int) -> int:
    return -(-size // unit) * unit


def bytes_of_workspace(samples: Samples, sizes: Iterable[int], kept_words: int) -> int:
    """Of a block's shared memory; the emitted code asserts it. `sizes`: numbers of the states' and adjoints' arrays; words of what dropout leaves."""
    real = samples.program.bytes_of_real
    size = sum(_up(n * real, 64) for n in sizes) + 2 * 16 * real + 4  # the flag of numbers that are none
    size += 4 * kept_words
    for readout in samples.program.readouts:
        width = max(16, padded(readout.size))
        maps = len(samples.maps[readout.index])
        size = _up(size, 8) + width * ((4 + maps) * real + 8) + 48
    return _up(size, 64)
