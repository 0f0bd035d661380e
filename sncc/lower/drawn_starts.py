"""First values of traces that are drawn, one for all synapses of a neuron, where samples are spread:
a population of the neurons' size draws them.

It has the name that a population of traces has where neurons are spread, and draws of the same streams, so the numbers
are the same. Synapses are told the draws alone, constants for the gradient, and make of them what a trace starts at: so
numbers beside a draw are theirs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sncc.expressions.algebra import ZERO, beside_draws, has_draws
from sncc.expressions.nodes import Apply, Expression, Symbol, apply, rewrite, symbols
from sncc.expressions.units import PLAIN
from sncc.lower.followers import trace_name
from sncc.lower.traces import trace_population
from sncc.model.nodes import Assignment, Connection, Dynamics, Model, Population, State
from sncc.program.streams import stream, with_streams


@dataclass(frozen=True, slots=True)
class DrawnStarts:
    """Traces of a side: who draws, the inputs by which synapses are told, in their first step,
    and what traces start at.
    """

    side: str
    population: Population
    inputs: tuple[tuple[str, str], ...]  # (state of the population, input)
    values: tuple[tuple[str, Expression], ...]  # (trace, of these inputs and numbers of the synapses)

    def leaving(self, step: float) -> tuple[Assignment, ...]:
        """What synapses begin their first step with."""
        first = apply("lt", Symbol("t"), step / 2)
        return tuple(Assignment(trace, apply("select", first, value, Symbol(trace))) for trace, value in self.values)


def drawn_starts(model: Model, c: Connection) -> list[DrawnStarts]:
    """Those of a connection."""
    plasticity = c.plasticity
    result: list[DrawnStarts] = []
    for side in ("pre", "post") if plasticity is not None else ():
        assert plasticity is not None
        states = plasticity.pre_states if side == "pre" else plasticity.post_states
        name = trace_name(c, side)
        drawn = [_drawn(s, name) for s in states if has_draws(s.initial)]
        if not drawn:
            continue
        found = tuple(d for own, _ in drawn for d in own)
        read = {symbol for d in found for symbol in symbols(d.initial)}
        numbers = tuple(
            replace(p, key=p.key or f"{c.name}.plasticity.{p.name}") for p in plasticity.parameters if p.name in read
        )
        neurons = model.population(c.source if side == "pre" else c.target)
        population = trace_population(name, neurons, numbers, Dynamics(found, ()), c.span)
        inputs = tuple((d.name, _told(d.name)) for d in found)
        result.append(DrawnStarts(side, population, inputs, tuple(value for _, value in drawn)))
    return result


def with_starts(states: tuple[State, ...], starts: list[DrawnStarts]) -> tuple[State, ...]:
    """The states of synapses, of which some are told what they start at."""
    told = {trace for one in starts for trace, _ in one.values}
    return tuple(replace(s, initial=ZERO, clip=None) if s.name in told else s for s in states)


def _told(state: str) -> str:
    return f"first.{state}"


def _drawn(trace: State, population: str) -> tuple[tuple[State, ...], tuple[str, Expression]]:
    """States that stand at what a trace draws, and what it starts at, as they tell it;
    a whole value where no number stands beside a draw.
    """
    if not beside_draws(trace.initial):
        return (trace,), (trace.name, apply("stop", Symbol(_told(trace.name))))
    found: list[State] = []

    def told(node: Expression) -> Expression:
        if not isinstance(node, Apply) or node.operation != "first":
            return node
        found.append(State(f"{trace.name}.{len(found) + 1}", node, PLAIN))
        return apply("stop", Symbol(_told(found[-1].name)))

    value = rewrite(with_streams(trace.initial, stream(f"{population}.{trace.name}", "initial")), told)
    return tuple(found), (trace.name, value)
