"""Calls of the functions of first values: of traces, and of what a sample's own draws make of an adjoint."""

from __future__ import annotations

from dataclasses import dataclass

from sncc.backends.cxx.functions import Function
from sncc.backends.cxx.layout import Layout


@dataclass(frozen=True, slots=True)
class Drawing:
    """By what a half names a sample's draws: their seed, its trial, and the number of a neuron in its population."""

    seed: str
    trial: str
    neuron: str

    def call(self, layout: Layout, function: Function, group: str, place: str) -> str:
        """The call for the neuron whose numbers stand at `place` of the group's arrays."""
        own = {"seed": self.seed, "trial": self.trial, "index": f"static_cast<std::uint32_t>({self.neuron})"}
        passed = (own.get(a.role) or f"a.{layout.array[group, a.name].identifier}[{place}]" for a in function.arguments)
        return f"dynamics::{function.name}({', '.join(passed)})"
