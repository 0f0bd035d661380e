"""How many synapses that keep states of their own may become neurons."""

from __future__ import annotations

from sncc.lower.synapse_ends import most_of
from sncc.lower.traces import unsupported
from sncc.model.nodes import Connection, Model

MOST_SYNAPSES = 1 << 20  # of one connection: a sample has the states of each, in training at every step


def refuse(model: Model, c: Connection) -> None:
    """Raises `DiagnosticError` where neurons cannot stand for the synapses of a connection."""
    if (count := most_of(c)) <= MOST_SYNAPSES:
        return
    doing = "training" if model.training is not None else "samples in parallel"
    help = "use a synapse whose states a neuron can carry, or fewer neurons"
    if model.training is None or c.only_recorded:
        help = f"{help}, or build with the schedule `neuron_parallel`"
    what = f"in {count:,} synapses (at most {MOST_SYNAPSES:,}: every sample has the states of each, in training at every step)"
    if c.only_recorded:
        message = f"recording states of the synapses of `{c.synapses_of}` {what} where samples run in parallel"
        raise unsupported(c.span, message, help)
    if c.plasticity is not None:
        raise unsupported(c.span, f"{doing} through `{c.plasticity.model}`, which moves every weight, {what}", help)
    if c.synapse is not None:
        message = f"{doing} through `{c.synapse.model}`, of which every synapse keeps states, {what}"
        raise unsupported(c.span, message, help)
