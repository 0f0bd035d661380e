"""What stands before and behind a neuron whose eligibility traces are made: synapses in front, and the ways to what the loss reads."""

from __future__ import annotations

from dataclasses import dataclass

from sncc.program.groups import Connection
from sncc.program.learning import Each, LearningSignal
from sncc.program.operations import Readout
from sncc.program.statements import SPIKE


@dataclass(frozen=True, slots=True)
class Through:
    """States of synapses on the way: spikes enter their `input`, `values` leave them, and arrive `delay` steps later.

    places: the group of which an element has what a neuron's trace reads of them, where that is not theirs. jacobian: what theirs
    is known by.
    """

    group: str
    input: str
    values: str
    delay: int
    places: str
    jacobian: str


@dataclass(frozen=True, slots=True)
class Path:
    """How what `leaves` a group, its spikes or a state, reaches a readout: `delay` steps later, through `input`.

    Without an input the loss reads the group itself. On the way may be states of synapses, those that all synapses of a neuron share
    (`shared`) before those that each has for itself (`through`); the delay is then that of the spikes that move the first of them. `each`: one way to
    each output, in a loop over them, or along synapses, of which each has its states. `delays`: the connection over whose synapses, each with a
    delay, what leaves or what shared states deliver arrives. `alike`: outputs filter alike, so that only what is read of the filter is one for each.
    `answers`: what synapses onto an output make of its states as it filters.
    """

    readout: Readout
    signal: LearningSignal
    input: str = ""
    leaves: str = SPIKE
    delay: int = 0
    shared: Through | None = None
    through: Through | None = None
    each: Each | None = None
    delays: str = ""
    alike: bool = False
    answers: tuple[Answer, ...] = ()

    @property
    def filters(self) -> Each | None:
        """The loop in which what arrives is filtered; None: it is before all loops."""
        return None if self.alike else self.each


@dataclass(frozen=True, slots=True)
class Front:
    """Synapses, of which each keeps states, in front of a group; what they deliver goes over `onto`, and the traces have `places`.

    `summed`, (input, variable): their states are their source's instead, `places` has one for each neuron of the group, and what arrives of
    a number's derivative there is a variable of `places`.
    """

    group: str
    onto: tuple[Connection, ...]
    places: str = ""
    summed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """Synapses onto a group, of which each has states and reads those of its target: what one of them learns comes back by all of them.

    read: (state, input, steps ago) of what they read; onto: (value, input) of what they deliver. each: the loop along the synapses of each neuron.
    """

    group: str
    read: tuple[tuple[str, str, int], ...]
    onto: tuple[tuple[str, str], ...]
    each: Each
