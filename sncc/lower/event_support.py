"""What `eventprop` cannot follow yet of values that are delivered all the time and jump at events.

Where such a value jumps, what it moves changes its slope at once, and by how much is known of what is affine in it.
"""

from __future__ import annotations

from collections.abc import Sequence

from sncc.expressions.algebra import affine
from sncc.expressions.nodes import Expression, symbols
from sncc.lower.connections import impulsive
from sncc.lower.plasticity import reads_target
from sncc.lower.traces import unsupported
from sncc.model.nodes import Connection, Dynamics, Model, Population


def refuse_events(model: Model, population: Population, arriving: Sequence[Connection]) -> None:
    """Raise `DiagnosticError` where a population reads what jumps in a way that has no exact gradient yet."""
    dynamics, training = population.dynamics, model.training
    assert dynamics is not None and training is not None
    if any(c.gain is not None or reads_target(model, c) for c in arriving):
        what = f"`eventprop` through weights that move in synapses onto `{population.name}`"
        raise unsupported(population.span, what, "train with `bptt`")
    values = [c for c in arriving if c.values is not None and not impulsive(model, c) and _jumps(model, c)]
    names = sorted({c.input for c in values} | {i.input for i in dynamics.integrated})
    jumping = [jump.value for _, jumps in dynamics.arrivals for jump in jumps]
    for c in values:
        if any(c.input in symbols(value) for value in jumping):
            what = f"`eventprop` through jumps of synapses at spikes that read `{_read(c)}`"
            raise unsupported(
                c.span or population.span, what, "read it in an equation or in `deliver`, or train with `bptt`"
            )
        if not all(_is_affine(value, names) for value in _reading(dynamics)):
            what = f"`eventprop` through `{_read(c)}`, which jumps at spikes and enters an equation or a `deliver` nonlinearly,"
            raise unsupported(c.span or population.span, what, "let it enter linearly, or train with `bptt`")
    if not names:
        return
    for loss in training.losses:
        if loss.population == population.name and loss.reduction == "max":
            what = "`eventprop` with the largest value of what synapses with states of their own move"
            raise unsupported(loss.span, what, "read `mean` or `last`, or train with `bptt`")


def _reading(dynamics: Dynamics) -> list[Expression]:
    equations = [e.derivative for e in dynamics.equations]
    return [*equations, *(a.value for a in (*dynamics.leaving, *dynamics.outputs))]


def _is_affine(value: Expression, names: Sequence[str]) -> bool:
    parts = affine(value, names)
    return parts is not None


def _read(c: Connection) -> str:
    """What is read, as the user wrote it."""
    return f"{'post' if c.of_target else 'pre'}.{c.values}" if "." not in (c.values or "") else c.name.partition(".")[0]


def _jumps(model: Model, c: Connection) -> bool:
    """Whether a value jumps at events: a state of neurons that spikes or impulses move, or one of synapses."""
    source = model.population(c.source)
    dynamics = source.dynamics
    if dynamics is None or c.values is None:
        return False
    if source.holds != "neurons":
        return bool(dynamics.arrivals or dynamics.inputs)
    if dynamics.spike is not None and any(jump.state == c.values for jump in dynamics.spike.jumps):
        return True
    impulses = {o.input for o in model.connections if o.target == source.name and impulsive(model, o)}
    return any(e.state == c.values and symbols(e.derivative) & impulses for e in dynamics.equations)
