"""Windows of the losses, `mean(output.v, from = 50 ms)`: each sample has steps within them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .manifest import Manifest


def check_windows(manifest: Manifest, lengths: NDArray[np.int32], first_loss: bool = False) -> None:
    """Raises ValueError for a sample that ends before the window of a loss begins, of any loss or of the first alone.

    A window that reaches beyond a sample's end holds the steps that are there.
    """
    windows = manifest.readout.windows if manifest.readout is not None else ()
    for loss, (first, last) in enumerate(windows[:1] if first_loss else windows):
        short = np.flatnonzero(lengths <= first)
        if not short.size:
            continue
        name = f"loss {loss + 1} of {len(windows)}" if len(windows) > 1 else "the loss"
        end = "" if last is None else f", to = {_time(manifest, last)}"
        k = int(short[0])
        others = f"; so do {short.size - 1} more" if short.size > 1 else ""
        raise ValueError(
            f"sample {k} ends at {_time(manifest, int(lengths[k]))} ({lengths[k]} steps), before the window of {name} begins "
            f"(from = {_time(manifest, first)}{end}){others}: hand over longer samples, or build the network with another window"
        )


def _time(manifest: Manifest, steps: int) -> str:
    return f"{steps * manifest.step * 1e3:g} ms"
