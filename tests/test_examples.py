"""Every example is sound, formatted, and says where it comes from."""

from pathlib import Path

import pytest

import sncc
from sncc.syntax.format import format_text

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").rglob("*.snn"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_checked_and_formatted(path):
    assert [d.message for d in sncc.check(path)] == []
    text = path.read_text()
    assert format_text(text) == text and max(map(len, text.splitlines())) <= 120
