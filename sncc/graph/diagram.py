"""What a diagram of a Model shows, before it has places: boxes and arrows with their words."""

from __future__ import annotations

from dataclasses import dataclass

from sncc.connectivity.patterns import Part
from sncc.model.nodes import Connection, Model, Population


@dataclass(frozen=True, slots=True)
class Box:
    """A population: its name, below it the model with the size, and what kind it is."""

    name: str
    below: str
    source: bool


@dataclass(frozen=True, slots=True)
class Arrow:
    """All connections from one population to another, a line of words for each."""

    source: str
    target: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Diagram:
    """A network's boxes and arrows, in the order of its text."""

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def diagram(model: Model) -> Diagram:
    """The diagram of a Model."""
    words: dict[tuple[str, str], list[str]] = {}
    for connection in model.connections:
        words.setdefault((connection.source, connection.target), []).append(_words(connection, model))
    arrows = tuple(Arrow(source, target, tuple(lines)) for (source, target), lines in words.items())
    return Diagram(model.name, tuple(_box(p) for p in model.populations), arrows)


def _box(population: Population) -> Box:
    size = " × ".join(map(str, population.shape))
    if len(population.shape) > 1:
        size += f" = {population.size:,}"
    return Box(population.name, f"{population.model} · {size}", population.kind != "neuron")


def _words(connection: Connection, model: Model) -> str:
    """Its pattern and delay; its name, slices, input, synapse and plasticity where they do not go without saying."""
    parts = [str(connection.pattern)]
    if connection.delay_steps:
        more = " or more" if connection.delay is not None else ""
        parts.append(f"{connection.delay_steps * model.step:g} ms{more}")
    parts += [kind.model for kind in (connection.synapse, connection.plasticity) if kind is not None]
    parts += [
        f"{which} {_slice(part)}"
        for which, part in (("from", connection.source_part), ("to", connection.target_part))
        if not part.is_whole
    ]
    target = model.population(connection.target)
    if target.dynamics is not None and len(target.dynamics.inputs) > 1:
        parts.append(f"into {connection.input}")
    named = connection.name != f"{connection.source}_{connection.target}"
    return (f"{connection.name}: " if named else "") + ", ".join(parts)


def _slice(part: Part) -> str:
    return "[" + ", ".join(f"{first}:{last}" for first, last in part.ranges) + "]"
