"""The Program IR: groups of neurons, connections between them, and phases of operations over time.

No neuron and no learning rule stands in it: a rule only decides which operations stand in which phase. Numbers are in
the consistent system of units (mV, ms, pA, nS, pF, GOhm, kHz); Python's SI numbers are `value * Parameter.si`.

Symbols. In a group's expressions a symbol is, in this order:
- a local assigned earlier in the same body,
- a tape slot loaded,
- an input accumulator,
- a carried variable (its value before the update),
- an entry of `Group.arrays` (one number per neuron),
- `t` (ms, the time before the step),
- `run.learns` (1 in a run that computes gradients, else 0).
By convention `I!` is the accumulator of impulses into input `I`, `I` that of continuous drive, `x~` the adjoint of `x`;
other characters are those of the language's names plus `.`.

Time. Steps are n = 1 .. T, T per sample. A sample owns its variables, accumulators and tape; all start at zero except
the states, which start at `Row.initial`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sncc.connectivity.patterns import Dense, Part
from sncc.expressions.nodes import Expression
from sncc.program.groups import Connection, Group, Parameter, Row, Source, SynapseStates, TapeSlot
from sncc.program.learning import (
    Feedback,
    GradientOperation,
    Optimise,
    Penalty,
    ReverseOperation,
    TraceOperation,
    TraceUpdate,
    Transpose,
)
from sncc.program.operations import Derive, ForwardOperation, Readout

Precision = Literal["float32", "float64"]


@dataclass(frozen=True, slots=True)
class Record:
    """What a run keeps without being asked."""

    owner: str  # a population or a connection
    variable: str  # of a population `spikes` or a state; of a connection's synapses `weight` or a state
    every: int  # in steps
    part: Part | None = None  # of the population


@dataclass(frozen=True, slots=True)
class Stimulus:
    """A value added to an accumulator of a population's part, before its update, or to a modulator of a connection."""

    group: str  # that of the population; "" for a connection
    population: str  # or the connection
    input: str  # the accumulator, or the modulator
    value: Expression  # it may use `t`
    first: int  # at steps first < n <= last; None: to the end
    last: int | None
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Simulation:
    """Defaults of `simulate`: steps, records, stimuli, trials."""

    steps: int
    records: tuple[Record, ...] = ()
    stimuli: tuple[Stimulus, ...] = ()
    trials: int = 1


@dataclass(frozen=True, slots=True)
class Program:
    """A whole network as operations. The phases of training are empty where the source has no `train` block."""

    name: str
    step: float  # ms
    precision: Precision
    sources: tuple[Source, ...]
    parameters: tuple[Parameter, ...]
    groups: tuple[Group, ...]
    connections: tuple[Connection, ...]

    # ---- phases
    derive: tuple[Derive, ...]  # when a parameter has changed
    forward: tuple[ForwardOperation, ...]  # for n = 1 .. T
    reverse: tuple[ReverseOperation, ...] = ()  # for n = T .. 1
    before: tuple[Transpose | Feedback, ...] = ()  # then, for n = 0, -1, ...: credit for first values
    gradient: tuple[GradientOperation, ...] = ()  # sums over spikes, derivatives of learnt parameters
    optimise: Optimise | None = None
    traces: tuple[TraceOperation, ...] = ()  # in place of the reverse phase: training goes forwards

    # ---- training
    penalties: tuple[Penalty, ...] = ()
    truncate: int | None = None  # no credit passes from step n + 1 to n where n is a multiple of it
    tape: tuple[TapeSlot, ...] = ()
    rule: str = ""
    batch: int = 32
    memory: int | None = None  # bytes that tapes, checkpoints and gradients of training may take; None: as it comes
    weights: Literal["", "bfloat16"] = ""  # of inference alone: stored in 16 bits where there is one for every synapse

    # ---- how it runs, and from what it came
    schedule: Literal["sample_parallel", "neuron_parallel"] = "sample_parallel"
    synapses: tuple[SynapseStates, ...] = ()
    simulation: Simulation | None = None
    source: str = field(default="", compare=False)
    doc: str = field(default="", compare=False)

    @property
    def bytes_of_real(self) -> int:
        """Of a number in the precision of the Program."""
        return 4 if self.precision == "float32" else 8

    def group(self, name: str) -> Group:
        """The group of that name."""
        return next(g for g in self.groups if g.name == name)

    def connection(self, name: str) -> Connection:
        """The connection of that name."""
        return next(c for c in self.connections if c.name == name)

    def parameter(self, key: str) -> Parameter:
        """The parameter of that key."""
        return next(p for p in self.parameters if p.key == key)

    def numbers_of_synapses(self, c: Connection) -> list[Parameter]:
        """Numbers that each synapse of a connection has beside its weight: delays, other parameters, feedback."""
        return [p for p in self.parameters if p.connection == c.name and p.shape and p.key != c.weight]

    def matrix(self, parameter: Parameter) -> tuple[int, int]:
        """Rows and columns of a weight whose elements are counted row by row, one for each pair or place in a kernel.

        A vector is one column; (0, 0) where there are none known before the library is loaded.
        """
        dimensions = parameter.dimensions
        if parameter.connection is not None:
            c = self.connection(parameter.connection)
            if not isinstance(c.structure, Dense):
                return 0, 0
            parts = (c.source_part, c.source_size), (c.target_part, c.target_size)
            dimensions = tuple(size if part is None else part.size for part, size in parts)
        return dimensions[0], dimensions[1] if len(dimensions) > 1 else 1

    def place(self, population: str) -> tuple[Group, Row]:
        """The group that holds a population's neurons, and their row in it."""
        return next((g, row) for g in self.groups for row in g.rows if row.population == population)

    def is_matrix(self, c: Connection) -> bool:
        """Whether there is a place for each pair, or one-to-one pair, of whole populations, and one delay for all."""
        sizes = {s.name: s.size for s in self.sources} | {r.population: r.size for g in self.groups for r in g.rows}
        whole = (c.source_size, c.target_size) == (sizes[c.source], sizes[c.target])
        return whole and c.pattern != "sparse" and c.structure is None and c.delays is None

    def seen_by(self, traces: TraceUpdate, symbol: str) -> tuple[str, str, int | None] | None:
        """(group, variable, neuron) that a symbol in the body of traces stands for; None where it is none of a group.

        Without a neuron it is that of the element's own place. Of `read` and `output` the neuron is the first output; a
        loop over `output` counts from there.
        """
        head, _, variable = symbol.partition(".")
        match head:
            case "post":
                return traces.group, variable, None
            case "through":
                group, _, variable = variable.partition(".")
                return group, variable, None
            case "read" | "output":
                index, _, variable = variable.partition(".")
                readout = self.readouts[int(index)]
                return readout.group, variable, readout.offset
        return None

    def beside(self, traces: TraceUpdate) -> tuple[int, TraceUpdate]:
        """The traces of the same weights or number that are one loop further out, with their index in `self.traces`.

        They serve all outputs, or a turn of the loop around.
        """
        around = traces.each.inside if traces.each is not None else None
        of = (traces.group, traces.connection, traces.array, traces.of_delays, around)
        return next(
            (k, o) for k, o in enumerate(self.traces)
            if isinstance(o, TraceUpdate) and (o.group, o.connection, o.array, o.of_delays, o.each) == of
        )  # fmt: skip

    def learnt_by(self, traces: TraceUpdate) -> str:
        """The key of what a connection learns by traces: its weights, or its delays."""
        c = self.connection(traces.connection or "")
        return (c.delays or "") if traces.of_delays else c.weight

    @property
    def readouts(self) -> tuple[Readout, ...]:
        """The readouts, by index; none where the source has no loss."""
        return tuple(sorted((o for o in self.forward if isinstance(o, Readout)), key=lambda o: o.index))

    @property
    def readout(self) -> Readout | None:
        """The first readout: what `predict` returns."""
        return next(iter(self.readouts), None)
