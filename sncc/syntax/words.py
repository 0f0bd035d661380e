"""The words of the language, read from `grammar/snn.lark`: the one list that highlighting and completion share."""

from __future__ import annotations

import functools
import re

from sncc.syntax.parse import GRAMMAR

_RULE = re.compile(r"^\??[a-z_]+:((?:.|\n[ \t])*)", re.MULTILINE)
_TERMINAL = re.compile(r'^([A-Z]+)(?:\.\d+)?: (?:/(.*)/|"(.*)")$', re.MULTILINE)
_PHRASE = re.compile(r'"[a-z]+"(?: "[a-z]+")*')


@functools.cache
def _grammar() -> str:
    text = (GRAMMAR / "snn.lark").read_text(encoding="utf-8")
    return re.sub(r"(?m)(?:^|\s+)//.*$", "", text)


@functools.cache
def statements() -> tuple[str, ...]:
    """Words that begin or divide a statement, longest first, such as `each step`, `spike when`, `neuron`."""
    found = {
        phrase.replace('"', "").strip()
        for rule in _RULE.findall(_grammar())
        for phrase in _PHRASE.findall(rule)
    }  # fmt: skip
    return tuple(sorted(found, key=lambda phrase: (-len(phrase), phrase)))


@functools.cache
def operators() -> tuple[str, ...]:
    """Words between or behind expressions, such as `and`, `if`, `in`, `every`."""
    found = {
        name.lower()
        for name, pattern, word in _TERMINAL.findall(_grammar())
        if (word or pattern[: len(name)]) == name.lower()
    }
    return tuple(sorted(found))


def terminal(name: str) -> str:
    """The regular expression of a terminal, such as `QUANTITY`."""
    pattern = next(pattern for found, pattern, _ in _TERMINAL.findall(_grammar()) if found == name)
    return str(pattern).replace(r"\/", "/")
