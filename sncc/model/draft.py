"""A network while it is resolved."""

from __future__ import annotations

from dataclasses import dataclass, field

from sncc.diagnostics import Span
from sncc.model import nodes


@dataclass
class Draft:
    """What is resolved of a network so far; `broken` names what a mistake left out."""

    step: float = 1.0
    populations: dict[str, nodes.Population] = field(default_factory=dict)
    connections: dict[str, nodes.Connection] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    delays: dict[str, tuple[float, Span] | None] = field(default_factory=dict)  # ms as stated; None: default, or drawn
    # connections without weights of their own, and whose they name
    sharing: dict[str, str] = field(default_factory=dict)
