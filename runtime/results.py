"""Collects what a run records piece by piece, in memory or in a file that grows."""

from __future__ import annotations

import math
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .events import Events
from .free_memory import free_memory, readable_bytes
from .manifest import Manifest
from .recording import Requests, Run, Spikes, SpikesOf, TraceRequest, Traces

if TYPE_CHECKING:
    from .network import Network

Pieces = dict[str, tuple[NDArray[np.int64], NDArray[np.uint32]]]


def refuse_what_does_not_fit(wanted: Requests, steps: int, runs: int) -> None:
    """Raises MemoryError where the states and weights that a run records are more than the memory that is free."""
    sizes = {r.name: 8 * runs * (steps // r.every) * math.prod(r.shape) for r in wanted.synapses}
    for r in wanted.traces:
        sizes[r.name] = 8 * runs * (steps // r.every) * (r.size if r.columns is None else len(r.columns))
    if not sizes:
        return
    largest = max(sizes, key=lambda name: sizes[name])
    needed, free = sum(sizes.values()) + sizes[largest], free_memory()  # which its pieces are put together in
    if needed > free:
        raise MemoryError(
            f"what is recorded takes {readable_bytes(needed)} of memory, {readable_bytes(free)} are free; the largest, "
            f"`{largest}`, has {readable_bytes(sizes[largest])}: record a part, or at intervals, as in "
            f"record=[({largest!r}, 0.01)], or to a file, `out=`"
        )


class Collector:
    """Spikes, traces and weights of a run's samples, in order. With `out` they go to an `.npz` file as they come."""

    def __init__(
        self, manifest: Manifest, wanted: Requests, populations: list[str], began: int, runs: int, out: Path | None
    ) -> None:
        """For `runs` samples that begin after step `began`."""
        self._manifest, self._wanted, self._runs, self._began = manifest, wanted, runs, began
        self._populations = populations
        self._store: _Memory | _File = _Memory() if out is None else _File(out)
        for name in populations:
            for what, kind in (("times", np.float64), ("neurons", np.int64), ("samples", np.int64)):
                self._store.open(f"{name}.{what}", kind, ())
        for trace in wanted.traces:
            width = trace.size if trace.columns is None else len(trace.columns)
            self._store.open(trace.name, np.float64, (width,))
        for request in wanted.synapses:
            self._store.open(request.name, np.float64, request.shape)

    def add(
        self, network: Network, sample: int, step: int, count: int,
        traces: list[tuple[TraceRequest, NDArray[np.float64]]], spikes: Pieces,
    ) -> None:  # fmt: skip
        """What a native call of `count` steps, ending after `step`, has recorded."""
        for name, (steps, neurons) in spikes.items():
            kept = self._wanted.spikes and self._wanted.spikes.get(name)
            if isinstance(kept, np.ndarray):
                inside = np.isin(neurons, kept)
                steps, neurons = steps[inside], neurons[inside]
            self._store.append(f"{name}.times", steps * self._manifest.step)
            self._store.append(f"{name}.neurons", neurons.astype(np.int64))
            self._store.append(f"{name}.samples", np.full(len(steps), sample, np.int64))
        for request, values in traces:
            self._store.append(request.name, values if request.columns is None else values[:, list(request.columns)])
        for of in self._wanted.synapses:
            if step % of.every == 0:
                self._store.append(of.name, network.library.get(of.function, of.shape, of.index)[None])

    def finish(self, steps: int, inputs: Mapping[str, Events], interrupted: bool) -> Run:
        """The run, once it is over after so many steps (of its last sample)."""
        step = self._manifest.step
        for name, events in inputs.items():
            if self._wanted.spikes is None or name in self._wanted.spikes:
                self._echo(name, events, steps)
        times = Traces()
        for request in self._wanted.sampled:
            first, last = (n // request.every for n in (self._began, self._began + steps))
            points = request.every * np.arange(first + 1, last + 1)
            times[request.name] = (points * step).astype(np.float64)
            self._store.open(f"{request.name}.at", np.float64, ())
            self._store.append(f"{request.name}.at", times[request.name])
        self._store.close()
        echoed = (name for name in inputs if f"{name}.times" in self._store)
        spikes = SpikesOf((name, self._spikes(name, inputs)) for name in (*echoed, *self._populations))
        traces, samples = Traces(), 1 if interrupted else self._runs
        for request in self._wanted.sampled:
            values = self._store.get(request.name)
            if samples > 1:
                values = values.reshape(samples, -1, *values.shape[1:])
            traces[request.name] = values
        return Run(steps * step, spikes, traces, times, interrupted, samples)

    def _spikes(self, name: str, inputs: Mapping[str, Events]) -> Spikes:
        times, neurons, samples = (self._store.get(f"{name}.{what}") for what in ("times", "neurons", "samples"))
        kept = self._wanted.spikes and self._wanted.spikes.get(name)
        if isinstance(kept, np.ndarray):
            return Spikes(times, neurons, samples, len(kept))
        shapes = {p.name: p.shape for p in self._manifest.populations} | {
            s.name: s.shape for s in self._manifest.sources
        }
        return Spikes(times, neurons, samples, math.prod(shapes[name]))

    def _echo(self, name: str, events: Events, steps: int) -> None:
        """The spikes that were handed over."""
        for what, kind in (("times", np.float64), ("neurons", np.int64), ("samples", np.int64)):
            self._store.open(f"{name}.{what}", kind, ())
        for sample, (start, length) in enumerate(zip(events.starts, events.lengths)):
            bounds = events.offsets[start : start + min(int(length), steps) + 1]
            at = np.repeat(np.arange(1, len(bounds), dtype=np.int64), np.diff(bounds)) + self._began
            neurons = events.indices[bounds[0] : bounds[-1]].astype(np.int64)
            self._store.append(f"{name}.times", at * self._manifest.step)
            self._store.append(f"{name}.neurons", neurons)
            self._store.append(f"{name}.samples", np.full(len(at), sample, np.int64))


class _Memory:
    """Arrays that grow by pieces."""

    def __init__(self) -> None:
        self._pieces: dict[str, list[NDArray[Any]]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._pieces

    def open(self, name: str, kind: Any, shape: tuple[int, ...]) -> None:
        """A new array of rows of that shape."""
        self._pieces[name] = [np.zeros((0, *shape), kind)]

    def append(self, name: str, rows: NDArray[Any]) -> None:
        """More rows."""
        self._pieces[name].append(rows)

    def get(self, name: str) -> NDArray[Any]:
        """The whole array."""
        return np.concatenate(self._pieces[name])

    def close(self) -> None:
        """Nothing is left to do."""


class _File:
    """The same in an `.npz` file: rows are written to files beside it, which are packed in the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent)
        self._arrays: dict[str, tuple[IO[bytes], np.dtype[Any], tuple[int, ...], int]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def open(self, name: str, kind: Any, shape: tuple[int, ...]) -> None:
        """A new array of rows of that shape."""
        file = open(Path(self._folder.name) / str(len(self._arrays)), "w+b")  # noqa: SIM115 (closed by `close`)
        self._arrays[name] = (file, np.dtype(kind), shape, 0)

    def append(self, name: str, rows: NDArray[Any]) -> None:
        """More rows."""
        file, kind, shape, count = self._arrays[name]
        file.write(np.ascontiguousarray(rows, kind).tobytes())
        self._arrays[name] = (file, kind, shape, count + len(rows))

    def close(self) -> None:
        """Packs the file; it appears whole or not at all."""
        beside = Path(self._folder.name) / "packed.npz"
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
            for name, (file, kind, shape, count) in self._arrays.items():
                header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": (count, *shape)}
                file.seek(0)
                with packed.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array_header_1_0(member, header)
                    shutil.copyfileobj(file, member, 1 << 20)
                file.close()
        beside.replace(self._path)
        self._folder.cleanup()

    def get(self, name: str) -> NDArray[Any]:
        """The array, read from the file."""
        with np.load(self._path) as file:
            array: NDArray[Any] = file[name]
            return array
