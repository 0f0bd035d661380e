"""What the language can say of training and differentiation cannot do yet: a line goes when its construct is derived."""

from __future__ import annotations

from collections.abc import Iterator

from sncc.diagnostics import Diagnostic, DiagnosticError, not_supported_yet
from sncc.expressions.algebra import beside_draws
from sncc.model.nodes import Model
from sncc.model.training_nodes import Learnt


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
        yield from _beside_draws(learnt, model)


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
