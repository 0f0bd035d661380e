"""The penalties of a `train` block, `firing_rate(hidden, target = 10 Hz, strength = 1e-3)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from sncc.diagnostics import Diagnostics, did_you_mean
from sncc.model import nodes, training_nodes
from sncc.model.calls import called
from sncc.syntax import tree


class Reader(Protocol):
    """What the reader of the `train` block offers."""

    diagnostics: Diagnostics

    def number(self, value: tree.Expression, what: str) -> float | None:
        """A plain number."""

    def rate(self, value: tree.Expression, what: str) -> float | None:
        """A rate, in kHz."""


def resolve_penalties(
    values: tuple[tree.Expression, ...],
    populations: Mapping[str, nodes.Population],
    broken: set[str],
    reader: Reader,
) -> tuple[training_nodes.Penalty, ...]:
    """The penalties, without those that hold a mistake (which is reported). Sums are taken apart."""
    found = (_penalty(term, populations, broken, reader) for value in values for term in _terms(value))
    return tuple(p for p in found if p is not None)


def _terms(value: tree.Expression) -> list[tree.Expression]:
    if isinstance(value, tree.Binary) and value.operator == "+":
        return [*_terms(value.left), *_terms(value.right)]
    return [value]


def _penalty(
    value: tree.Expression, populations: Mapping[str, nodes.Population], broken: set[str], reader: Reader
) -> training_nodes.Penalty | None:
    name, arguments = called(value)
    if name != "firing_rate":
        hints = did_you_mean(name or "", ["firing_rate"]) or (
            "write `firing_rate(hidden, target = 10 Hz, strength = 1e-3)`",
        )
        reader.diagnostics.error("unknown-name", value.span, f"unknown penalty `{value.span.text}`", help=hints)
        return None
    population, target, strength = None, None, None
    over: Literal["sample", "batch"] = "sample"
    for k, argument in enumerate(arguments):
        text = argument.value.span.text
        match argument.name or ("population" if k == 0 else None):
            case "population":
                population = _spiking(argument.value, populations, broken, reader.diagnostics)
                if population is None:
                    return None
            case "target":
                target = reader.rate(argument.value, "`target`")
                if target is not None and target < 0:
                    reader.diagnostics.error("wrong-argument", argument.value.span, "`target` cannot be negative")
            case "strength":
                strength = reader.number(argument.value, "`strength`")
            case "over" if text in ("sample", "batch"):
                over = "batch" if text == "batch" else "sample"
            case _:
                help = "it takes a population, `target`, `strength` and `over = sample` or `batch`"
                reader.diagnostics.error(
                    "wrong-argument", argument.span, "`firing_rate` takes no such argument", help=help
                )
                return None
    if population is None or target is None or strength is None:
        given = {"a population": population, "`target`": target, "`strength`": strength}
        missing = [what for what, value_of in given.items() if value_of is None]
        names = {argument.name for argument in arguments}
        if any(what.strip("`") not in names for what in missing):
            help = "write `firing_rate(hidden, target = 10 Hz, strength = 1e-3)`"
            reader.diagnostics.error("wrong-argument", value.span, f"`firing_rate` needs {missing[0]}", help=help)
        return None
    return training_nodes.Penalty(population, target, strength, over, span=value.span)


def _spiking(
    value: tree.Expression, populations: Mapping[str, nodes.Population], broken: set[str], diagnostics: Diagnostics
) -> str | None:
    name = str(value) if isinstance(value, tree.Name) else value.span.text  # `{k}` of a `for` is filled into a name
    if name in broken:
        return None
    population = populations.get(name)
    if population is None:
        diagnostics.error(
            "unknown-name", value.span, f"unknown population `{name}`", help=did_you_mean(name, populations)
        )
        return None
    if population.dynamics is None or population.dynamics.spike is None:
        diagnostics.error("missing-spike", value.span, f"`{name}` does not spike by itself")
        return None
    return name
