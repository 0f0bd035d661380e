"""Philox4x32-10 (Salmon et al. 2011) in NumPy: the integers of `sncc/philox.h`, word for word."""

from __future__ import annotations

from typing import Any

import numpy as np

Words = Any  # integers or arrays of them, below 2^32; NumPy broadcasts

_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


def philox(seed: int, stream: Words, element: Words, step: Words, trial: Words) -> tuple[np.ndarray, ...]:
    """The four words (uint64 arrays, below 2^32) of key `seed` and counter (stream, element, step, trial)."""
    counter = np.broadcast_arrays(*(np.asarray(word, np.uint64) & _MASK for word in (stream, element, step, trial)))
    c0, c1, c2, c3 = counter
    k0, k1 = seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (
            (p1 >> _SHIFT) ^ c1 ^ np.uint64(k0), p1 & _MASK,
            (p0 >> _SHIFT) ^ c3 ^ np.uint64(k1), p0 & _MASK,
        )  # fmt: skip
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def sequence(seed: int, stream: int, elements: np.ndarray, first: int, count: int) -> np.ndarray:
    """Words first .. first + count of every element's own sequence, (elements, count).

    Word w of an element is word w mod 4 of the counter (stream, element, w div 4, 0); `first` and `count` are multiples
    of 4.
    """
    blocks = np.arange(first // 4, (first + count) // 4)
    words = philox(seed, stream, np.asarray(elements)[:, None], blocks[None, :], 0)
    return np.stack(words, axis=-1).reshape(len(elements), count)
