"""What stands before and behind a neuron whose eligibility traces are made:
synapses in front, and the ways to what the loss reads.
"""

from __future__ import annotations

from dataclasses import dataclass

from sncc.program.groups import Connection
from sncc.program.learning import Each, LearningSignal
from sncc.program.operations import Readout
from sncc.program.statements import SPIKE


@dataclass(frozen=True, slots=True)
class Through:
    """States of synapses on the way."""

    group: str
    input: str  # which spikes enter
    values: str  # which leave
    delay: int  # steps after which these arrive
    places: str  # the group of which an element has what a neuron's trace reads of them, where that is not theirs
    jacobian: str  # what theirs is known by


@dataclass(frozen=True, slots=True)
class Path:
    """How what leaves a group reaches a readout.

    On the way may be states of synapses, those that all synapses of a neuron share before those that each has for
    itself.
    """

    readout: Readout
    signal: LearningSignal
    input: str = ""  # through which it arrives; without one the loss reads the group itself
    leaves: str = SPIKE  # spikes, or a state
    delay: int = 0  # steps; where states of synapses are on the way, of the spikes that move the first of them
    shared: Through | None = None  # states that all synapses of a neuron share
    through: Through | None = None  # states that each synapse has for itself
    # One way to each output, in a loop over them, or along synapses, of which each has its states
    each: Each | None = None
    # The connection over whose synapses, each with a delay, what leaves or what shared states deliver arrives.
    delays: str = ""
    alike: bool = False  # outputs filter alike, so that only what is read of the filter is one for each
    answers: tuple[Answer, ...] = ()  # what synapses onto an output make of its states as it filters

    @property
    def filters(self) -> Each | None:
        """The loop in which what arrives is filtered; None: it is before all loops."""
        return None if self.alike else self.each


@dataclass(frozen=True, slots=True)
class Front:
    """Synapses, of which each keeps states, in front of a group."""

    group: str
    onto: tuple[Connection, ...]  # over which they deliver
    places: str = ""  # of the traces
    # (input, variable): their states are their source's instead, `places` has one for each neuron of the group, and
    # what arrives of a number's derivative there is a variable of `places`.
    summed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """Synapses onto a group, of which each has states and reads those of its target.

    What one of them learns comes back by all of them.
    """

    group: str
    read: tuple[tuple[str, str, int], ...]  # (state, input, steps ago) of what they read
    onto: tuple[tuple[str, str], ...]  # (value, input) of what they deliver
    each: Each  # the loop along the synapses of each neuron
