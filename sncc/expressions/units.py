"""Units: exponents of SI base dimensions and a scale; parsing, arithmetic, printing, conversion.

In memory every number is in one consistent system, so that no expression needs a factor: mV, ms, pA, nS, pF, GOhm, kHz
(and um, fmol/um^3 = M). `Unit.to_si` and `Unit.in_memory` convert.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from fractions import Fraction

Dimension = tuple[Fraction, ...]

# Exponents of kilogram, metre, second, ampere, kelvin, mole. The consistent system's unit of each is a power of ten of
# the SI's: with ms, pA, um chosen, the one of mass follows from the millivolt, kg m^2 s^-3 A^-1.
BASE = ("kg", "m", "s", "A", "K", "mol")
CONSISTENT = (-12, -6, -3, -12, 0, -18)


def _dimension(*exponents: int) -> Dimension:
    return tuple(Fraction(e) for e in (*exponents, *(0,) * (len(BASE) - len(exponents))))


NONE = _dimension()
_SYMBOLS: dict[str, tuple[Dimension, Fraction]] = {
    "g": (_dimension(1), Fraction(1, 1000)),
    "m": (_dimension(0, 1), Fraction(1)),
    "s": (_dimension(0, 0, 1), Fraction(1)),
    "A": (_dimension(0, 0, 0, 1), Fraction(1)),
    "K": (_dimension(0, 0, 0, 0, 1), Fraction(1)),
    "mol": (_dimension(0, 0, 0, 0, 0, 1), Fraction(1)),
    "V": (_dimension(1, 2, -3, -1), Fraction(1)),
    "S": (_dimension(-1, -2, 3, 2), Fraction(1)),
    "Ohm": (_dimension(1, 2, -3, -2), Fraction(1)),
    "F": (_dimension(-1, -2, 4, 2), Fraction(1)),
    "C": (_dimension(0, 0, 1, 1), Fraction(1)),
    "J": (_dimension(1, 2, -2), Fraction(1)),
    "W": (_dimension(1, 2, -3), Fraction(1)),
    "Hz": (_dimension(0, 0, -1), Fraction(1)),
    "M": (_dimension(0, -3, 0, 0, 0, 1), Fraction(1000)),
}
_ALIASES = {"ohm": "Ohm", "Ω": "Ohm", "\N{OHM SIGN}": "Ohm"}
_PREFIXES = {
    "a": -18, "f": -15, "p": -12, "n": -9, "u": -6, "µ": -6, "μ": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "c": -2, "d": -1,
}  # fmt: skip
_ONLY_LENGTH = frozenset("cd")  # cm and dm are usual, centivolts are not

# What the field writes for a dimension, in the consistent system, with the words for messages.
FIELD_UNITS: tuple[tuple[str, str], ...] = (
    ("mV", "a voltage"), ("ms", "a time"), ("pA", "a current"), ("nS", "a conductance"), ("pF", "a capacitance"),
    ("GOhm", "a resistance"), ("kHz", "a rate"), ("um", "a length"), ("fC", "a charge"), ("aJ", "an energy"),
    ("um^2", "an area"), ("um^3", "a volume"), ("mM", "a concentration"), ("K", "a temperature"),
    ("mV/ms", "a voltage per time"), ("pA/ms", "a current per time"), ("nS/ms", "a conductance per time"),
    ("mV*ms", "a voltage times time"), ("pF/um^2", "a capacitance per area"), ("nS/um^2", "a conductance per area"),
    ("pA/um^2", "a current per area"),
)  # fmt: skip


LARGEST_POWER = 20  # of a unit: larger ones are slips of the pen


class UnitError(ValueError):
    """A text that is no unit; `part` is the piece that is not known."""

    def __init__(self, part: str) -> None:
        self.part = part
        super().__init__(f"`{part}` is not a unit")


@dataclass(frozen=True, slots=True)
class Unit:
    """A dimension with a scale: the SI value of one of it. `text` is how the user wrote it, if he did."""

    dimension: Dimension = NONE
    scale: Fraction = Fraction(1)
    text: str = field(default="", compare=False)

    @property
    def to_si(self) -> float:
        """SI value of the in-memory number 1 of this dimension, whatever the scale (mV, V: 0.001)."""
        return float(_power_of_ten(_consistent_exponent(self.dimension)))

    @property
    def in_memory(self) -> float:
        """In-memory number of one of this unit (s: 1000, mV: 1)."""
        return float(self.scale / _power_of_ten(_consistent_exponent(self.dimension)))

    @property
    def dimensionless(self) -> bool:
        """Whether numbers of this unit are plain."""
        return self.dimension == NONE

    def from_text(self, number: str | float) -> float:
        """In-memory number of a number written with this unit, rounded once."""
        value = Fraction(number)
        return float(value * self.scale / _power_of_ten(_consistent_exponent(self.dimension)))

    def __mul__(self, other: Unit) -> Unit:
        return Unit(
            tuple(a + b for a, b in zip(self.dimension, other.dimension, strict=True)), self.scale * other.scale
        )

    def __truediv__(self, other: Unit) -> Unit:
        return Unit(
            tuple(a - b for a, b in zip(self.dimension, other.dimension, strict=True)), self.scale / other.scale
        )

    def __pow__(self, exponent: int | Fraction) -> Unit:
        if exponent == -1:
            return Unit(tuple(-e for e in self.dimension), 1 / self.scale)
        power = Fraction(exponent)
        scale = Fraction(self.scale**power)  # an irrational root is a float; it only matters for printing
        return Unit(tuple(e * power for e in self.dimension), scale)

    def __str__(self) -> str:
        """As the user wrote it, else the field's unit of this dimension in the consistent system; plain: `1`."""
        return self.text or field_unit(self.dimension)

    def described(self) -> str:
        """Words for a message: `a voltage (mV)`, `a plain number`, `mV^2/ms`."""
        if self.dimensionless:
            return "a plain number"
        words = _described().get(self.dimension)
        return f"{words} ({self})" if words else f"in {self}"


PLAIN = Unit()


@functools.cache
def _power_of_ten(exponent: Fraction) -> Fraction:
    return Fraction(10**exponent) if exponent.denominator != 1 else Fraction(10) ** exponent.numerator


@functools.cache
def _consistent_exponent(dimension: Dimension) -> Fraction:
    return sum((e * c for e, c in zip(dimension, CONSISTENT, strict=True)), Fraction(0))


@functools.cache
def symbol(name: str) -> Unit | None:
    """The unit of a name with a prefix, `mV`, `kHz`, `MOhm`; None where the name is no unit."""
    for prefix, base in ((name[:0], name), (name[:1], name[1:])):
        base = _ALIASES.get(base, base)
        if base not in _SYMBOLS or (prefix and prefix not in _PREFIXES) or (prefix in _ONLY_LENGTH and base != "m"):
            continue
        dimension, scale = _SYMBOLS[base]
        return Unit(dimension, scale * Fraction(10) ** _PREFIXES.get(prefix, 0), name)
    return None


_FACTOR = re.compile(r"\s*(?P<operator>[*/])?\s*(?:(?P<one>1)|(?P<name>[^\W\d_]+))(?:\^(?P<power>-?\d+))?\s*")


@functools.cache
def parse_unit(text: str) -> Unit:
    """The unit of a text such as `mV`, `uF/cm^2`, `1/ms`, `mV*ms`; raises `UnitError` naming the unknown piece."""
    unit, position = PLAIN, 0
    while position < len(text):
        factor = _FACTOR.match(text, position)
        if factor is None or (position == 0) == bool(factor["operator"]):
            raise UnitError(text[position:].strip())
        found = PLAIN if factor["one"] else symbol(factor["name"])
        if found is None:
            raise UnitError(factor["name"])
        power = int(factor["power"] or 1)
        if abs(power) > LARGEST_POWER:
            raise UnitError(factor[0].strip())
        unit = unit / found**power if factor["operator"] == "/" else unit * found**power
        position = factor.end()
    if not text.strip():
        raise UnitError(text)
    return Unit(unit.dimension, unit.scale, text.strip())


@functools.cache
def _field() -> dict[Dimension, str]:
    return {parse_unit(name).dimension: name for name, _ in reversed(FIELD_UNITS)}


@functools.cache
def _described() -> dict[Dimension, str]:
    return {parse_unit(name).dimension: words for name, words in reversed(FIELD_UNITS)}


@functools.cache
def field_unit(dimension: Dimension) -> str:
    """The consistent system's unit of a dimension in the field's words: `mV`, `nS/ms`, `1/ms`, `mV^2`; plain: `1`."""
    if dimension == NONE:
        return "1"
    if dimension in _field():
        return _field()[dimension]
    time = parse_unit("ms")
    for times in (0, -1, 1, -2, 2, Fraction(-1, 2), Fraction(1, 2)):
        for name in ("ms", "mV", "pA", "nS", "pF", "GOhm", "um", "mM", "fC", "K"):
            base = parse_unit(name).dimension
            for power in (1, -1, 2, -2, 3, -3, Fraction(1, 2), Fraction(-1, 2)):
                if (Unit(base) ** power * time**times).dimension == dimension:
                    return _product((name, Fraction(power)), ("ms", Fraction(times)))
    # In general: kg follows from the voltage, so solve for mV, then read off the others.
    mass, length, seconds, current, kelvin, mole = dimension
    powers = (
        ("mV", mass), ("um", length - 2 * mass), ("ms", seconds + 3 * mass), ("pA", current + mass),
        ("K", kelvin), ("amol", mole),
    )  # fmt: skip
    return _product(*powers)


def _product(*powers: tuple[str, Fraction]) -> str:
    above = [_factor(name, power) for name, power in powers if power > 0]
    below = [_factor(name, -power) for name, power in powers if power < 0]
    return "/".join(["*".join(above) or "1", *below])


def _factor(name: str, power: Fraction) -> str:
    if power == 1:
        return name
    return f"{name}^{power}" if power.denominator == 1 else f"{name}^({power})"
