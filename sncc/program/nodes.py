"""The Program IR: groups of neurons, connections between them, and phases of operations over time.

No neuron and no learning rule stands in it: a rule only decides which operations stand in which phase. Numbers are in
the consistent system of units (mV, ms, pA, nS, pF, GOhm, kHz); Python's SI numbers are `value * Parameter.si`.

Symbols. In a group's expressions a symbol is, in this order: a local assigned earlier in the same body, a tape slot
loaded, an input accumulator, a carried variable (its value before the update), an entry of `Group.arrays` (one number
per neuron), `t` (ms, the time before the step), or `run.learns` (1 in a run that computes gradients, else 0). By convention `I!` is the accumulator of impulses into input `I`,
`I` that of continuous drive, `x~` the adjoint of `x`; other characters are those of the language's names plus `.`.

Time. Steps are n = 1 .. T, T per sample. A sample owns its variables, accumulators and tape; all start at zero except
the states, which start at `Row.initial`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sncc.connectivity.patterns import Dense, OfSynapses, Part, Pattern, Rewiring
from sncc.expressions.nodes import Expression, symbols
from sncc.program.streams import stream

Precision = Literal["float32", "float64"]
# names in updates beside the user's, which have no dots
LEARNS = "run.learns"  # 1 where gradients are computed, else 0
SPIKE = "spike.fired"  # 1 where a neuron fires
SURROGATE = "spike.surrogate"  # the spike's derivative by the distance to the threshold
REFRACTORY = "refractory.left"  # steps left without a test


# ------------------------------------------------------------------------------------------------ statements
@dataclass(frozen=True, slots=True)
class Assign:
    """`name := value`, for every neuron (or, in a readout, for every output)."""

    name: str
    value: Expression

    @property
    def reads(self) -> frozenset[str]:
        """Names in it."""
        return symbols(self.value)


@dataclass(frozen=True, slots=True)
class Fire:
    """`name := 1 where distance > 0 (or >= 0) and the gate is true, else 0`, a number."""

    name: str
    distance: Expression
    strict: bool = True
    gate: Expression | None = None  # a condition; no test where it is false

    @property
    def reads(self) -> frozenset[str]:
        """Names in it."""
        return symbols(self.distance) | (symbols(self.gate) if self.gate is not None else frozenset())


@dataclass(frozen=True, slots=True)
class Reduce:
    """`name := sum (or max) of value over a readout's outputs`, one number, added in the order of the outputs."""

    name: str
    operation: Literal["sum", "max"]
    value: Expression

    @property
    def reads(self) -> frozenset[str]:
        """Names in it."""
        return symbols(self.value)


@dataclass(frozen=True, slots=True)
class Draw:
    """`name := a number drawn at this step`, one per neuron or synapse: `distribution` and its arguments as in
    `expressions.nodes.DRAWS`.

    Philox counter: (stream, element, step, trial) with the stream of `Row.streams`, or `SynapseUpdate.streams`, under
    `name`, the neuron's index in its population or the synapse's number in the user's order as element, n as step. Where
    an update runs for several spikes in one step, the r-th after the first adds r · 0x9E3779B9 to the stream.
    `poisson(mean)` gives a count.
    """

    name: str
    distribution: Literal["normal", "uniform", "lognormal", "exponential", "gamma", "poisson"]
    arguments: tuple[Expression, ...]

    @property
    def reads(self) -> frozenset[str]:
        """Names in it."""
        return frozenset(name for argument in self.arguments for name in symbols(argument))


@dataclass(frozen=True, slots=True)
class Repeat:
    """`name := one of several numbers that move together`, after `body` has run `count` times (0 and more).

    The numbers are `start`, by symbols of the statement's own; the assignments of `body` move them, top to bottom, each
    seeing the former; `result` is the one that is wanted.
    """

    name: str
    count: Expression
    start: tuple[tuple[str, Expression], ...]
    body: tuple[tuple[str, Expression], ...]
    result: str

    @property
    def reads(self) -> frozenset[str]:
        """Names in it, its own aside."""
        moved = frozenset(name for _, value in self.body for name in symbols(value)) - {name for name, _ in self.start}
        return symbols(self.count).union(moved, *(symbols(value) for _, value in self.start))


Statement = Assign | Fire | Reduce | Draw | Repeat


# ------------------------------------------------------------------------------------------------ what there is
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
    most: int = 0  # spikes of a neuron in a step that the network follows one by one; 0: any number


@dataclass(frozen=True, slots=True)
class Parameter:
    """A stored or compiled-in number, vector or matrix, under the key that Python uses (`hidden_output.weight`).

    `shape` is what Python sees: () for one shared number. `dimensions` is what operations index: (pre, post) of a
    dense weight, (n,) of a one-to-one weight or of a population's parameter; a shared number is repeated over it.
    A parameter of a sparse connection has one element per synapse, whose number is known when the library is loaded:
    its `connection` is named, and `shape` and `dimensions` are (-1,) (a shared number: shape ()).
    `initial` is evaluated per element with symbols `i`, `j` (the element's indices; a vector has `i` only) and draws.
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
    doc: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Row:
    """One population inside a group: neurons [offset, offset + size) of the group's arrays.

    `values` binds the group's parameter symbols: a number, or the key of a stored `Parameter`. `initial` gives each
    state's first value, an expression of those symbols, numbers and draws. `holds`: what its elements are, neurons of
    the user's, states that synapses share per neuron, or synapses.
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
    holds: Literal["neurons", "traces", "synapses"] = "neurons"


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
    `rewiring`, of the owner of synapses: after an optimiser step those whose weights would change their sign are at other
    pairs of neurons (`sncc/connectivity/rewire.py`). A dense connection whose `structure` has no self-connections keeps
    the weight of a neuron to itself at zero.

    dropout: where gradients are computed, each neuron of the source delivers nothing for a whole sample with this
    probability: where word 0 of the Philox counter (stream `dropout_stream`, neuron, 0, trial) is below
    floor(dropout · 2^32 + 0.5). What the others deliver the target's update makes larger.
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

    @property
    def owner(self) -> str:
        """The connection whose synapses these are."""
        return self.synapses_of or self.name

    @property
    def wiring(self) -> Pattern | None:
        """The `structure`, or that of the synapses that neurons stand for."""
        return self.structure.pattern if isinstance(self.structure, OfSynapses) else self.structure

    @property
    def dropout_stream(self) -> int:
        """Of the draws that say which neurons of the source a sample is left without."""
        return stream(self.owner, "dropout")

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


# ------------------------------------------------------------------------------------------------ operations
@dataclass(frozen=True, slots=True)
class Derive:
    """Computes coefficients per neuron, in float64, from parameters alone; runs when a parameter changed.

    First the symbols bound in the rows get their values per neuron, then the body runs. Names in `Group.arrays` are
    kept.
    """

    group: str
    body: tuple[Assign, ...]


@dataclass(frozen=True, slots=True)
class Deliver:
    """Adds rows of a connection's weight to the target's accumulator at step n, for the spikes at n - delay."""

    connection: str


@dataclass(frozen=True, slots=True)
class Update:
    """Statements over all neurons of a group at step n; in the reverse phase n runs backwards.

    loads: local := tape slot at n. The body, in order. Then, all at once: carry: variable := local; stores: tape slot
    at n := local; sums: variable += local (a sum over the sample's steps). The accumulators in `inputs` are zero again
    afterwards. `spikes` names the local that is 1 where a neuron fired: the backend lists those neurons per row.
    """

    group: str
    inputs: tuple[str, ...]
    body: tuple[Statement, ...]
    carry: tuple[tuple[str, str], ...]
    loads: tuple[tuple[str, str], ...] = ()  # (local, slot)
    stores: tuple[tuple[str, str], ...] = ()  # (slot, local)
    sums: tuple[tuple[str, str], ...] = ()  # (variable, local)
    spikes: str | None = None


@dataclass(frozen=True, slots=True)
class SynapseUpdate:
    """Statements over the synapses of a connection: its plasticity, and synapse states that no sum per neuron replaces.

    `when`: "step": every synapse at step n; "pre": the synapses of every source neuron whose spike of step n - delay
    arrives; "post": the synapses onto every neuron that fired at step n - `post_delay`. Symbols: `weight` and the
    connection's `states` (one per synapse), those of `pre` and `post`, names in `SynapseStates.arrays` (parameters: a
    number, or one per synapse) and `modulators`, and `t`. With "pre" the body runs once for every spike that arrives.
    pre, post: (symbol, population, variable): the variable's value now, of the synapse's source or target neuron; the
    population has as many neurons as the connection's source (target), or one for all. With `delays` a variable of
    `pre` is read the synapse's delay ago. carry: weight or state := local, all at once. `deliver`: a local added to
    accumulator `input` of the synapse's target.
    """

    connection: str
    when: Literal["step", "pre", "post"]
    body: tuple[Statement, ...]
    carry: tuple[tuple[str, str], ...] = ()
    deliver: str | None = None
    input: str = ""
    pre: tuple[tuple[str, str, str], ...] = ()
    post: tuple[tuple[str, str, str], ...] = ()
    post_delay: int = 0
    streams: tuple[tuple[str, int], ...] = ()  # (name of a `Draw`, stream)


@dataclass(frozen=True, slots=True)
class SynapseStates:
    """States of every synapse of a connection, beside its weight; parameters that its updates read, by symbol."""

    connection: str
    states: tuple[str, ...]
    initial: tuple[tuple[str, Expression], ...]
    arrays: tuple[tuple[str, float | str], ...] = ()  # symbol → a number, or the key of a Parameter
    modulators: tuple[str, ...] = ()  # numbers set from Python, `CONN.plasticity.NAME`
    clips: tuple[tuple[str, tuple[float, float]], ...] = ()  # states whose first value is drawn again outside this


@dataclass(frozen=True, slots=True)
class Readout:
    """What the loss sees: `variable` of a population, reduced over the steps of the window [first, last).

    Step n (counted from 1) is in the window where first < n <= last. `variable` is a carried variable after the update,
    or the spike local. `reduction` mean, sum, max, last: the loss body runs once at a sample's end; None: it runs at
    every step in the window that has a label and `over_steps` adds (`sum`) or averages (`mean`) over those steps.
    first_spike: of the spike local, the time n · step of the first spike in the window, of the window's end where there is none.

    body: statements over the outputs with symbols `x` (the variable, or its reduction) and `target` (one-hot of the
    class, or the target value); `loss` is its result, a scalar. `before`: another carried variable, which the body (of every
    step, not of a reduction) reads under that name. `gradient` continues the body and ends in `x~`, the
    derivative of the loss by `x`. `factor` multiplies both.
    """

    group: str
    population: str
    offset: int
    size: int
    variable: str
    reduction: Literal["mean", "sum", "max", "last", "first_spike"] | None
    over_steps: Literal["mean", "sum"] | None
    first: int
    last: int | None
    labels: Literal["class", "value"]
    body: tuple[Statement, ...]
    loss: str
    gradient: tuple[Statement, ...] = ()
    factor: float = 1.0
    scale: float = 1.0  # the loss function sees scale · x (the body has it in), and so do predictions and accuracy
    index: int = 0  # among the readouts; the losses of all are added, predictions and accuracy are the first's
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Penalty:
    """Cost of a population's firing rates: strength · mean over samples and neurons of ((r - target) / (1 Hz))².

    r = spikes of the sample / (T · step), in kHz like `target`. `over` batch: the mean over samples is inside the
    square.
    """

    group: str
    population: str
    offset: int
    size: int
    target: float
    strength: float
    over: Literal["sample", "batch"]


@dataclass(frozen=True, slots=True)
class ReadoutAdjoint:
    """Adds d(mean loss of the batch)/d(variable at step n) to the accumulator `into` of the readout's population.

    The per-step form takes the stored `x~` of step n over the number of labelled steps; otherwise the `x~` of the end
    is spread by the reduction: mean: over the steps of the window; sum: as it is; last: the last step of the window;
    max: the earliest step at which the maximum stood; first_spike: the step of the first spike. All times factor /
    samples of the batch. `readout` is the readout's index.
    """

    into: str
    readout: int = 0


@dataclass(frozen=True, slots=True)
class PenaltyAdjoint:
    """Adds d(penalty)/d(spike) to the accumulator `into` of the penalised population: one number per neuron, at every step."""

    penalty: int  # index in `Program.penalties`
    into: str


@dataclass(frozen=True, slots=True)
class Feedback:
    """Adds B · slot[n + delay] of `source` to the accumulator `into` of `target`: a learning signal by weights of its
    own.

    `weight`: key of B, of shape (source, target), or (n,) where `one_to_one`. `source` and `target` are a (group,
    offset, size). Nothing is added where n + delay > T. `instead`: the connection whose weights B stands for: its
    dropout holds for B as well.
    """

    weight: str
    source: tuple[str, int, int]
    slot: str
    delay: int
    target: tuple[str, int, int]
    into: str
    one_to_one: bool = False
    instead: str | None = None


@dataclass(frozen=True, slots=True)
class Transpose:
    """Adds W · slot[n + delay] of the target to the accumulator `into` of the connection's source population at step n.

    Nothing is added where n + delay > T. `at_spikes`: only for the neurons that fired at step n, the others get nothing.
    """

    connection: str
    slot: str
    into: str
    at_spikes: bool = False


@dataclass(frozen=True, slots=True)
class LearningSignal:
    """`variable` of a population := d(mean loss of the batch)/d(what readout `readout` saw), by way of a matrix.

    `weight` is the key of W, (population, outputs), or, `transposed`, of B, (outputs, population), or (n,) where
    `one_to_one`; None: the population is the one that the loss reads. For a loss at every step the derivative is that
    of step n (zero where there is none), else that of the sample's end. `target` is a (group, offset, size). `across`:
    the connection along which it comes back, to the neurons that its dropout leaves.
    """

    readout: int
    target: tuple[str, int, int]
    variable: str
    weight: str | None = None
    transposed: bool = False
    one_to_one: bool = False
    across: str | None = None


@dataclass(frozen=True, slots=True)
class PenaltySignal:
    """`variable` of a penalised population := d(penalty)/d(spike), one number per neuron, known at the samples' ends.

    `target` is the population's (group, offset, size).
    """

    penalty: int  # index in `Program.penalties`
    target: tuple[str, int, int]
    variable: str


@dataclass(frozen=True, slots=True)
class TraceUpdate:
    """Eligibility traces one step on, after the forward operations of step n.

    All traces start at zero but those in `start`, for numbers on which a state's first value depends.

    One of each per synapse of `connection`, or per neuron of `group` for one of its numbers (`array`). Symbols: the
    traces; `pre`, what the source neuron emitted at step n - delay (1 for a number); `post.X`, variable X of the target
    neuron; `read.R.X`, variable X of the first neuron that readout R reads; `reads.R`, how much the readout takes of
    this step (1 in its window, divided by the window's length for a mean). carry: trace := local. gradient: (signal,
    trace, readout): the derivative by the weight or number is the sum over n of signal · trace (for a loss at every
    step), or their product at the sample's end. penalised: (signal, trace): a penalty's derivative is their product then.
    """

    group: str
    connection: str | None
    array: str | None
    body: tuple[Assign, ...]
    carry: tuple[tuple[str, str], ...]
    gradient: tuple[tuple[str, str, int], ...]
    start: tuple[tuple[str, Expression], ...] = ()  # of the group's numbers
    penalised: tuple[tuple[str, str], ...] = ()

    @property
    def traces(self) -> tuple[str, ...]:
        """Names of the traces."""
        return tuple(trace for trace, _ in self.carry)


@dataclass(frozen=True, slots=True)
class Gather:
    """Gradient of a connection's weight: row i += slot[n + delay] for every spike of neuron i at step n <= T - delay.

    For a signal: row i += value_i[n] · slot[n + delay].
    """

    connection: str
    slot: str


@dataclass(frozen=True, slots=True)
class GatherDelay:
    """Gradient of an interpolated connection's delays: weight / step · (slot[n + k + 1] - slot[n + k]), as in `Gather`.

    Of a rounded one weight · slot[n + k]: the slot is the adjoint of weight times the arrival's time.
    """

    connection: str
    slot: str


@dataclass(frozen=True, slots=True)
class DeriveAdjoint:
    """Gradient of a group's learnt parameters from the time sums of its reverse update.

    The sums (variables of `Update.sums`) have been added over the samples of the batch; first the forward `Derive` body
    stands again, then this one. results: (parameter symbol, local): the gradient per neuron, added over the neurons of
    a row where the parameter is one shared number. A carried adjoint `x~` among the sums stands for its value after the
    last step of the reverse phase: the derivative by the state x before step 1.
    """

    group: str
    sums: tuple[str, ...]
    body: tuple[Assign, ...]
    results: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Optimise:
    """One optimiser step on every learnt parameter.

    scalars: once per step, in float64, from `k` (the step, from 1) and `learning_rate` (the schedule's factor
    included). body: per element, from `w` (value / scale), `g` (gradient · scale), the states' names, the scalars and
    `rate` (`learning_rate` times the parameter's own factor); `carry` gives w and the states their new values. `clip`
    acts on g before. `follows`: a (matrix, parameter) pair each: the matrix gets the parameter's change added,
    transposed where it is two-dimensional.
    """

    name: str
    learning_rate: float
    states: tuple[str, ...]
    scalars: tuple[Assign, ...]
    body: tuple[Assign, ...]
    carry: tuple[tuple[str, str], ...]
    clip: tuple[Literal["norm", "value"], float] | None = None
    schedule: tuple[str, tuple[tuple[str, float], ...]] | None = None
    follows: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """What a run keeps without being asked: spikes or a state of a population's part, or a connection's weight."""

    owner: str
    variable: str
    every: int
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Stimulus:
    """A value added to an accumulator of a population's part at steps first < n <= last, before its update; it may use
    `t`.

    Without a group: added to the modulator `input` of the connection `population`.
    """

    group: str
    population: str
    input: str
    value: Expression
    first: int
    last: int | None
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Simulation:
    """Defaults of `simulate`: steps, records, stimuli, trials."""

    steps: int
    records: tuple[Record, ...] = ()
    stimuli: tuple[Stimulus, ...] = ()
    trials: int = 1


ForwardOperation = Deliver | Update | SynapseUpdate | Readout
ReverseOperation = ReadoutAdjoint | PenaltyAdjoint | Feedback | Transpose | Update
GradientOperation = Gather | GatherDelay | DeriveAdjoint
TraceOperation = LearningSignal | PenaltySignal | TraceUpdate


@dataclass(frozen=True, slots=True)
class Program:
    """A whole network as operations. The phases that training needs are empty where the source has no `train` block."""

    name: str
    step: float  # ms
    precision: Precision
    sources: tuple[Source, ...]
    parameters: tuple[Parameter, ...]
    groups: tuple[Group, ...]
    connections: tuple[Connection, ...]
    derive: tuple[Derive, ...]
    forward: tuple[ForwardOperation, ...]
    reverse: tuple[ReverseOperation, ...] = ()
    gradient: tuple[GradientOperation, ...] = ()
    optimise: Optimise | None = None
    traces: tuple[TraceOperation, ...] = ()  # in place of the reverse phase: training goes forwards
    penalties: tuple[Penalty, ...] = ()
    truncate: int | None = None  # no credit passes from step n + 1 to n where n is a multiple of it
    tape: tuple[TapeSlot, ...] = ()
    rule: str = ""
    batch: int = 32
    memory: int | None = None  # bytes that tapes, checkpoints and gradients of training may take; None: as it comes
    weights: Literal["", "bfloat16"] = ""  # of inference alone: stored in 16 bits where there is one for every synapse
    schedule: Literal["sample_parallel", "neuron_parallel"] = "sample_parallel"
    synapses: tuple[SynapseStates, ...] = ()
    simulation: Simulation | None = None
    source: str = field(default="", compare=False)
    doc: str = field(default="", compare=False)

    def group(self, name: str) -> Group:
        """The group of that name."""
        return next(g for g in self.groups if g.name == name)

    def connection(self, name: str) -> Connection:
        """The connection of that name."""
        return next(c for c in self.connections if c.name == name)

    def parameter(self, key: str) -> Parameter:
        """The parameter of that key."""
        return next(p for p in self.parameters if p.key == key)

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

    @property
    def readouts(self) -> tuple[Readout, ...]:
        """The readouts, by index; none where the source has no loss."""
        return tuple(sorted((o for o in self.forward if isinstance(o, Readout)), key=lambda o: o.index))

    @property
    def readout(self) -> Readout | None:
        """The first readout: what `predict` returns."""
        return next(iter(self.readouts), None)
