"""What a `synapse` or a `plasticity` sees of the neurons before and behind it, and mistakes told to the connection."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from fractions import Fraction
from typing import Any

from sncc.diagnostics import Diagnostics, Span
from sncc.expressions.nodes import Symbol
from sncc.expressions.units import PLAIN, Unit
from sncc.model import nodes
from sncc.model.definition import Block
from sncc.model.scope import is_library
from sncc.model.terms import Term, Typed
from sncc.syntax import tree


@dataclass(frozen=True)
class Ends:
    """`pre.X` and `post.X` by name, the unit of the target's input, that of `weight` where it is known.

    Units are unknown terms where a definition is looked at by itself.
    """

    names: dict[str, Typed] = field(default_factory=dict)
    input: Term = Term(PLAIN, (("the input", Fraction(1)),))
    weight: Unit | None = None


def ends_of(source: nodes.Population, target: nodes.Population, where: nodes.Input, weight: Unit | None = None) -> Ends:
    """The ends of one connection."""
    names = {**_of("pre", source), **_of("post", target)}
    return Ends(names, Term(Unit(where.unit.dimension)), weight)


def any_ends(block: Block) -> Ends:
    """The ends of no connection in particular: every `pre.X` and `post.X` in the block, of a unit not known."""
    found = {str(name) for name in names_in(block.parts) if name.parts[0] in ("pre", "post") and len(name.parts) == 2}
    return Ends({name: unknown(name) for name in found})


def unknown(name: str) -> Typed:
    """A name whose unit has to be found."""
    return Typed(Symbol(name), Term(PLAIN, ((name, Fraction(1)),)))


def known(name: str, unit: Unit | None) -> Typed:
    """A name of a unit that was found, or is still not known."""
    return unknown(name) if unit is None else Typed(Symbol(name, unit), Term(unit))


def found_units(outside: Mapping[str, Typed], units: Mapping[str, Unit], complete: bool) -> dict[str, Typed]:
    """The names of `outside` with the units that were found; `complete`: plain where nothing tells a unit."""

    def settled(name: str, typed: Typed) -> Typed:
        if typed.term is None or not typed.term.unknown:
            return typed
        return known(name, units.get(name, PLAIN if complete else None))

    return {name: settled(name, typed) for name, typed in outside.items()}


def report_misfit(
    found: Diagnostics, block: Block, span: Span, diagnostics: Diagnostics, plain: Collection[str] = (),
    weight: Unit | None = None,
) -> None:  # fmt: skip
    """What a definition does not find at this connection is the connection's mistake; anything else the block's own.

    `plain`: parameters that are plain numbers, and may be given any unit. One that stands alone where the weight's unit
    is wanted, as in `bound weight in [0, w_max]`, is the mistake, and all else that has another unit follows from it.
    """
    shown = list(found.found)
    units = [d for d in found.found if d.code == "wrong-unit" and d.span is not None]
    alone = (
        next((d for d in units if d.span is not None and d.span.text in plain), None) if weight is not None else None
    )
    if alone is not None and alone.span is not None:
        help = f"give `{alone.span.text}` that unit: `{block.name}({alone.span.text} = 100 {weight})`"
        shown = [*(d for d in shown if d not in units), replace(alone, help=(help,))]
    for diagnostic in shown:
        if diagnostic.code not in ("wrong-unit", "unknown-name") or diagnostic.span is None:
            diagnostics.add(diagnostic)
            continue
        message = f"`{block.name}` does not fit this connection: {diagnostic.message}"
        place = diagnostic.span
        file = f"`{block.name}` of the standard library" if is_library(block) else place.source.path
        note = f"in `{' '.join(place.text.split())}`, line {place.line} of {file}"
        note += f": {diagnostic.label}" if diagnostic.label else ""
        diagnostics.error(diagnostic.code, span, message, notes=(note,), help=diagnostic.help)


def _of(end: str, population: nodes.Population) -> dict[str, Typed]:
    units = {p.name: p.unit for p in population.parameters}
    if population.dynamics is not None:
        units |= {s.name: s.unit for s in population.dynamics.states}
        units |= {i.name: i.unit for i in population.dynamics.inputs}
    return {f"{end}.{name}": known(f"{end}.{name}", unit) for name, unit in units.items()}


def names_in(node: Any) -> Iterator[tree.Name]:
    """All names of a part of the tree."""
    if isinstance(node, tree.Name):
        yield node
    elif isinstance(node, tuple):
        for part in node:
            yield from names_in(part)
    elif is_dataclass(node) and not isinstance(node, Span):
        for part in fields(node):
            yield from names_in(getattr(node, part.name))
