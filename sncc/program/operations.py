"""Operations of the way forwards: what follows from parameters, deliveries, updates, readouts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sncc.program.statements import Assign, Statement


@dataclass(frozen=True, slots=True)
class Derive:
    """Computes coefficients per neuron, in float64, from parameters alone; runs when a parameter changed.

    First the symbols bound in the rows get their values per neuron, then the body runs. Names in `Group.arrays` are
    kept.
    """

    group: str
    body: tuple[Assign, ...]


@dataclass(frozen=True, slots=True)
class Deliver:
    """Adds rows of a connection's weight to the target's accumulator at step n, for the spikes at n - delay."""

    connection: str


@dataclass(frozen=True, slots=True)
class Update:
    """Statements over all neurons of a group at step n; in the reverse phase n runs backwards.

    loads: local := tape slot at n. The body, in order. Then, all at once: carry: variable := local; stores: tape slot
    at n := local; sums: variable += local (a sum over the sample's steps). The accumulators in `inputs` are zero again
    afterwards. `spikes` names the local that is 1 where a neuron fired: the backend lists those neurons per row.
    """

    group: str
    inputs: tuple[str, ...]
    body: tuple[Statement, ...]
    carry: tuple[tuple[str, str], ...]
    loads: tuple[tuple[str, str], ...] = ()  # (local, slot)
    stores: tuple[tuple[str, str], ...] = ()  # (slot, local)
    sums: tuple[tuple[str, str], ...] = ()  # (variable, local)
    spikes: str | None = None


@dataclass(frozen=True, slots=True)
class SynapseUpdate:
    """Statements over the synapses of a connection: its plasticity, and synapse states that no sum per neuron replaces.

    `when`: "step": every synapse at step n; "pre": the synapses of every source neuron whose spike of step n - delay
    arrives; "post": the synapses onto every neuron that fired at step n - `post_delay`. Symbols: `weight` and the
    connection's `states` (one per synapse), those of `pre` and `post`, names in `SynapseStates.arrays` (parameters: a
    number, or one per synapse) and `modulators`, and `t`. With "pre" the body runs once for every spike that arrives.
    pre, post: (symbol, population, variable): the value now of a variable, or of a number in `Group.arrays`, of the
    synapse's source or target neuron; the
    population has as many neurons as the connection's source (target), or one for all. With `delays` a variable of
    `pre` is read the synapse's delay ago, with one delay that of a symbol in `ago`, (symbol, steps), at the end of the
    step so many steps ago. carry: weight or state := local, all at once. deliver: (accumulator, local), added to
    that of the synapse's target.
    """

    connection: str
    when: Literal["step", "pre", "post"]
    body: tuple[Statement, ...]
    carry: tuple[tuple[str, str], ...] = ()
    deliver: tuple[tuple[str, str], ...] = ()
    pre: tuple[tuple[str, str, str], ...] = ()
    post: tuple[tuple[str, str, str], ...] = ()
    post_delay: int = 0
    streams: tuple[tuple[str, int], ...] = ()  # (name of a `Draw`, stream)
    ago: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Readout:
    """What the loss sees: `variable` of a population, reduced over the steps of the window [first, last).

    Step n (counted from 1) is in the window where first < n <= last. `variable` is a carried variable after the update,
    or the spike local. `reduction` mean, sum, max, last: the loss body runs once at a sample's end; None: it runs at
    every step in the window that has a label and `over_steps` adds (`sum`) or averages (`mean`) over those steps.
    first_spike: of the spike local, the time n · step of the first spike in the window, of the window's end where there is none.

    labels: what is compared with; none: nothing, the loss is one of every step or sample, whether it has a label or not.

    body: statements over the outputs with symbols `x` (the variable, or its reduction) and `target` (one-hot of the
    class, or the target value); `loss` is its result, a scalar. `before`: another carried variable, which the body (of every
    step, not of a reduction) reads under that name. `gradient` continues the body and ends in `x~`, the
    derivative of the loss by `x`. `factor` multiplies both.
    """

    group: str
    population: str
    offset: int
    size: int
    variable: str
    reduction: Literal["mean", "sum", "max", "last", "first_spike"] | None
    over_steps: Literal["mean", "sum"] | None
    first: int
    last: int | None
    labels: Literal["class", "value", "none"]
    body: tuple[Statement, ...]
    loss: str
    gradient: tuple[Statement, ...] = ()
    factor: float = 1.0
    scale: float = 1.0  # the loss function sees scale · x (the body has it in), and so do predictions and accuracy
    index: int = 0  # among the readouts; the losses of all are added, predictions and accuracy are the first's
    before: str | None = None


ForwardOperation = Deliver | Update | SynapseUpdate | Readout
