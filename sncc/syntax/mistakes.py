"""Syntax errors in the user's words, and the placeholder that lets parsing go on behind one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from sncc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Source, Span

PLACEHOLDER = "\ue000"  # the grammar's `mistake`
DEEPEST = 60  # brackets within brackets
_SKIPPED = re.compile(r'"""[\s\S]*?"""|"[^"\n]*"|#[^\n]*')
_WORD = re.compile(r"[\d.]+(?:[eE][-+]?\d+)?|\w+|\*\*|&&|\|\||[-+*/<>=!]=|->|\.\.|[^\w\s]")
_UNSEEN = ("Zs", "Zl", "Zp", "Cf")  # Unicode's blanks, ends of lines and marks without a shape
_OPENING, _CLOSING = "([", ")]"
_STARTS_OPERAND = frozenset({"NAME", "NUMBER", "QUANTITY", "LPAR", "SIGN", "LSQB", "NOT"})
_WORDS = {
    "COLON": "`:`", "EQUAL": "`=`", "RPAR": "`)`", "RSQB": "`]`", "COMMA": "`,`", "NAME": "a name", "STRING": "a string",
    "_NEWLINE": "the end of the line", "JUMP": "`=`, `+=`, `-=` or `*=`", "COMPARE": "a comparison", "__ANON_0": "`->`",
    "IN": "`in`", "OF": "`of`", "WHEN": "`when`", "STEP": "`step`", "ELSE": "`else`", "STATE": "`state`", "IF": "`if`",
    "FROM": "`from`", "TO": "`to`",
    "PRE": "`pre`", "POST": "`post`", "LPAR": "`(`", "LSQB": "`[`",
}  # fmt: skip
KEYWORDS_OF = {  # tokens of words that begin a statement, with the block where they do
    "IMPORT": "file", "FUNCTION": "file", "NEURON": "file", "SYNAPSE": "file", "PLASTICITY": "file", "NETWORK": "file",
    "TRAIN": "file", "SIMULATE": "file", "INPUT": "neuron", "LET": "neuron", "STATE": "neuron", "SPIKE": "neuron",
    "REFRACTORY": "neuron", "SURROGATE": "neuron", "METHOD": "neuron", "ON": "synapse", "DELIVER": "synapse",
    "MODULATOR": "plasticity", "BOUND": "plasticity", "STEP": "network", "POPULATION": "network", "CONNECT": "network",
    "RECORD": "simulate", "STIMULATE": "simulate",
}  # fmt: skip
_HELP = {
    "**": "powers are written with `^`",
    "&&": "write `and`",
    "||": "write `or`",
    "!": "write `not`",
    "'": "strings stand in double quotes",
    ";": "one statement stands on a line",
    "/=": "write `x = x / …`",
    "{": "braces stand only around a `for`'s variable in names, `{k}`",
}
_INSTEAD_OF_EQUAL = {  # by the word that begins the statement
    "spike": "a threshold is crossed: compare with `>` or `>=`",
    "connect": "a pattern stands first: `connect a -> b: dense, weight = 0.5`",
}
_FLAGS = (  # how a statement begins, what follows where it should end
    (r"state\b|param\b", ":", "its value says the unit: `state v = -65 mV`"),
    (r"d\w+/dt\b", ":", "an equation's unit follows from its state's: end the line here"),
    (r"d\w+/dt\b", "(unless refractory)", "write `refractory 5 ms hold v` below `spike when`"),
    (r"", "(event-driven)", "leave it out: how states are moved follows from their equations"),
)


def failure(code: str, span: Span | None, message: str, help: str = "") -> DiagnosticError:
    """An error that stands alone."""
    return DiagnosticError([Diagnostic(code, span, message, help=(help,) if help else ())])


def is_text(source: Source, diagnostics: Diagnostics) -> bool:
    """Whether the source is worth parsing; reports control and invisible characters,
    tabs in indentation and endless nesting.
    """
    text = source.text
    control = re.search(r"[\x00-\x08\x0b-\x1f\x7f\ue000\ufffe\uffff]", text)
    if control:
        span = Span(source, control.start(), control.end())
        message = f"control character U+{ord(control[0]):04X}: this is no `.snn` text"
        diagnostics.error("not-text", span, message)
        return False
    tab = re.search(r"^ *\t[ \t]*(?=[^\s#])", text, re.MULTILINE)
    if tab:
        diagnostics.error("tab", Span(source, *tab.span()), "a tab in the indentation", help="indent with four blanks")
        return False
    depth = 0
    for place, character in _code(text):
        if character > "~" and unicodedata.category(character) in _UNSEEN:
            name = unicodedata.name(character, "").lower()
            message = f"an invisible character, U+{ord(character):04X} ({name})"
            help = "put a blank in its place, or nothing; text that was copied from a page may hold some"
            diagnostics.error("not-text", Span(source, place, place + 1), message, help=help)
            return False
        depth += (character in _OPENING) - (character in _CLOSING)
        if depth > DEEPEST:
            diagnostics.error(
                "too-complex", Span(source, place, place + 1), f"more than {DEEPEST} brackets are open here"
            )
            return False
    return True


def explain_indentation(source: Source, text: str) -> tuple[str, Diagnostic]:
    """The first line whose indentation belongs to no block above."""
    levels = [0]
    for start, indentation in _statements(text):
        if indentation > levels[-1]:
            levels.append(indentation)
        while indentation < levels[-1]:
            levels.pop()
        if indentation != levels[-1]:
            message = "the indentation of this line belongs to no block above"
            span = Span(source, start, start + len(_line(text, start).rstrip()))
            return _blank(text, start, keep=False), Diagnostic("syntax", span, message)
    return "", Diagnostic("syntax", Span(source, 0, 0), "the indentation is inconsistent")


def explain(source: Source, text: str, problem: Any) -> tuple[str, Diagnostic | None]:
    """The diagnostic of lark's `UnexpectedInput`, and the text without the statement that holds it.

    No diagnostic for the block below an unknown word: the word is reported.
    """
    token: Any = getattr(problem, "token", None)
    kind = getattr(token, "type", "")
    expected = frozenset(
        next((found for key in ("accepts", "expected", "allowed") if (found := getattr(problem, key, None))), ())
    )
    place = problem.pos_in_stream if token is None else token.start_pos
    if kind == "$END":
        place = len(text) - 1
    if kind in ("_INDENT", "_DEDENT"):
        place = token.end_pos if token.end_pos is not None else len(text)
    return (
        _unclosed_string(source, text, place)
        or _unclosed(source, text, place, kind)
        or _stray_comma(source, text, place)
        or _blocks(source, text, place, kind, expected)
        or _unexpected(source, text, place, kind, expected)
    )


def _unclosed(source: Source, text: str, place: int, kind: str) -> tuple[str, Diagnostic] | None:
    opened: list[int] = []
    for position, character in _code(text[:place]):
        if character in _OPENING:
            opened.append(position)
        elif character in _CLOSING and opened:
            opened.pop()
    if not opened or (kind != "$END" and "\n" not in text[opened[-1] : place]):
        return None
    bracket = opened[-1]
    closing = _CLOSING[_OPENING.index(text[bracket])]
    message = f"`{text[bracket]}` is never closed"
    diagnostic = Diagnostic("syntax", Span(source, bracket, bracket + 1), message, help=(f"add `{closing}`",))
    return _blank(text, bracket), diagnostic


def _unclosed_string(source: Source, text: str, place: int) -> tuple[str, Diagnostic] | None:
    whole = any(m.start() <= place < m.end() for m in _SKIPPED.finditer(text))
    if whole or not text.startswith('"', place):
        return None
    quotes = '"""' if text.endswith('"""', 0, place + 1) else '"'
    start = place + 1 - len(quotes)
    span = Span(source, start, start + len(quotes))
    return _blank(text, start), Diagnostic("syntax", span, "this string is never closed", help=(f"add `{quotes}`",))


def _stray_comma(source: Source, text: str, place: int) -> tuple[str, Diagnostic] | None:
    line = text.rfind("\n", 0, place) + 1
    # the first word of a line can have been read as what follows the comma
    if _WORD.fullmatch(text[line:place].strip()):
        place = line + _indentation(text, line)
    before = list(_code(text[:place]))
    while before and before[-1][1].isspace():
        before.pop()
    if not before or before[-1][1] != ",":
        return None
    comma = before[-1][0]
    ends = "\n" in text[comma:place] or not _WORD.match(text, place)
    if not ends or (text[place:].strip() and _indentation(text, place) > _indentation(text, comma)):
        return None
    span = Span(source, comma, comma + 1)
    diagnostic = Diagnostic("syntax", span, "a stray comma ends this statement", help=("remove it",))
    return text[:comma] + " " + text[comma + 1 :], diagnostic


def _blocks(
    source: Source, text: str, place: int, kind: str, expected: frozenset[str]
) -> tuple[str, Diagnostic | None] | None:
    if kind == "_INDENT":
        above = [start for start, _ in _statements(text) if start < place]
        if above and _ends_with_colon(text, above[-1]):
            return _blank(text, place, keep=False), None
        span = Span(source, place, place + len(_line(text, place).rstrip()))
        help = "lines of one block begin in the same column, and a line that begins a block ends with `:`"
        return _blank(text, place, keep=False), Diagnostic(
            "syntax", span, "this line is indented further than its block", help=(help,)
        )
    if "_INDENT" not in expected or kind == "_NEWLINE":
        return None
    before = [start for start, _ in _statements(text) if start < place or kind == "$END"]
    header = before[-1] if place - before[-1] > 0 or len(before) < 2 else before[-2]
    span = Span(source, header, header + len(_line(text, header).rstrip()))
    message = f"`{span.text}` has no block"
    help = "indent the lines that belong to it"
    return _blank(text, header), Diagnostic("syntax", span, message, help=(help,))


def _ends_with_colon(text: str, start: int) -> bool:
    """Whether the line of a statement that begins there ends with a colon, outside of strings and comments."""
    end = start + len(_line(text, start))
    code = [character for place, character in _code(text) if start <= place < end and not character.isspace()]
    return code[-1:] == [":"]


def _unexpected(source: Source, text: str, place: int, kind: str, expected: frozenset[str]) -> tuple[str, Diagnostic]:
    wanted = _wanted(expected)
    label = f"expected {wanted}" if wanted else ""
    found = _WORD.match(text, place)
    if kind in ("_NEWLINE", "$END", "_DEDENT") or found is None or place >= len(source.text):
        code = [position for position, character in _code(text[:place]) if not character.isspace()]
        end = code[-1] + 1 if code else 0
        span = Span(source, end, end + 1) if end < len(source.text) else Span(source, max(0, end - 1), end)
        if "COLON" in expected and not _STARTS_OPERAND & expected:
            message, label = "`:` is missing at the end of this line", ""
        else:
            message = "the statement is not finished"
        return _blank(text, max(0, end - 1)), Diagnostic("syntax", span, message, label)
    word = found[0]
    help = _HELP.get(word, "")
    if word == "=" and "COMPARE" in expected:
        words = text[_line_start(text, place) : place].split()
        help = _INSTEAD_OF_EQUAL.get(words[0] if words else "", "compare with `==`")
    if not help and "NAME" in expected and kind in KEYWORDS_OF:
        block = KEYWORDS_OF[kind]
        place_of = "at the file's left margin" if block == "file" else f"in a `{block}` block"
        help, label = f"`{word}` stands {place_of}", ""
    if word == "in" and not help:
        help = "bounds stand behind a connection's weight: `weight = 0.5 in [0, 1]`"
    if word == "." and "JUMP" in expected and re.search(r"\b(pre|post)$", text[:place]):
        help = "a jump moves states of its own block; a synapse reaches its target by `deliver`"
    if word in ("and", "or") and "COLON" in expected and text[_line_start(text, place) :].lstrip().startswith("spike"):
        help = "a threshold is one comparison; another condition stands in a side of it: `v > (1 if t > 5 ms else 2)`"
    statement = text[_line_start(text, place) : place].strip()
    help = help or next(
        (h for begin, then, h in _FLAGS if re.match(begin, statement) and text.startswith(then, place)), ""
    )
    if word == ":" and {"_NEWLINE"} <= expected and _line(text, place).strip() == ":":
        help = "without jumps, no colon"
    diagnostic = Diagnostic(
        "syntax", Span(source, *found.span()), f"unexpected `{word}`", label, help=(help,) if help else ()
    )
    return _blank(text, place), diagnostic


def _wanted(expected: frozenset[str]) -> str:
    """What could stand there, where that is short enough to help."""
    if _STARTS_OPERAND - {"NOT", "LSQB"} <= expected:
        return "an expression"
    words = sorted({_WORDS[t] for t in expected if t in _WORDS})
    if "_NEWLINE" in expected:  # behind a complete expression: operators would do too, but rarely help
        words = [w for w in words if w in ("the end of the line", "`,`", "`:`")]
    if len(words) > 1:  # a call or a slice would do too, but rarely helps
        words = [w for w in words if w not in ("`(`", "`[`")]
    if not words or len(words) > 4:
        return ""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


# ------------------------------------------------------------------------------------------------- the text itself
def _code(text: str) -> Iterator[tuple[int, str]]:
    """Characters outside strings and comments, with their places."""
    position = 0
    for skipped in _SKIPPED.finditer(text):
        yield from ((k, text[k]) for k in range(position, skipped.start()))
        position = skipped.end()
        if not skipped[0].startswith("#"):
            yield skipped.end() - 1, '"'
    yield from ((k, text[k]) for k in range(position, len(text)))


def _line(text: str, place: int) -> str:
    """The rest of the line from `place`, without a comment."""
    end = text.find("\n", place)
    line = text[place:] if end < 0 else text[place:end]
    return line.partition("#")[0].rstrip() if "#" in line else line


def _line_start(text: str, place: int) -> int:
    return text.rfind("\n", 0, place) + 1


def _indentation(text: str, place: int) -> int:
    start = _line_start(text, place)
    return len(text[start:]) - len(text[start:].lstrip(" "))


def _statements(text: str) -> Iterator[tuple[int, int]]:
    """Place of the first character and indentation of every line that begins a statement."""
    starts, depth, last = [0], 0, ""
    for place, character in _code(text):
        if character == "\n" and depth == 0 and last != ",":
            starts.append(place + 1)
        depth = max(0, depth + (character in _OPENING) - (character in _CLOSING))
        last = character if not character.isspace() else last
    for start in starts:
        found = re.compile(r"[ \t]*(?![ \t\n#])").match(text, start)
        if found and found.end() < len(text):
            yield found.end(), found.end() - start if start else 0


def _blank(text: str, place: int, keep: bool = True) -> str:
    """The text with the statement around `place`, and lines indented further below it, replaced by the placeholder.

    Without `keep`, no placeholder is left. Lines that a comma joins belong together. Empty where nothing changes, which
    ends the recovery.
    """
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    first = max(k for k, start in enumerate(starts[:-1]) if start <= place)
    while first > 0 and _ends_with_comma(lines[first - 1]):
        first -= 1
    indentation = _indentation(text, starts[first])
    last = first + 1
    while last < len(lines):
        line = lines[last]
        deeper = not line.strip() or _indentation(line, 0) > indentation - (not keep)
        if not deeper and not _ends_with_comma(lines[last - 1]):
            break
        last += 1
    region = text[starts[first] : starts[last]]
    blanked = re.sub(r"[^\n]", " ", region)
    if keep:
        blanked = blanked[:indentation] + PLACEHOLDER + blanked[indentation + 1 :]
    changed = text[: starts[first]] + blanked + text[starts[last] :]
    return changed if changed != text else ""


def _ends_with_comma(line: str) -> bool:
    return _line(line, 0).rstrip().endswith(",")
