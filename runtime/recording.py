"""What a simulation recorded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .manifest import Manifest

Recordable = str | tuple[str, float]  # "hidden.v", "hidden[0:10].v", or one of them with an interval in seconds

_NAME = re.compile(r"(?P<population>\w+)(\[(?P<first>\d*):(?P<last>\d*)\])?\.(?P<state>\w+)$")


@dataclass(frozen=True, slots=True, eq=False)
class Spikes:
    """Spikes of a population, in order of sample, then time, then neuron.

    `times`: seconds; `neurons`: flat row-major indices; `samples`: of the input, all 0 where it holds one.
    """

    times: NDArray[np.float64]
    neurons: NDArray[np.int64]
    samples: NDArray[np.int64]

    def __len__(self) -> int:
        """The number of spikes."""
        return len(self.times)

    def __repr__(self) -> str:
        """E.g. `Spikes(120)`."""
        return f"Spikes({len(self)})"


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """The result of `simulate`.

    `spikes` by population, sources included; `trace` by "population.state": (points, neurons), with a leading axis of
    samples where the input holds several, in SI units; `times` of a trace's points likewise by name, in seconds.
    """

    duration: float
    spikes: Mapping[str, Spikes]
    trace: Mapping[str, NDArray[np.float64]]
    times: Mapping[str, NDArray[np.float64]]

    def __repr__(self) -> str:
        """What was recorded."""
        spikes = ", ".join(f"{name}: {len(s)}" for name, s in self.spikes.items())
        return f"Run({self.duration:g} s, spikes {{{spikes}}}, trace {{{', '.join(self.trace)}}})"


@dataclass(frozen=True, slots=True)
class TraceRequest:
    """A state to record, of `size` neurons from `first`, after every `every` steps."""

    name: str
    population: int
    state: int
    every: int
    first: int
    size: int


def trace_requests(manifest: Manifest, record: Iterable[Recordable] | None) -> list[TraceRequest]:
    """The requests of `record`; None: the states that the file's `simulate` block records.

    Raises ValueError for an unknown population or state, neurons outside it, an interval off the grid of steps.
    """
    if record is None:
        records = manifest.simulation.records if manifest.simulation else ()
        return [_request(manifest, f"{r.population}.{r.variable}", r.every) for r in records if r.variable != "spikes"]
    if isinstance(record, str):
        record = [record]
    requests = []
    for entry in record:
        name, interval = (entry, None) if isinstance(entry, str) else entry
        requests.append(_request(manifest, name, _steps_between(manifest.step, interval)))
    names = [r.name for r in requests]
    if len(set(names)) < len(names):
        raise ValueError(f"`record` names {next(n for n in names if names.count(n) > 1)} twice")
    return requests


def _request(manifest: Manifest, name: str, every: int) -> TraceRequest:
    match = _NAME.match(name)
    if match is None:
        raise ValueError(f"cannot record `{name}`: write `population.state` or `population[first:last].state`")
    populations = {p.name: (k, p) for k, p in enumerate(manifest.populations)}
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
    every = interval / step
    if not np.isfinite(every) or round(every) < 1 or abs(every - round(every)) > 1e-6 * every:
        raise ValueError(f"an interval of {interval} s is no multiple of the step, {step:g} s")
    return round(every)
