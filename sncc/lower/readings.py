"""States by which neurons tell what synapses read of them at spikes, beside the user's, whose names have no dots.

A spike meets its target between the target's flow and its arrivals, and carries what it has left of its source. Both
are kept until synapses have read them: before a state's name stand `FLOWED` below, `SLOPED` and `SPIKED`. What it finds
of other neurons is their state as a step has left it, and how fast that goes on: `ENDING`.
"""

from __future__ import annotations

from sncc.model.nodes import Model
from sncc.program.statements import SLOPED, SPIKED

FLOWED = "flowed."  # before a state's name: its value between flow and arrivals

ENDING = f"{SLOPED}end."  # before a state's name: how fast it goes as the step ends


def before_events(symbol: str) -> str:
    """What stands for a neuron's state, `pre.X` or `post.X`, as it was between its step's flow and its events."""
    side, _, variable = symbol.partition(".")
    return f"{side}.{FLOWED}{variable}"


def is_timed(model: Model) -> bool:
    """Whether spikes are followed in time."""
    return model.training is not None and model.training.rule.name == "eventprop"


def read_at_spikes(values: str | None) -> bool:
    """Whether what a connection delivers is read at its source's spikes alone, where their times are followed."""
    return values is not None and values.startswith(SPIKED)
