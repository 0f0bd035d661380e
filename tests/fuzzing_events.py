"""What a random network under eventprop must fulfil; shared by the tests and by `benchmarks/fuzz_gradients.py`."""

from __future__ import annotations

import numpy as np
from event_case import Case, OtherSpikes
from event_driven import EventDriven
from event_driven_synapses import EventDriven as WithSynapses
from event_driven_synapses import SpikesWithoutEnd
from fuzzing import PassedOver
from timed_synapses import least_step

STEPS = (0.1, 0.02, 0.005, 0.002)  # ms
TRIES = 3  # of weights and events


def check_event_times(text: str, seed: int, simulate=EventDriven, least: float = 0.1) -> None:
    """Gradients of eventprop go to those of an event-driven simulation as the step shrinks.

    The steps begin with the longest on which there are the same spikes, and errors below a half. Events within a step may put the grid off
    until the step is below their distance.
    """
    case = _case(text, seed, simulate, least)
    found: list[dict[str, float]] = []
    for step in STEPS:
        try:
            found.append(case.errors_at(step))
        except OtherSpikes:
            continue
        coarse = next((errors for errors in found[:-1] if max(errors.values()) <= 0.5), None)
        if coarse is not None and _has_shrunk(coarse, found[-1]):
            return
    if len(found) < 2:
        raise PassedOver("other spikes on all grids, or all but one")
    if case.closest() < STEPS[-1]:
        raise PassedOver("a spike meets another")
    raise AssertionError(f"errors {found}, seed {seed}\n{text}")


def check_event_times_of_synapses(text: str, seed: int) -> None:
    """The same where synapses have states."""
    check_event_times(text, seed, WithSynapses, least_step(text))


def _case(text: str, seed: int, simulate, least: float) -> Case:
    """At the first weights at which the loss tells something of two arrays: not if outputs are silent, or spike where their largest value is read."""
    reason = ""
    for number in range(TRIES):
        try:
            case = Case(text, seed + 1001 * number, 1.3, entries=2, simulate=simulate, by=1e-4, least=least)
        except SpikesWithoutEnd:
            reason = reason or "spikes without end"
            continue
        if sum(np.max(np.abs(exact)) > 1e-3 for _, exact in case.exact.values()) > 1:
            return case
        reason = "no two arrays move the loss"
    raise PassedOver(reason)


def _has_shrunk(coarse: dict[str, float], fine: dict[str, float]) -> bool:
    """Whether every error is halved, or as small as one that happens to be small on the coarse grid."""
    return all(error < max(0.5 * coarse[key], 0.1 if key.endswith(".delay") else 0.05) for key, error in fine.items())
