"""Units while they are inferred: a known unit times powers of units not known yet (those of inputs)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from sncc.expressions.nodes import Expression, Number
from sncc.expressions.units import PLAIN, Dimension, Unit


@dataclass(frozen=True, slots=True)
class Term:
    """The unit of an expression: `unit` times the product of `unknown` names' units to some powers."""

    unit: Unit = PLAIN
    unknown: tuple[tuple[str, Fraction], ...] = ()

    @property
    def dimension(self) -> Dimension:
        """The known part's dimension."""
        return self.unit.dimension

    @property
    def plain(self) -> bool:
        """Whether it is known and a plain number."""
        return not self.unknown and self.unit.dimensionless

    def __mul__(self, other: Term) -> Term:
        if other.plain:
            return self.bare()
        if self.plain:
            return other.bare()
        powers = dict(self.unknown)
        for name, power in other.unknown:
            powers[name] = powers.get(name, Fraction(0)) + power
        unknown = tuple(sorted((n, p) for n, p in powers.items() if p))
        return Term((self.unit * other.unit), unknown)

    def __truediv__(self, other: Term) -> Term:
        return self.bare() if other.plain else self * other**-1

    def __pow__(self, power: int | Fraction) -> Term:
        exponent = Fraction(power)
        if not exponent:
            return Term()
        return Term(self.unit**exponent, tuple((n, p * exponent) for n, p in self.unknown))

    def bare(self) -> Term:
        """The same without the user's way of writing it: a result is described in the field's units."""
        return Term(Unit(self.unit.dimension, self.unit.scale), self.unknown) if self.unit.text else self

    def known(self, units: dict[str, Unit]) -> Term:
        """With the units found so far put in."""
        result = Term(self.unit)
        for name, power in self.unknown:
            result = result * (Term(units[name]) ** power if name in units else Term(PLAIN, ((name, power),)))
        return result


@dataclass(frozen=True, slots=True)
class Typed:
    """An expression with its unit; `term` is None behind a mistake that was reported already."""

    expression: Expression
    term: Term | None

    @property
    def is_zero(self) -> bool:
        """A plain literal zero, which agrees with every unit."""
        e = self.expression
        return (
            self.term is not None
            and isinstance(e, Number)
            and e.value == 0
            and (e.unit is None or e.unit.dimensionless)
        )


def solve(equations: list[Term]) -> dict[str, Unit]:
    """Units of unknowns from terms that must be plain; an equation is used once a single unknown is left in it."""
    units: dict[str, Unit] = {}
    waiting = list(equations)
    while True:
        rest = []
        for equation in waiting:
            equation = equation.known(units)
            if len(equation.unknown) == 1:
                name, power = equation.unknown[0]
                found = equation.unit ** (-1 / power)
                units[name] = Unit(found.dimension, Fraction(1))
            elif equation.unknown:
                rest.append(equation)
        if len(rest) == len(waiting):
            return units
        waiting = rest
