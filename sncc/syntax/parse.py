"""Text → Tree.

After a syntax error the statement that holds it is replaced by a placeholder of the same length and the text is parsed
again, so that one run reports several mistakes at their true places.
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sncc.diagnostics import Diagnostics, Source, Span
from sncc.syntax import mistakes, tree
from sncc.syntax.build import Builder

if TYPE_CHECKING:
    from lark import Lark

GRAMMAR = Path(__file__).resolve().parent.parent / "grammar"
MISTAKES_AT_MOST = 20


def parse(text: str, path: str = "<text>") -> tree.File:
    """The tree of a `.snn` text; `path` is what messages call it. Raises `DiagnosticError` with all its mistakes."""
    diagnostics = Diagnostics()
    parsed = parse_source(Source(path, text), diagnostics)
    diagnostics.raise_errors()
    assert parsed is not None  # without a tree there is an error
    return parsed


def parse_source(source: Source, diagnostics: Diagnostics) -> tree.File | None:
    """The tree of a source without the statements that hold mistakes; None where nothing can be made of it."""
    if not mistakes.is_text(source, diagnostics):
        return None
    node = _parse_with_recovery(source, "file", diagnostics)
    if node is None:
        return None
    file: tree.File = Builder(source, diagnostics).build(node)
    if not file.blocks and not diagnostics.errors:
        help = "a file describes a `network:` of `neuron`s, see `sncc models` for ready ones"
        diagnostics.error("empty-file", Span(source, 0, 0), "the file is empty", help=help)
    return file


def parse_expression(text: str, path: str) -> tree.Expression:
    """The tree of an expression alone, such as the value of `--set`."""
    source, node = _parse_alone(text, path, "expression")
    expression: tree.Expression = Builder(source, Diagnostics()).build(node)
    return expression


def parse_expressions(text: str, path: str) -> tuple[tree.Expression, ...]:
    """The trees of expressions with commas between them, such as `weights, hidden.tau_m`."""
    source, node = _parse_alone(text, path, "values")
    builder = Builder(source, Diagnostics())
    return tuple(builder.build(child) for child in node.children if hasattr(child, "data"))


def _parse_alone(text: str, path: str, start: str) -> tuple[Source, Any]:
    diagnostics, source = Diagnostics(), Source(path, text)
    if not text.strip():
        diagnostics.error("syntax", Span(source, 0, 0), "a value is missing")
    node = _parse_with_recovery(source, start, diagnostics) if not diagnostics.errors else None
    diagnostics.raise_errors()
    return source, node


def tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Kind, text and place of every token of a text without mistakes, a comma without what it swallows.

    `_NEWLINE`, `_INDENT` and `_DEDENT` stand for the ends of statements and blocks.
    """
    for token in _lark().parse_interactive(text, start="file").iter_parse():
        yield token.type, "," if token.type == "COMMA" else str(token), token.start_pos or 0


def read_source(path: Path | str) -> Source:
    """A file as a source; raises `DiagnosticError` where it cannot be read or is no UTF-8 text."""
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as problem:  # a path with a NUL is a ValueError
        reason = getattr(problem, "strerror", None) or str(problem)
        raise mistakes.failure("unreadable-file", None, f"cannot read `{path}`: {reason.lower()}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        source = Source(str(path), data.decode("utf-8-sig", "replace").replace("\r\n", "\n"))
        place = len(data[: problem.start].decode("utf-8-sig").replace("\r\n", "\n"))
        message = f"this is no text: byte 0x{data[problem.start]:02x} is not UTF-8"
        span = Span(source, place, place + 1)
        raise mistakes.failure("not-text", span, message, help="save the file as UTF-8") from None
    return Source(str(path), text.replace("\r\n", "\n"))


def _parse_with_recovery(source: Source, start: str, diagnostics: Diagnostics) -> Any:
    from lark.exceptions import UnexpectedInput
    from lark.indenter import DedentError

    text = source.text + ("\n" if start == "file" else "")
    for _ in range(MISTAKES_AT_MOST):
        try:
            return _lark().parse(text, start=start)
        except UnexpectedInput as problem:
            text, diagnostic = mistakes.explain(source, text, problem)
        except DedentError:
            text, diagnostic = mistakes.explain_indentation(source, text)
        if diagnostic is not None:
            diagnostics.add(diagnostic)
        if start != "file" or text == "":
            return None
    return None


@functools.cache
def _lark() -> Lark:
    from lark import Lark
    from lark.indenter import Indenter

    class Indentation(Indenter):
        """Blocks by indentation; inside parentheses line breaks mean nothing."""

        NL_type = "_NEWLINE"
        OPEN_PAREN_types = ["LPAR", "LSQB"]
        CLOSE_PAREN_types = ["RPAR", "RSQB"]
        INDENT_type = "_INDENT"
        DEDENT_type = "_DEDENT"
        tab_len = 8

    return Lark(
        (GRAMMAR / "snn.lark").read_text(encoding="utf-8"),
        parser="lalr", lexer="contextual", postlex=Indentation(), start=["file", "expression", "values"],
        propagate_positions=True, maybe_placeholders=False, cache=_cache_file(),
    )  # fmt: skip


def _cache_file() -> str | bool:
    """Where lark keeps its tables between runs (it checks them against the grammar itself)."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    for folder in (
        Path(base) / "sncc",
        Path(tempfile.gettempdir()) / f"sncc-{os.getuid() if os.name == 'posix' else 0}",
    ):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError:
            continue
        if os.access(folder, os.W_OK) and _is_mine(folder):
            return str(folder / "grammar.lark")
    return False


def _is_mine(folder: Path) -> bool:
    """Whether nobody else could have put a table there (reading one executes it)."""
    return os.name != "posix" or folder.stat().st_uid == os.getuid()


def load(path: Path | str) -> tree.File:
    """Read and parse a file."""
    source = read_source(path)
    return parse(source.text, source.path)
