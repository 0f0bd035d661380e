"""The language's TextMate grammar: `python -m sncc.syntax.textmate > grammar/editor/snn.tmLanguage.json`."""

from __future__ import annotations

import json
from typing import Any

from sncc.syntax.words import operators, statements, terminal


def grammar() -> dict[str, Any]:
    """What the file holds; its words are those of `snn.lark`."""
    words = "|".join(phrase.replace(" ", "[ \\t]+") for phrase in statements())
    name = terminal("NAME")
    patterns = [
        {"name": "comment.line.number-sign.snn", "match": "#.*$"},
        {"name": "string.quoted.docstring.snn", "begin": '"""', "end": '"""'},
        {"name": "string.quoted.double.snn", "match": '"[^"]*"'},
        {
            "match": rf"^[ \t]*(neuron|synapse|plasticity|network|function|population)[ \t]+({name})",
            "captures": {"1": {"name": "keyword.control.snn"}, "2": {"name": "entity.name.type.snn"}},
        },
        {"match": rf"^[ \t]*({words})(?!\w)", "captures": {"1": {"name": "keyword.control.snn"}}},
        {"match": r":[ \t]*(reset)(?=[ \t]+\w)", "captures": {"1": {"name": "keyword.control.snn"}}},
        {"name": "variable.other.derivative.snn", "match": rf"(?<!\w){terminal('DERIVATIVE')}"},
        {"name": "keyword.operator.word.snn", "match": rf"(?<!\w)(?:{'|'.join(operators())})(?!\w)"},
        {"name": "constant.numeric.quantity.snn", "match": rf"(?<![\w.]){terminal('QUANTITY')}"},
        {"name": "constant.numeric.snn", "match": rf"(?<!\w){terminal('NUMBER')}"},
        {"name": "entity.name.function.snn", "match": rf"(?<!\w){name}(?=[ \t]*\()"},
        {"name": "variable.other.snn", "match": rf"(?<!\w){name}"},
        {"name": "keyword.operator.snn", "match": r"->|\.\.|[-+*]=|[<>=!]=|[-+*/^<>=]"},
    ]
    return {"name": "sncc", "scopeName": "source.snn", "fileTypes": ["snn"], "patterns": patterns}


def text() -> str:
    """The file."""
    return json.dumps(grammar(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(text(), end="")
