"""What the language can say of training and differentiation cannot do yet: a line goes when its construct is derived."""

from __future__ import annotations

from collections.abc import Iterator

from sncc.diagnostics import Diagnostic, DiagnosticError, not_supported_yet
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
    for connection in model.connections:
        yield from _connection(connection, training, model)


def _learnt(learnt: Learnt, model: Model) -> Iterator[Diagnostic]:
    owner = learnt.key.partition(".")[0]
    if any(p.name == owner and p.kind == "poisson" for p in model.populations):
        help = "learn the weights of what it drives"
        yield not_supported_yet(learnt.span, "learning the rate of a `poisson` population", help)


def _connection(connection: Connection, training: Training, model: Model) -> Iterator[Diagnostic]:
    rule = training.rule
    if connection.plasticity is not None and rule.name == "eventprop":
        help = "train with `bptt` or `eprop`, or leave the `plasticity` out (`--schedule neuron_parallel` simulates it)"
        yield not_supported_yet(connection.span, "`eventprop` through weights that a `plasticity` moves", help)
