"""C identifiers for the names of a Program, distinct and readable."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Words that a C++17 compiler, its usual macros or the emitted code give another meaning.
RESERVED = frozenset(
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t class compl const
    constexpr const_cast continue decltype default delete do double dynamic_cast else enum explicit export extern false
    float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr operator or or_eq private
    protected public register reinterpret_cast return short signed sizeof static static_assert static_cast struct switch
    template this thread_local throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t
    while xor xor_eq concept requires restrict
    real sncc std j n draw assert errno main INFINITY NAN NULL EOF linux unix major minor I
    """.split()
)


def mangle(name: str) -> str:
    """The nearest C identifier: `I!` is `I_impulse`, `x~` is `x_adjoint`, other foreign characters are underscores."""
    text = name.replace("!", "_impulse").replace("~", "_adjoint")
    text = re.sub(r"[^0-9A-Za-z_]", "_", text)
    text = re.sub(r"__+", "_", text).strip("_") or "x"
    if text[0].isdigit():
        text = f"x{text}"
    return f"{text}_" if text in RESERVED else text


class Namer:
    """Gives each name one identifier of its own within a scope."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._given: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        """The identifier of a name, the same at every call."""
        if name not in self._given:
            self._given[name] = self.fresh(name)
        return self._given[name]

    def fresh(self, name: str) -> str:
        """An identifier that nothing else in the scope has, close to the name."""
        base = candidate = mangle(name)
        number = 2
        while candidate in self._taken:
            candidate = f"{base}_{number}"
            number += 1
        self._taken.add(candidate)
        return candidate


def stable_hash(text: str) -> int:
    """FNV-1a, 32 bits: the stream of a user's name and purpose, the same in every run and on every machine."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value
