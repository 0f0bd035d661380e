"""Simulations: native calls of a fraction of a second each, from an initial state or from where the last run ended."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from ctypes import byref, c_double, c_int32, c_int64, c_uint32
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import finite_array, neuron_indices, real, shown
from .dataset import DataSet, Inputs, Signal, assemble, check_source, common_samples, named_inputs
from .events import Events
from .library import Trace, pointer
from .manifest import Manifest, Source
from .progress import SimulationProgress
from .recording import Recordable, Requests, Run, TraceRequest, requests
from .results import Collector, refuse_what_does_not_fit

if TYPE_CHECKING:
    from .network import Network

SpikeTimes = Events | tuple[ArrayLike, ArrayLike]
SECONDS_AT_ONCE = 0.2  # of a native call: as long as Ctrl-C waits
FIRST_STEPS = 1000  # of the first call, which measures the speed


def simulate(
    network: Network,
    duration: float | None,
    inputs: Inputs | None,
    record: Iterable[Recordable] | None,
    seed: int,
    resume: bool,
    trial: int,
    out: Path | None = None,
    verbose: bool | None = None,
) -> Run:
    """Runs every sample of the inputs, or every trial of the `simulate` block; see `Network.simulate`."""
    manifest = network.manifest
    wanted = requests(manifest, record)
    # the first piece begins, and is one run as the others are
    in_pieces, resume = resume, resume and not network.at_start
    complete, steps, samples = _complete_inputs(network, inputs, duration, resume)
    if in_pieces and samples > 1:
        raise ValueError(f"the inputs hold {samples} samples; a run is resumed with one, of shape (1, steps, n)")
    trials = manifest.simulation.trials if manifest.simulation and samples == 1 and not in_pieces else 1
    runs = max(samples, trials)
    began = network.library.get_count("step_count") if resume else 0
    spiking = _recorded_populations(network, wanted)
    if out is None:
        refuse_what_does_not_fit(wanted, steps, runs)
    collector = Collector(manifest, wanted, list(spiking), began, runs, out)
    interrupted = False
    with SimulationProgress(steps * runs, manifest.step, verbose) as progress, _interrupts() as interrupt:
        for k in range(runs):
            done = 0
            for count in _chunks(began, steps, wanted):
                data = _piece(manifest, complete, min(k, samples - 1), done, count)
                arrays = [_room(r, began + done, count) for r in wanted.traces]
                try:
                    run_sample(network, data, 0, count, seed, trial + k, resume or done > 0, arrays, spiking)
                except FloatingPointError as error:
                    where = f" ({'sample' if samples > 1 else 'trial'} {k})" if runs > 1 else ""
                    raise FloatingPointError(f"{error}{where}") from None
                arrays = [(r, _points(own, r, values, began + done)) for r, (own, values) in zip(wanted.traces, arrays)]
                done += count
                collector.add(network, k, began + done, count, arrays, {p: copy_spikes(network, p) for p in spiking})
                progress.update(k * steps + done)
                if interrupt():
                    interrupted = True
                    break
            if interrupted:
                break
    echoed = {name: _echoed(value, steps) for name, value in complete.items() if isinstance(value, Events)}
    return collector.finish(done if interrupted else steps, echoed, interrupted)


def _complete_inputs(
    network: Network, inputs: Inputs | None, duration: float | None, resume: bool
) -> tuple[dict[str, Events | Signal], int, int]:
    """Every source's input (nothing: no events, or zero); the steps; the number of samples."""
    manifest = network.manifest
    given = {} if inputs is None else named_inputs(manifest, inputs, network.spike_times)
    kept = {s.name: s for s in manifest.sources if s.kept}
    end = None if duration is None and manifest.simulation is None else _step_count(manifest, duration, {})
    for name, value in given.items():
        if name in kept and not isinstance(value, Events):
            given[name] = kept_spikes(kept[name], value, manifest.step).events(0, end)
    checked = {s.name: check_source(s, given[s.name], manifest.step) for s in manifest.sources if s.name in given}
    samples = common_samples(checked)
    steps = _step_count(manifest, duration, checked)
    began = network.library.get_count("step_count") if resume else 0
    for name in kept:
        if name not in checked and name in network.spike_times:
            checked[name] = _repeated(network.spike_times[name].events(began, steps), samples)
    complete = {
        s.name: checked[s.name] if s.name in checked else _stretched(s, None, samples, 0) for s in manifest.sources
    }
    return complete, steps, samples


def _recorded_populations(network: Network, wanted: Requests) -> dict[str, int]:
    """Populations whose spikes are kept, with their numbers."""
    if wanted.spikes is None:
        return dict(network.spiking)
    return {name: k for name, k in network.spiking.items() if name in wanted.spikes}


# ------------------------------------------------------------------------------------------------ native calls
def _chunks(began: int, steps: int, wanted: Requests) -> Iterator[int]:
    """Steps of each native call after the first `began`:
    about as long as SECONDS_AT_ONCE, or from one point of synapses to the next.
    """
    synapses = math.gcd(*(r.every for r in wanted.synapses)) if wanted.synapses else 0
    count, done = FIRST_STEPS, 0
    while done < steps:
        chunk = min(synapses - (began + done) % synapses if synapses else count, steps - done)
        clock = time.monotonic()
        yield chunk
        done += chunk
        seconds = max(time.monotonic() - clock, 1e-6)
        count = min(max(int(chunk * SECONDS_AT_ONCE / seconds), 1), 4 * max(chunk, FIRST_STEPS))


def _room(request: TraceRequest, done: int, count: int) -> tuple[TraceRequest, NDArray[np.float64]]:
    """A request that has its points in `count` steps after the first `done`, and where their values go."""
    every = math.gcd(request.every, done)
    return replace(request, every=every), np.empty((count // every, request.size))


def _points(given: TraceRequest, request: TraceRequest, values: NDArray[np.float64], done: int) -> NDArray[np.float64]:
    """The points of a request among those that were recorded for it."""
    if given.every == request.every:
        return values
    points: NDArray[np.float64] = values[(done + given.every * np.arange(1, len(values) + 1)) % request.every == 0]
    return points


@contextmanager
def _interrupts() -> Iterator[Any]:
    """Within it Ctrl-C is remembered, not raised, so that a run can end at the end of a native call;
    a second one is raised.
    """
    heard: list[int] = []

    def remember(number: int, frame: Any) -> None:
        if heard:
            raise KeyboardInterrupt
        heard.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, remember)
    try:
        yield lambda: bool(heard)
    finally:
        signal.signal(signal.SIGINT, before)


def run_sample(
    network: Network,
    data: DataSet,
    sample: int,
    steps: int,
    seed: int,
    trial: int,
    resume: bool,
    traces: list[tuple[TraceRequest, NDArray[np.float64]]],
    spiking: Mapping[str, int],
) -> None:
    """One sample for so many steps, recording spikes of populations, and states into arrays."""
    populations = np.asarray(list(spiking.values()), np.int32)
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


# ------------------------------------------------------------------------------------------------ inputs
@dataclass(frozen=True, slots=True, eq=False)
class KeptSpikes:
    """What a `spike_times` source emits: steps, counted from the initial state and in order,
    and the neurons that spike in them.

    As long as there are spikes, however late these are.
    """

    source: Source
    step: float
    steps: NDArray[np.int64]
    neurons: NDArray[np.uint32]

    def between(self, began: int, end: int) -> slice:
        """Those of steps began + 1 … end."""
        first, last = np.searchsorted(self.steps, [began, end], side="right")
        return slice(first, last)

    def in_samples(self, lengths: NDArray[np.int32]) -> Events:
        """The same spikes in each sample, which all share, from its first step to its last."""
        steps = int(lengths.max(initial=0))
        found = self.between(0, steps)
        offsets = np.searchsorted(self.steps[found], np.arange(steps + 1), side="right")
        starts = np.zeros(len(lengths), np.int64)
        return Events(self.source.shape, lengths, starts, offsets.astype(np.int64), self.neurons[found], self.step)

    def events(self, began: int, count: int | None) -> Events:
        """One sample that ends with the last spike of the `count` steps after the first `began`; None:
        with the last of all.
        """
        found = self.between(began, 2**62 if count is None else began + count)
        times = (self.steps[found] - began - 0.5) * self.step
        return Events.from_lists([(times, self.neurons[found])], self.source.shape, self.step)


def spikes_of_next_step(network: Network, spikes: KeptSpikes) -> NDArray[np.uint32]:
    """The neurons of kept spike times that spike in the step after the last."""
    done = 0 if network.at_start else network.library.get_count("step_count")
    return spikes.neurons[spikes.between(done, done + 1)]


def kept_spikes(source: Source, given: SpikeTimes | ArrayLike, step: float) -> KeptSpikes:
    """Spikes of a `spike_times` source. Raises ValueError for times off the grid of steps, or unknown neurons."""
    if isinstance(given, Events):
        checked = check_source(source, given, step)
        assert isinstance(checked, Events)
        if len(checked) != 1:
            raise ValueError(f"`{source.name}`: one sample of spike times is needed, not {len(checked)}")
        first, last = (int(checked.starts[0]) + k for k in (0, int(checked.lengths[0])))
        counts = np.diff(checked.offsets[first : last + 1])
        neurons = checked.indices[checked.offsets[first] : checked.offsets[last]]
        return KeptSpikes(source, step, np.repeat(np.arange(1, len(counts) + 1), counts), neurons)
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise ValueError(f"`{source.name}`: Events, or a pair (times, neurons), are needed, not {shown(given)}")
    times = finite_array(f"`{source.name}`: times", given[0])
    neurons = neuron_indices(f"`{source.name}`", given[1], source.size)
    if times.shape != neurons.shape:
        raise ValueError(f"`{source.name}`: times of shape {times.shape} and neurons of shape {neurons.shape}")
    numbers = np.round(times / step)
    off = (np.abs(times / step - numbers) > 1e-6 * np.maximum(numbers, 1)) | (numbers < 1)
    if off.any():
        raise ValueError(
            f"`{source.name}`: a spike at {times[off][0]:g} s: times are whole steps of {step:g} s, from the first on"
        )
    if numbers.size and numbers.max() >= 2**62:
        raise ValueError(f"`{source.name}`: a spike at {times.max():g} s is too late; are times in seconds?")
    order = np.lexsort((neurons, numbers))
    return KeptSpikes(source, step, numbers[order].astype(np.int64), neurons[order].astype(np.uint32))


def _repeated(events: Events, samples: int) -> Events:
    return events[np.zeros(samples, np.int64)] if samples > 1 else events


def _piece(manifest: Manifest, complete: Mapping[str, Events | Signal], sample: int, first: int, steps: int) -> DataSet:
    """One sample's inputs for so many steps from `first`; nothing, or zero, where they have ended."""
    part: dict[str, Events | Signal] = {}
    for name, value in complete.items():
        if isinstance(value, Events):
            left = min(max(int(value.lengths[sample]) - first, 0), steps)
            piece = Events.__new__(Events)  # the arrays were checked
            start = value.starts[sample : sample + 1] + (first if left else 0)
            piece._set(value.shape, np.full(1, left, np.int32), start, value.offsets, value.indices, value.step)
            part[name] = piece if left == steps else piece.resized(steps)
            continue
        values = value.values[sample : sample + 1] if value.each_sample else value.values
        if value.each_step:
            given = values[:, first : first + steps]
            values = np.zeros((1, steps, values.shape[2]))
            values[:, : given.shape[1]] = given
        part[name] = Signal(values, False, value.each_step)
    return assemble(manifest, part, 1, np.full(1, steps, np.int32))


def _echoed(events: Events, steps: int) -> Events:
    """The events within a run."""
    echo = Events.__new__(Events)
    lengths = np.minimum(events.lengths, steps).astype(np.int32)
    echo._set(events.shape, lengths, events.starts, events.offsets, events.indices, events.step)
    return echo


def _step_count(manifest: Manifest, duration: float | None, checked: Mapping[str, Events | Signal]) -> int:
    """The number of steps. Raises ValueError where nothing says it or it is not above zero."""
    if duration is not None:
        seconds = real(duration)
        if seconds is None or not seconds / manifest.step >= 0.5:
            raise ValueError(
                f"`duration` is a number of seconds, such as 0.1, and at least one step of {manifest.step:g} s, not {shown(duration)}"
            )
        if seconds / manifest.step >= 2**31 - 1:
            message = f"`duration` is a number of seconds, and {shown(duration)} are more than {2**31 - 2} steps"
            raise ValueError(f"{message}; `resume=True` goes on from a shorter run")
        return math.floor(seconds / manifest.step + 0.5 + 1e-9)  # halves up, as in the file
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
