"""Every file of the standard library is documented with its source, and in the formatter's layout."""

import re

import pytest

from sncc.model.scope import library, library_files
from sncc.standard_library import KINDS, entries
from sncc.syntax import tree
from sncc.syntax.format import format_text
from sncc.syntax.parse import load


@pytest.mark.parametrize("path", list(library_files()), ids=lambda path: path.stem)
def test_a_file_says_what_it_is_and_where_it_comes_from(path):
    text = path.read_text()
    assert format_text(text) == text and max(map(len, text.splitlines())) <= 120
    (block,) = load(path).blocks
    document = load(path).document if isinstance(block, tree.Function) else block.document
    assert "Source: " in document or block.name.name in ("LI", "IF")
    assert re.search(r"\(\d{4}\)|\b(19|20)\d\d\b", document) or block.name.name in ("LI", "IF")
    for part in () if isinstance(block, tree.Function) else block.parts:
        if isinstance(part, tree.Parameter):  # what it is stands beside each number
            assert "# " in text.splitlines()[part.span.line - 1], part.span.text


def test_sncc_models_knows_every_definition():
    listed = {entry.name: entry for entry in entries()}
    assert set(listed) == set(library())
    for name, definition in library().items():
        kind = type(definition).__name__.lower()
        assert (
            listed[name].kind in ({kind, "surrogate"} if kind == "function" else {kind}) and listed[name].kind in KINDS
        )
        assert 20 < len(listed[name].doc) < 120
