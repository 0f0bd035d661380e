"""What a network consists of: sources, parameters, groups of neurons, connections, the tape, states of synapses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sncc.connectivity.patterns import OfSynapses, Part, Pattern, Rewiring
from sncc.expressions.nodes import Expression
from sncc.program.statements import NUMBER
from sncc.program.streams import stream


@dataclass(frozen=True, slots=True)
class Source:
    """A population whose spikes or real values are handed over."""

    name: str
    kind: Literal["events", "signal"]  # spikes, of which a neuron may have several in a step; real values
    shape: tuple[int, ...]
    size: int
    unit: str = ""  # of a signal's values
    si: float = 1.0  # SI value, which Python hands over, of one in the consistent system
    # Whether spikes are handed over when the library is loaded, and used by every run that hands over none
    # (`spike_times`).
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """A stored or compiled-in number, vector or matrix.

    A parameter of a sparse connection has one element per synapse, whose number is known when the library is loaded: it
    names its `connection`, and `shape` and `dimensions` are (-1,) (a shared number: shape ()). One of neurons that
    stand for synapses has their dimensions, as many synapses as there may be.
    """

    key: str  # Python's name for it: `hidden_output.weight`
    shape: tuple[int, ...]  # what Python sees: () for one shared number
    # What operations index: (pre, post) of a dense weight, (n,) of a one-to-one weight or of a population's parameter.
    # A shared number is repeated over it.
    dimensions: tuple[int, ...]
    storage: Literal["compiled", "shared", "each"]
    # Evaluated per element, with draws and the symbols `i` and `j`. Where there is one per synapse, they are the
    # indices of its source and target in their populations; else the element's row and column (of a vector `i` alone).
    initial: Expression
    clip: tuple[float, float] | None = None  # a draw outside is drawn again
    unit: str = ""
    si: float = 1.0  # SI value, which Python sees, of one in the consistent system
    scale: float = 1.0  # the optimiser works on value / scale
    learnt: bool = False
    rate: float = 1.0  # factor on the learning rate
    bounds: tuple[float, float] | None = None  # clipped to after each optimiser step
    keeps_sign: bool = False  # an optimiser step that would change an element's sign leaves a zero of that sign
    connection: str | None = None  # a sparse connection with one element per synapse
    divisor: Literal["", "number", "time"] = ""  # equations divide by it: it cannot be 0, nor a time below 0
    turned: bool = False  # Python sees (post, pre), as of feedback in place of dense weights
    doc: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Recordable:
    """A number of each synapse that a run may record, as a state of the neurons that stand for synapses."""

    name: str  # the user's
    state: str  # the group's
    unit: str
    si: float  # SI value of one in the consistent system
    # Whether what it is after a step stands there in the next one: what a neuron's own spike does to its synapses is
    # done then.
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One population inside a group: neurons [offset, offset + size) of the group's arrays."""

    population: str
    shape: tuple[int, ...]
    offset: int
    size: int
    values: tuple[tuple[str, float | str], ...]  # (symbol of a parameter, a number or the key of a stored `Parameter`)
    # (state, first value): an expression of these symbols, numbers and draws, of the stream `stream_of_start`.
    initial: tuple[tuple[str, Expression], ...]
    spiking: bool = False
    streams: tuple[tuple[str, int], ...] = ()  # (name of a `Draw`, stream)
    clips: tuple[tuple[str, tuple[float, float]], ...] = ()  # states whose first value is drawn again outside this
    # What its elements are: the user's neurons; states that synapses share per neuron; what another population was in
    # the step before; synapses; synapses that are there for a simulation to record, and stand still elsewhere.
    holds: Literal["neurons", "traces", "modulators", "synapses", "recorded"] = "neurons"
    recordable: tuple[Recordable, ...] = ()
    starts_as: tuple[tuple[str, str], ...] = ()  # (state, POPULATION.STATE): of states that start at what another draws
    joins: tuple[str, ...] = ()  # the connection whose synapses are recordable here, its source and its target

    def stream_of_start(self, state: str) -> int:
        """Of the draws that a state starts at."""
        return stream(dict(self.starts_as).get(state, f"{self.population}.{state}"), "initial")


@dataclass(frozen=True, slots=True)
class Group:
    """Populations with equal dynamics: one contiguous array per variable."""

    name: str
    size: int  # with padding: every row starts at a multiple of 16
    rows: tuple[Row, ...]
    states: tuple[str, ...]  # carried from step to step
    declared: tuple[tuple[str, str, float], ...]  # (state, unit, SI value of one): the user's, which runs may record
    inputs: tuple[str, ...]  # accumulators that connections deliver into: `I!`, `I`
    # Numbers per neuron that the updates read: parameters bound in the rows, and coefficients computed by `Derive`.
    # Nothing stands there that is one number known at compile time.
    arrays: tuple[str, ...] = ()

    @property
    def spiking(self) -> bool:
        """Whether its neurons emit spikes."""
        return any(row.spiking for row in self.rows)

    def recorded(self, row: Row) -> tuple[str, ...]:
        """The states of a row that a run may record."""
        return (*(state for state, _, _ in self.declared), *(r.state for r in row.recordable))

    @property
    def only_recorded(self) -> bool:
        """Whether it moves in simulations alone."""
        return all(row.holds == "recorded" for row in self.rows)


@dataclass(frozen=True, slots=True)
class Connection:
    """Synapses from a source or a population to an accumulator of a group.

    The spikes of `source` at step n - delay, or its values, reach neurons [target_offset, target_offset + target_size)
    of the target group.
    """

    # ---- between what
    name: str
    source: str
    source_group: str | None  # None for a `Source`
    source_offset: int  # of the neurons in the arrays of that group or source
    source_size: int
    target: str  # the population
    target_group: str
    target_offset: int
    target_size: int
    input: str  # the accumulator, `I!` or `I`

    # ---- over which synapses
    pattern: Literal["dense", "one_to_one", "sparse"]
    # Key of a Parameter. A sparse one has an element per synapse, sorted by source, then target, or, of a
    # `Convolution`, per element of the kernel.
    weight: str
    delay: int  # in steps; with `delays` the least, to which shorter ones are raised
    signal: bool = False  # the source hands over real values: a product instead of row additions
    # Of a sparse one: which synapses there are. Of a dense one: that there are no self-connections; the weight of a
    # neuron to itself stays zero.
    structure: Pattern | None = None
    source_part: Part | None = None  # sparse: between which neurons; None: the whole population
    target_part: Part | None = None
    delays: str | None = None  # key of a Parameter: a delay per synapse, in ms

    # ---- what is delivered
    # A variable of the source's group, whose value at the end of step n - delay is delivered instead of spikes: then
    # `signal` is true.
    values: str | None = None
    of_target: bool = False  # the targets are synapses, which read this of the neuron that they lead to
    # (population, variable), of as many neurons as the source's population: a factor on what each source neuron
    # delivers. It is the value after that population's update of step n, with `delays` of step n - the synapse's delay.
    gain: tuple[str, str] | None = None
    plastic: bool = False  # the weight changes during a run
    interpolated: bool = False  # a delay of k + f steps delivers (1 - f) of the weight at k and f of it at k + 1
    rounded: bool = False  # an interpolated delay delivers at the nearest step, and its gradient is that of a time
    whole: bool = False  # one of k + f steps delivers all of it at k, which has no derivative
    synapses_of: str | None = None  # the connection whose synapses (and weight) these are: a second sum over them
    # Of the owner of synapses: after an optimiser step those whose weights would change their sign are at other pairs
    # of neurons (`sncc/connectivity/rewire.py`).
    rewiring: Rewiring | None = None
    # Where gradients are computed, each neuron of the source delivers nothing for a whole sample with this probability:
    # where word 0 of the Philox counter (`dropout_stream`, neuron, 0, trial) is below `dropout_threshold`. What the
    # others deliver the target's update makes larger.
    dropout: float = 0.0
    backwards: bool = False  # only credit goes back over the synapses of `synapses_of`, by weights of its own
    # Of values with a delay for each synapse: steps in a window of truncated credit. No value arrives in a later window
    # than it was told in; first values belong to the first one.
    window: int | None = None
    # Else an engine keeps no synapses, and makes a source's row again from its random numbers when it spikes: of
    # `random` by p or fan_out, with one delay, and a weight that is one number or drawn.
    stored: bool = True

    @property
    def owner(self) -> str:
        """The connection whose synapses these are."""
        return self.synapses_of or self.name

    @property
    def in_parts(self) -> bool:
        """Whether what is sent over a delay between two whole steps arrives in parts, at both."""
        return self.interpolated and not self.rounded and not self.whole

    @property
    def moving_delays(self) -> str | None:
        """The key of the delays that what is delivered follows, if only a little."""
        return None if self.whole else self.delays

    @property
    def of_numbers(self) -> bool:
        """Whether what it delivers are numbers of its source: credit for them is cut by no window."""
        return (self.values or "").startswith(NUMBER)

    @property
    def wiring(self) -> Pattern | None:
        """The `structure`, or that of the synapses that neurons stand for."""
        return self.structure.pattern if isinstance(self.structure, OfSynapses) else self.structure

    @property
    def dropout_stream(self) -> int:
        """Of the draws that say which neurons of the source a sample is left without."""
        return stream(self.owner.partition(".")[0], "dropout")  # the user's names have no dots

    @property
    def dropout_threshold(self) -> int:
        """What the word of a neuron that is left out is below."""
        return int(self.dropout * 2.0**32 + 0.5)


@dataclass(frozen=True, slots=True)
class TapeSlot:
    """Numbers kept for every step and neuron of a group: [T, group.size] per sample in flight."""

    name: str
    group: str
    # Another slot of the same group whose memory it takes over: the value of step n is stored after the other's value
    # of step n has been loaded.
    shares: str | None = None


@dataclass(frozen=True, slots=True)
class SynapseStates:
    """States of every synapse of a connection, beside its weight, and the numbers that its updates read."""

    connection: str
    states: tuple[str, ...]
    initial: tuple[tuple[str, Expression], ...]  # (state, first value)
    arrays: tuple[tuple[str, float | str], ...] = ()  # (symbol of a parameter, a number or the key of a `Parameter`)
    modulators: tuple[str, ...] = ()  # numbers set from Python, `CONN.plasticity.NAME`
    clips: tuple[tuple[str, tuple[float, float]], ...] = ()  # states whose first value is drawn again outside this
    declared: tuple[tuple[str, str, str, float], ...] = ()  # recordable: (user's name, state, unit, SI of one)
    # States that no update moves: their first values follow from the numbers in `arrays`, and are computed anew where
    # one of these was set.
    constants: tuple[str, ...] = ()
