"""The Model IR: populations, connections and training, all names, units and shapes resolved.

Numbers are in the consistent system of units (mV, ms, pA, nS, pF, GOhm, kHz). Expressions speak of a population's own
parameters, states and inputs by their plain names, and of `t` and `step`; functions and `let` are already substituted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sncc.connectivity.patterns import Part, Pattern, Rewiring
from sncc.diagnostics import Span
from sncc.expressions.nodes import Expression
from sncc.expressions.units import Unit
from sncc.model.training_nodes import Training

# compiled: in the code. shared: stored, one number. each: stored, one number per neuron or synapse.
Storage = Literal["compiled", "shared", "each"]
Schedule = Literal["sample_parallel", "neuron_parallel"]
Method = Literal["exact", "exponential_euler", "euler", "heun", "rk4", "map"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A named number of a population or a connection."""

    name: str
    # A number, or an expression that may use the indices `i`, `j` and draws (`normal`, `uniform`, ..., `orthogonal`),
    # which are made per element when the library is loaded.
    value: Expression
    unit: Unit
    storage: Storage = "compiled"
    scale: float = 1.0  # the text's unit in the consistent system (2 s: 1000); the optimiser sees value / scale
    clip: tuple[float, float] | None = None  # a draw outside is drawn again
    bounds: tuple[float, float] | None = None  # kept during training
    doc: str = ""
    key: str = ""  # Python's name where that is not OWNER.NAME: lowering moves a synapse's parameters to its neurons
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class State:
    """One state variable of a population, e.g. the membrane potential."""

    name: str
    initial: Expression  # the first value, which may use parameters and draws
    unit: Unit
    # Of the first value: `compiled` (every run draws anew), or stored under the key `POP.STATE.initial` because it is
    # learnt or given by `each(…)`.
    storage: Storage = "compiled"
    scale: float = 1.0  # this and `clip` as of a `Parameter`
    clip: tuple[float, float] | None = None
    starts_as: str = ""  # POPULATION.STATE, of as many neurons, whose drawn first value this one has too
    doc: str = ""
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Input:
    """What the synapses deliver to a neuron under one name, summed."""

    name: str
    unit: Unit
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Equation:
    """`d state / dt = derivative`."""

    state: str
    derivative: Expression
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Assignment:
    """`state = value`, in order; `reset` makes the spike a constant in it for the gradient.

    `+=` and its kind are already written out: `v -= theta` has the value `v - theta`.
    """

    state: str
    value: Expression
    reset: bool = False
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Spike:
    """`spike when left > right`: `distance` is left - right; `strict` is false for `>=`."""

    distance: Expression
    strict: bool
    jumps: tuple[Assignment, ...] = ()
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Refractory:
    """No test for `duration` (a time in ms) after a spike; the states in `hold` stand still."""

    duration: Expression
    hold: tuple[str, ...] = ()
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Integrated:
    """An input that brings what synapses have delivered over the step: it is added to a state as the flow ends."""

    state: str
    input: str
    free: Expression  # the factor on it
    held: Expression  # the factor in a step in which a refractory time holds states


@dataclass(frozen=True, slots=True)
class Apart:
    """States that flow by themselves, and how."""

    states: tuple[str, ...]
    method: Method | None = None  # None: the automatic choice
    substeps: int = 1
    # (draw, input): noise of this flow that the source draws, and the input by which it comes; it enters between flow
    # and arrivals. Without any the flow draws its noise itself.
    brought: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """Spikes over a learnt delay come in two parts, each of which moves states by its share of what all of them do.

    Each part does it with what has been drawn at its own spikes.
    """

    now: str  # the input, or state, that counts the spikes of which the first part comes now
    before: str  # the state that counts those, a step older, of which the second part comes
    rest: Expression  # the share of the second part


@dataclass(frozen=True, slots=True)
class Dynamics:
    """The hybrid system of one neuron: a flow (or a map each step), a threshold and jumps.

    A step does, in this order: `arrivals` that are `early`; `told`, `leaving`; `each_step`; the flow of `equations`
    with what is `integrated`; `flowed`, `kept`; the other `arrivals`; `spike`; `outputs`.
    """

    # ---- what the user writes
    states: tuple[State, ...]
    inputs: tuple[Input, ...]
    equations: tuple[Equation, ...] = ()
    each_step: tuple[Assignment, ...] = ()
    method: Method | None = None  # None: the automatic choice
    substeps: int = 1  # of `rk4(substeps = 10)`
    spike: Spike | None = None
    refractory: Refractory | None = None
    surrogate: Expression | None = None  # derivative of the spike by `u`, the distance to the threshold

    # ---- what lowering adds for populations of traces and synapses: jumps at spikes that arrive
    # (name, jumps): an input, or a state that has counted the spikes of the step before. A name may have several blocks
    # of jumps: each moves for every spike of the step before the next one does.
    arrivals: tuple[tuple[str, tuple[Assignment, ...]], ...] = ()
    early: tuple[str, ...] = ()  # names whose jumps come ahead of the flow, as spikes of the step before
    once: tuple[str, ...] = ()  # names where a step brings one whole spike at most
    most: int = 1  # how many spikes a step may bring elsewhere; 0: any number
    parts: bool = False  # whether elsewhere a spike comes in two parts, at two steps: of delays that are learnt
    # Steps in a window of truncated credit. As a window begins, what jumps at counted spikes leave belongs to the one
    # before: it is a constant for the gradient.
    window: int | None = None
    drawing: Parts | None = None  # how those spikes come whose draws states jump by, where these come in parts

    # ---- how states flow
    # Groups that flow one by one: each sees the others as the step before has left them, after jumps at counted spikes.
    apart: tuple[Apart, ...] = ()
    integrated: tuple[Integrated, ...] = ()
    brought: tuple[tuple[str, str], ...] = ()  # of a group alone: as in `Apart`
    # (state, input, input or None): a state whose noise and draws are those of the element that the first input names,
    # at the step that the second does (None: this one). So synapses of one neuron draw the same numbers.
    whose: tuple[tuple[str, str, str | None], ...] = ()

    # ---- states that keep a value of a moment in the step, for what reads it later
    leaving: tuple[Assignment, ...] = ()  # ahead of map and flow
    kept: tuple[Assignment, ...] = ()  # between flow and arrivals
    outputs: tuple[Assignment, ...] = ()  # at the end; they may read how many spikes have arrived at an input I, `I!`
    told: tuple[str, ...] = ()  # of these states, `STATE.told` is what the early arrivals have left
    flowed: tuple[str, ...] = ()  # of these states, `flowed.STATE` is the value between flow and arrivals
    # Inputs, or copies of them in `outputs`, that jump and are read nonlinearly: `NAME.last` is the value of the step
    # before.
    curved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recordable:
    """A number of each synapse that a run may record, where a population stands for synapses."""

    name: str  # the user's
    state: str  # the population's
    unit: Unit
    ahead: bool = False  # whether what it is after a step stands in the state in the next one


@dataclass(frozen=True, slots=True)
class Population:
    """Neurons with equal dynamics, or a source of spikes or values."""

    name: str
    # input: spikes, handed over with each run. signal: real values, likewise. spike_times: spikes, handed over when the
    # library is loaded or with a run. poisson: draws its spikes; its only parameter is `rate`, in kHz.
    kind: Literal["neuron", "input", "signal", "poisson", "spike_times"]
    shape: tuple[int, ...]
    model: str  # the name of the model in the source, for messages
    parameters: tuple[Parameter, ...] = ()
    dynamics: Dynamics | None = None
    unit: Unit | None = None  # of a signal's values
    impulse: bool = False  # a signal delivered as an impulse each step
    # What one of its elements is. neurons: the user's. By lowering: traces: states that the synapses of a neuron share.
    # modulators: what another population was at the end of the step before. synapses: one each. recorded: the same for
    # synapses that are there for a simulation to record, and stand still elsewhere.
    holds: Literal["neurons", "traces", "modulators", "synapses", "recorded"] = "neurons"
    recordable: tuple[Recordable, ...] = ()
    joins: tuple[str, ...] = ()  # the connection whose synapses are recordable here, its source and its target
    doc: str = ""
    span: Span | None = field(default=None, compare=False)

    @property
    def size(self) -> int:
        """Number of neurons."""
        size = 1
        for length in self.shape:
            size *= length
        return size

    def parameter(self, name: str) -> Parameter:
        """The parameter of that name."""
        return next(p for p in self.parameters if p.name == name)


@dataclass(frozen=True, slots=True)
class Synapse:
    """The hybrid system of a synapse: states that move by themselves and jump when a spike arrives.

    Expressions speak of the synapse's own parameters and states by plain names, of `weight`, and of `pre.X` and
    `post.X`, a state, parameter or input of the neuron before or behind it.
    """

    model: str  # the name of the definition in the source
    parameters: tuple[Parameter, ...]
    states: tuple[State, ...] = ()
    equations: tuple[Equation, ...] = ()
    on_pre: tuple[Assignment, ...] = ()
    deliver: Expression | None = None  # added to the target's input all the time
    deliver_unit: Unit | None = None
    method: Method | None = None
    substeps: int = 1
    doc: str = ""
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Plasticity:
    """How a weight changes: traces per presynaptic and postsynaptic neuron, states per synapse, jumps at spikes.

    Names as in a `Synapse`, beside `modulators`.
    """

    model: str  # the name of the definition in the source
    parameters: tuple[Parameter, ...]
    pre_states: tuple[State, ...] = ()  # of each source neuron
    post_states: tuple[State, ...] = ()  # of each target neuron
    states: tuple[State, ...] = ()  # of each synapse
    equations: tuple[Equation, ...] = ()  # of states of all three kinds
    on_pre: tuple[Assignment, ...] = ()  # here and in `on_post` `weight` is assigned like a state
    on_post: tuple[Assignment, ...] = ()
    modulators: tuple[Input, ...] = ()  # third factors, set from Python or by a population
    bounds: tuple[tuple[str, Expression, Expression], ...] = ()  # (`weight` or a state, low, high), after each jump
    doc: str = ""
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Connection:
    """Synapses from (a part of) one population to an input of (a part of) another."""

    name: str
    source: str
    target: str
    input: str
    pattern: Pattern
    weight: Parameter
    delay_steps: int  # the fixed delay; beside a `delay` the smallest legal one
    source_part: Part
    target_part: Part
    delay: Parameter | None = None  # in ms: where every synapse has its own, or it is learnt
    post_delay_steps: int = 0  # how much later than in the next step its plasticity notices a spike of the target
    synapse: Synapse | None = None
    plasticity: Plasticity | None = None
    share: tuple[str, bool] | None = None  # (connection whose weights are used, whether they are transposed)
    sign_fixed: bool = False  # training keeps each weight's sign (Dale)
    dropout: float = 0.0  # the probability that training leaves a source neuron out of a sample
    rewiring: Rewiring | None = None  # training moves synapses
    # (modulator of the plasticity, population, variable): it is set by a state, or the `spikes`, of a population of one
    # neuron or of as many as the target has.
    modulators: tuple[tuple[str, str, str], ...] = ()

    # ---- set by lowering
    values: str | None = None  # a state of the source that is delivered all the time, in place of spikes
    impulses: bool = False  # whether these values come as impulses; else as a drive
    of_target: bool = False  # whether the targets are synapses, and what arrives is of the neuron that they lead to
    gain: tuple[str, str] | None = None  # (population, state): a factor on what each source neuron delivers
    synapses_of: str | None = None  # the connection whose synapses and weights these are
    whole_delays: bool = False  # whether all comes after the whole steps of a learnt delay, and nothing a step later
    only_recorded: bool = False  # whether its states are there to be recorded: it delivers nothing
    # Of a synapse that moves by itself: (input of the target, what it delivers there, of states at the step's start).
    deliveries: tuple[tuple[str, Expression], ...] = ()

    stored: bool = True  # whether synapses are kept, or made again for every spike
    doc: str = ""
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Recording:
    """One `record` of a `simulate` block."""

    owner: str  # a population or a connection
    variable: str  # of a population `spikes` or a state; of a connection's synapses `weight` or a state
    every_steps: int = 1
    part: Part | None = None  # of the population; None for a connection
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Stimulus:
    """`stimulate exc.I: 200 pA from 100 ms to 200 ms`: a value that is added while a simulation runs."""

    owner: str  # a population or a connection
    input: str  # of the population, or a modulator of the connection
    value: Expression  # it may use `t`
    window: tuple[int, int | None] = (0, None)  # in steps: the first included, the last excluded, None: to the end
    part: Part | None = None  # of the population
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Simulation:
    """The `simulate` block: how long, how many trials, what is recorded, what is stimulated."""

    duration_steps: int
    records: tuple[Recording, ...] = ()
    stimuli: tuple[Stimulus, ...] = ()
    trials: int = 1
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Model:
    """A whole network."""

    name: str
    step: float  # in ms
    populations: tuple[Population, ...]
    connections: tuple[Connection, ...]
    training: Training | None = None
    simulation: Simulation | None = None
    doc: str = ""
    source: str = field(default="", compare=False)  # the user's text, shipped with the emitted project
    schedule: Schedule | None = None  # what is spread over threads; None: samples where there is training, else neurons

    @property
    def spreads_samples(self) -> bool:
        """Whether samples are spread over threads, not neurons: each is a run of its own."""
        return self.schedule == "sample_parallel" or (self.schedule is None and self.training is not None)

    def population(self, name: str) -> Population:
        """The population of that name."""
        return next(p for p in self.populations if p.name == name)

    def connection(self, name: str) -> Connection:
        """The connection of that name."""
        return next(c for c in self.connections if c.name == name)
