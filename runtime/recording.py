"""What a simulation recorded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .arguments import check_real, check_writable, shown
from .manifest import Manifest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Recordable = str | tuple[str, float]  # "hidden.v", "hidden[0:10].v", or one of them with an interval in seconds

_ENTRY = '"population.state", or a pair of that and an interval in seconds'
_NAME = re.compile(r"(?P<population>\w+)(\[(?P<first>[0-9]*):(?P<last>[0-9]*)\])?\.(?P<state>\w+)")


@dataclass(frozen=True, slots=True, eq=False)
class Spikes:
    """Spikes of a population, in order of sample, then time, then neuron."""

    times: NDArray[np.float64]  # seconds
    neurons: NDArray[np.int64]  # flat row-major indices
    samples: NDArray[np.int64]  # of the input, all 0 where it holds one
    size: int  # how many neurons were watched

    def __len__(self) -> int:
        """The number of spikes."""
        return len(self.times)

    def __repr__(self) -> str:
        """E.g. `Spikes(120)`."""
        return f"Spikes({len(self)})"


class SpikesOf(dict[str, Spikes]):
    """Spikes by population."""

    def __missing__(self, key: str) -> Spikes:
        """Raises KeyError."""
        raise KeyError(f"no spikes of `{key}` were recorded; there are {', '.join(self) or 'none'}")


class Traces(dict[str, NDArray[np.float64]]):
    """Traces by name; a part of a population that was recorded (`exc[0:10].v`) is also found as `exc.v`."""

    def __missing__(self, key: str) -> NDArray[np.float64]:
        """The only trace of that name, whatever part it is of. Raises KeyError."""
        parts = [name for name in self if _PART.sub("", name) == key]
        if len(parts) != 1:
            there_are = f"there are {', '.join(self)}" if self else "there are none"
            raise KeyError(f"no trace `{key}`; {there_are}: `simulate(record=[…])` names what is to be kept")
        return self[parts[0]]


_PART = re.compile(r"\[[^]]*\]")


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """The result of `simulate`."""

    duration: float  # seconds
    spikes: Mapping[str, Spikes]  # by population, sources included
    # In SI units, with a leading axis of samples where the input holds several. By "population.state": (points,
    # neurons). By "connection.state": (points, synapses), in the order of source, then target. By "connection.weight":
    # the same, or (points, *the weight's shape).
    trace: Mapping[str, NDArray[np.float64]]
    times: Mapping[str, NDArray[np.float64]]  # of a trace's points likewise by name, in seconds
    interrupted: bool = False  # Ctrl-C ended it before its time; then `duration` is what was reached
    samples: int = 1  # how long the traces' leading axis is, 1 where there is none

    def __repr__(self) -> str:
        """What was recorded."""
        spikes = ", ".join(f"{name}: {len(s)}" for name, s in self.spikes.items())
        return f"Run({self.duration:g} s, spikes {{{spikes}}}, trace {{{', '.join(self.trace)}}})"

    def plot(self, path: str | PathLike[str] | None = None) -> Figure:
        """A figure: raster and rate of every population that spiked, and the traces;
        written to `path` where one is given.

        Needs matplotlib. Raises ImportError without it.
        """
        from .plotting import plot

        return plot(self, None if path is None else check_writable("path", path))


@dataclass(frozen=True, slots=True)
class TraceRequest:
    """A state to record, of `size` neurons from `first` (of them `columns`, where given), after every `every` steps."""

    name: str
    population: int
    state: int
    every: int
    first: int
    size: int
    columns: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class SynapseRequest:
    """Numbers of a connection's synapses to record, after every so many steps."""

    name: str
    function: str  # the library's, which gives the numbers of `index`
    index: int
    shape: tuple[int, ...]
    every: int  # steps


@dataclass(frozen=True, slots=True)
class Requests:
    """What a run records."""

    traces: tuple[TraceRequest, ...]
    synapses: tuple[SynapseRequest, ...]
    # Of which populations, and of each the neurons that are kept (None: all). None: of all populations.
    spikes: dict[str, NDArray[np.int64] | None] | None

    @property
    def sampled(self) -> list[TraceRequest | SynapseRequest]:
        """What has points every so many steps."""
        return [*self.traces, *self.synapses]


def requests(manifest: Manifest, record: Iterable[Recordable] | None) -> Requests:
    """The requests of `record`; None: what the file's `simulate` block records.

    Raises ValueError for an unknown population or state, neurons outside it, an interval off the grid of steps.
    """
    if record is None:
        return _of_block(manifest)
    if isinstance(record, str):
        record = [record]
    if isinstance(record, Mapping) or not np.iterable(record):
        raise ValueError(f"`record` is a list of {_ENTRY}, not {shown(record)}")
    traces: list[TraceRequest] = []
    synapses: list[SynapseRequest] = []
    spikes: dict[str, NDArray[np.int64] | None] = {}
    connections = {c.name for c in manifest.connections}
    owners = {p.name: p.spiking for p in manifest.populations} | {s.name: s.kind == "events" for s in manifest.sources}
    for entry in record:
        name, interval = _entry(entry)
        every = _steps_between(manifest.step, interval)
        owner, _, variable = name.rpartition(".")
        if variable == "spikes" and owner in owners:
            if not owners[owner]:
                raise ValueError(f"cannot record `{name}`: `{owner}` does not spike")
            if interval is not None:
                raise ValueError(f"cannot record `{name}` at intervals: spikes are recorded when they occur")
            spikes[owner] = None
        elif owner in connections:
            synapses.append(_of_synapses(manifest, owner, variable, every))
        else:
            traces.append(_request(manifest, name, every))
    found = Requests(tuple(traces), tuple(synapses), spikes or None)
    names = [r.name for r in found.sampled]
    if len(set(names)) < len(names):
        raise ValueError(f"`record` names {next(n for n in names if names.count(n) > 1)} twice")
    return found


def _entry(entry: Any) -> tuple[str, Any]:
    """The name, and the interval or None."""
    if isinstance(entry, str):
        return entry, None
    if isinstance(entry, (tuple, list)) and len(entry) == 2 and isinstance(entry[0], str):
        return entry[0], entry[1]
    raise ValueError(f"an entry of `record` is {_ENTRY}, not {shown(entry)}")


def _of_block(manifest: Manifest) -> Requests:
    traces: list[TraceRequest] = []
    synapses: list[SynapseRequest] = []
    spikes: dict[str, NDArray[np.int64] | None] = {}
    connections = {c.name for c in manifest.connections}
    shapes = {p.name: p.shape for p in manifest.populations} | {s.name: s.shape for s in manifest.sources}
    for r in manifest.simulation.records if manifest.simulation else ():
        if r.owner in connections:
            synapses.append(_of_synapses(manifest, r.owner, r.variable, r.every))
            continue
        kept = None if r.ranges is None else _flat(shapes[r.owner], r.ranges)
        if r.variable == "spikes":
            both = None if kept is None else spikes.get(r.owner, np.zeros(0, np.int64))
            spikes[r.owner] = None if kept is None or both is None else np.union1d(both, kept)
            continue
        request = _request(manifest, f"{r.owner}.{r.variable}", r.every)
        if kept is not None:
            part = ", ".join(f"{a}:{b}" for a, b in r.ranges or ())
            first, size = int(kept[0]), int(kept[-1] - kept[0]) + 1
            columns = None if size == len(kept) else tuple(int(k) - first for k in kept)
            name = f"{r.owner}[{part}].{r.variable}"
            request = TraceRequest(name, request.population, request.state, r.every, first, size, columns)
        traces.append(request)
    return Requests(tuple(traces), tuple(synapses), spikes or None)


def _flat(shape: tuple[int, ...], ranges: tuple[tuple[int, int], ...]) -> NDArray[np.int64]:
    """Flat indices of a part."""
    axes = [np.arange(a, b) for a, b in ranges]
    flat: NDArray[np.int64] = np.ravel_multi_index(np.ix_(*axes), shape).reshape(-1).astype(np.int64)
    return flat


def _of_synapses(manifest: Manifest, connection: str, variable: str, every: int) -> SynapseRequest:
    """The weight of a connection's synapses, or a state of theirs."""
    if variable == "weight":
        return _weight(manifest, connection, every)
    return _synapse_state(manifest, connection, variable, every)


def _weight(manifest: Manifest, connection: str, every: int) -> SynapseRequest:
    """Raises ValueError where a connection has no weights of its own, or stores none."""
    parameter = next((p for p in manifest.parameters if p.key == f"{connection}.weight"), None)
    if parameter is None:
        owner = next(c.shares for c in manifest.connections if c.name == connection)
        reason = f"its weights are those of `{owner}` (`share`): record these"
        raise ValueError(f"cannot record `{connection}.weight`: {reason}")
    if parameter.storage == "made":
        reason = "it is stored nowhere and stays as it is (`stored = false`)"
        raise ValueError(f"cannot record `{parameter.key}`: {reason}; read `parameters[{parameter.key!r}]`")
    states = next(c.states for c in manifest.connections if c.name == connection)
    if (moving := next((s for s in states if s.name == "weight"), None)) is not None:  # beside where a sample begins
        shape = parameter.shape if parameter.size == moving.size else (moving.size,)
        return SynapseRequest(parameter.key, "get_synapse_state", moving.index, shape, every)
    return SynapseRequest(parameter.key, "get_parameter", parameter.index, parameter.shape, every)


def _synapse_state(manifest: Manifest, connection: str, state: str, every: int) -> SynapseRequest:
    """Raises ValueError where a connection's synapses have no such state, each its own."""
    states = next(c.states for c in manifest.connections if c.name == connection)
    found = next((s for s in states if s.name == state), None)
    if found is None:
        own = ", ".join(f"`{s.name}`" for s in states)
        raise ValueError(
            f"cannot record `{connection}.{state}`: each synapse of `{connection}` has "
            f"{f'{own} for itself' if own else 'no state for itself'}; if its neurons carry `{state}` for all synapses, "
            f"write `record {state} of {connection}` into the file's `simulate` block and build again"
        )
    return SynapseRequest(f"{connection}.{state}", "get_synapse_state", found.index, (found.size,), every)


def _request(manifest: Manifest, name: str, every: int) -> TraceRequest:
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(
            f"cannot record `{name}`: write `population.state` or `population[first:last].state`, at intervals as a pair with "
            "seconds, such as ('exc.v', 0.001)"
        )
    populations = {p.name: (p.index, p) for p in manifest.populations}
    if match["population"] not in populations:
        raise ValueError(
            f"cannot record `{name}`: no population `{match['population']}`; there are {', '.join(populations)}"
        )
    index, population = populations[match["population"]]
    states = [s.name for s in population.states]
    if match["state"] not in states:
        raise ValueError(
            f"cannot record `{name}`: `{population.name}` has no state `{match['state']}`; it has {', '.join(states)}"
        )
    first, last = int(match["first"] or 0), int(match["last"] or population.size)
    if not first < last <= population.size:
        raise ValueError(f"cannot record `{name}`: `{population.name}` has {population.size} neurons")
    return TraceRequest(name, index, states.index(match["state"]), every, first, last - first)


def _steps_between(step: float, interval: float | None) -> int:
    if interval is None:
        return 1
    every = check_real("an interval of `record` is a number of seconds", interval) / step
    if not 0.5 <= every < 2**31 - 1 or abs(every - round(every)) > 1e-6 * every:
        raise ValueError(f"an interval of {interval} s is no multiple of the step, {step:g} s")
    return round(every)
