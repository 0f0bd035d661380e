"""What the language can say of training and differentiation cannot do yet: a line goes when its construct is derived."""

from __future__ import annotations

from collections.abc import Iterator

from sncc.connectivity.patterns import Dense, OneToOne
from sncc.diagnostics import Diagnostic, DiagnosticError, not_supported_yet
from sncc.model.nodes import Connection, Learnt, Loss, Model, Rule


def refuse(model: Model) -> None:
    """Raise `DiagnosticError` with everything in a Model's training that cannot be derived yet."""
    if found := tuple(unsupported(model)):
        raise DiagnosticError(found)


def unsupported(model: Model) -> Iterator[Diagnostic]:
    """A `not-supported-yet` for every construct of training that cannot be derived yet."""
    training = model.training
    if training is None:
        return
    yield from _rule(training.rule)
    for loss in training.losses:
        yield from _loss(loss)
    for learnt in training.learn:
        yield from _learnt(learnt, model)
    for connection in model.connections:
        yield from _connection(connection)


def _rule(rule: Rule) -> Iterator[Diagnostic]:
    if rule.name == "eventprop":
        yield not_supported_yet(rule.span, "the rule `eventprop`", "train with `bptt`")
    if rule.online:
        yield not_supported_yet(rule.span, "`online = true`", "without it the gradient is the same number")


def _loss(loss: Loss) -> Iterator[Diagnostic]:
    if loss.reduction == "first_spike":
        yield not_supported_yet(loss.span, "`first_spike`", "read `count(…)` or a state")
    elif loss.scale != 1.0:
        yield not_supported_yet(loss.span, "a factor inside a loss")
    if loss.function == "expression":
        yield not_supported_yet(loss.span, "a loss as an expression", "use `cross_entropy`, `mse` or `huber`")


def _learnt(learnt: Learnt, model: Model) -> Iterator[Diagnostic]:
    owner, _, name = learnt.key.partition(".")
    if any(p.name == owner and p.kind == "poisson" for p in model.populations):
        yield not_supported_yet(learnt.span, "learning the rate of a `poisson` population")
    elif any(c.name == owner for c in model.connections) and (name == "delay" or name.startswith("plasticity.")):
        yield not_supported_yet(learnt.span, f"learning `{name}` of a connection")


def _connection(connection: Connection) -> Iterator[Diagnostic]:
    what = ""
    if not isinstance(connection.pattern, Dense | OneToOne):
        what = f"the pattern `{connection.pattern}`"
    elif connection.plasticity is not None:
        what = "a `plasticity`"
    if what:
        yield not_supported_yet(connection.span, f"training a network with {what}")
