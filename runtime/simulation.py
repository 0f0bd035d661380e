"""Simulations: one native call a sample, from an initial state or from where the last run ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ctypes import byref, c_double, c_int32, c_int64, c_uint32
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .dataset import DataSet, Inputs, Signal, assemble, check_source, common_samples, named_inputs
from .events import Events
from .library import Trace, pointer
from .manifest import Manifest, Source
from .recording import Recordable, Run, Spikes, TraceRequest, trace_requests

if TYPE_CHECKING:
    from .network import Network


def simulate(
    network: Network,
    duration: float | None,
    inputs: Inputs | None,
    record: Iterable[Recordable] | None,
    seed: int,
    resume: bool,
    trial: int,
) -> Run:
    """Runs every sample of the inputs; see `Network.simulate`."""
    manifest = network.manifest
    given = {} if inputs is None else named_inputs(manifest, inputs)
    checked = {s.name: check_source(s, given[s.name], manifest.step) for s in manifest.sources if s.name in given}
    samples = common_samples(checked)
    if resume and samples > 1:
        raise ValueError(f"the inputs hold {samples} samples; a run is resumed with one")
    steps = _step_count(manifest, duration, checked)
    requests = trace_requests(manifest, record)
    complete = {s.name: _stretched(s, checked.get(s.name), samples, steps) for s in manifest.sources}
    data = assemble(manifest, complete, samples, np.full(samples, steps, np.int32))
    began = network.library.get_count("step_count") if resume else 0
    traces = {r.name: np.empty((samples, steps // r.every, r.size)) for r in requests}
    spikes: dict[str, list[tuple[NDArray[np.int64], NDArray[np.uint32]]]] = {p: [] for p in network.spiking}
    for k in range(samples):
        run_sample(network, data, k, steps, seed, trial + k, resume, [(r, traces[r.name][k]) for r in requests])
        for name in spikes:
            spikes[name].append(copy_spikes(network, name))
    echoed = {name: _echo(value, began) for name, value in complete.items() if isinstance(value, Events)}
    return Run(
        duration=steps * manifest.step,
        spikes={name: _spikes(parts, manifest.step) for name, parts in (echoed | spikes).items()},
        trace={name: values if samples > 1 else values[0] for name, values in traces.items()},
        times={r.name: _times(began, r.every, steps // r.every, manifest.step) for r in requests},
    )


def run_sample(
    network: Network,
    data: DataSet,
    sample: int,
    steps: int,
    seed: int,
    trial: int,
    resume: bool,
    traces: list[tuple[TraceRequest, NDArray[np.float64]]],
) -> None:
    """One sample for so many steps, recording the spikes of all spiking populations, and states into arrays."""
    populations = np.asarray(list(network.spiking.values()), np.int32)
    native = (Trace * max(1, len(traces)))()
    for entry, (request, values) in zip(native, traces):
        entry.population, entry.state, entry.every = request.population, request.state, request.every
        entry.first, entry.size, entry.values = request.first, request.size, pointer(values, c_double)
    network.library.call(
        "simulate",
        byref(data.native),
        sample,
        steps,
        seed,
        trial,
        int(resume),
        pointer(populations, c_int32),
        len(populations),
        native,
        len(traces),
    )


def copy_spikes(network: Network, population: str) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Steps, counted from the initial state, and neurons of the last run's spikes."""
    index = network.spiking[population]
    count = network.library.get_count("spike_count", index)
    steps, neurons = np.empty(count, np.int64), np.empty(count, np.uint32)
    network.library.call("copy_spikes", index, pointer(steps, c_int64), pointer(neurons, c_uint32), count)
    return steps, neurons


def step_inputs(manifest: Manifest, inputs: Mapping[str, ArrayLike]) -> DataSet:
    """The inputs of a single step: indices of the neurons that spike, or a signal's values, by source."""
    complete: dict[str, Events | Signal] = {}
    named = named_inputs(manifest, inputs)
    for source in manifest.sources:
        value = named.get(source.name)
        if source.kind == "signal" or value is None or isinstance(value, Events):
            checked = None if value is None else check_source(source, value, manifest.step)
            complete[source.name] = _stretched(source, checked, 1, 1)
            continue
        indices = np.asarray(value)
        if indices.ndim != 1 or (indices.size and indices.dtype.kind not in "iu"):
            raise ValueError(
                f"`{source.name}`: a list of the neurons that spike, not {indices.dtype} of shape {indices.shape}"
            )
        complete[source.name] = Events.from_lists([(np.zeros(len(indices)), indices)], source.shape, manifest.step, 1)
    return assemble(manifest, complete, 1, np.ones(1, np.int32))


def _step_count(manifest: Manifest, duration: float | None, checked: Mapping[str, Events | Signal]) -> int:
    """The number of steps. Raises ValueError where nothing says it or it is not above zero."""
    if duration is not None:
        if not (np.isfinite(duration) and round(duration / manifest.step) >= 1 and duration / manifest.step < 2**31):
            raise ValueError(f"`duration` is in seconds, at least one step of {manifest.step:g} s, not {duration}")
        return round(duration / manifest.step)
    if manifest.simulation:
        return manifest.simulation.steps
    lengths = [v.steps if isinstance(v, Events) else v.values.shape[1] for v in checked.values() if _has_length(v)]
    if not lengths or max(lengths) == 0:
        raise ValueError("`duration` is missing (seconds): the file has no `simulate` block, and no input has a length")
    return max(lengths)


def _has_length(value: Events | Signal) -> bool:
    return isinstance(value, Events) or value.each_step


def _stretched(source: Source, value: Events | Signal | None, samples: int, steps: int) -> Events | Signal:
    """The input over exactly so many steps; nothing, or zero, where there is none."""
    if value is None:
        if source.kind == "signal":
            return Signal(np.zeros((1, 1, source.size)), False, False)
        return Events.from_lists([([], [])] * samples, source.shape, 1.0, steps)
    if isinstance(value, Events):
        return value.resized(steps)
    if not value.each_step:
        return value
    values = np.zeros((len(value.values), steps, source.size))
    kept = min(steps, value.values.shape[1])
    values[:, :kept] = value.values[:, :kept]
    return Signal(values, value.each_sample, True)


def _times(began: int, every: int, points: int, step: float) -> NDArray[np.float64]:
    """Times in seconds of a trace's points."""
    return (began + every * np.arange(1, points + 1)).astype(np.float64) * step


def _echo(events: Events, began: int) -> list[tuple[NDArray[np.int64], NDArray[np.uint32]]]:
    parts = []
    for start, length in zip(events.starts, events.lengths):
        bounds = events.offsets[start : start + length + 1]
        steps = np.repeat(np.arange(1, length + 1, dtype=np.int64), np.diff(bounds)) + began
        parts.append((steps, events.indices[bounds[0] : bounds[-1]]))
    return parts


def _spikes(parts: list[tuple[NDArray[np.int64], NDArray[np.uint32]]], step: float) -> Spikes:
    lengths = [len(steps) for steps, _ in parts]
    return Spikes(
        np.concatenate([steps for steps, _ in parts]) * step,
        np.concatenate([neurons for _, neurons in parts]).astype(np.int64),
        np.repeat(np.arange(len(parts)), lengths),
    )
