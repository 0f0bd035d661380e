"""Every example is sound and formatted; of those from a paper the file says which."""

from pathlib import Path

import pytest

import sncc
from sncc.syntax.format import format_text

FOLDER = Path(__file__).parent.parent / "examples"
EXAMPLES = sorted(FOLDER.rglob("*.snn"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_checked_and_formatted(path):
    # a warning tells what no engine runs yet; those wait for it as they are
    assert [d.message for d in sncc.check(path) if d.code != "not-supported-yet"] == []
    text = path.read_text()
    assert format_text(text) == text and max(map(len, text.splitlines())) <= 120


def test_an_example_of_a_paper_names_it():
    own = {"digits", "spoken_digits"}
    for path in EXAMPLES:
        assert ("# Source: " in path.read_text()) != (path.stem in own), path.stem
    readme = (FOLDER / "README.md").read_text()
    missing = [p.stem for p in EXAMPLES if p.stem not in readme and p.parent.name + "/" not in readme]
    assert not missing
