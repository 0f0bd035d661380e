"""How large the states, adjoints and readouts are that a block has in shared memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized

from sncc.backends.cuda.places import Places, words
from sncc.backends.cxx.layout import padded


def _up(size: int, unit: int) -> int:
    return -(-size // unit) * unit


def words_of_kept(places: Places) -> list[tuple[int, int]]:
    """Connections with dropout on spikes, by number, and the words with a bit for each neuron of their source."""
    return [(k, words(places.whole_source(c))) for k, c in enumerate(places.thinned) if c.source_group is not None]


def bytes_of_workspace(places: Places, maps: Sequence[Sized], sizes: Iterable[int]) -> int:
    """Of a block's shared memory; the emitted code asserts it.

    `maps`: numbers per output that each loss keeps, where losses are computed; `sizes`: of the states' and adjoints'
    arrays.
    """
    real = places.program.bytes_of_real
    size = sum(_up(n * real, 64) for n in sizes) + 2 * 16 * real + 4  # the flag of numbers that are none
    size += 4 * sum(count for _, count in words_of_kept(places))
    for readout in places.program.readouts if maps else ():
        width = max(16, padded(readout.size))
        kept = len(maps[readout.index])
        size = _up(size, 8) + width * ((4 + kept) * real + 8) + 48
    return _up(size, 64)
