"""What a `cross_entropy` says of its classes: how their labels are smoothed, and how much each class weighs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from sncc.diagnostics import Diagnostics, Span, did_you_mean
from sncc.model import nodes
from sncc.syntax import tree

OF_CLASSES = ("smoothing", "weights")  # arguments of `cross_entropy` beside what it sees


class Reader(Protocol):
    """What the reader of the `train` block offers."""

    diagnostics: Diagnostics

    def number(self, value: tree.Expression, what: str) -> float | None:
        """A constant."""


@dataclass(frozen=True, slots=True)
class Classes:
    """The smoothing, and the weight of each class; no weights: each is 1. `span`: where they are written."""

    smoothing: float = 0.0
    weights: tuple[float, ...] = ()
    span: Span | None = field(default=None, compare=False)


def read_classes(
    function: str, arguments: tuple[tree.Argument, ...], reader: Reader
) -> tuple[Classes, tuple[tree.Argument, ...]] | None:
    """What the arguments with names say, and those without; None after a mistake, which is reported."""
    named = {a.name: a for a in reversed(arguments) if a.name}
    for argument in (a for a in arguments if a.name):
        if function != "cross_entropy" or argument.name not in OF_CLASSES:
            _no_argument(function, argument, reader.diagnostics)
            return None
        if argument is not named[argument.name]:
            reader.diagnostics.error("wrong-argument", argument.span, f"`{argument.name}` is given twice")
            return None
    smoothing = _smoothing(named["smoothing"], reader) if "smoothing" in named else 0.0
    weights = _weights(named["weights"], reader) if "weights" in named else ()
    if smoothing is None or weights is None:
        return None
    span = named["weights"].span if "weights" in named else None
    return Classes(smoothing, weights, span), tuple(a for a in arguments if not a.name)


def weights_fit(classes: Classes, population: nodes.Population, diagnostics: Diagnostics) -> bool:
    """Whether there are as many weights as the population has neurons; reported where not."""
    if len(classes.weights) == population.size:
        return True
    assert classes.span is not None
    message = f"{len(classes.weights)} weights for {population.size} classes, the neurons of `{population.name}`"
    diagnostics.error("wrong-argument", classes.span, message)
    return False


def _smoothing(argument: tree.Argument, reader: Reader) -> float | None:
    number = reader.number(argument.value, "`smoothing`")
    if number is not None and not 0 <= number < 1:
        reader.diagnostics.error("wrong-argument", argument.span, "`smoothing` must be at least 0 and below 1")
    return number


def _weights(argument: tree.Argument, reader: Reader) -> tuple[float, ...] | None:
    if not isinstance(argument.value, tree.List):
        message = "`weights` is a list with a number for each class"
        help = "e.g. `weights = [1, 2, 0.5]`"
        reader.diagnostics.error("wrong-argument", argument.span, message, help=help)
        return None
    found = [reader.number(item, "a class's weight") for item in argument.value.items]
    weights = tuple(number for number in found if number is not None)
    if len(weights) < len(found):
        return None
    if any(weight < 0 for weight in weights) or not any(weights):
        message = "a class weighs 0 or more, and one of them more than 0"
        reader.diagnostics.error("wrong-argument", argument.span, message)
        return None
    return weights


def _no_argument(function: str, argument: tree.Argument, diagnostics: Diagnostics) -> None:
    """Report a name that the loss does not take."""
    help: tuple[str, ...] = did_you_mean(str(argument.name), OF_CLASSES if function == "cross_entropy" else ())
    if argument.name == "smoothing":
        help = ("the classes of `cross_entropy` are smoothed here, real targets before they are handed over",)
    elif argument.name == "weights":
        help = ("the classes of `cross_entropy` have weights; a sum of losses has factors, `2 * mse(mean(output.v))`",)
    elif argument.name in ("from", "to"):
        help = (f"a window stands in the readout, such as `{function}(mean(output.v, {argument.span.text}))`",)
    message = f"`{function}` has no argument `{argument.name}`"
    diagnostics.error("wrong-argument", argument.span, message, help=help)
