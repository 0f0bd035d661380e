"""The standard library as a user looks at it: definitions of `grammar/std`, with their documentation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sncc.diagnostics import did_you_mean

if TYPE_CHECKING:
    from rich.table import Table

STANDARD = Path(__file__).resolve().parent / "grammar" / "std"
KINDS = ("neuron", "synapse", "plasticity", "surrogate", "function")
_DEFINITION = re.compile(r"^(neuron|synapse|plasticity|function) (\w+)(?:\((\w+))?", re.MULTILINE)
_DOCUMENT = re.compile(r'"""(.*?)"""|"([^"\n]*)"', re.DOTALL)
_SENTENCE = re.compile(r"(.+?)[.:](?:\s|$)")


@dataclass(frozen=True, slots=True)
class Entry:
    """A definition: what it is, its name, the first sentence of its documentation, the text of its file."""

    kind: str
    name: str
    doc: str
    text: str


def entries() -> list[Entry]:
    """All definitions, by kind and name."""
    found = []
    for path in STANDARD.glob("*.snn"):
        text = path.read_text(encoding="utf-8")
        for kind, name, first_argument in _DEFINITION.findall(text):
            if first_argument == "u":  # the distance to the threshold
                kind = "surrogate"
            found.append(Entry(kind, name, _first_sentence(text), text))
    return sorted(found, key=lambda e: (KINDS.index(e.kind), e.name.lower()))


def _first_sentence(text: str) -> str:
    document = _DOCUMENT.search(text)
    words = " ".join((document[1] or document[2]).split()) if document else ""
    if words.startswith("Surrogate derivative of a spike: "):
        words = words.removeprefix("Surrogate derivative of a spike: ")
    sentence = _SENTENCE.match(words)
    return sentence[1] if sentence else words


def find(name: str) -> Entry | None:
    """The definition of that name; upper and lower case are the same."""
    return next((entry for entry in entries() if entry.name.lower() == name.lower()), None)


def suggestion(name: str) -> str:
    """What a misspelt name may have meant."""
    close = did_you_mean(name, (entry.name for entry in entries()))
    return f"; {close[0]}" if close else "; `sncc models` lists them"


def table() -> Table:
    """The definitions for the terminal."""
    from rich.table import Table

    table = Table(title="the standard library, in scope without an import", expand=True)
    listed = entries()
    table.add_column("kind", width=max(len(entry.kind) for entry in listed), no_wrap=True)
    table.add_column("name", width=max(len(entry.name) for entry in listed), no_wrap=True)
    table.add_column("what it is", ratio=1, no_wrap=True, overflow="ellipsis")
    for entry in listed:
        table.add_row(entry.kind, entry.name, entry.doc)
    return table
