"""The texts of networks on the pages, and that the reference shows every construct of the language."""

import dataclasses
import re
import textwrap
from pathlib import Path

import pytest

import sncc
from sncc.diagnostics import DiagnosticError
from sncc.syntax import tree
from sncc.syntax.parse import parse

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
FENCE = re.compile(r"^```(snn[^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADS = ("", "neuron A:\n", "synapse A:\n", "plasticity A:\n", "network A:\n", "train:\n", "simulate:\n")


def networks(page: Path) -> list[tuple[str, str]]:
    """Blocks of the language `snn` with their marks: `snn` for a whole file, `snn fragment` for a piece."""
    return FENCE.findall(page.read_text(encoding="utf-8"))


def trees(text: str) -> list[tree.File]:
    """A fragment in every block in which it can stand."""
    found = []
    for head in HEADS:
        try:
            found.append(parse(head + (textwrap.indent(textwrap.dedent(text), "    ") if head else text)))
        except DiagnosticError:
            continue
    return found


def constructs(node: object) -> set[str]:
    """Names of the classes of a tree's nodes: one per rule of the grammar."""
    found = {type(node).__name__}
    for field in dataclasses.fields(node):  # type: ignore[arg-type]
        value = getattr(node, field.name)
        for child in value if isinstance(value, tuple) else (value,):
            if type(child).__module__ == tree.__name__:
                found |= constructs(child)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_networks_on_a_page_compile_and_its_fragments_can_be_read(page):
    for mark, text in networks(page):
        if mark == "snn":
            assert [d for d in sncc.check(text) if d.severity == "error"] == [], text
        else:
            assert mark == "snn fragment" and trees(text), text


def test_networks_are_marked_as_such():
    for page in PAGES:
        plain = re.findall(r"^```\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        assert not [t for t in plain if re.match(r"(neuron|network|train|simulate|synapse|plasticity)\b", t)], page


def test_the_reference_shows_every_construct():
    shown = {
        name for _, text in networks(ROOT / "docs" / "language.md") for file in trees(text) for name in constructs(file)
    }
    every = {name for name, value in vars(tree).items() if dataclasses.is_dataclass(value)} - {"Span"}
    assert every <= shown
