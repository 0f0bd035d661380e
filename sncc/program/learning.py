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
    samples of the batch. `readout` is the readout's index. `after`, of max alone: at the step after that one instead, if it is in the
    window.
    """

    into: str
    readout: int = 0
    after: bool = False


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

    Nothing is added where n + delay > T. In `Program.before`, of `Feedback` as well, n runs on from 0 backwards as far as there is a delay, nothing is
    added where n + delay < 1, and nothing clears `into`. `at_spikes`: only for the neurons that fired at step n, the others get nothing.
    """

    connection: str
    slot: str
    into: str
    at_spikes: bool = False


@dataclass(frozen=True, slots=True)
class Each:
    """A loop over the outputs of a readout: operations that stand one after the other with the same one are done for each of them.

    Or over the synapses by which each neuron reaches outputs, first those that are the first of their neurons, as many times as a neuron has
    synapses at most: `along` are the connection from neurons to the synapses, elements of a group, and that from these to the outputs; or
    one connection from neurons to outputs, or (without a readout) from neurons to the synapses onto them that read their states.
    `places`: the group of which each element has what a neuron's synapse is like.

    `inside`: of each turn of that loop, the neuron that it has come to in place of the element's own: one more loop, along this one's synapses.
    """

    readout: int | None
    along: tuple[str, ...] = ()
    places: str = ""
    inside: Each | None = None


def loops(each: Each | None) -> Iterator[Each]:
    """A loop and those that it is inside of, the inmost first."""
    while each is not None:
        yield each
        each = each.inside


@dataclass(frozen=True, slots=True)
class LearningSignal:
    """`variable` of a population := d(mean loss of the batch)/d(what readout `readout` saw), by way of a matrix.

    `weight` is the key of W, (population, outputs), or, `transposed`, of B, (outputs, population), or (n,) where
    `one_to_one`, or of the synapses of `across` where these are no whole matrix; None: the population is the one that the
    loss reads, or, in a loop along synapses, each of its neurons reaches an output by a weight of one: that of its synapse, or none. For a loss at every step the derivative is that
    of step n (zero where there is none), else that of the sample's end. `target` is a (group, offset, size). `across`:
    the connection along which it comes back, to the neurons that its dropout leaves. `each`: of the loop's output alone.
    """

    readout: int
    target: tuple[str, int, int]
    variable: str
    weight: str | None = None
    transposed: bool = False
    one_to_one: bool = False
    across: str | None = None
    each: Each | None = None


@dataclass(frozen=True, slots=True)
class PenaltySignal:
    """`variable` of a penalised population := d(penalty)/d(spike), one number per neuron, known at the samples' ends.

    `target` is the population's (group, offset, size).
    """

    penalty: int  # index in `Program.penalties`
    target: tuple[str, int, int]
    variable: str


@dataclass(frozen=True, slots=True)
class SignalBack:
    """`variable` of `group`, of which each element has the place of a source of `connection` := that of the source's target, 0 where it has none.

    Each source has at most one synapse. Follows the signal of readout `readout`, or, without one, those of penalties. Without a
    connection elements have the places of those of the group `told`.
    """

    connection: str | None
    group: str
    variable: str
    readout: int | None
    told: str = ""
    each: Each | None = None


@dataclass(frozen=True, slots=True)
class Picked:
    """`variable` of `group` := variable `of`, (group, variable), of what a loop along synapses has come to.

    Each element of `group` has the place of a neuron, and gets the variable of its `synapse`, that of the `target` of this, or the synapse's `delay` in steps over
    the connection that `of` names, 0 where the neuron has no more. Or, `over` a connection, it has the place of a source of that, and gets the variable of the element that has the place of the source's target.
    """

    group: str
    variable: str
    of: tuple[str, str]
    each: Each
    what: Literal["synapse", "target", "delay"] = "synapse"
    over: str | None = None


@dataclass(frozen=True, slots=True)
class TraceUpdate:
    """Eligibility traces one step on, after the forward operations of step n.

    All traces start at zero but those in `start`, for numbers on which a state's first value depends.

    One of each per synapse of `connection`, or per neuron of `group` for one of its numbers (`array`). Symbols: the
    traces; `pre`, what arrives over the synapse at step n (1 for a number); `post.X`, variable X of the target neuron;
    `through.G.X`, variable X of the element of group G that has its place; `read.R.X`, variable X of the first neuron that
    readout R reads, `output.R.X` of the loop's output; `reads.R`, how much the readout takes of this step (1 in its window, divided by the window's length for
    a mean); `within`, 0 where a window of truncated credit begins after step 1, else 1. carry: trace := local. gradient: (signal,
    trace, readout): the derivative by the weight or number is the sum over n of signal · trace (for a loss at every
    step), or their product at the sample's end. penalised: (signal, trace): a penalty's derivative is their product then.

    `of_delays`: the traces are of the connection's learnt delays, and `pre` is the derivative of what arrives, weight · (x[n-k-1] - x[n-k]) / step.

    `each`: there is one of each trace for each output besides; `shared.T` is then trace T, after the step where these stand later, of those of the same
    weights or number that serve all outputs (of a loop inside of another one: of the other one's turn). `kept`, (trace, connection): traces of these that are kept of as many steps as the
    connection's synapses have delays at most; `past.T` is then T of as many steps ago as a synapse's delay is, nothing of what left before the window of
    truncated credit began, and `delays`, (T, symbol), says where that stands.
    """

    group: str
    connection: str | None
    array: str | None
    body: tuple[Assign, ...]
    carry: tuple[tuple[str, str], ...]
    gradient: tuple[tuple[str, str, int], ...]
    start: tuple[tuple[str, Expression], ...] = ()  # of the group's numbers
    penalised: tuple[tuple[str, str], ...] = ()
    each: Each | None = None
    adds: tuple[tuple[str, str], ...] = ()  # (T, local): to `shared.T`, which the step has not yet moved
    kept: tuple[tuple[str, str], ...] = ()
    delays: tuple[tuple[str, str], ...] = ()
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
    """Gradient of an interpolated connection's delays: weight / step · (slot[n + k + 1] - slot[n + k]), as in `Gather`.

    Of a rounded one weight · slot[n + k]: the slot is the adjoint of weight times the arrival's time.
    """

    connection: str
    slot: str


@dataclass(frozen=True, slots=True)
class FirstSum:
    """The sum `name` over the batch's samples of the adjoints, added up, of a state before its first step, times `factor`.

    factor: the derivative of what the state starts at by `number`, of the group's numbers and of draws, `first(STREAM, draw)`, of
    which each sample has its own.
    """

    name: str
    number: str
    adjoints: tuple[str, ...]
    factor: Expression


@dataclass(frozen=True, slots=True)
class DeriveAdjoint:
    """Gradient of a group's learnt parameters from the time sums of its reverse update.

    The sums (variables of `Update.sums`) have been added over the samples of the batch; first the forward `Derive` body
    stands again, then this one. results: (parameter symbol, local): the gradient per neuron, added over the neurons of
    a row where the parameter is one shared number. A carried adjoint `x~` among the sums stands for its value after the
    last step of the reverse phase: the derivative by the state x before step 1; `start~x` for what `Program.before` has
    collected there. told, (name, connection, (group, variable)): what the body reads by that name is the sum, over a neuron's synapses of a
    connection, of a sum over time of the group whose elements have the places of the connection's targets. first: sums of each sample's own factor.
    """

    group: str
    sums: tuple[str, ...]
    body: tuple[Assign, ...]
    results: tuple[tuple[str, str], ...]
    told: tuple[tuple[str, str, tuple[str, str]], ...] = ()
    first: tuple[FirstSum, ...] = ()


Follow = tuple[str, str, bool]  # a matrix, the parameter whose change it gets, whether transposed


@dataclass(frozen=True, slots=True)
class Optimise:
    """One optimiser step on every learnt parameter.

    scalars: once per step, in float64, from `k` (the step, from 1) and `learning_rate` (the schedule's factor
    included). body: per element, from `w` (value / scale), `g` (gradient · scale), the states' names, the scalars and
    `rate` (`learning_rate` times the parameter's own factor); `carry` gives w and the states their new values. `clip`
    acts on g before. `follows`: (matrix, parameter, transposed): the matrix gets the parameter's change added, element by
    element or transposed; that of a shared number everywhere.
    """

    name: str
    learning_rate: float
    states: tuple[str, ...]
    scalars: tuple[Assign, ...]
    body: tuple[Assign, ...]
    carry: tuple[tuple[str, str], ...]
    clip: tuple[Literal["norm", "value"], float] | None = None
    schedule: tuple[str, tuple[tuple[str, float], ...]] | None = None
    follows: tuple[Follow, ...] = ()


ReverseOperation = ReadoutAdjoint | PenaltyAdjoint | Feedback | Transpose | Update
GradientOperation = Gather | GatherDelay | DeriveAdjoint
TraceOperation = LearningSignal | PenaltySignal | SignalBack | Picked | TraceUpdate
