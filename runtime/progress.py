"""Progress of a training or a simulation on stderr: a line that redraws itself on a terminal."""

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


class SimulationProgress:
    """How far a run is, and how long it will still take.

    `verbose`: None: on a terminal only; True: also elsewhere; False: never.
    """

    QUIET = 1.0  # seconds before the first line: short runs say nothing

    def __init__(self, steps: int, step: float, verbose: bool | None) -> None:
        """For so many steps of so many seconds."""
        terminal = sys.stderr is not None and sys.stderr.isatty()
        self._steps, self._step, self._shows, self._redraws = (
            steps,
            step,
            verbose or (verbose is None and terminal),
            terminal,
        )
        self._began = self._drawn = time.monotonic()
        self._open = False

    def __enter__(self) -> SimulationProgress:
        """Begins."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the cursor on a line of its own."""
        if self._open:
            print(file=sys.stderr)

    def update(self, done: int) -> None:
        """After so many steps of the whole."""
        now = time.monotonic()
        if not self._shows or now - self._began < self.QUIET or now - self._drawn < (REDRAW if self._redraws else 10.0):
            return
        self._drawn = now
        left = (now - self._began) * (self._steps - done) / max(done, 1)
        bar = "━" * (WIDTH * done // max(self._steps, 1))
        start, self._open = ("\r\x1b[K", True) if self._redraws else ("", False)
        text = f"{start}{bar:╌<{WIDTH}} {done * self._step:.3g} of {self._steps * self._step:.3g} s, {left:.0f} s left"
        print(text, end="" if self._redraws else "\n", file=sys.stderr, flush=True)


def _number(name: str, value: float) -> str:
    return f"{100 * value:.2f} %" if name.endswith("accuracy") else f"{value:.4f}"
