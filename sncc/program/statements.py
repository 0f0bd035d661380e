"""Statements: what the body of an operation does, for one neuron or one synapse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sncc.expressions.nodes import Apply, Expression, Number, symbols

# names in updates beside the user's, which have no dots
LEARNS = "run.learns"  # 1 where gradients are computed, else 0
SPIKE = "spike.fired"  # 1 where a neuron fires
SURROGATE = "spike.surrogate"  # the spike's derivative by the distance to the threshold
WEIGHT_NOW = "weight.now"  # of a synapse whose weight moves within a sample
MADE_UP = ".made"  # behind a state's name: its local after jumps of the step before, with which a step begins
NUMBER = (
    "number."  # before the names of states that hold numbers which each neuron has for itself, for synapses to read
)
IS_THERE = f"{NUMBER}.there"  # one such state, 1: for synapses of which only the library knows which there are
TOLD = ".told"  # behind a state's name: what the jumps ahead of a step's flow have left
SLOPED = (
    "sloped."  # before a state's name: how fast it came, over the step, to where arrivals find it; it carries no credit
)
SPIKED = "spiked."  # before a state's name: its value at the step's end, read at the spikes of its neuron, with whose times it moves
MOMENT = "moment."  # before the name of an input that is read at spikes of other neurons alone: what is read moves with their times
REFRACTORY = "refractory.left"  # steps left without a test


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
    def sides(self) -> tuple[Expression, Expression]:
        """What is compared: the distance with 0, or the two sides of a difference with each other."""
        match self.distance:
            case Apply("sub", (left, right)):
                return left, right
        return self.distance, Number(0.0)

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
    `poisson(mean)` gives a count. `whose`: the element instead of its own index, of a synapse whose neuron has one number for all of them.
    `at`: the step instead of this one, of a synapse that is late by a delay of its own. `later`: so many steps behind it, of a
    synapse that sees what a trace will draw.
    """

    name: str
    distribution: Literal["normal", "uniform", "lognormal", "exponential", "gamma", "poisson"]
    arguments: tuple[Expression, ...]
    whose: Expression | None = None
    at: Expression | None = None
    later: int = 0

    @property
    def reads(self) -> frozenset[str]:
        """Names in it."""
        counters = (c for c in (self.whose, self.at) if c is not None)
        return frozenset(name for argument in (*self.arguments, *counters) for name in symbols(argument))


@dataclass(frozen=True, slots=True)
class Repeat:
    """`name := one of several numbers that move together`, after `body` has run `count` times (0 and more).

    The numbers are `start`, by symbols of the statement's own; the assignments of `body` move them, top to bottom, each
    seeing the former; `result` is the one that is wanted. What `body` draws it draws each time anew: the r-th time after
    the first r · 0x9E3779B9 is added to the stream.
    """

    name: str
    count: Expression
    start: tuple[tuple[str, Expression], ...]
    body: tuple[Assign | Draw, ...]
    result: str

    @property
    def draws(self) -> tuple[Draw, ...]:
        """What is drawn each time."""
        return tuple(s for s in self.body if isinstance(s, Draw))

    @property
    def reads(self) -> frozenset[str]:
        """Names in it, its own aside."""
        own = {name for name, _ in self.start} | {s.name for s in self.draws}
        moved = frozenset(name for s in self.body for name in s.reads) - own
        return symbols(self.count).union(moved, *(symbols(value) for _, value in self.start))


Statement = Assign | Fire | Reduce | Draw | Repeat
