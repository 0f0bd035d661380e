"""The manifest: what a compiled network has, by the names that its user gave."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

ABI_VERSION = 7
LARGEST = {"float32": float(np.finfo(np.float32).max)}  # by precision; the others hold what Python does


@dataclass(frozen=True, slots=True)
class Source:
    """A population that is handed over: events or a signal, in SI units."""

    name: str
    kind: Literal["events", "signal"]
    shape: tuple[int, ...]
    size: int
    unit: str = ""
    kept: bool = False  # handed over once, when the library is loaded
    largest: float = math.inf  # magnitude of a value that the network's precision holds


@dataclass(frozen=True, slots=True)
class State:
    """A state variable of a population."""

    name: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Population:
    """A population, sources included."""

    name: str
    shape: tuple[int, ...]
    size: int
    spiking: bool
    states: tuple[State, ...]
    index: int  # in the library, which counts what the compiler added as well


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter as Python sees it."""

    index: int
    key: str
    shape: tuple[int, ...]
    storage: Literal["compiled", "shared", "each", "made"]  # made: stored nowhere, and made again when it is needed
    learnt: bool
    unit: str = ""
    bounds: tuple[float, float] | None = None  # SI
    doc: str = ""
    # It has one number for each synapse of this connection. Its shape, where it is no matrix, is (-1,) until the
    # network is built.
    connection: str | None = None
    largest: float = math.inf  # magnitude that the network's precision holds
    divisor: Literal["", "number", "time"] = ""  # equations divide by it, as by a time constant: it cannot be 0
    si: float = 1.0  # SI value of one in memory

    @property
    def is_stored(self) -> bool:
        """Whether it can be set."""
        return self.storage in ("shared", "each")

    @property
    def size(self) -> int:
        """The number of elements."""
        size = 1
        for length in self.shape:
            size *= length
        return size


@dataclass(frozen=True, slots=True)
class SynapseState:
    """A state of every synapse of a connection."""

    index: int
    name: str
    unit: str = ""
    size: int = -1  # how many synapses; -1 until the network is built
    counted: int = -1  # the connection whose synapses they are


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection."""

    index: int
    name: str
    pre: str
    post: str
    sparse: bool  # its synapses are listed by source, then target
    pairs: bool  # they are handed over
    plastic: bool
    rewired: bool = False  # training moves them
    states: tuple[SynapseState, ...] = ()
    drawn: bool = False  # the seed says which pairs of neurons they join
    shares: str = ""  # the connection whose weights it has in place of its own


@dataclass(frozen=True, slots=True)
class Readout:
    """What the loss sees."""

    population: str
    outputs: int
    labels: Literal["class", "value"]
    per_step: bool  # the loss is taken at every step, not once at a sample's end
    step_labels: bool  # there may be a label for each step, as all losses that read labels are taken at every step
    reads_labels: bool = True  # whether any of the losses does
    # Of each loss, the first of which predictions come from: after which step it begins, and with which it ends.
    windows: tuple[tuple[int, int | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Optimiser:
    """The optimiser: its states per element, and its learning-rate schedule (a name with settings)."""

    name: str
    learning_rate: float
    states: tuple[str, ...]
    schedule: str
    settings: dict[str, float]


@dataclass(frozen=True, slots=True)
class Record:
    """One `record` of a `simulate` block: every so many steps, of all neurons or those in `ranges` of each dimension.

    `owner` is a population, or for `weight` and states of synapses a connection.
    """

    owner: str
    variable: str
    every: int
    ranges: tuple[tuple[int, int], ...] | None = None


@dataclass(frozen=True, slots=True)
class Simulation:
    """The `simulate` block."""

    steps: int
    records: tuple[Record, ...]
    trials: int = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """The whole network; `step` in seconds, `libraries` the file name of each backend's library."""

    name: str
    version: str
    precision: str
    weights: str  # of inference alone, in 16 bits; empty: as `precision`
    step: float
    rule: str
    batch: int
    source_hash: str
    sources: tuple[Source, ...]
    populations: tuple[Population, ...]
    parameters: tuple[Parameter, ...]
    connections: tuple[Connection, ...]
    readout: Readout | None
    optimiser: Optimiser | None
    simulation: Simulation | None
    libraries: dict[str, str]

    @property
    def learnt(self) -> tuple[Parameter, ...]:
        """The parameters that training changes."""
        return tuple(p for p in self.parameters if p.learnt)


def read_manifest(path: Path) -> Manifest:
    """The manifest of a project.

    Raises FileNotFoundError where there is none, ValueError where it cannot be read or is of another version.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path.parent} is no compiled network: it has no {path.name}; `sncc build` makes one"
        ) from None
    try:
        data = json.loads(text)
        if data["abi"] != ABI_VERSION:
            raise ValueError(
                f"it is of version {data['abi']}, this binding reads version {ABI_VERSION}: build it again"
            )
        return _manifest(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        cause = f"no entry {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"cannot read {path}: {cause}") from error


def _manifest(data: dict[str, Any]) -> Manifest:
    largest = LARGEST.get(data["precision"], math.inf)
    return Manifest(
        name=_text(data["name"]),
        version=data["version"],
        precision=data["precision"],
        weights=data.get("weights") or "",
        step=float(data["step"]),
        rule=data.get("rule") or "",
        batch=int(data.get("batch") or 32),
        source_hash=data.get("source_hash", ""),
        sources=tuple(_source(s, largest) for s in data["sources"]),
        populations=tuple(_population(k, p) for k, p in enumerate(data["populations"])),
        parameters=tuple(_parameter(k, p, largest) for k, p in enumerate(data["parameters"])),
        connections=tuple(_connection(k, c) for k, c in enumerate(data.get("connections", ()))),
        readout=_readout(data["readout"]) if data.get("readout") else None,
        optimiser=_optimiser(data["optimiser"]) if data.get("optimiser") else None,
        simulation=_simulation(data["simulation"]) if data.get("simulation") else None,
        libraries=dict(data.get("library") or {}),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} stands for a name")
    return value


def _extent(data: dict[str, Any]) -> tuple[tuple[int, ...], int]:
    """Shape and size of a population."""
    shape, size = tuple(int(n) for n in data["shape"]), int(data["size"])
    if min(shape, default=1) < 1 or size != math.prod(shape):
        raise ValueError(f"`{data['name']}` has the shape {shape} and the size {size}")
    return shape, size


def _source(data: dict[str, Any], largest: float) -> Source:
    return Source(
        _text(data["name"]),
        data["kind"],
        *_extent(data),
        data.get("unit") or "",
        bool(data.get("kept")),
        largest * float(data.get("si") or 1.0),
    )


def _population(index: int, data: dict[str, Any]) -> Population:
    states = tuple(State(_text(s["name"]), s.get("unit") or "") for s in data["states"])
    index = int(data.get("index", index))
    return Population(_text(data["name"]), *_extent(data), bool(data["spiking"]), states, index)


def _parameter(index: int, data: dict[str, Any], largest: float) -> Parameter:
    low, high = data.get("bounds") or (None, None)
    no_limit = float("inf")
    bounds = (
        None
        if low is None and high is None
        else (-no_limit if low is None else low, no_limit if high is None else high)
    )
    return Parameter(
        int(data.get("index", index)),
        _text(data["key"]),
        tuple(int(n) for n in data["shape"]),
        data["storage"],
        bool(data["learnt"]),
        data.get("unit") or "",
        bounds,
        data.get("doc") or "",
        data.get("synapses_of"),
        largest * float(data.get("si") or 1.0),
        data.get("divisor") or "",
        float(data.get("si") or 1.0),
    )


def _synapse_state(data: dict[str, Any]) -> SynapseState:
    size, counted = int(data.get("size", -1)), int(data.get("counted", -1))
    return SynapseState(int(data["index"]), _text(data["name"]), data.get("unit") or "", size, counted)


def _connection(index: int, data: dict[str, Any]) -> Connection:
    sparse, pairs, plastic, rewired = (bool(data.get(key)) for key in ("sparse", "pairs", "plastic", "rewired"))
    states = tuple(_synapse_state(s) for s in data.get("states", ()))
    return Connection(
        int(data.get("index", index)),
        _text(data["name"]),
        _text(data["pre"]),
        _text(data["post"]),
        sparse,
        pairs,
        plastic,
        rewired,
        states,
        bool(data.get("drawn")),
        _text(data.get("shares") or ""),
    )


def _readout(data: dict[str, Any]) -> Readout:
    windows = tuple((int(first), None if last is None else int(last)) for first, last in data.get("windows") or ())
    per_step = bool(data["per_step"])
    step_labels = bool(data.get("step_labels", per_step))
    reads_labels = bool(data.get("reads_labels", True))
    return Readout(
        data["population"], int(data["outputs"]), data["labels"], per_step, step_labels, reads_labels, windows
    )


def _optimiser(data: dict[str, Any]) -> Optimiser:
    schedule = data.get("schedule") or {"name": "constant", "settings": {}}
    settings = {name: float(value) for name, value in (schedule.get("settings") or {}).items()}
    states = tuple(_text(state) for state in data["states"])
    return Optimiser(data["name"], float(data["learning_rate"]), states, schedule["name"], settings)


def _simulation(data: dict[str, Any]) -> Simulation:
    records = []
    for r in data.get("records", ()):
        ranges = tuple((int(a), int(b)) for a, b in r["ranges"]) if r.get("ranges") else None
        records.append(Record(r.get("owner") or r["population"], r["variable"], int(r.get("every") or 1), ranges))
    return Simulation(int(data["steps"]), tuple(records), int(data.get("trials") or 1))
