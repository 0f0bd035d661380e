"""Whether units agree: of two values, of a value and what is wanted, of a value that must be a plain number."""

from __future__ import annotations

from sncc.diagnostics import Diagnostics, Span
from sncc.expressions.units import Unit
from sncc.model.terms import Term, Typed
from sncc.model.wording import literal_help, short, words


class Agreement:
    """Compares units; where one is unknown yet, what must be a plain number is added to `equations`."""

    diagnostics: Diagnostics
    equations: list[Term]

    def agree(
        self, left: Typed, right: Typed, span: Span, message: str, other: Span | None = None, help: str = ""
    ) -> Term | None:
        """The one unit of two expressions; `span` and `other` are the places of the right and of the left one."""
        a, b = left.term, right.term
        if a is None or b is None:
            return None
        if right.is_zero:
            return a
        if left.is_zero:
            return b
        if a.unknown or b.unknown:
            self.equations.append(a / b)
            return b if a.unknown else a
        if a.dimension == b.dimension:
            return a.bare()
        label = f"`{short(span)}` is {b.unit.described()}"
        if other is not None:
            label += f", `{short(other)}` {a.unit.described()}"
        help = help or literal_help(right, span, a.unit) or (literal_help(left, other, b.unit) if other else "")
        self.diagnostics.error("wrong-unit", span, message, label, help=help)
        return None

    def expect(self, value: Typed, wanted: Term | Unit, span: Span, what: str, help: str = "") -> bool:
        """Whether a value has the wanted unit; reports it otherwise, as `what` must be …, not …."""
        term = wanted if isinstance(wanted, Term) else Term(wanted)
        if value.term is None or value.is_zero:
            return True
        if term.unknown or value.term.unknown:
            self.equations.append(term / value.term)
            return True
        if value.term.dimension == term.dimension:
            return True
        message = f"{what} must be {term.unit.described()}, not {value.term.unit.described()}"
        self.diagnostics.error("wrong-unit", span, message, help=help or literal_help(value, span, term.unit))
        return False

    def plain(self, value: Typed, span: Span, message: str) -> bool:
        """Whether a value is a plain number; reports one that has a unit where none may be."""
        if value.term is None or value.term.plain:
            return True
        if value.term.unknown:
            self.equations.append(value.term)
            return True
        described = self._described(value.term)
        help = f"divide by something {words(value.term.unit, 'in the same unit')}"
        self.diagnostics.error("wrong-unit", span, message, f"`{short(span)}` is {described}", help=help)
        return False

    def _described(self, term: Term) -> str:
        return term.unit.described() if not term.unknown else "of a unit not known yet"
