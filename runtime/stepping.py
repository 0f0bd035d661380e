"""Single steps for closed loops: everything that a native call needs is laid out once."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping
from ctypes import POINTER, byref, c_double, c_int32, c_int64, c_uint32
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import finite_array, neuron_indices
from .events import Events
from .library import Data, Library, SourceData, Trace, pointer
from .manifest import Manifest, Source
from .recording import Recordable, TraceRequest, requests


class Stepper:
    """Hands one step's inputs over and fetches its spikes, without an allocation of the layout."""

    def __init__(self, library: Library, manifest: Manifest, spiking: Mapping[str, int]) -> None:
        """For a network; `spiking`: populations whose spikes are returned, with their numbers."""
        self._library, self._manifest, self._spiking = library, manifest, dict(spiking)
        self._sources = (SourceData * max(1, len(manifest.sources)))()
        self._zero = np.zeros(1, np.int64)
        self._offsets = [np.zeros(2, np.int64) for _ in manifest.sources]
        self._values = [np.zeros(s.size) for s in manifest.sources]
        self._indices = [np.zeros(0, np.uint32) for _ in manifest.sources]
        for entry, offsets, values in zip(self._sources, self._offsets, self._values):
            entry.starts, entry.offsets = pointer(self._zero, c_int64), pointer(offsets, c_int64)
            entry.value_starts, entry.values = pointer(self._zero, c_int64), pointer(values, c_double)
        for k in range(len(manifest.sources)):
            self._give(k, np.zeros(64, np.uint32))
        self._one = np.ones(1, np.int32)
        self._data = Data(samples=1, steps=pointer(self._one, c_int32))
        self._data.sources = ctypes.cast(self._sources, POINTER(SourceData))
        self._populations = np.asarray(list(spiking.values()), np.int32)
        self._record: Iterable[Recordable] = ()
        self._states: list[tuple[TraceRequest, NDArray[np.float64]]] = []
        self._traces = (Trace * 1)()
        self._count = c_int64()
        self._room(256)

    def watch(self, record: Iterable[Recordable]) -> None:
        """Lays out room for the states that the next steps give beside spikes. Raises ValueError for what is none."""
        if isinstance(record, str):
            record = (record,)
        elif np.iterable(record) and not isinstance(record, Mapping):
            record = tuple(record)
        named = isinstance(record, tuple) and all(isinstance(name, str) for name in record)
        if named and record == self._record:
            return
        wanted = requests(self._manifest, record)
        if not named or wanted.synapses:
            raise ValueError(
                "`step` reads states of populations, as they are after it: ['output.v'], without intervals"
            )
        self._record = record
        self._states = [(request, np.empty(request.size)) for request in wanted.traces]
        self._traces = (Trace * max(1, len(self._states)))()
        for entry, (request, values) in zip(self._traces, self._states):
            entry.population, entry.state, entry.every = request.population, request.state, 1
            entry.first, entry.size, entry.values = request.first, request.size, pointer(values, c_double)

    def step(self, inputs: Mapping[str, ArrayLike], seed: int, resume: bool) -> dict[str, NDArray[Any]]:
        """One step: the neurons that spike in it, by population, and the states that are watched, by their names.

        Raises ValueError for inputs that do not fit.
        """
        left = len(inputs)
        for k, source in enumerate(self._manifest.sources):
            given = source.name in inputs
            left -= given
            if source.kind == "signal":
                self._values[k][:] = _signal(source, inputs[source.name]) if given else 0.0
            else:
                self._offsets[k][1] = self._take(k, source, inputs[source.name]) if given else 0
        if left:
            known = [s.name for s in self._manifest.sources]
            unknown = next(name for name in inputs if name not in known)
            raise ValueError(f"the network has no source `{unknown}`; it has {', '.join(known) or 'none'}")
        call = self._library.call
        recorded = (pointer(self._populations, c_int32), len(self._populations), self._traces, len(self._states))
        call("simulate", byref(self._data), 0, 1, seed, 0, int(resume), *recorded)
        found: dict[str, NDArray[Any]] = {}
        for name, index in self._spiking.items():
            call("spike_count", index, byref(self._count))
            count = self._count.value
            if count > len(self._neurons):
                self._room(2 * count)
            call("copy_spikes", index, *self._buffers, count)
            found[name] = self._neurons[:count].astype(np.int64)
        for request, values in self._states:
            found[request.name] = values.copy()
        return found

    def _take(self, k: int, source: Source, given: ArrayLike) -> int:
        """Copies the indices of the neurons that spike; their number."""
        if isinstance(given, Events):
            raise ValueError(
                f"`{source.name}`: a step takes the neurons that spike in it, [0, 3]; `simulate` takes Events"
            )
        indices = neuron_indices(f"`{source.name}`", given, source.size)
        count = len(indices)
        if count:
            if count > len(self._indices[k]):
                self._give(k, np.zeros(2 * count, np.uint32))
            kept = self._indices[k][:count]
            kept[:] = indices
            kept.sort()  # a target adds its inputs in the order of their sources
        return count

    def _give(self, k: int, room: NDArray[np.uint32]) -> None:
        self._indices[k] = room
        self._sources[k].indices = pointer(room, c_uint32)

    def _room(self, count: int) -> None:
        """Buffers for so many spikes of a population."""
        self._steps, self._neurons = np.empty(count, np.int64), np.empty(count, np.uint32)
        self._buffers = (pointer(self._steps, c_int64), pointer(self._neurons, c_uint32))


def _signal(source: Source, given: ArrayLike) -> NDArray[np.float64]:
    values = finite_array(f"the signal `{source.name}`", given, source.largest)
    if values.shape not in (source.shape, (source.size,)):
        raise ValueError(f"the signal `{source.name}` has the shape {source.shape}, not {values.shape}")
    return values.reshape(-1)
