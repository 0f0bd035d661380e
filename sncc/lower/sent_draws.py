"""Draws of traces where delays are learnt: their source draws, in the step of its spike, and sends what it has drawn along with it.

A delay of k + f steps delivers 1 - f of a spike after k steps and f of it after k + 1. A part c moves a trace by that part of what the spike would, c (J(x, d)
- x), and both parts have one d. With J = A(x) + B(x) d, the parts that arrive in a step move it by Σ c · (A - x) + B · Σ c d, so a synapse needs of all d
the sum Σ c d alone: what is drawn, sent like any value over the same delays. What a flow adds of noise to a trace, B(x) d in each step, is B(x) · ((1 - f) d[n-k] + f d[n-k-1])
then. So a trace that is linear is (1 - f) x[n-k] + f x[n-k-1] of its neuron's, as one that draws nothing.

Several spikes of a step add up where what they move by depends on nothing that they move.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sncc.expressions.algebra import ONE, ZERO, add, affine, has_draws, mul, sub, total
from sncc.expressions.nodes import DRAWS, Apply, Expression, Number, Symbol, apply, substitute, symbols
from sncc.expressions.units import PLAIN
from sncc.lower.shared_draws import SHARED
from sncc.lower.traces import amounts, most_spikes, trace_population
from sncc.model.nodes import Assignment, Connection, Dynamics, Input, Parameter, Population, State

SENT = "drawn."  # before the number of a draw: what the source draws at its spikes, and what arrives of that
NOISE_SENT = "sent."  # before the name of a noise: what arrives of it

Block = tuple[Assignment, ...]
Draws = tuple[tuple[str, Expression], ...]  # (symbol, what is drawn)


class NotSent(Exception):
    """Why a source cannot send what a trace draws: what the trace's jumps do, after the words `whose TRACE`."""


@dataclass
class _Sender:
    """Puts symbols in place of draws: one for each draw, and for a shared one wherever it stands."""

    parameters: Collection[str]
    draws: dict[str, Expression] = field(default_factory=dict)
    shared: dict[float, Symbol] = field(default_factory=dict)

    def sent(self, expression: Expression, own: bool) -> Expression:
        """The expression without draws that are shared, and, of a trace's `own`, without any."""
        match expression:
            case Apply(operation=operation, arguments=(Number(value=key), Apply() as draw)) if operation == SHARED:
                return self._of(draw, own, key)
            case Apply(operation=operation) if operation in DRAWS and own:
                return self._of(expression, own, None)
            case Apply(arguments=arguments):
                return replace(expression, arguments=tuple(self.sent(a, own) for a in arguments))
        return expression

    def _of(self, draw: Apply, own: bool, key: float | None) -> Expression:
        """What a draw gives, by a number that its source can draw: one that is written in numbers which all neurons have in common."""
        common = [symbols(a) <= set(self.parameters) for a in draw.arguments]
        first, *rest = (_constant(self.sent(a, own)) for a in draw.arguments)
        match draw.operation:
            case "normal":
                return add(first, mul(rest[0], self._symbol(key, "normal", ZERO, ONE)))
            case "uniform":
                return add(first, mul(sub(rest[0], first), self._symbol(key, "uniform", ZERO, ONE)))
            case "exponential":
                return mul(first, self._symbol(key, "exponential", ONE))
            case "lognormal" if common[1]:
                return mul(apply("exp", first), self._symbol(key, "lognormal", ZERO, draw.arguments[1]))
            case "gamma" if common[0]:
                return mul(rest[0], self._symbol(key, "gamma", draw.arguments[0], ONE))
        raise NotSent(f"draws a `{draw.operation}` whose form changes")

    def _symbol(self, key: float | None, distribution: str, *arguments: Expression) -> Symbol:
        if key is not None and key in self.shared:
            return self.shared[key]
        symbol = Symbol(f"{SENT}{len(self.draws) + 1}")
        self.draws[symbol.name] = apply(distribution, *arguments)
        if key is not None:
            self.shared[key] = symbol
        return symbol


def _constant(value: Expression) -> Expression:
    """A number inside of a draw, which is a constant for the gradient."""
    return value if isinstance(value, Number) else apply("stop", value)


def with_draws_sent(
    synapses: Block, traces: Block, parameters: Iterable[Parameter], source: Population
) -> tuple[Block, Block, Draws]:
    """Jumps at spikes of the source, of synapses and of its traces, with symbols in place of what the traces draw, and what these are.

    Raises `NotSent` where a source cannot send it.
    """
    sender = _Sender({p.name for p in parameters if p.storage != "each"})
    sent = tuple(replace(jump, value=sender.sent(jump.value, True)) for jump in traces)
    own = tuple(replace(jump, value=sender.sent(jump.value, False)) for jump in synapses)
    for block in (own, sent):
        _check(block, tuple(sender.draws), most_spikes(source))
    return own, sent, tuple(sender.draws.items())


def _check(block: Block, draws: Collection[str], most: int) -> None:
    """Raise `NotSent` where a step's spikes, or parts of these, cannot move by the sum of what arrives."""
    if not any(symbols(jump.value) & set(draws) for jump in block):
        return
    added = amounts(block)
    if most != 1 and added is None and not any(has_draws(jump.value) for jump in block):
        raise NotSent("draws what does not add up over the spikes of a step")
    moves = added if added is not None else list(in_one(block).values())
    if any(map(has_draws, moves)):
        raise NotSent("draws what stands beside a synapse's own draws in a line below")
    if any(times(ONE, value, dict.fromkeys(draws, ONE)) is None for value in moves):
        raise NotSent("draws what a line below bounds or bends")


def in_one(jumps: Sequence[Assignment], now: Mapping[str, Expression] | None = None) -> dict[str, Expression]:
    """Where the jumps of one spike take states, each seeing the former, in terms of what these are `now`."""
    after: dict[str, Expression] = {}
    for jump in jumps:
        after[jump.state] = substitute(jump.value, {**(now or {}), **after})
    return after


def times(count: Expression, value: Expression, brought: Mapping[str, Expression]) -> Expression | None:
    """The sum over what arrives, `count` in all, of what depends on draws; brought: what has come of each. None where that is not affine in them."""
    used = sorted(symbols(value) & set(brought))
    parts = affine(value, used)
    if parts is None:
        return None
    slopes, rest = parts
    return add(mul(count, rest), total(mul(slope, brought[name]) for name, slope in slopes.items()))


def sending(
    c: Connection, name: str, source: Population, draws: Draws, noises: Sequence[str], parameters: Iterable[Parameter]
) -> Population:
    """What each neuron of a source draws: at its spikes the numbers of these, together, and in each step its noises."""
    read = {n for _, draw in draws for n in symbols(draw)}
    numbers = tuple(replace(p, key=p.key or f"{c.name}.plasticity.{p.name}") for p in parameters if p.name in read)
    jumps = tuple(Assignment(symbol, add(Symbol(symbol), draw)) for symbol, draw in draws)
    normal = apply("normal", ZERO, ONE)
    dynamics = Dynamics(
        tuple(State(symbol, ZERO, PLAIN) for symbol in (*(symbol for symbol, _ in draws), *noises)),
        (Input("pre", PLAIN),) if draws else (),
        each_step=tuple(Assignment(noise, normal) for noise in noises),
        arrivals=(("pre", jumps),) if draws else (),
        most=most_spikes(source),
        kept=tuple(Assignment(symbol, ZERO) for symbol, _ in draws),
    )
    return trace_population(name, source, numbers, dynamics, c.span)
