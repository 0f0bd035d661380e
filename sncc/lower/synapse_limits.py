"""Which synapses that keep states of their own cannot become neurons, and what helps."""

from __future__ import annotations

from sncc.expressions.nodes import symbols, walk
from sncc.lower.synapse_ends import is_placed, most_of
from sncc.lower.traces import unsupported
from sncc.model.nodes import Connection, Model

MOST_SYNAPSES = 1 << 20  # of one connection: a sample has the states of each, in training at every step


def refuse(model: Model, c: Connection) -> None:
    """Raises `DiagnosticError` where neurons cannot stand for the synapses of a connection."""
    what, help = _cannot(c)
    doing = "training" if model.training is not None else "samples in parallel"
    if model.training is None or c.only_recorded:
        help = f"{help}, or build with the schedule `neuron_parallel`"
    if what and c.only_recorded:
        message = f"recording states of the synapses of `{c.synapses_of}` {what} where samples run in parallel"
        raise unsupported(c.span, message, help)
    if what and c.plasticity is not None:
        raise unsupported(c.span, f"{doing} through `{c.plasticity.model}`, which moves every weight, {what}", help)
    if what and c.synapse is not None:
        message = f"{doing} through `{c.synapse.model}`, of which every synapse keeps states, {what}"
        raise unsupported(c.span, message, help)


def _cannot(c: Connection) -> tuple[str, str]:
    """What stands in the way of synapses one by one within samples, and what helps."""
    if (count := most_of(c)) > MOST_SYNAPSES:
        return (
            f"in {count:,} synapses (at most {MOST_SYNAPSES:,}: every sample has the states of each, in training at every step)",
            "use a synapse whose states a neuron can carry, or fewer neurons",
        )
    if c.only_recorded:  # from numbers that it shares with what is trained, without gradients
        return "", ""
    blocks = [b for b in (c.synapse, c.plasticity) if b is not None]
    each = [p for b in blocks for p in b.parameters if p.storage == "each"]
    if not is_placed(c) and any(symbols(p.value) & {"i", "j"} for p in each):
        return "with a parameter written in `i` and `j`", "draw it, or assign it"
    if is_placed(c) and any(getattr(n, "operation", "") == "orthogonal" for n in walk(c.weight.value)):
        return "with `orthogonal` weights", "draw the weights from `glorot()` or `kaiming()`"
    return "", ""
