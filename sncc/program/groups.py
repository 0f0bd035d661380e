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
    """A population whose spikes (`events`, counts kept) or real values (`signal`) are handed over.

    `kept`: handed over when the library is loaded and used by every run that hands over nothing else (`spike_times`).
    """

    name: str
    kind: Literal["events", "signal"]
    shape: tuple[int, ...]
    size: int
    unit: str = ""  # of a signal's values, as Python hands them over: SI
    si: float = 1.0  # SI value of one in the consistent system
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """A stored or compiled-in number, vector or matrix, under the key that Python uses (`hidden_output.weight`).

    `shape` is what Python sees: () for one shared number. `dimensions` is what operations index: (pre, post) of a
    dense weight, (n,) of a one-to-one weight or of a population's parameter; a shared number is repeated over it.
    A parameter of a sparse connection has one element per synapse, whose number is known when the library is loaded:
    its `connection` is named, and `shape` and `dimensions` are (-1,) (a shared number: shape ()). One that neurons which stand for
    synapses have has the dimensions of these, as many synapses as there may be.
    `initial` is evaluated per element with draws and the symbols `i`, `j`: where there is one per synapse, the indices
    of its source and target in their populations; else the element's row and column (a vector has `i` only).
    `turned`: Python sees the matrix with its rows for columns, (post, pre), as that of feedback in place of dense weights.
    """

    key: str
    shape: tuple[int, ...]
    dimensions: tuple[int, ...]
    storage: Literal["compiled", "shared", "each"]
    initial: Expression
    clip: tuple[float, float] | None = None  # a draw outside is drawn again
    unit: str = ""
    si: float = 1.0
    scale: float = 1.0  # the optimiser works on value / scale
    learnt: bool = False
    rate: float = 1.0  # factor on the learning rate
    bounds: tuple[float, float] | None = None  # clipped to after each optimiser step
    keeps_sign: bool = False  # an optimiser step that would change an element's sign leaves a zero of that sign
    connection: str | None = None  # a sparse connection with one element per synapse
    divisor: Literal["", "number", "time"] = ""  # equations divide by it: it cannot be 0
    turned: bool = False
    doc: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Recordable:
    """A number of each synapse that a run may record, `name` to the user: a state of the neurons that stand for synapses, its unit, SI value of one.

    `ahead`: what it is after a step stands there in the next one, as what a neuron's own spike does to its synapses is done then.
    """

    name: str
    state: str
    unit: str
    si: float
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One population inside a group: neurons [offset, offset + size) of the group's arrays.

    `values` binds the group's parameter symbols: a number, or the key of a stored `Parameter`. `initial` gives each
    state's first value, an expression of those symbols, numbers and draws, of a stream by the names of population and state, or that
    of `starts_as`. `holds`: what its elements are, neurons of
    the user's, states that synapses share per neuron, synapses, or such that are there for a simulation to record: elsewhere they stand still.
    """

    population: str
    shape: tuple[int, ...]
    offset: int
    size: int
    values: tuple[tuple[str, float | str], ...]
    initial: tuple[tuple[str, Expression], ...]
    spiking: bool = False
    streams: tuple[tuple[str, int], ...] = ()  # (name of a `Draw`, stream)
    clips: tuple[tuple[str, tuple[float, float]], ...] = ()  # states whose first value is drawn again outside this
    holds: Literal["neurons", "traces", "modulators", "synapses", "recorded"] = "neurons"
    recordable: tuple[Recordable, ...] = ()
    starts_as: tuple[tuple[str, str], ...] = ()  # (state, POPULATION.STATE): of states that start at what another draws
    joins: tuple[str, ...] = ()  # the connection whose synapses are recordable here, its source and its target

    def stream_of_start(self, state: str) -> int:
        """Of the draws that a state starts at."""
        return stream(dict(self.starts_as).get(state, f"{self.population}.{state}"), "initial")


@dataclass(frozen=True, slots=True)
class Group:
    """Populations with equal dynamics: one contiguous array per variable.

    `size` counts padding: every row starts at a multiple of 16. `states` are carried from step to step; those in
    `declared` are the user's (recordable). `arrays` are the numbers per neuron that the updates read: parameters bound
    in the rows and coefficients computed by `Derive`; nothing stands there that is one number known at compile time.
    """

    name: str
    size: int
    rows: tuple[Row, ...]
    states: tuple[str, ...]
    declared: tuple[tuple[str, str, float], ...]  # (state, unit, SI value of one)
    inputs: tuple[str, ...]  # accumulators that connections deliver into: `I!`, `I`
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

    The spikes of `source` at step n - delay (or its values at step n - delay) reach neurons [target_offset,
    target_offset + target_size) of the target group. `source_group` is None for a `Source`; a population's own neurons
    stand at `source_offset` there.

    sparse: `structure` says which synapses there are, between `source_part` and `target_part` (None: the whole
    population); they are sorted by source, then target, and the weight has one element per synapse, or, for a
    `Convolution`, per element of the kernel. `delays` is the key of a delay per synapse in ms. `values` names a
    variable of the source's group whose value at the end of step n - delay is delivered instead of spikes (`signal` is
    true then); `of_target`: of their own target, to synapses that read it. `gain`, (population, variable), of as many
    neurons as the source's population, multiplies what each source neuron delivers: the variable's value after that
    population's update of step n, or with `delays` of step n - the synapse's delay. `plastic`: the weight changes during
    a run. `synapses_of` names a connection whose synapses (and weight) these are: a second sum over the same ones.
    `backwards`: nothing is delivered, credit alone goes back over the synapses of `synapses_of`, by weights of its own.
    `rewiring`, of the owner of synapses: after an optimiser step those whose weights would change their sign are at other
    pairs of neurons (`sncc/connectivity/rewire.py`). A dense connection whose `structure` has no self-connections keeps
    the weight of a neuron to itself at zero.

    window: of values with a delay for each synapse: steps of windows; none arrives in one that was told in an earlier one. First values
    belong to the first.

    dropout: where gradients are computed, each neuron of the source delivers nothing for a whole sample with this
    probability: where word 0 of the Philox counter (stream `dropout_stream`, neuron, 0, trial) is below
    floor(dropout · 2^32 + 0.5). What the others deliver the target's update makes larger.

    stored: else an engine keeps no synapses, and makes a source's row again from its random numbers when it spikes: of
    `random` by p or fan_out, one delay, and a weight that is one number or drawn.
    """

    name: str
    source: str
    source_group: str | None
    source_offset: int
    source_size: int
    target: str  # the population
    target_group: str
    target_offset: int
    target_size: int
    input: str  # the accumulator, `I!` or `I`
    pattern: Literal["dense", "one_to_one", "sparse"]
    weight: str  # key of a Parameter
    delay: int
    signal: bool = False  # the source hands over real values: a product instead of row additions
    structure: Pattern | None = None
    source_part: Part | None = None
    target_part: Part | None = None
    delays: str | None = None
    values: str | None = None
    of_target: bool = False
    gain: tuple[str, str] | None = None
    plastic: bool = False
    interpolated: bool = False  # a delay of k + f steps delivers (1 - f) of the weight at k and f of it at k + 1
    rounded: bool = False  # an interpolated delay delivers at the nearest step, and its gradient is that of a time
    synapses_of: str | None = None
    rewiring: Rewiring | None = None
    dropout: float = 0.0
    backwards: bool = False
    window: int | None = None
    stored: bool = True

    @property
    def owner(self) -> str:
        """The connection whose synapses these are."""
        return self.synapses_of or self.name

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
    """Numbers kept for every step and neuron of a group: [T, group.size] per sample in flight.

    `shares` names another slot of the same group whose memory it takes over: the value of step n is stored after the
    other's value of step n has been loaded.
    """

    name: str
    group: str
    shares: str | None = None


@dataclass(frozen=True, slots=True)
class SynapseStates:
    """States of every synapse of a connection, beside its weight; parameters that its updates read, by symbol.

    `constants` are those of the states that no update moves: their first values follow from the numbers in `arrays`, and are
    computed anew where one of these was set. `declared` are the user's, who records them: (name, state, unit, SI value of one).
    """

    connection: str
    states: tuple[str, ...]
    initial: tuple[tuple[str, Expression], ...]
    arrays: tuple[tuple[str, float | str], ...] = ()  # symbol → a number, or the key of a Parameter
    modulators: tuple[str, ...] = ()  # numbers set from Python, `CONN.plasticity.NAME`
    clips: tuple[tuple[str, tuple[float, float]], ...] = ()  # states whose first value is drawn again outside this
    declared: tuple[tuple[str, str, str, float], ...] = ()
    constants: tuple[str, ...] = ()
