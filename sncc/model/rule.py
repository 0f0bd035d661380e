"""The learning rule of a `train` block, `eprop(feedback = random)`."""

from __future__ import annotations

from typing import Literal, Protocol

from sncc.diagnostics import Diagnostics, did_you_mean
from sncc.model import training_nodes
from sncc.model.calls import called
from sncc.syntax import tree

FEEDBACKS: tuple[Literal["symmetric", "random", "adaptive"], ...] = ("symmetric", "random", "adaptive")
RULES: tuple[Literal["eprop", "bptt", "eventprop"], ...] = ("eprop", "bptt", "eventprop")


class Reader(Protocol):
    """What the reader of the `train` block offers."""

    diagnostics: Diagnostics

    def steps(self, value: tree.Expression, what: str) -> int | None:
        """A time, in steps."""


def resolve_rule(value: tree.Expression, reader: Reader) -> training_nodes.Rule | None:
    """The rule, or None after a mistake (which is reported)."""
    written, arguments = called(value)
    name = next((rule for rule in RULES if rule == written), None)
    if name is None:
        message = f"unknown learning rule `{value.span.text}`"
        reader.diagnostics.error("unknown-name", value.span, message, help="it is `eprop`, `bptt` or `eventprop`")
        return None
    feedback: Literal["symmetric", "random", "adaptive"] = "symmetric"
    online, truncate = False, None
    for argument in arguments:
        text = argument.value.span.text
        match argument.name:
            case "feedback" if name == "eprop":
                feedback = next((f for f in FEEDBACKS if f == text), feedback)
                _one_of(argument, FEEDBACKS, reader.diagnostics)
            case "online" if name == "eprop":
                online = text == "true"
                _one_of(argument, ("true", "false"), reader.diagnostics)
            case "truncate" if name != "eventprop":
                truncate = reader.steps(argument.value, "`truncate`")
            case _:
                _no_such_argument(name, argument, reader.diagnostics)
    return training_nodes.Rule(name, feedback, online, truncate, span=value.span)


def _one_of(argument: tree.Argument, values: tuple[str, ...], diagnostics: Diagnostics) -> None:
    """Report a value that is none of those that there are."""
    text = argument.value.span.text
    if text not in values:
        *most, last = (f"`{value}`" for value in values)
        hints = did_you_mean(text, values) or (f"it is {', '.join(most)} or {last}",)
        message = f"unknown value `{text}` of `{argument.name}`"
        diagnostics.error("unknown-name", argument.value.span, message, help=hints)


def _no_such_argument(name: str, argument: tree.Argument, diagnostics: Diagnostics) -> None:
    help = {
        "eprop": "it takes `feedback = symmetric`, `random` or `adaptive`, `online = true` and `truncate = TIME`",
        "bptt": "it takes `truncate = TIME`",
    }.get(name, "")
    diagnostics.error("wrong-argument", argument.span, f"`{name}` takes no such argument", help=help)
