"""The canonical layout of a `.snn` text: its tokens with one spacing, its comments and line breaks where they were.

The layout decides blanks alone. Words, numbers, parentheses, comments and the line breaks behind commas and in brackets
stay the user's; the result is parsed again and must give the same tree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from sncc.syntax.build import document_text, quantity_parts
from sncc.syntax.parse import parse, tokens

INDENTATION = 4
_OPENING, _CLOSING = frozenset({"LPAR", "LSQB"}), frozenset({"RPAR", "RSQB"})
_ENDS_OPERAND = frozenset({"NAME", "NUMBER", "QUANTITY"}) | _CLOSING  # a sign behind it has two operands
_LISTS = frozenset({"connect", "population", "function"})  # their `=` stand behind commas or names of any length

Above = tuple[int, str] | None  # a comment with its level, or a blank line


def format_text(text: str, path: str = "<text>") -> str:
    """The text in canonical layout. Raises `DiagnosticError` for syntax errors; `path` is what these call it."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    tree = parse(text, path)
    statements = _statements(text if text.endswith("\n") else text + "\n")
    lines = [line for statement in statements for line in _lines(statement)]
    _align_equals(lines)
    formatted = "".join(f"{line}\n" for line in _with_comments(lines))
    if parse(formatted, path) != tree:
        raise AssertionError(f"the layout of {path} would change its meaning")
    return formatted


@dataclass(slots=True)
class _Token:
    """A token; `gap` is what stands before it: the rest of that line and, after a line break, further lines."""

    kind: str
    text: str
    column: int
    gap: list[str]
    comment_column: int  # where a comment in the gap's first line begins


@dataclass(slots=True)
class _Statement:
    """The tokens up to the end of a line, closed by an empty one whose gap holds the trailing comment."""

    level: int
    above: list[Above]
    tokens: list[_Token] = field(default_factory=list)
    opens_block: bool = False


@dataclass(slots=True)
class _Line:
    """A line of the result. `column` is where the user's trailing comment began, `equal_column` the first `=`."""

    indentation: int
    code: str = ""
    comment: str = ""
    column: int = 0
    equal: int | None = None  # its place in `code`
    equal_column: int = 0

    @property
    def width(self) -> int:
        """Columns up to the end of the code, in its last line where it is a document of several."""
        last = self.code.rpartition("\n")[2]
        return len(last) if "\n" in self.code else self.indentation + len(last)


# ------------------------------------------------------------------------------------------- from text to statements
def _statements(text: str) -> list[_Statement]:
    """All statements, and an empty one that holds the comments at the file's end."""
    statements: list[_Statement] = []
    columns: list[int] = []  # of the blocks open at the last statement, as the user indented them
    level, end, starts = 0, 0, True
    for kind, word, start in [*tokens(text), ("", "", len(text))]:
        if kind in ("_NEWLINE", "_INDENT", "_DEDENT"):
            level += (kind == "_INDENT") - (kind == "_DEDENT")
            starts = True
            continue
        gap = text[end:start].split("\n")
        token = _Token(kind, word, _column(text, start), gap, _column(text, end) + gap[0].find("#"))
        end = start + len(word)
        if not starts:
            statements[-1].tokens.append(token)
            continue
        comments = gap[:-1]
        if statements:
            statements[-1].tokens.append(_Token("", "", 0, gap[:1], token.comment_column))
            statements[-1].opens_block = level > statements[-1].level
            comments = gap[1:-1]
        above = [_above(line, level, columns) for line in comments]
        statement = _Statement(level, above, [token] if kind else [])
        statement.above = _spaced(above, statements[-1] if statements else None, statement)
        statements.append(statement)
        columns[level:] = [token.column]
        starts = False
    for before, after in zip(statements, statements[1:]):
        after.above = _set_apart(before, after)
    return statements


def _column(text: str, place: int) -> int:
    return place - text.rfind("\n", 0, place) - 1


def _above(line: str, level: int, columns: list[int]) -> Above:
    """A line between two statements: a comment belongs to the innermost block that begins left of it."""
    comment = line.strip()
    column = len(line.expandtabs()) - len(line.expandtabs().lstrip())
    inside = [k for k in range(level, len(columns)) if columns[k] <= column]
    return (max(inside, default=level), comment) if comment else None


def _spaced(above: list[Above], before: _Statement | None, after: _Statement) -> list[Above]:
    """At most one blank line in a row; none at the beginning of a file or of a block, none at the end of a file."""
    spaced: list[Above] = []
    for entry in above:
        first = not spaced and (before is None or before.opens_block)
        if entry is not None or (not first and (not spaced or spaced[-1] is not None)):
            spaced.append(entry)
    while spaced and spaced[-1] is None and not after.tokens:
        spaced.pop()
    return spaced


def _set_apart(before: _Statement, after: _Statement) -> list[Above]:
    """A blank line stands around every block at the file's margin, above the comments that introduce it."""
    above = after.above
    if after.level > 0 or not (after.tokens or above):
        return above
    if before.level > 0:
        outside = next((k for k, entry in enumerate(above) if entry is not None and entry[0] == 0), None)
        place = len(above) if outside is None else outside
        if outside is None and not after.tokens:
            return above
        return above if place > 0 and above[place - 1] is None else [*above[:place], None, *above[place:]]
    return above if None in above or not after.opens_block else [None, *above]


# ------------------------------------------------------------------------------------------ from statements to lines
def _lines(statement: _Statement) -> Iterator[_Line]:
    for entry in statement.above:
        yield _Line(entry[0] * INDENTATION, comment=entry[1]) if entry else _Line(0)
    if not statement.tokens:
        return
    line = _Line(statement.level * INDENTATION)
    further = line.indentation + INDENTATION * (2 if statement.opens_block else 1)
    depth, tight, last, aligned = 0, True, "", statement.tokens[0].text not in _LISTS
    for k, token in enumerate(statement.tokens):
        if k > 0:
            line.comment, line.column = token.gap[0].strip(), token.comment_column
        if k > 0 and len(token.gap) > 1:
            yield line
            yield from (_Line(further, comment=c.strip()) for c in token.gap[1:-1] if c.strip())
            line, tight, aligned = _Line(further), True, False
        depth += (token.kind in _OPENING) - (token.kind in _CLOSING)
        tight_left, tight_right = _tightness(token, last, depth)
        line.code += "" if tight or tight_left or not token.kind else " "
        if token.kind == "EQUAL" and aligned and depth == 0 and line.equal is None:
            line.equal, line.equal_column = len(line.code), token.column
        line.code += _word(token, line.indentation if k == 0 else None)
        tight, last = tight_right, token.kind if token.text[-1:] != "." else "."
    yield line


def _tightness(token: _Token, last: str, depth: int) -> tuple[bool, bool]:
    """Whether the token touches the one before, of kind `last`, and the one behind."""
    match token.kind:
        case "LPAR" | "LSQB":
            return last in ("NAME", "RSQB"), True  # a call, a shape, a slice
        case "RPAR" | "RSQB" | "COMMA":
            return True, False
        case "DOT":
            return True, True
        case "COLON":
            return True, depth > 0
        case "POWER":
            return last != "QUANTITY", last != "QUANTITY"  # `2 ms^2` would be square milliseconds
        case "SIGN":
            return False, last not in _ENDS_OPERAND and last != "."
        case _ if token.text == "..":
            return last != ".", True
    return False, False


def _word(token: _Token, indentation: int | None) -> str:
    """The token as it is written; a string that begins a line of this indentation is a document."""
    if token.kind == "QUANTITY":
        return " ".join(quantity_parts(token.text))
    if token.kind == "STRING" and indentation is not None:
        return _document(token.text, indentation)
    return token.text


def _document(string: str, indentation: int) -> str:
    """A document with its lines moved to the indentation of its block."""
    quotes = '"""' if string.startswith('"""') else '"'
    written = string[len(quotes) : -len(quotes)].split("\n")
    lines = document_text(string).split("\n")
    if len(written) > 1 and not written[0].strip():
        lines.insert(0, "")
    shown = [lines[0], *(" " * indentation + line for line in lines[1:])]
    text = "\n".join(line.rstrip() for line in shown)
    if len(written) > 1 and not written[-1].strip():
        text += "\n" + " " * indentation
    elif text.endswith('"'):
        text += " "
    return quotes + text + quotes


def _align_equals(lines: list[_Line]) -> None:
    """The `=` of adjacent statements stay in one column where they were."""
    for place, run in groupby(lines, lambda line: (line.equal is None, line.indentation, line.equal_column)):
        aligned = [] if place[0] else list(run)
        widest = max((line.equal or 0 for line in aligned), default=0)
        for line in aligned:
            line.code = line.code[: line.equal].ljust(widest) + line.code[line.equal :]


def _with_comments(lines: list[_Line]) -> Iterator[str]:
    """Trailing comments stay in a column that they share with others; else two blanks stand before them."""
    fitting = Counter(line.column for line in lines if line.code and line.comment and line.width + 2 <= line.column)
    for line in lines:
        text = (" " * line.indentation + line.code).rstrip()
        if line.code and line.comment:
            kept = line.width + 2 <= line.column and fitting[line.column] > 1
            text += " " * (line.column - line.width if kept else 2)
        yield text + line.comment if line.code else (text + " " * line.indentation + line.comment).rstrip()
