"""Colours for `.snn` texts in whatever uses Pygments: Sphinx, IPython, terminals. The name of the language is `snn`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from pygments.lexer import RegexLexer, bygroups
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Whitespace, _TokenType

from sncc.syntax.build import quantity_parts
from sncc.syntax.words import operators, statements, terminal

_BLANKS = r"[ \t]+"
_STATEMENTS = "|".join(phrase.replace(" ", _BLANKS) for phrase in statements())
_DEFINITIONS = "neuron|synapse|plasticity|network|function|population"


def _quantity(lexer: Any, match: re.Match[str]) -> Iterator[tuple[int, _TokenType, str]]:
    number, unit = quantity_parts(match[0])
    between = match.end() - len(unit)
    yield match.start(), Number, number
    if match.start() + len(number) < between:
        yield match.start() + len(number), Whitespace, match[0][len(number) : between - match.start()]
    yield between, Keyword.Type, unit


class SnnLexer(RegexLexer):
    """The language of sncc: a word is a keyword where a statement begins, and an operator anywhere."""

    name = "sncc"
    aliases: ClassVar = ["snn"]
    filenames: ClassVar = ["*.snn"]
    url = ""
    version_added = ""
    flags = re.MULTILINE
    tokens: ClassVar = {
        "root": [
            (r"\n", Whitespace),
            (
                rf"(^[ \t]*)({_DEFINITIONS})({_BLANKS})({terminal('NAME')})",
                bygroups(Whitespace, Keyword, Whitespace, Name.Class),
            ),  # fmt: skip
            (rf"(^[ \t]*)({_STATEMENTS})(?!\w)", bygroups(Whitespace, Keyword)),
            (rf"(:)([ \t]*)(reset)(?={_BLANKS}\w)", bygroups(Punctuation, Whitespace, Keyword)),
            (terminal("DERIVATIVE"), Name.Variable),
            (_BLANKS, Whitespace),
            (r"#[^\n]*", Comment.Single),
            (r'"""[\s\S]*?"""', String.Doc),
            (r'"[^"\n]*"', String),
            (rf"(?:{'|'.join(operators())})(?!\w)", Operator.Word),
            (terminal("QUANTITY"), _quantity),
            (terminal("NUMBER"), Number),
            (rf"{terminal('NAME')}(?=[ \t]*\()", Name.Function),
            (terminal("NAME"), Name),
            (r"->|\.\.|[-+*]=|[<>=!]=|[-+*/^<>=]", Operator),
            (r"[()\[\],.:]", Punctuation),
        ]
    }
