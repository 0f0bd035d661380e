"""Model → Model, for `eventprop`: what is read nonlinearly and jumps is kept for a step,
so that its jump is known where it is read.

Where a value y jumps from y- to y+ at an event, the slope f(y) of what reads it jumps by f(y-) - f(y+), and so much
does the event's time move it. Of what is affine in y that is its derivative times the jump. Of anything else it is the
mean derivative along the jump: a local `read.I.K` for an input I, (f(I) - f(I.last)) / (I - I.last), times the step for
a state K, as it is for a value that is delivered. Where several inputs jump at once, one goes after the other. What is
read a step later is a copy of an input, a state, and goes as inputs do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sncc.expressions.algebra import ZERO, add, affine, div, fold_all, mul, sub
from sncc.expressions.nodes import Expression, Number, Symbol, apply, substitute, symbols
from sncc.expressions.units import PLAIN
from sncc.lower.connections import impulsive
from sncc.model.nodes import Assignment, Connection, Dynamics, Model, Population, State
from sncc.program.statements import MOMENT, Assign

LEAST_JUMP = 1e-4  # relative: below it the derivative stands for the mean one, which would be one of rounding


def remember_what_jumps(model: Model) -> Model:
    """The model with the state `INPUT.last` of every input that jumps and is read nonlinearly, and of its copies."""
    if model.training is None or model.training.rule.name != "eventprop":
        return model
    return replace(model, populations=tuple(_remembering(model, p) for p in model.populations))


def _remembering(model: Model, population: Population) -> Population:
    dynamics = population.dynamics
    if dynamics is None:
        return population
    jumping = {Symbol(c.input) for c in jumping_values(model, population.name)}
    copies = {a.state for a in dynamics.outputs if a.value in jumping}  # for the step after
    names = tuple(sorted(copies | {symbol.name for symbol in jumping}))
    if all(affine(value, names) is not None for value in _reading(dynamics).values()):
        return population
    return replace(
        population,
        dynamics=replace(
            dynamics,
            states=(*dynamics.states, *(State(_last(name), ZERO, PLAIN) for name in names)),
            outputs=(*(Assignment(_last(name), Symbol(name)) for name in names), *dynamics.outputs),
            curved=names,
        ),
    )


def _last(name: str) -> str:
    return f"{name}.last"


def _reading(dynamics: Dynamics) -> dict[str, Expression]:
    """What reads inputs all the time: slopes of states, and values that are told."""
    return {e.state: e.derivative for e in dynamics.equations} | {
        a.state: a.value for a in (*dynamics.leaving, *dynamics.outputs)
    }


def mean_slopes(
    dynamics: Dynamics, drives: frozenset[str], step: float, before: Mapping[str, Expression]
) -> tuple[Assign, ...]:
    """The locals `read.I.K`, of the states `before` the step's flow; other inputs than those in `drives` are silent."""
    silent: dict[str, Expression] = {i.name: ZERO for i in dynamics.inputs if i.name not in drives}
    flowing, result = {e.state for e in dynamics.equations}, list[Assign]()
    kept = {*dynamics.curved, *map(_last, dynamics.curved)}
    for number, name in enumerate(dynamics.curved):
        later: dict[str, Expression] = {other: Symbol(_last(other)) for other in dynamics.curved[number + 1 :]}
        for k, value in _reading(dynamics).items():
            if name not in symbols(value) or k in kept:
                continue
            slope = _mean_slope(substitute(value, {**before, name: Symbol(name), **silent, **later}), name)
            result.append(Assign(f"read.{name}.{k}", fold_all(mul(Number(step), slope) if k in flowing else slope)))
    return tuple(result)


def _mean_slope(value: Expression, name: str) -> Expression:
    from sncc.expressions.calculus import derivative  # with sympy: looking at a file without this rule needs none

    now, last = Symbol(name), Symbol(_last(name))
    jump = sub(now, last)
    jumped = apply("gt", apply("abs", jump), apply("mul", LEAST_JUMP, add(Number(1.0), apply("abs", now))))
    difference = sub(value, substitute(value, {name: last}))
    return apply("select", jumped, div(difference, apply("select", jumped, jump, 1.0)), derivative(value, name))


# ------------------------------------------------------------------------------------------------ what jumps
def jumping_values(model: Model, target: str) -> Sequence[Connection]:
    """The connections by which values that jump at events are delivered to a population all the time."""
    return [
        c
        for c in model.connections
        if c.target == target
        and c.values is not None
        and not c.input.startswith(MOMENT)
        and not impulsive(model, c)
        and _jumps(model, c)
    ]


def _jumps(model: Model, c: Connection) -> bool:
    """Whether a value jumps at events: a state of neurons that spikes or impulses move, or one of synapses."""
    source = model.population(c.source)
    dynamics = source.dynamics
    if dynamics is None or c.values is None:
        return False
    if source.holds != "neurons":  # what it tells of states that spikes move, or of inputs that jump
        told = {a.state: a.value for a in (*dynamics.leaving, *dynamics.outputs)}
        read = symbols(told.get(c.values, Symbol(c.values)))
        moved = {jump.state for _, jumps in dynamics.arrivals for jump in jumps}
        return bool(read & (moved | {o.input for o in jumping_values(model, source.name)}))
    if dynamics.spike is not None and any(jump.state == c.values for jump in dynamics.spike.jumps):
        return True
    impulses = {o.input for o in model.connections if o.target == source.name and impulsive(model, o)}
    return any(e.state == c.values and symbols(e.derivative) & impulses for e in dynamics.equations)
