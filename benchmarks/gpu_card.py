"""The rates of a card that bounds are reckoned by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """Rates of a card. H100 SXM: memory and float32 by NVIDIA's data sheet; L2 as others measured, about 5.5 TB/s."""

    name: str = "H100 SXM"
    l2: float = 5.5e12  # bytes a second, all multiprocessors together
    memory: float = 3.0e12  # of 3.35e12 on paper
    # bytes beside a block's shared memory: weights that fit come from L2 once a sample; less what is copied there
    l1: int = 192 << 10
    multiprocessors: int = 132
    shared: int = 228 << 10  # bytes of a multiprocessor, of which a block takes one more KB and leaves nine
    operations: float = 67e12  # float32, a multiplication with its addition counts two
    integers: float = 14.8e12  # 32-bit instructions: 64 a clock and multiprocessor, 132 of them at 1.755 GHz
    doubles: float = 33.5e12
