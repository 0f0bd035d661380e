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
_DEFINITION = re.compile(r'^(neuron|synapse|plasticity|function) (\w+)[^\n]*\n(?:[ \t]+"([^"]*)")?', re.MULTILINE)


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
    for path in sorted(STANDARD.glob("*.snn")):
        text = path.read_text(encoding="utf-8")
        for kind, name, doc in _DEFINITION.findall(text):
            first = re.split(r"(?<=\.)\s", " ".join((doc or _comment(text, name)).split()))[0]
            found.append(Entry(kind, name, first, text))
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


def _comment(text: str, name: str) -> str:
    """The comment above a definition, or at its line's end."""
    lines = text.splitlines()
    row = next(k for k, line in enumerate(lines) if re.match(rf"\w+ {name}\b", line))
    above: list[str] = []
    while row > 0 and lines[row - 1].startswith("#"):
        row -= 1
        above.insert(0, lines[row].lstrip("# "))
    own = next(line for line in lines if re.match(rf"\w+ {name}\b", line)).partition("#")[2]
    return own or " ".join(above)
