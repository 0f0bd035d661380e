"""What the language can say of training and differentiation cannot do yet: a line goes when its construct is derived."""

from __future__ import annotations

from collections.abc import Iterator

from sncc.diagnostics import Diagnostic, DiagnosticError, not_supported_yet
from sncc.expressions.algebra import beside_draws
from sncc.expressions.nodes import symbols
from sncc.model.nodes import Connection, Model, Plasticity
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
        yield from _connection(connection, training, model)


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


def _connection(connection: Connection, training: Training, model: Model) -> Iterator[Diagnostic]:
    plasticity = connection.plasticity
    if plasticity is None or training.rule.name != "eventprop":
        return
    help = "train with `bptt` or `eprop`, or leave the `plasticity` out (`--schedule neuron_parallel` simulates it)"
    for name, _, _ in connection.modulators:
        what = f"`eventprop` through weights that a `plasticity` moves by `{name}`, which follows a population,"
        yield not_supported_yet(connection.span, what, help)
    if read := next(_read_elsewhere(connection, plasticity, model), None):
        what = f"`eventprop` through weights that a `plasticity` moves, `on post`, by `{read}`, at the time of another spike,"
        yield not_supported_yet(connection.span, what, help)


def _read_elsewhere(connection: Connection, plasticity: Plasticity, model: Model) -> Iterator[str]:
    """States of neurons that spikes of the target read as they are then, and not as the spike itself has left them."""
    for name in sorted({name for jump in plasticity.on_post for name in symbols(jump.value)}):
        side, _, variable = name.partition(".")
        if side == "pre" or (side == "post" and connection.post_delay_steps):
            dynamics = model.population(connection.source if side == "pre" else connection.target).dynamics
            if dynamics is not None and any(s.name == variable for s in dynamics.states):
                yield name
