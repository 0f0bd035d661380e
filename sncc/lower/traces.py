"""Populations of traces: states that a population's spikes move one to one, beside the population itself."""

from __future__ import annotations

from collections.abc import Sequence

from sncc.connectivity.patterns import OneToOne, Part
from sncc.diagnostics import DiagnosticError, Span, not_supported_yet
from sncc.expressions.algebra import ONE, ZERO, affine, fold_all, has_draws
from sncc.expressions.nodes import Expression, substitute, symbols
from sncc.expressions.units import PLAIN
from sncc.model.nodes import Assignment, Connection, Dynamics, Equation, Parameter, Population, State


def trace_population(
    name: str, neurons: Population, parameters: tuple[Parameter, ...], dynamics: Dynamics, span: Span | None
) -> Population:
    """A population of one set of states per neuron."""
    return Population(name, "neuron", neurons.shape, "trace", parameters, dynamics, holds="traces", span=span)


def drive(name: str, source: Population, target: str, where: str, delay: int, values: str | None = None) -> Connection:
    """The connection by which a population's spikes, or the values of a state of its, reach its traces one to one."""
    whole = Part.whole(source.shape)
    weight = Parameter("weight", ONE, PLAIN)
    return Connection(name, source.name, target, where, OneToOne(), weight, delay, whole, whole, values=values)


def can_spike(source: Population) -> bool:
    """Whether a population has spikes at all."""
    return source.kind != "signal" and (source.dynamics is None or source.dynamics.spike is not None)


def most_spikes(source: Population) -> int:
    """How many spikes of one neuron a step may hold; 0: any number."""
    return 1 if source.kind == "neuron" else 0


def amounts(jumps: Sequence[Assignment]) -> list[Expression] | None:
    """What a spike adds to each jump's state where that depends on no state that jumps,
    so that spikes of a step add up; else None.

    None as well where something is drawn: for each spike anew.
    """
    if any(has_draws(jump.value) for jump in jumps):
        return None
    moved = list(dict.fromkeys(jump.state for jump in jumps))
    parts = [affine(jump.value, moved) for jump in jumps]
    added = [p[1] for p, jump in zip(parts, jumps, strict=True) if p is not None and p[0] == {jump.state: ONE}]
    return added if len(added) == len(jumps) else None


def rests(states: Sequence[State], equations: Sequence[Equation]) -> bool:
    """Whether states stand still from their first values on until a spike arrives."""
    starts, own = {s.name: s.initial for s in states}, {s.name for s in states}
    names = sorted({name for value in starts.values() for name in symbols(value)})
    for equation in (e for e in equations if e.state in own):
        parts = affine(substitute(equation.derivative, starts), names)
        if parts is None or any(fold_all(part) != ZERO for part in (*parts[0].values(), parts[1])):
            return False
    return True


def unsupported(span: Span | None, what: str, help: str) -> DiagnosticError:
    """The error for what the language can say and no stage carries out yet."""
    return DiagnosticError([not_supported_yet(span, what, help)])
