"""Every diagnostic code has a file under `invalid/`, and the text that a user sees for it beside the file."""

import re
from pathlib import Path

import pytest

from sncc.compiler import check
from sncc.diagnostics import render_all
from sncc.syntax.parse import read_source

FOLDER = Path(__file__).parent / "invalid"
FILES = sorted(FOLDER.glob("*.snn"))
SOURCES = Path(__file__).parent.parent / "sncc"


def diagnostics_of(path):
    """What `sncc check` says of a file; its first line may hold settings."""
    settings = {}
    source = read_source(path)
    if source.text.startswith("# settings:"):
        pairs = source.text.splitlines()[0].removeprefix("# settings:").split(",")
        settings = dict(pair.strip().split("=", 1) for pair in pairs)
    return check(path, settings)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_mistake_is_explained(path, update_golden):
    found = diagnostics_of(path)
    assert path.stem.split(".")[0] in {d.code for d in found}
    text = render_all(found).replace(str(path), path.name) + "\n"
    expected = path.with_suffix(".txt")
    if update_golden:
        expected.write_text(text)
    assert text == expected.read_text()


def test_every_code_has_a_file():
    code = re.compile(r"(?:error|warning|failure|Diagnostic)\(\s*\"([a-z]+(?:-[a-z]+)*)\"")
    files = [SOURCES / "diagnostics.py", *(p for part in ("model", "syntax") for p in (SOURCES / part).glob("*.py"))]
    texts = [path.read_text() for path in files]
    codes = {found for text in texts for found in code.findall(text)}
    assert codes == {path.stem.split(".")[0] for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_messages_speak_the_users_words(path):
    for diagnostic in diagnostics_of(path):
        for words in (diagnostic.message, diagnostic.label, *diagnostic.notes, *diagnostic.help):
            assert not re.search(r"_NEWLINE|Token|Tree\(|Symbol|None\b|Traceback", words), words
            assert not words.endswith(".")
