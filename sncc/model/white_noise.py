"""How white noise is called in expressions: `noise` of an equation, and what is drawn for it."""

from __future__ import annotations

NOISE = "noise."  # and a number or a name: a white noise in an equation, and the number that is drawn for it


def is_noise(name: str) -> bool:
    """Whether a symbol of an equation is white noise."""
    return name.startswith(NOISE)
