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
_DEFINITION = re.compile(
    r'^(neuron|synapse|plasticity|function) (\w+)([^\n]*)\n(?:[ \t]+(?:"""(.*?)"""|"([^"\n]*)"))?',
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A definition: what it is, its name, the first paragraph of its documentation, the text of its file."""

    kind: str
    name: str
    doc: str
    text: str


def entries() -> list[Entry]:
    """All definitions, by kind and name."""
    found = []
    for path in sorted(STANDARD.glob("*.snn")):
        text = path.read_text(encoding="utf-8")
        for kind, name, rest, long, short in _DEFINITION.findall(text):
            about = (long or short or rest.strip()).split("\n\n")[0]  # a function's formula says what it is
            found.append(Entry(kind, name, " ".join(about.split()), text))
    return sorted(found, key=lambda e: (e.kind, e.name.lower()))


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

    table = Table("kind", "name", "what it is", title="the standard library, in scope without an import")
    for entry in entries():
        table.add_row(entry.kind, entry.name, entry.doc)
    return table
