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

    First `loads`, then the body in order; then, all at once, `carry`, `stores` and `sums`.
    """

    group: str
    inputs: tuple[str, ...]  # accumulators, which are zero again afterwards
    body: tuple[Statement, ...]
    carry: tuple[tuple[str, str], ...]  # (variable, local): variable := local
    loads: tuple[tuple[str, str], ...] = ()  # (local, slot): local := tape slot at n
    stores: tuple[tuple[str, str], ...] = ()  # (slot, local): tape slot at n := local
    sums: tuple[tuple[str, str], ...] = ()  # (variable, local): variable += local, a sum over the sample's steps
    spikes: str | None = None  # the local that is 1 where a neuron fired: the backend lists those neurons per row


@dataclass(frozen=True, slots=True)
class SynapseUpdate:
    """Statements over the synapses of a connection: its plasticity, and synapse states that no sum per neuron replaces.

    Symbols of the body: `weight` and the connection's `states` (one per synapse), those of `pre` and `post`, names in
    `SynapseStates.arrays` (parameters: a number, or one per synapse) and `modulators`, and `t`.
    """

    connection: str
    # step: every synapse at step n. pre: the synapses of every source neuron whose spike of step n - delay arrives,
    # once for every such spike. post: the synapses onto every neuron that fired at step n - `post_delay`.
    when: Literal["step", "pre", "post"]
    body: tuple[Statement, ...]
    carry: tuple[tuple[str, str], ...] = ()  # (weight or state, local): weight or state := local, all at once
    deliver: tuple[tuple[str, str], ...] = ()  # (accumulator, local): added to that of the synapse's target
    # (symbol, population, variable): the value now of a variable, or of a number in `Group.arrays`, of the synapse's
    # source neuron. The population has as many neurons as the connection's source, or one for all.
    pre: tuple[tuple[str, str, str], ...] = ()
    post: tuple[tuple[str, str, str], ...] = ()  # the same of its target neuron
    post_delay: int = 0
    streams: tuple[tuple[str, int], ...] = ()  # (name of a `Draw`, stream)
    # (symbol, steps): with one delay for all, a symbol of `pre` that is read at the end of the step so many steps ago.
    # With `Connection.delays` every variable in `pre` is read the synapse's own delay ago.
    ago: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Readout:
    """What the loss sees: a variable of a population's neurons, the outputs, and the loss that it is put into."""

    group: str
    population: str
    offset: int  # of the outputs in the group's arrays
    size: int
    variable: str  # a carried variable after the update, or the spike local
    # Over the steps of the window; then the loss body runs once, at a sample's end. None: it runs at every step in the
    # window that has a label. first_spike, of the spike local: the time n · step of the first spike in the window, of
    # the window's end where there is none.
    reduction: Literal["mean", "sum", "max", "last", "first_spike"] | None
    over_steps: Literal["mean", "sum"] | None  # of losses that are taken at every step
    first: int  # step n, counted from 1, is in the window where first < n <= last
    last: int | None
    labels: Literal["class", "value", "none"]  # what is compared with; none: there is a loss without a label too
    # Statements over the outputs, with the symbols `x` (the variable, or its reduction) and `target` (one-hot of the
    # class, times the class's weight, or the target value).
    body: tuple[Statement, ...]
    loss: str  # its result, a scalar
    gradient: tuple[Statement, ...] = ()  # continues the body and ends in `x~`, the derivative of the loss by `x`
    factor: float = 1.0  # on loss and gradient
    scale: float = 1.0  # the loss function sees scale · x (the body has it in), and so do predictions and accuracy
    index: int = 0  # among the readouts; the losses of all are added, predictions and accuracy are the first's
    before: str | None = None  # another carried variable, which the body of every step reads under that name
    class_weights: tuple[float, ...] = ()  # none: each is 1


ForwardOperation = Deliver | Update | SynapseUpdate | Readout
