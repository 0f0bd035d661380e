"""Highlighting: both grammars for editors know every word that the language's grammar knows."""

import json
import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from hypothesis import given, settings
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, String
from strategies import texts

from sncc.syntax import parse, textmate, words
from sncc.syntax.highlight import SnnLexer

ROOT = Path(__file__).resolve().parents[2]
EDITOR = ROOT / "grammar" / "editor" / "snn.tmLanguage.json"
FILES = sorted([*(ROOT / "grammar/std").glob("*.snn"), *(ROOT / "examples").rglob("*.snn")])
SAMPLE = """neuron A:
    "Words."
    dv/dt = -exp(v) / (20 ms)   # decays
    each step: v = 1 if not v > 2 else 3
    spike when v > 1: reset v -= 1
"""


def keywords_of_the_parser() -> set[str]:
    """Words that lark's own terminals match: independent of how `words` reads the file."""
    found = set()
    for terminal in parse._lark().terminals:
        pattern = terminal.pattern.value.replace("(?!\\w)", "")
        if re.fullmatch(r"[a-z]+", pattern):
            found.add(pattern)
    return found


def test_the_list_of_words_is_the_grammars():
    assert {word for phrase in words.statements() for word in phrase.split()} | set(
        words.operators()
    ) == keywords_of_the_parser()


def test_the_editors_grammar_is_current_and_knows_every_word():
    text = EDITOR.read_text(encoding="utf-8")
    assert text == textmate.text(), "run: python -m sncc.syntax.textmate > grammar/editor/snn.tmLanguage.json"
    patterns = " ".join(p.get("match", "") for p in json.loads(text)["patterns"])
    assert keywords_of_the_parser() <= set(re.findall(r"[a-z_]+", patterns.replace("[ \\t]+", " ")))


@pytest.mark.parametrize("word", sorted(keywords_of_the_parser()))
def test_the_lexer_colours_every_word(word):
    phrases = [p for p in words.statements() if word in p.split()]
    line = f"    {phrases[0]} v" if phrases else f"    param x = a {word} b"
    tokens = [(kind, text) for kind, text in SnnLexer().get_tokens(line)]
    assert any(word in text.split() and (kind in Keyword or kind in Operator.Word) for kind, text in tokens)


def test_words_numbers_units_and_names_have_their_kinds():
    tokens = {text: kind for kind, text in SnnLexer().get_tokens(SAMPLE)}
    for text, kind in {
        "neuron": Keyword, "A": Name.Class, '"Words."': String, "dv/dt": Name.Variable, "exp": Name.Function, "20": Number,
        "ms": Keyword.Type, "# decays": Comment.Single, "each step": Keyword, "if": Operator.Word, "reset": Keyword,
        "v": Name, "-=": Operator,
    }.items():  # fmt: skip
        assert tokens[text] in kind, text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_files_of_the_project_hold_nothing_unknown(path):
    text = path.read_text(encoding="utf-8")
    tokens = list(SnnLexer(ensurenl=False, stripnl=False).get_tokens(text))
    assert "".join(value for _, value in tokens) == text
    assert not [value for kind, value in tokens if kind is Error]


@settings(max_examples=40, deadline=None)
@given(texts())
def test_every_text_that_parses_has_colours(text):
    assert not [value for kind, value in SnnLexer().get_tokens(text) if kind is Error]


def test_pygments_finds_the_lexer_by_its_entry_point():
    found = [e for e in entry_points(group="pygments.lexers") if e.name == "snn"]
    if not found:
        pytest.skip("sncc is not installed, or was before it had the entry point")
    assert found[0].load() is SnnLexer
