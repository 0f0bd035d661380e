"""Operations of learning: the way back, learning signals and traces, sums of gradients, the optimiser; penalties."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sncc.expressions.nodes import Expression
from sncc.program.operations import Update
from sncc.program.statements import Assign


@dataclass(frozen=True, slots=True)
class Penalty:
    """Cost of a population's firing rates: strength · mean over samples and neurons of ((r - target) / (1 Hz))².

    r = spikes of the sample / (T · step), in kHz like `target`.
    """

    group: str
    population: str
    offset: int
    size: int
    target: float
    strength: float
    over: Literal["sample", "batch"]  # batch: the mean over samples is inside the square


@dataclass(frozen=True, slots=True)
class ReadoutAdjoint:
    """Adds d(mean loss of the batch)/d(variable at step n) to an accumulator of the readout's population.

    The per-step form takes the stored `x~` of step n over the number of labelled steps. Otherwise the `x~` of the end
    is spread by the reduction:
    - mean: over the steps of the window;
    - sum: as it is;
    - last: at the last step of the window;
    - max: at the earliest step at which the maximum stood;
    - first_spike: at the step of the first spike.

    All times factor / samples of the batch.
    """

    into: str  # the accumulator
    readout: int = 0  # the readout's index
    after: bool = False  # of max alone: at the step after that one instead, if it is in the window


@dataclass(frozen=True, slots=True)
class PenaltyAdjoint:
    """Adds d(penalty)/d(spike) to an accumulator of the penalised population: one number per neuron, at every step."""

    penalty: int  # index in `Program.penalties`
    into: str  # the accumulator


@dataclass(frozen=True, slots=True)
class Feedback:
    """Adds B · slot[n + delay] of `source` to the accumulator `into` of `target`: a learning signal by weights of its
    own.

    Nothing is added where n + delay > T.
    """

    weight: str  # key of B, of shape (source, target), or (n,) where `one_to_one`
    source: tuple[str, int, int]  # (group, offset, size)
    slot: str
    delay: int
    target: tuple[str, int, int]  # (group, offset, size)
    into: str
    one_to_one: bool = False
    instead: str | None = None  # the connection whose weights B stands for: its dropout holds for B as well


@dataclass(frozen=True, slots=True)
class Transpose:
    """Adds W · slot[n + delay] of the target to an accumulator of the connection's source population at step n.

    Nothing is added where n + delay > T. In `Program.before`, of `Feedback` as well, n runs on from 0 backwards as far
    as there is a delay, nothing is added where n + delay < 1, and nothing clears `into`.
    """

    connection: str
    slot: str
    into: str  # the accumulator
    at_spikes: bool = False  # only for the neurons that fired at step n: the others get nothing


@dataclass(frozen=True, slots=True)
class Each:
    """A loop: operations that stand one after the other with the same one are done for each of its turns.

    Without `along` a turn is an output of the readout. Else it is a synapse by which each neuron reaches outputs, first
    those that are the first of their neurons, as many times as a neuron has synapses at most.
    """

    readout: int | None
    # Two connections: from neurons to the synapses, elements of a group, and from these to the outputs. Or one: from
    # neurons to outputs, or (without a readout) from neurons to the synapses onto them that read their states.
    along: tuple[str, ...] = ()
    places: str = ""  # the group of which each element has what a neuron's synapse is like
    # A loop around this one: in each of its turns this one goes along the synapses of the neuron that the turn has come
    # to, in place of the element's own.
    inside: Each | None = None


def loops(each: Each | None) -> Iterator[Each]:
    """A loop and those that it is inside of, the inmost first."""
    while each is not None:
        yield each
        each = each.inside


@dataclass(frozen=True, slots=True)
class LearningSignal:
    """`variable` of a population := d(mean loss of the batch)/d(what readout `readout` saw), by way of a matrix.

    For a loss at every step the derivative is that of step n (zero where there is none), else that of the sample's end.
    """

    readout: int
    target: tuple[str, int, int]  # the population's (group, offset, size)
    variable: str
    # Key of W, (population, outputs), or, `transposed`, of B, (outputs, population), or (n,) where `one_to_one`, or of
    # the synapses of `across` where these are no whole matrix. None: the population is the one that the loss reads, or,
    # in a loop along synapses, each of its neurons reaches an output by a weight of one: that of its synapse, or none.
    weight: str | None = None
    transposed: bool = False
    one_to_one: bool = False
    across: str | None = None  # the connection along which it comes back, to the neurons that its dropout leaves
    each: Each | None = None  # of the loop's output alone


@dataclass(frozen=True, slots=True)
class PenaltySignal:
    """`variable` of a penalised population := d(penalty)/d(spike), a number per neuron, known at the samples' ends."""

    penalty: int  # index in `Program.penalties`
    target: tuple[str, int, int]  # the population's (group, offset, size)
    variable: str


@dataclass(frozen=True, slots=True)
class SignalBack:
    """`variable` of `group` := the same variable of another group, which has been told it.

    It follows the signal of a readout, or those of penalties.
    """

    # Each element of `group` has the place of a source of this, with at most one synapse, and gets what the source's
    # target has, 0 where it has none.
    connection: str | None
    group: str
    variable: str
    readout: int | None  # whose signal it follows; None: those of penalties
    told: str = ""  # without a connection: the group whose elements have the same places
    each: Each | None = None


@dataclass(frozen=True, slots=True)
class Picked:
    """`variable` of `group` := a variable of what a loop along synapses has come to.

    Each element of `group` has the place of a neuron, or of a source of `over`; it gets 0 where the neuron has no more
    synapses.
    """

    group: str
    variable: str
    of: tuple[str, str]  # (group, variable); of a delay the first is a connection
    each: Each
    # synapse: the variable of the neuron's synapse. target: that of its target. delay: the synapse's delay, in steps.
    what: Literal["synapse", "target", "delay"] = "synapse"
    # A connection: elements have the places of its sources, and get the variable of the element that has the place of
    # the source's target.
    over: str | None = None


@dataclass(frozen=True, slots=True)
class TraceUpdate:
    """Eligibility traces one step on, after the forward operations of step n.

    There is one of each per synapse of `connection`, or per neuron of `group` for one of its numbers (`array`). Symbols
    of the body:
    - the traces;
    - `pre`: what arrives over the synapse at step n (1 for a number);
    - `post.X`: variable X of the target neuron;
    - `through.G.X`: variable X of the element of group G that has its place;
    - `read.R.X`: variable X of the first neuron that readout R reads; `output.R.X`: of the loop's output;
    - `reads.R`: how much the readout takes of this step (1 in its window, divided by the window's length for a mean);
    - `within`: 0 where a window of truncated credit begins after step 1, else 1;
    - `shared.T`, in a loop: trace T of those of the same weights or number that serve all outputs, or, inside of
      another loop, a turn of that; after the step where these stand later;
    - `past.T`, in a loop: such a trace as many steps ago as the synapse's delay is, nothing of what left before the
      window of truncated credit began.
    """

    group: str
    connection: str | None
    array: str | None
    body: tuple[Assign, ...]
    carry: tuple[tuple[str, str], ...]  # (trace, local): trace := local
    # (signal, trace, readout): the derivative by the weight or number is the sum over n of signal · trace (for a loss
    # at every step), or their product at the sample's end.
    gradient: tuple[tuple[str, str, int], ...]
    # (trace, first value), of the group's numbers, where a state's first value depends on the number; all others start
    # at zero.
    start: tuple[tuple[str, Expression], ...] = ()
    penalised: tuple[tuple[str, str], ...] = ()  # (signal, trace): a penalty's derivative is their product at the end
    each: Each | None = None  # there is one of each trace for each turn of the loop besides
    adds: tuple[tuple[str, str], ...] = ()  # (T, local): to `shared.T`, which the step has not yet moved
    kept: tuple[tuple[str, str], ...] = ()  # (trace, connection): for as many steps as its synapses have delays at most
    delays: tuple[tuple[str, str], ...] = ()  # (T, symbol): where the delay of `past.T` stands
    # Whether they are of the connection's learnt delays: then `pre` is the derivative of what arrives, weight ·
    # (x[n-k-1] - x[n-k]) / step.
    of_delays: bool = False

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
    """Gradient of an interpolated connection's delays: weight / step · (slot[n + k + 1] - slot[n + k]), as `Gather`.

    Of a rounded one weight · slot[n + k]: the slot is the adjoint of weight times the arrival's time.
    """

    connection: str
    slot: str


@dataclass(frozen=True, slots=True)
class FirstSum:
    """The sum over the batch's samples of the adjoints, added up, of a state before its first step, times `factor`."""

    name: str
    number: str
    adjoints: tuple[str, ...]
    # The derivative of what the state starts at by `number`, of the group's numbers and of draws, `first(STREAM,
    # draw)`, of which each sample has its own.
    factor: Expression


@dataclass(frozen=True, slots=True)
class DeriveAdjoint:
    """Gradient of a group's learnt parameters from the time sums of its reverse update.

    First the forward `Derive` body stands again, then this one.
    """

    group: str
    # Variables of `Update.sums`, added over the samples of the batch. A carried adjoint `x~` among them stands for its
    # value after the last step of the reverse phase: the derivative by the state x before step 1; `start~x` for what
    # `Program.before` has collected there.
    sums: tuple[str, ...]
    body: tuple[Assign, ...]
    # (parameter symbol, local): the gradient per neuron, added over the neurons of a row where the parameter is one
    # shared number.
    results: tuple[tuple[str, str], ...]
    # (name, connection, (group, variable)): what the body reads by that name is the sum, over a neuron's synapses of
    # the connection, of a sum over time of the group whose elements have the places of the connection's targets.
    told: tuple[tuple[str, str, tuple[str, str]], ...] = ()
    first: tuple[FirstSum, ...] = ()  # sums of each sample's own factor


Follow = tuple[str, str, bool]  # a matrix, the parameter whose change it gets, whether transposed


@dataclass(frozen=True, slots=True)
class Optimise:
    """One optimiser step on every learnt parameter."""

    name: str
    learning_rate: float
    states: tuple[str, ...]  # of each element
    # Once per step, in float64, from `k` (the step, from 1) and `learning_rate` (the schedule's factor included).
    scalars: tuple[Assign, ...]
    # Per element, from `w` (value / scale), `g` (gradient · scale), the states' names, the scalars and `rate`
    # (`learning_rate` times the parameter's own factor).
    body: tuple[Assign, ...]
    carry: tuple[tuple[str, str], ...]  # gives w and the states their new values
    clip: tuple[Literal["norm", "value"], float] | None = None  # acts on g before
    schedule: tuple[str, tuple[tuple[str, float], ...]] | None = None
    # The matrix gets the parameter's change added, element by element or transposed; that of a shared number
    # everywhere.
    follows: tuple[Follow, ...] = ()


ReverseOperation = ReadoutAdjoint | PenaltyAdjoint | Feedback | Transpose | Update
GradientOperation = Gather | GatherDelay | DeriveAdjoint
TraceOperation = LearningSignal | PenaltySignal | SignalBack | Picked | TraceUpdate
