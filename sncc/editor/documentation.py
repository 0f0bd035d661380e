"""What an editor shows of the name at a place: its documentation, and where it is defined."""

from __future__ import annotations

from sncc.diagnostics import DiagnosticError, Source, Span
from sncc.editor.names import Named, meaning, members, text_of
from sncc.expressions.units import Unit
from sncc.model.nodes import Model
from sncc.model.resolve import model_of_source
from sncc.syntax import tree

_MODELS = (tree.Neuron, tree.Synapse, tree.Plasticity)
_WITHOUT_UNIT = frozenset(
    {"neuron", "synapse", "plasticity", "network", "function", "population", "connect", "argument"}
)


def documentation(source: Source, place: int) -> str:
    """Markdown about the name at a place: its statement, documentation, default and unit; empty where it is unknown."""
    named = meaning(text_of(source), place)
    if named is None:
        return ""
    parts = [f"```snn\n{headline(named)}\n```", _described(named)]
    if named.kind not in _WITHOUT_UNIT:
        unit = _unit(source, named)
        parts.append(f"unit: {'none, a plain number' if unit == '1' else unit}" if unit else "")
    if isinstance(named.node, _MODELS):
        parts.append(
            "\n".join(f"- `{headline(part)}` {_described(part)}".rstrip() for part in members(named.node).values())
        )
    return "\n\n".join(part for part in parts if part)


def definition(source: Source, place: int) -> Span | None:
    """Where the name at a place is defined."""
    named = meaning(text_of(source), place)
    return named.span if named is not None else None


def headline(named: Named) -> str:
    """The statement in one line: `param tau_m = 20 ms`, `neuron ALIF`."""
    if isinstance(named.node, (*_MODELS, tree.Network)):
        return f"{named.kind} {named.name}"
    return " ".join(line.partition("#")[0].strip() for line in named.node.span.text.split("\n")).strip()


def _described(named: Named) -> str:
    """The block's document, or the comment behind the statement."""
    written = getattr(named.node, "document", "")
    if written:
        return str(written)
    span = named.node.span
    rest = span.source.text[span.end :].split("\n", 1)[0].strip()
    return rest.lstrip("# ") if rest.startswith("#") else ""


def _unit(source: Source, named: Named) -> str:
    """The unit that a value was written with, else the one inferred where the file has no mistakes."""
    value = getattr(named.node, "value", getattr(named.node, "initial", None))
    while isinstance(value, tree.Unary):
        value = value.operand
    if isinstance(value, tree.Quantity):
        return value.unit or "1"
    try:
        model = model_of_source(source)
    except DiagnosticError:
        return ""
    unit = _inferred(model, named)
    return str(unit) if unit is not None else ""


def _inferred(model: Model, named: Named) -> Unit | None:
    for population in model.populations:
        if population.model == named.owner and population.dynamics is not None:
            known = {p.name: p.unit for p in population.parameters}
            known |= {s.name: s.unit for s in population.dynamics.states}
            return (known | {i.name: i.unit for i in population.dynamics.inputs}).get(named.name)
    return None
