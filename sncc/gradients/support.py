"""What the language can say of training and differentiation cannot do yet: a line goes when its construct is derived."""

from __future__ import annotations

from collections.abc import Iterator

from sncc.diagnostics import Diagnostic, DiagnosticError
from sncc.model.nodes import Model


def refuse(model: Model) -> None:
    """Raise `DiagnosticError` with everything in a Model's training that cannot be derived yet."""
    if found := tuple(unsupported(model)):
        raise DiagnosticError(found)


def unsupported(model: Model) -> Iterator[Diagnostic]:
    """A `not-supported-yet` for every construct of training that cannot be derived yet."""
    if model.training is None:
        return
    rule = model.training.rule
    if rule.name == "eventprop":
        message, help = "the rule `eventprop` is not supported yet", ("train with `bptt`",)
        yield Diagnostic("not-supported-yet", rule.span, message, help=help)
    if rule.online:
        message, help = "`online = true` is not supported yet", ("without it the gradient is the same number",)
        yield Diagnostic("not-supported-yet", rule.span, message, help=help)
