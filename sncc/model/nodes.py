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

Storage = Literal["compiled", "shared", "each"]
Schedule = Literal["sample_parallel", "neuron_parallel"]
Method = Literal["exact", "exponential_euler", "euler", "heun", "rk4", "map"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A named number of a population or a connection.

    `storage`: `compiled` in; `shared`: stored, one number; `each`: stored, one number per neuron or synapse.
    `value` is a number or an expression with draws (`normal`, `uniform`, ..., `orthogonal`) that may use `i`,
    `j`; draws are evaluated per element when the library is loaded. `scale` is the source's unit in the consistent
    system (2 s: 1000), in which the optimiser works. `key` is Python's name for it where that is not OWNER.NAME:
    lowering moves a synapse's parameters to its neurons.
    """

    name: str
    value: Expression
    unit: Unit
    storage: Storage = "compiled"
    scale: float = 1.0
    clip: tuple[float, float] | None = None  # a draw outside is drawn again
    bounds: tuple[float, float] | None = None  # kept during training
    doc: str = ""
    key: str = ""
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class State:
    """One state variable of a population, e.g. the membrane potential; `initial` may use parameters and draws.

    `storage` is that of the first value, whose key is `POP.STATE.initial`: `compiled` (draws are drawn again by every
    run), or stored because it is learnt or given by `each(…)`. `scale` and `clip` as of a `Parameter`. `starts_as`:
    POPULATION.STATE, one of as many neurons, whose drawn first value this one has too.
    """

    name: str
    initial: Expression
    unit: Unit
    storage: Storage = "compiled"
    scale: float = 1.0
    clip: tuple[float, float] | None = None
    starts_as: str = ""
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
    """An input that is added to a state as its flow ends, times `free`, or `held` in a step that holds states."""

    state: str
    input: str
    free: Expression
    held: Expression


@dataclass(frozen=True, slots=True)
class Apart:
    """States that flow by themselves, and how; None: the automatic choice. `brought`: by which inputs their noise comes, as in `Dynamics`."""

    states: tuple[str, ...]
    method: Method | None = None
    substeps: int = 1
    brought: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Dynamics:
    """The hybrid system of one neuron: a flow (or a map each step), a threshold and jumps.

    Lowering adds what synapses bring: equations beside a map; `arrivals`, jumps at spikes that arrive at an input, by
    themselves, or that a state has counted, of which `most` may arrive in a step (0: any number; `parts`: parts of each, at two steps); those of inputs named in `early` come ahead of the
    flow, of those in `once` one spike at most in a step; `window`, steps of the windows of truncated credit that those of states come after; `flowed`, states whose values between flow and arrivals are kept as states `flowed.STATE`; `apart`, states that flow by themselves, group by group, each of which sees those of the
    other groups as they were before the step; `integrated`, inputs that bring what synapses have delivered over the step;
    `leaving`, `kept` and `outputs`, states assigned at the start of every step, between flow and arrivals, and at the end;
    `curved`, inputs that are read nonlinearly and jump, of which states `INPUT.last` keep what came in the step before;
    `whose`, (state, input, input or None): of states whose noise is that of the element which the one input names, at the step which the other does; `told`, states of which states `STATE.told` keep
    what the jumps ahead of the flow have left; `brought`, (draw, input or state): of draws that others make, what comes of them in a step, all spikes together.
    """

    states: tuple[State, ...]
    inputs: tuple[Input, ...]
    equations: tuple[Equation, ...] = ()
    each_step: tuple[Assignment, ...] = ()
    method: Method | None = None  # None: the automatic choice
    substeps: int = 1  # of `rk4(substeps = 10)`
    spike: Spike | None = None
    refractory: Refractory | None = None
    surrogate: Expression | None = None  # derivative of the spike by `u`, the distance to the threshold
    arrivals: tuple[tuple[str, tuple[Assignment, ...]], ...] = ()
    early: tuple[str, ...] = ()
    once: tuple[str, ...] = ()
    window: int | None = None
    flowed: tuple[str, ...] = ()
    most: int = 1
    parts: bool = False
    apart: tuple[Apart, ...] = ()
    integrated: tuple[Integrated, ...] = ()
    leaving: tuple[Assignment, ...] = ()
    kept: tuple[Assignment, ...] = ()
    outputs: tuple[Assignment, ...] = ()
    curved: tuple[str, ...] = ()
    whose: tuple[tuple[str, str, str | None], ...] = ()
    told: tuple[str, ...] = ()
    brought: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Recordable:
    """A number of each synapse that a run may record, by the user's name, where a population stands for synapses: its state of that unit.

    `ahead`: what that is after a step stands there in the next one.
    """

    name: str
    state: str
    unit: Unit
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class Population:
    """Neurons with equal dynamics, or a source.

    Sources: `input` (spikes) and `signal` (real values) are handed over with each run, `spike_times` when the library
    is loaded or with a run; `poisson` draws its spikes: its only parameter is `rate`, in kHz. Lowering adds populations
    that are no neurons of the user's (`holds`): states that a neuron's synapses share, one set per neuron, and synapses, `recorded` where
    they are there for a simulation to record. `recordable`: of synapses of the connection that `joins` names first, then its source and target.
    """

    name: str
    kind: Literal["neuron", "input", "signal", "poisson", "spike_times"]
    shape: tuple[int, ...]
    model: str  # the name of the model in the source, for messages
    parameters: tuple[Parameter, ...] = ()
    dynamics: Dynamics | None = None
    unit: Unit | None = None  # of a signal's values
    impulse: bool = False  # a signal delivered as an impulse each step
    holds: Literal["neurons", "traces", "modulators", "synapses", "recorded"] = "neurons"
    recordable: tuple[Recordable, ...] = ()
    joins: tuple[str, ...] = ()
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
    `post.X`, a state, parameter or input of the neuron before or behind it. `deliver` is added to the target's input
    all the time.
    """

    model: str
    parameters: tuple[Parameter, ...]
    states: tuple[State, ...] = ()
    equations: tuple[Equation, ...] = ()
    on_pre: tuple[Assignment, ...] = ()
    deliver: Expression | None = None
    deliver_unit: Unit | None = None
    method: Method | None = None
    substeps: int = 1
    doc: str = ""
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Plasticity:
    """How a weight changes: traces per presynaptic and postsynaptic neuron, states per synapse, jumps at spikes.

    Names as in a `Synapse`, beside `modulators` (third factors, set from Python or by a population). `equations` are of
    states of all three kinds; in `on_pre` and `on_post` `weight` is assigned like a state. `bounds` act after each
    jump.
    """

    model: str
    parameters: tuple[Parameter, ...]
    pre_states: tuple[State, ...] = ()
    post_states: tuple[State, ...] = ()
    states: tuple[State, ...] = ()
    equations: tuple[Equation, ...] = ()
    on_pre: tuple[Assignment, ...] = ()
    on_post: tuple[Assignment, ...] = ()
    modulators: tuple[Input, ...] = ()
    bounds: tuple[tuple[str, Expression, Expression], ...] = ()
    doc: str = ""
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Connection:
    """Synapses from (a part of) one population to an input of (a part of) another.

    A fixed delay is `delay_steps`, whole steps; where every synapse has its own, or a delay is learnt, `delay` is its
    parameter (in ms) and `delay_steps` the smallest legal one. `share` names a connection whose weights are used, and
    whether they are transposed. `sign_fixed`: training keeps each weight's sign (Dale). `rewiring`: training moves
    synapses. `dropout`: the probability that training leaves a source neuron out of a
    sample. `stored`: whether synapses are kept, or made again for every spike. `modulators` bind a plasticity's modulator to a state, or the spikes, of a
    population of one neuron or of as many as the target has: (modulator, population, variable).

    Set by lowering: `values` names the source's state that is delivered all the time instead of spikes, as `impulses`
    or as a drive; `of_target`: to synapses, from their own target; `gain`, (population, state), multiplies what each source neuron delivers; `synapses_of` names the
    connection whose synapses and weights these are; `only_recorded`: its states are there to be recorded, and deliver nothing;
    `deliveries`: what a synapse that moves by itself delivers, (input of the target, of its states at the step's start).
    """

    name: str
    source: str
    target: str
    input: str
    pattern: Pattern
    weight: Parameter
    delay_steps: int
    source_part: Part
    target_part: Part
    delay: Parameter | None = None
    post_delay_steps: int = 0
    synapse: Synapse | None = None
    plasticity: Plasticity | None = None
    share: tuple[str, bool] | None = None
    sign_fixed: bool = False
    dropout: float = 0.0
    rewiring: Rewiring | None = None
    modulators: tuple[tuple[str, str, str], ...] = ()
    values: str | None = None
    impulses: bool = False
    of_target: bool = False
    gain: tuple[str, str] | None = None
    synapses_of: str | None = None
    only_recorded: bool = False
    deliveries: tuple[tuple[str, Expression], ...] = ()
    stored: bool = True
    doc: str = ""
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Recording:
    """One `record` of a `simulate` block: `spikes` or a state of (a part of) a population, or of a connection's
    synapses their `weight` or a state.

    `owner` is the population's or the connection's name; `part` is None for a connection.
    """

    owner: str
    variable: str
    every_steps: int = 1
    part: Part | None = None
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Stimulus:
    """`stimulate exc.I: 200 pA from 100 ms to 200 ms`: a value added to an input, or to a modulator of a connection.

    `value` may use `t`; steps: first included, last excluded.
    """

    owner: str
    input: str
    value: Expression
    window: tuple[int, int | None] = (0, None)
    part: Part | None = None
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
    """A whole network. `step` in ms; `source` is the user's text, shipped with the emitted project.

    `schedule`: what is spread over threads, samples or neurons; None: samples where there is training, else neurons.
    """

    name: str
    step: float
    populations: tuple[Population, ...]
    connections: tuple[Connection, ...]
    training: Training | None = None
    simulation: Simulation | None = None
    doc: str = ""
    source: str = field(default="", compare=False)
    schedule: Schedule | None = None

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
