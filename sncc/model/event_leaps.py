"""What leaps at a time that moves: `eventprop` would not see it, so it is refused with its place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from sncc.diagnostics import Diagnostics, Span
from sncc.expressions.algebra import has_draws
from sncc.expressions.leaps import leaps, leaps_in_time
from sncc.expressions.nodes import Expression, symbols
from sncc.model import nodes

Numbers = Mapping[str, Expression]


def refuse_leaps(model: nodes.Model, diagnostics: Diagnostics) -> None:
    """Errors for equations, thresholds, `deliver` and losses of every step that leap where something passes a value."""
    training = model.training
    assert training is not None
    learnt = {entry.key for entry in training.learn}
    for population in model.populations:
        if population.dynamics is not None:
            _in_neurons(population, population.dynamics, learnt, diagnostics)
    for c in model.connections:
        if c.synapse is not None:
            _in_synapses(model, c, c.synapse, learnt, diagnostics)
        if c.plasticity is not None:
            _in_plasticity(model, c, c.plasticity, learnt, diagnostics)
    # what is read by a reduction is a number with no time of its own: the loss is as exact there as its derivative
    for loss in training.losses:
        if loss.reduction is None and loss.expression is not None and leaps(loss.expression, {"output"}, {}):
            _refuse("the loss of every step", loss.span, diagnostics)


def _in_neurons(
    p: nodes.Population, dynamics: nodes.Dynamics, learnt: Collection[str], diagnostics: Diagnostics
) -> None:
    moving = {s.name for s in dynamics.states} | {i.name for i in dynamics.inputs}
    told = [(f"`d{e.state}/dt` of `{p.model}`", e.derivative, e.span or p.span) for e in dynamics.equations]
    if dynamics.spike is not None:
        told.append((f"the threshold of `{p.model}`", dynamics.spike.distance, dynamics.spike.span or p.span))
    numbers = _learnt(p.parameters, p.name, learnt)
    for what, value, span in told:
        _look(what, value, span, moving, numbers, {q.name: q.value for q in p.parameters}, diagnostics)


def _in_synapses(
    model: nodes.Model, c: nodes.Connection, synapse: nodes.Synapse, learnt: Collection[str], diagnostics: Diagnostics
) -> None:
    states, known = {s.name for s in synapse.states}, {p.name: p.value for p in synapse.parameters}
    numbers = _learnt(synapse.parameters, c.name, learnt)
    if f"{c.share[0] if c.share else c.name}.weight" in learnt:
        numbers["weight"] = f"{c.name}.weight"
    around, of_sides = _around(model, c, learnt)
    numbers |= of_sides
    told = [(f"`d{e.state}/dt` of `{synapse.model}`", e.derivative, e.span or c.span) for e in synapse.equations]
    if synapse.deliver is not None:
        told.append((f"`deliver` of `{synapse.model}`", synapse.deliver, synapse.deliver.span or c.span))
    for what, value, span in told:
        _look(what, value, span, states | around, numbers, known, diagnostics)


def _in_plasticity(
    model: nodes.Model, c: nodes.Connection, plasticity: nodes.Plasticity, learnt: Collection[str], diagnostics: Diagnostics
) -> None:  # fmt: skip
    moving = {s.name for s in (*plasticity.pre_states, *plasticity.post_states, *plasticity.states)} | {"weight"}
    around, of_sides = _around(model, c, learnt)
    numbers = _learnt(plasticity.parameters, f"{c.name}.plasticity", learnt) | of_sides
    known = {p.name: p.value for p in plasticity.parameters}
    for e in plasticity.equations:
        what = f"`d{e.state}/dt` of `{plasticity.model}`"
        _look(what, e.derivative, e.span or c.span, moving | around, numbers, known, diagnostics)


def _around(model: nodes.Model, c: nodes.Connection, learnt: Collection[str]) -> tuple[set[str], dict[str, str]]:
    """What a connection reads of neurons of both sides: what moves there, and learnt numbers, with their keys."""
    moving, numbers = set[str](), dict[str, str]()
    for side, name in (("pre", c.source), ("post", c.target)):
        neurons = model.population(name)
        numbers |= {f"{side}.{k}": key for k, key in _learnt(neurons.parameters, name, learnt).items()}
        if neurons.dynamics is not None:
            moving |= {f"{side}.{s.name}" for s in neurons.dynamics.states}
            moving |= {f"{side}.{i.name}" for i in neurons.dynamics.inputs}
    return moving, numbers


def _learnt(parameters: Sequence[nodes.Parameter], owner: str, learnt: Collection[str]) -> dict[str, str]:
    """Numbers that are learnt, and their keys."""
    keys = {p.name: p.key or f"{owner}.{p.name}" for p in parameters}
    return {name: key for name, key in keys.items() if key in learnt}


def _look(
    what: str, value: Expression, span: Span | None, moving: Iterable[str], numbers: Mapping[str, str], known: Numbers,
    diagnostics: Diagnostics,
) -> None:  # fmt: skip
    if has_draws(value):
        return
    if leaps(value, moving, known):
        _refuse(what, span, diagnostics)
        return
    for name in sorted(symbols(value) & numbers.keys()):
        if leaps_in_time(value, name, known):
            message = f"under `eventprop` {what} leaps at a time that `{numbers[name]}` moves, which is learnt"
            note = "the gradient would not see that"
            help = f"leave `{numbers[name]}` out of `learn`, or write it without a leap, as `sigmoid((t - …) / (1 ms))`"
            diagnostics.error("no-event-times", span, message, notes=(note,), help=help)
            return


def _refuse(what: str, span: Span | None, diagnostics: Diagnostics) -> None:
    message = f"`eventprop` follows what changes without leaps, and {what} leaps where a state passes some value"
    note = "what is learnt moves the time of the leap, which the gradient would not see"
    help = "write it without a leap, as `clip(…, 0, 1)` or `sigmoid(…)` of the state, or train with `bptt` or `eprop`"
    diagnostics.error("no-event-times", span, message, notes=(note,), help=help)
