"""What the language can say of training and differentiation cannot do yet: a line goes when its construct is derived."""

from __future__ import annotations

from collections.abc import Iterator

from sncc.diagnostics import Diagnostic, DiagnosticError, not_supported_yet
from sncc.expressions.algebra import beside_draws
from sncc.model.nodes import Connection, Model
from sncc.model.training_nodes import Learnt, Training


def refuse(model: Model) -> None:
    """Raise `DiagnosticError` with everything in a Model's training that cannot be derived yet."""
    if found := tuple(unsupported(model)):
        raise DiagnosticError(found)


def unsupported(model: Model) -> Iterator[Diagnostic]:
    """A `not-supported-yet` for every construct of training that cannot be derived yet."""
    training = model.training
    if training is None:
        return
    for learnt in training.learn:
        yield from _learnt(learnt, model)
        yield from _beside_draws(learnt, model)
    for connection in model.connections:
        yield from _connection(connection, training)


def _learnt(learnt: Learnt, model: Model) -> Iterator[Diagnostic]:
    owner = learnt.key.partition(".")[0]
    if any(p.name == owner and p.kind == "poisson" for p in model.populations):
        help = "learn the weights of what it drives"
        yield not_supported_yet(learnt.span, "learning the rate of a `poisson` population", help)


def _beside_draws(learnt: Learnt, model: Model) -> Iterator[Diagnostic]:
    """A first value's derivative by a number is what is drawn where the number stands beside the draw; inside of it the draw is a constant."""
    owner, _, name = learnt.key.rpartition(".")
    states = [s for p in model.populations if p.name == owner and p.dynamics is not None for s in p.dynamics.states]
    for c in model.connections:
        if c.synapse is not None and c.name == owner:
            states += c.synapse.states
        if c.plasticity is not None and f"{c.name}.plasticity" == owner:
            states += (*c.plasticity.states, *c.plasticity.pre_states, *c.plasticity.post_states)
    for state in states:
        if name in beside_draws(state.initial):
            what = f"learning `{learnt.key}`, which stands beside a draw in what `{state.name}` starts at,"
            help = (
                f"put `{name}` into the draw, whose numbers are constants for the gradient, or leave it out of `learn`"
            )
            yield not_supported_yet(learnt.span, what, help)


def _connection(connection: Connection, training: Training) -> Iterator[Diagnostic]:
    if training.rule.name != "eventprop":
        return
    for name, population, variable in connection.modulators:
        if variable == "spikes":
            what = f"`eventprop` through weights that a `plasticity` moves by `{name}`, which is there for one step after a spike,"
            help = f"let the spikes of `{population}` drive a state of a neuron, and follow that; or train with `bptt` or `eprop`"
            yield not_supported_yet(connection.span, what, help)
