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
TRIES = 6  # of weights and events
OFTEN = 12  # spikes of a neuron, in 18 ms
LARGEST = 0.1  # what an error has to come below
QUIET = 0.5  # ms before the end: a spike that comes there by events may come behind it on a grid
STEADY = 3e-3  # of every weight: what a grid of the finest step is off by is about as much


def check_event_times(text: str, seed: int, simulate=EventDriven, least: float = 0.1) -> None:
    """Gradients of eventprop go to those of an event-driven simulation as the step shrinks.

    The steps begin with the longest on which there are the same spikes. Events within a step may put the grid off until
    the step is below their distance. Of the finest grid alone errors have to be small. Other spikes on all grids are a
    failure where weights next to these have the same spikes.
    """
    case = _case(text, seed, simulate, least)
    found: list[dict[str, float]] = []
    other = ""
    for step in STEPS:
        try:
            found.append(case.errors_at(step))
        except OtherSpikes as difference:
            other = str(difference)
            continue
        if (len(found) > 1 or step == STEPS[-1]) and _has_shrunk(found[0], found[-1]):
            return
    details = f"{other}, errors {found}, seed {seed}\n{text}"
    if len(found) < 2:
        if not found and case.is_steady(STEADY):
            raise AssertionError(details)
        raise PassedOver("other spikes on all grids, or all but one of them", details)
    if case.closest() < STEPS[-1]:
        raise PassedOver("a spike meets another", details)
    if _shrinks(*found[-2:]):
        raise PassedOver("errors that still shrink on the finest grid", details)
    raise AssertionError(details)


def check_event_times_of_synapses(text: str, seed: int) -> None:
    """The same where synapses have states."""
    check_event_times(text, seed, WithSynapses, least_step(text))


def _case(text: str, seed: int, simulate, least: float) -> Case:
    """At the first weights at which neurons do not spike all the time, as there are other spikes on grids then,
    and the loss tells something of two arrays: not if outputs are silent, or spike where their largest value is read.

    Where neurons spike too often, or hardly, the weights that are drawn next are smaller, or larger.
    """
    reason, gain = "", 1.3
    for number in range(TRIES):
        try:
            case = Case(
                text, seed + 1001 * number, gain, entries=2, simulate=simulate, by=1e-4, least=least, quiet=QUIET
            )
            often = max(max(case.run.counts(name)) for name in case.run.spikes) > OFTEN
        except SpikesWithoutEnd:
            often = True
        if not often and sum(np.max(np.abs(exact)) > 1e-3 for _, exact in case.exact.values()) > 1:
            return case
        reason = "spikes without end" if often else "no two arrays move the loss"
        gain *= 0.75 if often else 1.1
    raise PassedOver(reason, f"seed {seed}\n{text}")


def _has_shrunk(coarse: dict[str, float], fine: dict[str, float]) -> bool:
    """Whether every error is halved, and below a tenth,
    or as small as one that happens to be small on the coarse grid.
    """
    return all(error < max(min(0.5 * coarse[key], LARGEST), _small(key)) for key, error in fine.items())


def _shrinks(coarse: dict[str, float], fine: dict[str, float]) -> bool:
    """Whether what is not small yet becomes smaller from one grid to the next: no error of the limit."""
    return all(error < max(0.6 * coarse[key], _small(key)) for key, error in fine.items())


def _small(key: str) -> float:
    return 0.1 if key.endswith(".delay") else 0.05
