"""A bound on memory as users write it, `2 GB`."""

from __future__ import annotations

import re
import reprlib

from sncc.toolchain import failure

UNITS = {
    "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40,
}  # fmt: skip


def bytes_of(memory: str | int | float) -> int:
    """Bytes of a bound: a number, or one with a unit, `500 MB` or `2 GiB`. Raises `DiagnosticError` for others."""
    found = re.fullmatch(r"\s*([0-9.]+(?:[eE]\+?[0-9]+)?)\s*([A-Za-z]*)\s*", str(memory))
    try:
        count = int(float(found[1]) * UNITS[(found[2] or "B").upper()]) if found else 0
    except (ValueError, KeyError, OverflowError):
        count = 0
    if count < 1:
        shown = memory if isinstance(memory, str) else reprlib.repr(memory)
        help = "write a number and a unit, such as `500 MB` or `2 GB`"
        raise failure("wrong-argument", f"`{shown}` is no amount of memory", help=(help,))
    return count
