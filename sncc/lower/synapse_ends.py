"""Where neurons that stand for synapses meet sources and targets: patterns from these to the synapses, and back."""

from __future__ import annotations

from dataclasses import replace

from sncc.connectivity.patterns import (
    Convolution,
    Dense,
    OfSynapses,
    OneToOne,
    Part,
    Pattern,
    Pooling,
    most_synapses,
)  # fmt: skip
from sncc.expressions.nodes import Expression, Symbol, apply, substitute, walk
from sncc.lower.connections import flattened
from sncc.lower.readings import is_timed
from sncc.model.nodes import Connection, Model, Parameter

Ends = tuple[Pattern, Part, Part]  # of a connection: its pattern, from which part to which


def is_placed(c: Connection) -> bool:
    """Whether each synapse's row and column follow from its number."""
    return c.source_part.is_whole and c.target_part.is_whole and c.pattern in (Dense(), OneToOne())


def is_of_matrix(model: Model, c: Connection) -> bool:
    """Whether its weights are a matrix as a whole: another connection has the same, or they are drawn together."""
    shares = any(o.share is not None and c.name in (o.name, o.share[0]) for o in model.connections)
    return shares or any(getattr(node, "operation", "") == "orthogonal" for node in walk(c.weight.value))


def learns_delay(model: Model, c: Connection) -> bool:
    """Whether the delays of its synapses are learnt."""
    key = f"{c.synapses_of or c.name}.delay"
    return model.training is not None and any(entry.key == key for entry in model.training.learn)


def arrives_in_parts(model: Model, c: Connection) -> bool:
    """Whether a spike arrives in two parts, at two steps: of a learnt delay, unless times of spikes are followed."""
    return learns_delay(model, c) and not is_timed(model)


def most_of(c: Connection) -> int:
    """How many synapses there may be."""
    return most_synapses(c.pattern, c.source_part, c.target_part)


def placed_ends(c: Connection, sources: int, targets: int) -> tuple[Ends, Ends, Ends]:
    """From a source to its row of synapses, from a target to its column, and from the columns to the targets."""
    if c.pattern != Dense():
        line = Part.whole((sources,))
        return ((OneToOne(), line, line),) * 3
    none = (0, 0)
    rows, row = Part.whole((sources, 1, 1)), Part.whole((1, targets, 1))
    return (
        (Convolution((1, 1), (1, 1), (none, none), targets), rows, Part.whole((sources, 1, targets))),
        (
            Convolution((sources, 1), (1, 1), ((sources - 1, sources - 1), none), 1),
            row,
            Part.whole((sources, targets, 1)),
        ),
        (Pooling((sources, 1), (sources, 1)), Part.whole((sources, targets, 1)), row),
    )


def built_ends(c: Connection, sources: int, targets: int, count: int) -> tuple[Ends, Ends, Ends]:
    """The same where only the library knows which synapses there are."""
    wired = OfSynapses(
        "rows",
        c.synapses_of or c.name,
        c.pattern,
        (c.source, c.target),
        flattened(c.source_part),
        flattened(c.target_part),
    )
    row, column, synapses = (Part.whole((size,)) for size in (sources, targets, count))
    return (
        (wired, row, synapses),
        (replace(wired, end="columns"), column, synapses),
        (replace(wired, end="onto"), synapses, column),
    )


def in_a_row(c: Connection, parameter: Parameter, targets: int) -> Expression:
    """A number's first value, of a synapse's number in place of its row i and column j."""
    if c.pattern != Dense() or not is_placed(c):
        return parameter.value
    row = apply("floor", apply("div", Symbol("i"), float(targets)))
    return substitute(parameter.value, {"i": row, "j": apply("sub", Symbol("i"), apply("mul", row, float(targets)))})
