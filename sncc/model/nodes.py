"""The Model IR: populations, connections and training, all names, units and shapes resolved.

Numbers are in the consistent system of units (mV, ms, pA, nS, pF, GOhm, kHz). Expressions speak of a population's own
parameters, states and inputs by their plain names, and of `t` and `step`; functions and `let` are already substituted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sncc.diagnostics import Span
from sncc.expressions.nodes import Expression
from sncc.expressions.units import Unit

Storage = Literal["compiled", "shared", "each"]
Method = Literal["exact", "exponential_euler", "euler", "heun", "rk4", "map"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A named number of a population or a connection.

    `storage`: `compiled` in; `shared`: stored, one number; `each`: stored, one number per neuron or synapse.
    `value` is a number or an expression with draws (`normal`, `uniform`, ...) that may use `fan_in`, `fan_out`, `i`,
    `j`; draws are evaluated per element when the library is loaded. `scale` is the source's unit in the consistent
    system (2 s: 1000), in which the optimiser works.
    """

    name: str
    value: Expression
    unit: Unit
    storage: Storage = "compiled"
    scale: float = 1.0
    clip: tuple[float, float] | None = None  # a draw outside is drawn again
    bounds: tuple[float, float] | None = None  # kept during training
    doc: str = ""
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class State:
    """One state variable of a population, e.g. the membrane potential; `initial` may use parameters and draws."""

    name: str
    initial: Expression
    unit: Unit
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
class Dynamics:
    """The hybrid system of one neuron: a flow (or a map each step), a threshold and jumps."""

    states: tuple[State, ...]
    inputs: tuple[Input, ...]
    equations: tuple[Equation, ...] = ()
    each_step: tuple[Assignment, ...] = ()
    method: Method | None = None  # None: the automatic choice
    spike: Spike | None = None
    refractory: Refractory | None = None
    surrogate: Expression | None = None  # derivative of the spike by `u`, the distance to the threshold


@dataclass(frozen=True, slots=True)
class Population:
    """Neurons with equal dynamics, or a source: `input` (spikes) or `signal` (real values) handed over."""

    name: str
    kind: Literal["neuron", "input", "signal"]
    shape: tuple[int, ...]
    model: str  # the name of the model in the source, for messages
    parameters: tuple[Parameter, ...] = ()
    dynamics: Dynamics | None = None
    unit: Unit | None = None  # of a signal's values
    impulse: bool = False  # a signal delivered as an impulse each step
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
class Connection:
    """Synapses from one population to an input of another. `delay_steps` is whole steps."""

    name: str
    source: str
    target: str
    input: str
    pattern: Literal["dense", "one_to_one"]
    weight: Parameter
    delay_steps: int
    doc: str = ""
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Rule:
    """How gradients are derived, e.g. `eprop(feedback = symmetric)`."""

    name: Literal["eprop", "bptt"]
    feedback: Literal["symmetric"] = "symmetric"
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Loss:
    """The loss of a readout variable.

    `reduction` is what is done over a sample's steps before the loss sees the variable (`cross_entropy(mean(output.v))`);
    None: the loss is taken at every step and `over_steps` reduces the losses (`mean(cross_entropy(output.v))`).
    `variable` is a state's name, or `spikes`. The window is in steps, first included, last excluded, None: to the end.
    """

    function: Literal["cross_entropy", "mse", "huber"]
    population: str
    variable: str
    reduction: Literal["mean", "sum", "max", "last"] | None
    over_steps: Literal["mean", "sum"] | None
    window: tuple[int, int | None] = (0, None)
    factor: float = 1.0
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Optimiser:
    """An optimiser with its settings (all plain numbers), a learning-rate schedule and a gradient clip."""

    name: str
    settings: tuple[tuple[str, float], ...] = ()
    schedule: tuple[str, tuple[tuple[str, float], ...]] | None = None
    clip: tuple[Literal["norm", "value"], float] | None = None
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Learnt:
    """A parameter that training changes: `key` as in `network.parameters`, a factor on its learning rate, bounds."""

    key: str
    rate: float = 1.0
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Training:
    """The `train` block."""

    rule: Rule
    loss: Loss
    optimiser: Optimiser
    learn: tuple[Learnt, ...]
    batch: int = 32
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Recording:
    """One `record` of a `simulate` block: `spikes` or a state of populations, every so many steps."""

    population: str
    variable: str
    every_steps: int = 1


@dataclass(frozen=True, slots=True)
class Simulation:
    """The `simulate` block: how long, and what is recorded."""

    duration_steps: int
    records: tuple[Recording, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """A whole network. `step` in ms; `source` is the user's text, shipped with the emitted project."""

    name: str
    step: float
    populations: tuple[Population, ...]
    connections: tuple[Connection, ...]
    training: Training | None = None
    simulation: Simulation | None = None
    doc: str = ""
    source: str = field(default="", compare=False)

    def population(self, name: str) -> Population:
        """The population of that name."""
        return next(p for p in self.populations if p.name == name)
