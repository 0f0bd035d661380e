"""Figures of runs: rasters, rates and traces. Needs matplotlib."""

from __future__ import annotations

import math
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .recording import Run

MOST_TRACES = 10  # neurons of a trace that are drawn
MOST_SPIKES = 200_000  # of a raster; more are thinned out
RATE_BINS = 200


def check_available(path: str | PathLike[str] | None = None) -> None:
    """Raises ImportError without matplotlib, ValueError for a path whose ending says no type that it writes."""
    try:
        from matplotlib.backend_bases import FigureCanvasBase
    except ImportError:
        raise ImportError("plots need matplotlib: pip install matplotlib") from None
    types = FigureCanvasBase.get_supported_filetypes()
    ending = Path(path).suffix.lower() if path is not None else ""
    if ending and ending[1:] not in types:
        raise ValueError(f"{path}: figures are not written as `{ending}` but as {', '.join(sorted(types))}")


def plot(run: Run, path: str | PathLike[str] | None = None) -> Figure:
    """Raster and rate of every population that spiked, and the traces, all of the first sample; written to `path`.

    Raises ImportError without matplotlib, ValueError for a file of a type that it does not write.
    """
    check_available(path)
    from matplotlib.figure import Figure

    populations = [name for name, spikes in run.spikes.items() if len(spikes)]
    traces = list(run.trace)
    rows = max(1, (2 if populations else 0) + len(traces))
    figure = Figure(figsize=(8, 1 + 2 * rows), layout="constrained")
    axes = list(np.atleast_1d(figure.subplots(rows, 1, sharex=True)))
    if populations:
        _raster(axes.pop(0), run, populations)
        _rates(axes.pop(0), run, populations)
    for axis, name in zip(axes, traces):
        axis.plot(run.times[name], curves(run, name), linewidth=0.8)
        axis.set_ylabel(name)
    figure.axes[-1].set_xlabel("time (s)")
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure


def curves(run: Run, name: str) -> NDArray[np.float64]:
    """What is drawn of a trace: (points, curves) of the first sample, where a matrix of weights is a row of them."""
    values = run.trace[name] if run.samples == 1 else run.trace[name][0]
    values = values[: len(run.times[name])]  # of a run of several samples that was interrupted, the others follow
    return values.reshape(len(values), math.prod(values.shape[1:]))[:, :MOST_TRACES]


def _raster(axis: Any, run: Run, populations: list[str]) -> None:
    """The populations above each other, the first at the top, each in the colour of its rate."""
    ticks, base = [], 0
    for number, name in reversed(list(enumerate(populations))):
        spikes = run.spikes[name]
        shown = np.flatnonzero(spikes.samples == 0)
        shown = shown[:: 1 + len(shown) // MOST_SPIKES]
        height = int(spikes.neurons.max()) + 1
        axis.plot(
            spikes.times[shown], base + spikes.neurons[shown], ".", color=f"C{number}", markersize=2, rasterized=True,
            markeredgewidth=0,
        )  # fmt: skip
        ticks.append((base + height / 2, name))
        base += height
        axis.axhline(base, color="0.8", linewidth=0.5)
    axis.set_ylim(0, base)
    axis.set_yticks([at for at, _ in ticks], [name for _, name in ticks])


def _rates(axis: Any, run: Run, populations: list[str]) -> None:
    first = min(float(run.spikes[name].times.min()) for name in populations)
    start = 0.0 if first <= run.duration else first  # a run that was resumed starts later
    bins = np.linspace(start, start + run.duration, RATE_BINS + 1)
    for number, name in enumerate(populations):
        spikes = run.spikes[name]
        counts, _ = np.histogram(spikes.times[spikes.samples == 0], bins)
        rates = counts / spikes.size / np.diff(bins)
        axis.plot(bins[:-1], rates, color=f"C{number}", label=name, drawstyle="steps-post", linewidth=0.8)
    axis.set_ylabel("rate (Hz)")
    axis.legend(fontsize="small")
