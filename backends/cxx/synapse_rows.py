"""Connections whose synapses are rows of targets, built when the library is loaded: which ones, and their tables."""

from __future__ import annotations

from math import ceil, prod

from sncc.backends.cxx.expressions import Unsupported, literal
from sncc.connectivity.patterns import (
    Convolution,
    Dense,
    OfSynapses,
    OneToOne,
    Part,
    Pattern,
    Pooling,
    Random,
    Shared,
    Sparse,
)
from sncc.program.groups import Connection
from sncc.program.nodes import Program
from sncc.program.streams import stream

CONNECTIVITY = """// Builds the synapses; the same in every network, and compiled beside it.
#include "sncc/connectivity_builder.h"
"""
_RANDOM = {"p": "probability", "fan_in": "fan_in", "fan_out": "fan_out", "total": "total"}
_ROWS = {"rows": "to_synapses", "onto": "onto_targets", "columns": "to_columns"}
_MOST_RUN = 128  # columns of a tile of doubles


def in_rows(program: Program, c: Connection) -> bool:
    """Whether the sample-parallel engines go synapse by synapse, rather than through a whole matrix or vector."""
    sizes = {s.name: s.size for s in program.sources} | {r.population: r.size for g in program.groups for r in g.rows}
    whole = c.source_size == sizes[c.source] and c.target_size == sizes[c.target]
    return c.pattern == "sparse" or not whole or c.delays is not None


def place_of_weights(program: Program, c: Connection) -> str:
    """Where the weight of a synapse stands: one for all, under the synapse's own number, or in a matrix."""
    weight = program.parameter(c.weight)
    return "one" if weight.shape == () else "own" if -1 in weight.dimensions else "matrix"


def place_of_delays(program: Program, c: Connection) -> str:
    """The same of the delay of a synapse; one for all where it has none."""
    delay = program.parameter(c.delays) if c.delays is not None else None
    return "one" if delay is None or delay.shape == () else "own" if -1 in delay.dimensions else "matrix"


def most_delay(program: Program, c: Connection) -> int:
    """The last step after a spike in which anything of it arrives, as far as that is known before delays are given."""
    if not c.interpolated:
        return c.delay
    bounds = program.parameter(c.delays or "").bounds
    assert bounds is not None
    return ceil(bounds[1] / program.step) + 1


def run_of(c: Connection) -> int:
    """How many synapses of a row always stand side by side, in the targets as in the weights."""
    if isinstance(c.structure, Convolution):
        width = c.structure.channels
    elif c.pattern == "dense":
        width = c.target_size
    else:
        return 1
    return width if width <= _MOST_RUN else min(width & -width, _MOST_RUN)  # a run stays within a tile


def index_type(program: Program, c: Connection) -> str:
    """The narrowest type of a target."""
    return "std::uint16_t" if program.place(c.target)[1].size <= 0x10000 else "std::uint32_t"


def rows_line(program: Program, c: Connection) -> str:
    """RowsInfo of a connection."""
    keys = [p.key for p in program.parameters]
    parts, rows, owner = parts_of(program, c), "own", program.connection(c.owner)
    if isinstance(c.structure, OfSynapses):
        parts, rows = (c.structure.source, c.structure.target), _ROWS[c.structure.end]
        owner = program.connection(c.structure.connection)
    source, target = (p.flat(0) if p.size else 0 for p in parts)
    room = c.source_size if rows == "onto_targets" else c.target_size
    delays = keys.index(c.delays) if c.delays is not None else -1
    items = [
        f'"{owner.name}"', program.connections.index(c), pattern_of(c), *(part_of(p) for p in parts),
        f"0x{stream(owner.owner, 'connectivity'):08x}u",
        keys.index(c.weight), delays, f"Element::{place_of_weights(program, c)}", source, target, c.delay,
        f"Rows::{rows}", program.connections.index(owner), room,
        f"Element::{place_of_delays(program, c)}", most_delay(program, c) if c.interpolated else -1,
        delay_mode(c),
    ]  # fmt: skip
    return f"{{{', '.join(map(str, items))}}},"


def delay_mode(c: Connection) -> str:
    """When what is sent over a learnt delay arrives."""
    return f"DelayMode::{'nearest' if c.rounded else 'whole' if c.whole else 'parts'}"


def flag(value: bool) -> str:
    """A truth value in C++."""
    return "true" if value else "false"


def parts_of(program: Program, c: Connection) -> tuple[Part, Part]:
    """The part of the source and that of the target which a connection joins."""
    sizes: dict[str, tuple[int, ...]] = {s.name: s.shape for s in program.sources}
    sizes |= {r.population: r.shape for g in program.groups for r in g.rows}
    first = c.source_offset - (0 if c.source_group is None else program.place(c.source)[1].offset)
    onto = c.target_offset - program.place(c.target)[1].offset
    source = c.source_part or Part((prod(sizes[c.source]),), ((first, first + c.source_size),))
    target = c.target_part or Part((prod(sizes[c.target]),), ((onto, onto + c.target_size),))
    return source, target


def pattern_of(c: Connection) -> str:
    """A connection's Pattern in C++."""
    pattern: Pattern = c.wiring or (OneToOne() if c.pattern == "one_to_one" else Dense())
    kind, number, repeats, images = "dense", 0.0, False, ((1, 1), (1, 1), (0, 0))
    shared = [flag(True), flag(pattern.turned)] if isinstance(pattern, Shared) else []
    pattern = pattern.pattern if isinstance(pattern, Shared) else pattern
    match pattern:
        case Random(random, number, repeats):
            kind = _RANDOM[random]
        case Convolution(kernel, stride, ((top, _), (left, _))):
            kind, images = "convolution", (kernel, stride, (top, left))
        case Pooling(size, stride):
            kind, images = "pooling", (size, stride, (0, 0))
        case OneToOne():
            kind = "one_to_one"
        case Sparse():
            kind = "sparse"
    own = getattr(pattern, "self_connections", True)
    boxes = ", ".join(f"{{{a}, {b}}}" for a, b in images)
    items = [f"PatternKind::{kind}", literal(float(number), "double"), flag(repeats), flag(own), boxes, *shared]
    return f"{{{', '.join(items)}}}"


def part_of(part: Part) -> str:
    """A PartShape in C++."""
    if len(part.shape) > 4:
        raise Unsupported("a population of more than four dimensions")
    shape = ", ".join(map(str, part.shape))
    first = ", ".join(str(a) for a, _ in part.ranges)
    last = ", ".join(str(b) for _, b in part.ranges)
    return f"{{{len(part.shape)}, {{{shape}}}, {{{first}}}, {{{last}}}}}"
