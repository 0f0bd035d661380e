"""Statements: what the body of an operation does, for one neuron or one synapse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sncc.expressions.nodes import Apply, Expression, Number, symbols

# ---- names in updates beside the user's, which have no dots
LEARNS = "run.learns"  # 1 where gradients are computed, else 0
SPIKE = "spike.fired"  # 1 where a neuron fires
SURROGATE = "spike.surrogate"  # the spike's derivative by the distance to the threshold
REFRACTORY = "refractory.left"  # steps left without a test
WEIGHT_NOW = "weight.now"  # of a synapse whose weight moves within a sample

# ---- behind a state's name
MADE_UP = ".made"  # its local after jumps of the step before, with which a step begins
TOLD = ".told"  # what the jumps ahead of a step's flow have left

# ---- before a state's name
NUMBER = "number."  # it holds numbers which each neuron has for itself, for synapses to read
IS_THERE = f"{NUMBER}.there"  # one such state, 1: for synapses of which only the library knows which there are
SLOPED = "sloped."  # how fast it came, over the step, to where arrivals find it; this carries no credit
SPIKED = "spiked."  # its value at the step's end, read at the spikes of its neuron, with whose times it moves
MOMENT = "moment."  # (an input's) it is read at spikes of other neurons alone: what is read moves with their times


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
    """`name := a number drawn at this step`, one per neuron or synapse.

    Philox counter: (stream, element, step, trial). The stream is that of `Row.streams`, or `SynapseUpdate.streams`,
    under `name`; the element is the neuron's index in its population, or the synapse's number in the user's order.
    Where an update runs for several spikes in one step, the r-th after the first adds r · 0x9E3779B9 to the stream.
    """

    name: str
    # As in `expressions.nodes.DRAWS`; `poisson(mean)` gives a count.
    distribution: Literal["normal", "uniform", "lognormal", "exponential", "gamma", "poisson"]
    arguments: tuple[Expression, ...]
    whose: Expression | None = None  # the element in place of its own: of a neuron with one number for all its synapses
    at: Expression | None = None  # the step in place of this one: of a synapse that is late by a delay of its own
    later: int = 0  # so many steps behind it: of a synapse that sees what a trace will draw

    @property
    def reads(self) -> frozenset[str]:
        """Names in it."""
        counters = (c for c in (self.whose, self.at) if c is not None)
        return frozenset(name for argument in (*self.arguments, *counters) for name in symbols(argument))


@dataclass(frozen=True, slots=True)
class Repeat:
    """`name := one of several numbers that move together`, after `body` has run `count` times (0 and more).

    What `body` draws it draws each time anew: the r-th time after the first r · 0x9E3779B9 is added to the stream.
    """

    name: str
    count: Expression
    start: tuple[tuple[str, Expression], ...]  # (a symbol of the statement's own, where its number starts)
    body: tuple[Assign | Draw, ...]  # assignments that move these numbers, top to bottom, each seeing the former
    result: str  # the one that is wanted

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
