"""Progress of a training on stderr: a line that redraws itself on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType

WIDTH = 24
REDRAW = 0.1  # seconds


class ProgressBar:
    """`verbose`: None: on a terminal only; True: also elsewhere, without redrawing; False: never."""

    def __init__(self, epochs: int, batches: int, verbose: bool | None) -> None:
        """For so many epochs of so many batches."""
        self._epochs, self._batches = epochs, batches
        self._redraws = verbose is not False and sys.stderr is not None and sys.stderr.isatty()
        self._shows = self._redraws or bool(verbose)
        self._began = self._drawn = time.monotonic()
        self._open = False

    def __enter__(self) -> ProgressBar:
        """Begins."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the cursor on a line of its own, also after an error."""
        if self._open:
            self._open = False
            print(file=sys.stderr)

    def update(self, epoch: int, batches: int, loss: float) -> None:
        """After a batch."""
        now = time.monotonic()
        if self._redraws and now - self._drawn > REDRAW:
            self._drawn = now
            bar = "━" * (WIDTH * batches // self._batches)
            self._write(f"epoch {epoch + 1}/{self._epochs} {bar:╌<{WIDTH}} loss {loss:.4f}", end="")

    def finish_epoch(self, epoch: int, line: Mapping[str, float]) -> None:
        """After an epoch, with its history entries."""
        if not self._shows:
            return
        numbers = "  ".join(f"{name.replace('_', ' ')} {_number(name, value)}" for name, value in line.items())
        self._write(f"epoch {epoch + 1}/{self._epochs}  {numbers}  {time.monotonic() - self._began:.1f} s", end="\n")

    def _write(self, text: str, end: str) -> None:
        start = "\r\x1b[K" if self._redraws else ""
        self._open = not end
        print(start + text, end=end, file=sys.stderr, flush=True)


def _number(name: str, value: float) -> str:
    return f"{100 * value:.2f} %" if name.endswith("accuracy") else f"{value:.4f}"
