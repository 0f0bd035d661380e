"""The names of a text and what each of them means at a place, also while the text has mistakes."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sncc.diagnostics import DiagnosticError, Diagnostics, Source, Span
from sncc.model.scope import library
from sncc.syntax import tree
from sncc.syntax.parse import parse_source, read_source

KINDS: dict[type[Any], str] = {
    tree.Parameter: "param", tree.Function: "function", tree.Neuron: "neuron", tree.Synapse: "synapse",
    tree.Plasticity: "plasticity", tree.Network: "network", tree.State: "state", tree.Input: "input", tree.Let: "let",
    tree.PreState: "pre state", tree.PostState: "post state", tree.Modulator: "modulator", tree.Population: "population",
    tree.Connect: "connect", tree.Formal: "argument",
}  # fmt: skip
WORD = re.compile(r"[\w{}]+(?:\.[\w{}]+)*")


@dataclass(frozen=True, slots=True)
class Named:
    """Something with a name: its kind as the language calls it, its statement, and the block that it belongs to."""

    name: str
    kind: str
    node: Any
    owner: str = ""

    @property
    def span(self) -> Span:
        """Where the name stands."""
        written = getattr(self.node, "name", None)
        span: Span = written.span if isinstance(written, tree.Identifier) else self.node.span
        return span


@dataclass(frozen=True, slots=True)
class Text:
    """A source with the statements of it that parse."""

    source: Source
    blocks: tuple[tree.Block, ...]

    def block_at(self, place: int) -> tree.Block | None:
        """The block that holds a place, up to where the next one begins."""
        return next((b for b in reversed(self.blocks) if b.span.start <= place), None)

    def path_to(self, place: int) -> list[Any]:
        """The nodes around a place, the outermost first."""
        block = next((b for b in self.blocks if b.span.start <= place <= b.span.end), None)
        return list(_path(block, place)) if block is not None else []

    def defined(self, importing: tuple[Path, ...] = ()) -> dict[str, Named]:
        """What stands at the margin of the file and of those it imports; `importing` are the files on the way here."""
        found: dict[str, Named] = {}
        for block in self.blocks:
            if isinstance(block, tree.Import):
                for name, named in _imported(self.source, block.path, importing).items():
                    found.setdefault(name, named)
            elif type(block) in KINDS and not isinstance(block, tree.Train | tree.Simulate):
                found[block.name.name] = Named(block.name.name, KINDS[type(block)], block)
        return found

    def definition(self, name: str) -> Named | None:
        """What a name at the margin means, the standard library included."""
        found = self.defined().get(name)
        if found is None and name in library():
            block = library()[name]
            found = Named(name, KINDS[type(block)], block)
        return found

    def networks(self) -> dict[str, Named]:
        """The populations and connections of all networks."""
        return {k: v for b in self.blocks if isinstance(b, tree.Network) for k, v in members(b).items()}


def text_of(source: Source) -> Text:
    """The names of a source; statements with mistakes are left out."""
    try:
        file = parse_source(source, Diagnostics())
    except DiagnosticError:
        file = None
    return Text(source, file.blocks if file is not None else ())


def members(block: Any) -> dict[str, Named]:
    """What a block defines: the parts of a neuron, the populations of a network, the arguments of a function."""
    owner = block.name.name if hasattr(block, "name") else ""
    found: dict[str, Named] = {}
    for part in getattr(block, "formals", getattr(block, "parts", ())):
        if isinstance(part, tree.Loop):
            found |= members(part)
        elif isinstance(part, tree.Connect):
            name = part.known_as
            found.setdefault(name, Named(name, "connect", part, owner))
        elif type(part) in KINDS:
            found.setdefault(part.name.name, Named(part.name.name, KINDS[type(part)], part, owner))
    return found


def meaning(text: Text, place: int) -> Named | None:
    """What the name at a place stands for."""
    start = text.source.line_starts[Span(text.source, place, place).line - 1]
    line = text.source.line_text(Span(text.source, place, place).line)
    word = next((w for w in WORD.finditer(line) if w.start() <= place - start <= w.end()), None)
    if word is None:
        return None
    parts = word[0].split(".")
    index = word[0][: place - start - word.start()].count(".")
    path = text.path_to(place)
    found = _argument(text, path, parts[0], start + word.start()) or _in_scope(text, path, place, parts[0])
    if index == 0:
        return found
    if parts[0] in ("pre", "post"):
        return members(text.block_at(place)).get(parts[1])
    return members(model_of(text, found)).get(parts[1]) if found is not None and index == 1 else None


def model_of(text: Text, named: Named) -> Any:
    """The neuron of a population; anything else as it is."""
    if isinstance(named.node, tree.Population):
        model = text.definition(named.node.model.name)
        return model.node if model is not None else None
    return named.node


def _in_scope(text: Text, path: list[Any], place: int, name: str) -> Named | None:
    block = path[0] if path else text.block_at(place)
    if isinstance(block, tree.Network | tree.Train | tree.Simulate) and name in text.networks():
        return text.networks()[name]
    if not isinstance(block, tree.Network) and block is not None and name in members(block):
        return members(block)[name]
    return text.definition(name)


def _argument(text: Text, path: list[Any], name: str, place: int) -> Named | None:
    """What an argument's name sets: the parameter `tau` of `LIF[3](tau = 5 ms)`, or the state before an `=`."""
    for outer, inner in zip(reversed(path[:-1]), reversed(path[1:])):
        sets = isinstance(inner, tree.Argument) and inner.name == name and inner.span.start == place
        starts = isinstance(inner, tree.Initial) and inner.name.span.start == place
        if (sets or starts) and isinstance(outer, tree.Call | tree.Population):
            callee = outer.model if isinstance(outer, tree.Population) else outer.function
            definition = text.definition(str(callee))
            return members(definition.node).get(name) if definition is not None else None
    return None


def _path(node: Any, place: int) -> Iterator[Any]:
    yield node
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        for child in value if isinstance(value, tuple) else (value,):
            span = getattr(child, "span", None)
            if span is not None and span.start <= place <= span.end and not isinstance(child, tree.Identifier):
                yield from _path(child, place)
                return


def _imported(source: Source, path: str, importing: tuple[Path, ...]) -> dict[str, Named]:
    here = Path(source.path).absolute()
    there = here.parent / path
    if there in (here, *importing):
        return {}
    try:
        return text_of(read_source(there)).defined((*importing, here))
    except DiagnosticError:
        return {}
