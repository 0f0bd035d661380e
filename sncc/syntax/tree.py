"""The syntax tree: one frozen dataclass per rule of `grammar/snn.lark`, each with its place in the text."""

from __future__ import annotations

from dataclasses import dataclass, field

from sncc.diagnostics import Span


@dataclass(frozen=True, slots=True)
class Identifier:
    """A name that a statement defines or sets."""

    name: str
    span: Span = field(compare=False)

    def __str__(self) -> str:
        return self.name


# ----------------------------------------------------------------------------------------------------- expressions
@dataclass(frozen=True, slots=True)
class Quantity:
    """`20 ms` or `0.6`: the digits and the unit as written, `unit` empty for a plain number."""

    number: str
    unit: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Name:
    """`v`, or with dots `output.v`."""

    parts: tuple[str, ...]
    span: Span = field(compare=False)

    def __str__(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True, slots=True)
class Argument:
    """`20 ms` or `tau_m = 20 ms` in a call; `adjustable` behind it makes a number assignable."""

    name: str | None
    value: Expression
    span: Span = field(compare=False)
    adjustable: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """`normal(0, 1)`; `function` may have dots, as in `hidden.tau_m(rate = 0.1)`."""

    function: Name
    arguments: tuple[Argument, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Unary:
    """`-v`, `+v` or `not a`."""

    operator: str
    operand: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """`a + b`, and every other operator between two expressions."""

    operator: str
    left: Expression
    right: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Conditional:
    """`then if condition else otherwise`."""

    then: Expression
    condition: Expression
    otherwise: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class List:
    """`[2 ms, 500 ms]`."""

    items: tuple[Expression, ...]
    span: Span = field(compare=False)


Expression = Quantity | Name | Call | Unary | Binary | Conditional | List


# --------------------------------------------------------------------------------------------- statements of a file
@dataclass(frozen=True, slots=True)
class Import:
    """`import "models.snn"`."""

    path: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Parameter:
    """`param tau_m = 20 ms adjustable`."""

    name: Identifier
    value: Expression
    adjustable: bool
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Formal:
    """An argument of a function's definition, with its default."""

    name: Identifier
    default: Expression | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Function:
    """`function relu(x, slope = 1) = slope * max(0, x)`."""

    name: Identifier
    formals: tuple[Formal, ...]
    body: Expression
    span: Span = field(compare=False)


# ------------------------------------------------------------------------------- statements of neurons and synapses
@dataclass(frozen=True, slots=True)
class State:
    """`state v = 0`."""

    name: Identifier
    initial: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Input:
    """`input I`."""

    name: Identifier
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Let:
    """`let total = I + bias`."""

    name: Identifier
    value: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Derivative:
    """`dv/dt = -v / tau_m + I`; `name` is the state, `v`."""

    name: Identifier
    value: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Jump:
    """`a += 1` or `reset v -= theta`; `operator` is one of `=`, `+=`, `-=`, `*=`."""

    name: Identifier
    operator: str
    value: Expression
    reset: bool
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class EachStep:
    """`each step:` with its assignments."""

    jumps: tuple[Jump, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Spike:
    """`spike when v > theta:` with its jumps."""

    left: Expression
    comparison: str
    right: Expression
    jumps: tuple[Jump, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Refractory:
    """`refractory 2 ms hold v`."""

    duration: Expression
    hold: tuple[Identifier, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Surrogate:
    """`surrogate triangle(width = theta)`."""

    value: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Method:
    """`method = rk4`."""

    value: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class OnPre:
    """`on pre:` with its jumps."""

    jumps: tuple[Jump, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class OnPost:
    """`on post:` with its jumps."""

    jumps: tuple[Jump, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Deliver:
    """`deliver g * (reversal - post.v)`."""

    value: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class PreState:
    """`pre state x = 0`."""

    name: Identifier
    initial: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class PostState:
    """`post state y = 0`."""

    name: Identifier
    initial: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Modulator:
    """`modulator reward`."""

    name: Identifier
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Bound:
    """`bound weight in [0 nS, 100 nS]`."""

    name: Identifier
    interval: List
    span: Span = field(compare=False)


NeuronPart = Parameter | State | Input | Let | Derivative | EachStep | Spike | Refractory | Surrogate | Method
SynapsePart = Parameter | State | Let | Derivative | OnPre | Deliver | Method
PlasticityPart = (
    Parameter | State | PreState | PostState | Let | Derivative | OnPre | OnPost | Modulator | Bound
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Neuron:
    """`neuron LIF:` with its parts."""

    name: Identifier
    parts: tuple[NeuronPart, ...]
    document: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Synapse:
    """`synapse conductance:` with its parts."""

    name: Identifier
    parts: tuple[SynapsePart, ...]
    document: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Plasticity:
    """`plasticity stdp:` with its parts."""

    name: Identifier
    parts: tuple[PlasticityPart, ...]
    document: str
    span: Span = field(compare=False)


# ------------------------------------------------------------------------------------------ statements of a network
@dataclass(frozen=True, slots=True)
class Step:
    """`step = 1 ms`."""

    value: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Initial:
    """`v = uniform(-60 mV, -50 mV)` of a population."""

    name: Identifier
    value: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Population:
    """`population out: LI[11](tau_m = 20 ms), v = 0`; `shape` is None where no brackets stand."""

    name: Identifier
    model: Identifier
    shape: tuple[Expression, ...] | None
    arguments: tuple[Argument, ...]
    initials: tuple[Initial, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Range:
    """`0:80` of a slice, the end excluded."""

    start: Expression
    stop: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Index:
    """`3` of a slice."""

    value: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`exc[0:80].I`: a population, a part of it, one of its inputs."""

    name: Identifier
    slices: tuple[Range | Index, ...]
    input: Identifier | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Option:
    """`weight = each(0) in [0, 1]` or `share = a_b transposed` of a connection."""

    name: Identifier
    value: Expression
    interval: List | None
    span: Span = field(compare=False)
    transposed: bool = False


@dataclass(frozen=True, slots=True)
class Connect:
    """`connect [NAME =] a -> b: dense, weight = 0.5, delay = 1 ms`."""

    name: Identifier | None
    source: Endpoint
    target: Endpoint
    pattern: Expression
    options: tuple[Option, ...]
    span: Span = field(compare=False)

    @property
    def known_as(self) -> str:
        """The name that is given, else that of source and target."""
        return self.name.name if self.name else f"{self.source.name}_{self.target.name}"


@dataclass(frozen=True, slots=True)
class Interval:
    """`0..8` of a `for`, the end excluded."""

    start: Expression
    stop: Expression
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Loop:
    """`for k in exc, inh:` around statements of a network, a `train` or a `simulate` block."""

    variable: Identifier
    over: tuple[Identifier, ...] | Interval
    parts: tuple[Step | Population | Connect | Setting | Record | Stimulate | Loop, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Network:
    """`network Gestures:` with its parts."""

    name: Identifier
    parts: tuple[Step | Population | Connect | Loop, ...]
    document: str
    span: Span = field(compare=False)


# ------------------------------------------------------------------------------------------ training and simulation
@dataclass(frozen=True, slots=True)
class Setting:
    """`learn = weights, output.bias`."""

    name: Identifier
    values: tuple[Expression, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Record:
    """`record v of exc[0:10] every 1 ms`."""

    variable: Identifier
    populations: tuple[Endpoint, ...]
    every: Expression | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Stimulate:
    """`stimulate exc.I: 200 pA from 100 ms to 200 ms`; without `from` and `to` all the time."""

    target: Endpoint
    value: Expression
    start: Expression | None
    stop: Expression | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Train:
    """The `train:` block."""

    parts: tuple[Setting | Loop, ...]
    document: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Simulate:
    """The `simulate:` block."""

    parts: tuple[Setting | Record | Stimulate | Loop, ...]
    document: str
    span: Span = field(compare=False)


Block = Import | Parameter | Function | Neuron | Synapse | Plasticity | Network | Train | Simulate


@dataclass(frozen=True, slots=True)
class File:
    """A whole `.snn` file."""

    blocks: tuple[Block, ...]
    document: str
    span: Span = field(compare=False)
