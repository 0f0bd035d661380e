"""Words of messages about units: what a unit is called, a short excerpt, the likely repair."""

from __future__ import annotations

import re

from sncc.diagnostics import Span
from sncc.expressions.nodes import Number
from sncc.expressions.units import PLAIN, Unit, parse_unit
from sncc.model.terms import Typed
from sncc.syntax import tree

_TIME = parse_unit("ms")


def literal_help(value: Typed, span: Span, wanted: Unit) -> str:
    """A plain literal most likely lacks its unit."""
    literal = isinstance(value.expression, Number) and value.term is not None and value.term.plain
    return f"write `{short(span)} {wanted}`" if literal and re.fullmatch(r"-?[\d.]+(e[-+]?\d+)?", span.text) else ""


def short(span: Span) -> str:
    """What the user wrote, on one line and not too long."""
    text = " ".join(span.text.split())
    return text if len(text) <= 40 else text[:37] + "…"


def words(unit: Unit, otherwise: str = "") -> str:
    """`a current`, `a plain number`, `mV^2`."""
    words = unit.described()
    if words.startswith("in "):
        return otherwise or words[3:]
    return otherwise or words.split(" (")[0]


def addition_help(left: tree.Expression, right: tree.Expression, a: Unit, b: Unit, sign: str) -> str:
    """The likely repair of a sum of different units."""
    first, second = short(left.span), short(right.span)
    ratio = (a / b).dimension
    if ratio == parse_unit("GOhm").dimension:
        return f"multiply by a resistance: `{first} {sign} R * {second}`"
    if ratio == parse_unit("nS").dimension:
        return f"multiply by a conductance: `{first} {sign} g * {second}`"
    if ratio == _TIME.dimension:
        return f"multiply `{second}` by a time"
    if ratio == (PLAIN / _TIME).dimension:
        return f"divide `{second}` by a time, such as a time constant"
    if (b / a).dimension == parse_unit("GOhm").dimension:
        return f"divide by a resistance: `{first} {sign} {second} / R`"
    return ""


def ends_help(name: str, block: object) -> tuple[str, ...]:
    """What is meant where a synapse assigns `v_post` or `w`, as in Brian 2."""
    if isinstance(block, tree.Plasticity) and name == "w":
        return ("the weight is called `weight`",)
    if isinstance(block, tree.Plasticity) and name.endswith(("_pre", "_post")):
        return ("leave it out: a spike delivers the weight by itself",)
    if isinstance(block, tree.Synapse) and name.endswith(("_pre", "_post")):
        return (
            "a synapse reaches its target by `deliver`; without a `synapse` a spike adds the weight to what holds the input",
        )
    return ()
