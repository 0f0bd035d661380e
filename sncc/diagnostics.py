"""What the user did wrong, as data: where, what, why and how to repair it; rendered in one place.

A mistake of the user is a `Diagnostic`. Stages collect them in a `Diagnostics`, go on after an error where they can,
and raise one `DiagnosticError` with all of them. A mistake of the compiler is any other exception.
"""

from __future__ import annotations

import difflib
import functools
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning"]
SHOWN_AT_MOST = 30  # diagnostics of one run that are printed; the rest is counted


@dataclass(frozen=True, eq=False)
class Source:
    """A text with the name under which messages speak of it."""

    path: str
    text: str = field(repr=False)

    @functools.cached_property
    def line_starts(self) -> tuple[int, ...]:
        """Offset of the first character of every line."""
        return (0, *(k + 1 for k, character in enumerate(self.text) if character == "\n"))

    def line_text(self, line: int) -> str:
        """The text of a line (counted from 1), without its line break."""
        starts = self.line_starts
        end = starts[line] - 1 if line < len(starts) else len(self.text)
        return self.text[starts[line - 1] : end].rstrip("\r")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a source: character offsets, the end excluded."""

    source: Source
    start: int
    end: int

    @property
    def line(self) -> int:
        """Line of the first character, counted from 1."""
        return bisect_right(self.source.line_starts, min(self.start, len(self.source.text)))

    @property
    def column(self) -> int:
        """Column of the first character, counted from 1."""
        return self.start - self.source.line_starts[self.line - 1] + 1

    @property
    def end_line(self) -> int:
        """Line of the last character, counted from 1."""
        return bisect_right(self.source.line_starts, max(self.start, self.end - 1))

    @property
    def end_column(self) -> int:
        """Column after the last character, counted from 1."""
        return self.end - self.source.line_starts[self.end_line - 1] + 1

    @property
    def text(self) -> str:
        """What the user wrote there."""
        return self.source.text[self.start : self.end]

    def to(self, other: Span | None) -> Span:
        """From the start of this span to the end of the other."""
        if other is None or other.source is not self.source:
            return self
        return Span(self.source, min(self.start, other.start), max(self.end, other.end))


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake (or suspicion): `message` says what, `label` stands beside the caret, only `help` proposes a fix."""

    code: str
    span: Span | None
    message: str
    label: str = ""
    notes: tuple[str, ...] = ()
    help: tuple[str, ...] = ()
    severity: Severity = "error"

    def as_dict(self) -> dict[str, Any]:
        """Plain data for `--json`; lines and columns count from 1, `end` is the place after the last character."""
        place: dict[str, Any] = {"file": None, "line": 1, "column": 1, "end": {"line": 1, "column": 1}}
        if self.span is not None:
            end = {"line": self.span.end_line, "column": self.span.end_column}
            place = {
                "file": self.span.source.path, "line": self.span.line, "column": self.span.column, "end": end
            }  # fmt: skip
        words = {"label": self.label, "notes": list(self.notes), "help": list(self.help)}
        return {"code": self.code, "severity": self.severity, "message": self.message, **place, **words}

    def __str__(self) -> str:
        return render(self)


def not_supported_yet(span: Span | None, what: str, help: str) -> Diagnostic:
    """The refusal of a construct of the language that a stage cannot carry out yet; `help`: what does work."""
    return Diagnostic("not-supported-yet", span, f"{what} is not supported yet", help=(help,))


class DiagnosticError(ValueError):
    """The user's text cannot be compiled; carries every diagnostic of the run, warnings too."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        return render_all(self.diagnostics)


class Diagnostics:
    """Collects diagnostics, so that a stage can go on after the first."""

    def __init__(self) -> None:
        self._found: dict[Diagnostic, None] = {}

    def error(
        self, code: str, span: Span | None, message: str, label: str = "",
        *, notes: Sequence[str] = (), help: str | Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Add an error."""
        self.add(Diagnostic(code, span, message, label, tuple(notes), _lines(help)))

    def warning(
        self, code: str, span: Span | None, message: str, label: str = "",
        *, notes: Sequence[str] = (), help: str | Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Add a warning."""
        self.add(Diagnostic(code, span, message, label, tuple(notes), _lines(help), "warning"))

    def add(self, diagnostic: Diagnostic) -> None:
        """Add a diagnostic unless the same was said already of the same place."""
        self._found.setdefault(diagnostic)

    def take(self, others: Iterable[Diagnostic]) -> None:
        """Add what was found elsewhere."""
        for diagnostic in others:
            self.add(diagnostic)

    @property
    def found(self) -> tuple[Diagnostic, ...]:
        """All of them in the order in which they were added."""
        return tuple(self._found)

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """Those that are no warnings."""
        return tuple(d for d in self.found if d.severity == "error")

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """Those that do not stop the compilation."""
        return tuple(d for d in self.found if d.severity == "warning")

    def sorted(self) -> tuple[Diagnostic, ...]:
        """All of them in the order of the text."""
        return tuple(sorted(self.found, key=_place))

    def raise_errors(self) -> None:
        """Raise `DiagnosticError` with everything found if there is an error among it."""
        if self.errors:
            raise DiagnosticError(self.sorted())


def render_all(diagnostics: Sequence[Diagnostic]) -> str:
    """The diagnostics one after the other, as a terminal shows them."""
    shown = [render(diagnostic) for diagnostic in diagnostics[:SHOWN_AT_MOST]]
    if len(diagnostics) > SHOWN_AT_MOST:
        shown.append(f"… and {len(diagnostics) - SHOWN_AT_MOST} more")
    return "\n".join(shown)


def render(diagnostic: Diagnostic) -> str:
    """`FILE:LINE:COL: error: message`, the source line, a caret with the label, notes and help."""
    span, kind = diagnostic.span, f"{diagnostic.severity}: {diagnostic.message}"
    lines = [f"{span.source.path}:{span.line}:{span.column}: {kind}" if span else kind]
    margin = "     "
    if span is not None:
        margin = " " * max(5, len(str(span.line)) + 3)
        lines += _excerpt(span, diagnostic.label, margin)
    lines += [f"{margin}= note: {note}" for note in diagnostic.notes]
    lines += [f"{margin}= help: {fix}" for fix in diagnostic.help]
    return "\n".join(lines)


def _excerpt(span: Span, label: str, margin: str) -> list[str]:
    text = span.source.line_text(span.line)
    if len(text) > 300:  # a line that no person wrote
        return []
    first = span.column - 1
    last = min(len(text), first + max(1, span.end - span.start)) if span.end_line == span.line else len(text)
    shown = "".join(c if c.isprintable() else " " if c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
    carets = " " * _width(shown[:first]) + "^" * max(1, _width(shown[first:last]))
    number = f"{span.line} ".rjust(len(margin))
    return [f"{number}| {shown}".rstrip(), f"{margin}| {carets} {label}".rstrip()]


def _width(text: str) -> int:
    """Columns that a terminal needs."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _place(diagnostic: Diagnostic) -> tuple[str, int]:
    return (diagnostic.span.source.path, diagnostic.span.start) if diagnostic.span else ("", -1)


def _lines(words: str | Sequence[str]) -> tuple[str, ...]:
    if isinstance(words, str):
        return (words,) if words else ()
    return tuple(words)


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a misspelt one most likely means."""
    names = sorted(set(known))
    folded = {candidate.lower(): candidate for candidate in reversed(names)}
    if name.lower() in folded:
        return folded[name.lower()]
    found = difflib.get_close_matches(name, names, n=1, cutoff=0.6 if len(name) > 3 else 0.5)
    begins = [known for known in names if len(known) > 3 and re.match(rf"(?i:{re.escape(known)})(?![a-z])", name)]
    return found[0] if found else max(begins, key=len, default=None)  # `poisson_generator`: `poisson`


def did_you_mean(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """The help line for a misspelt name, where a known one is close."""
    found = closest(name, known)
    return (f"did you mean `{found}`?",) if found else ()
