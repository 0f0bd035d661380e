"""How large the states, adjoints and readouts are that a block has in shared memory."""

from __future__ import annotations

from collections.abc import Iterable

from sncc.backends.cuda.places import words
from sncc.backends.cuda.samples import Samples
from sncc.backends.cxx.layout import padded


def _up(size: int, unit: int) -> int:
    return -(-size // unit) * unit


def words_of_kept(samples: Samples) -> list[tuple[int, int]]:
    """Connections with dropout on spikes, by number, and the words with a bit for each neuron of their source."""
    return [(k, words(samples.whole_source(c))) for k, c in enumerate(samples.thinned) if c.source_group is not None]


def bytes_of_workspace(samples: Samples, sizes: Iterable[int]) -> int:
    """Of a block's shared memory; the emitted code asserts it. `sizes`: numbers of the states' and adjoints' arrays."""
    real = samples.program.bytes_of_real
    size = sum(_up(n * real, 64) for n in sizes) + 2 * 16 * real + 4  # the flag of numbers that are none
    size += 4 * sum(count for _, count in words_of_kept(samples))
    for readout in samples.program.readouts:
        width = max(16, padded(readout.size))
        maps = len(samples.maps[readout.index])
        size = _up(size, 8) + width * ((4 + maps) * real + 8) + 48
    return _up(size, 64)
