"""Both parts of a spike apart, where delays are learnt: what its source's traces draw belongs to one spike.

A delay of k + f steps delivers 1 - f of a spike after k steps and f of it after k + 1. Where a jump J takes x to J(x,
d), d having been drawn at that spike, a part c of it moves x by c (J(x, d) - x). So synapses are told the spikes of
step n - k, over the whole steps of their delay, and keep them for a step: then they are those of n - k - 1. What was
drawn at these they draw again, by the number of the neuron and that of the step.

How much of a spike comes at once they are told by a clock of the source, 1 in every other step: over the whole steps
that says a[n-k], and over the delay, as any value, (1 - f) a[n-k] + f a[n-k-1], which is 1 - f or f. So f has the
derivative by the delay that all has which is sent over it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sncc.expressions.algebra import ONE, add, mul, sub
from sncc.expressions.nodes import Expression, Number, Symbol, apply, walk
from sncc.lower.shared_draws import is_drawn_by_source
from sncc.lower.synapse_moves import Block, Moves
from sncc.model.nodes import Parts

SPIKES = "pre.whole"  # an input: spikes, over whole steps
CLOCK = "clock"  # a state of the source's: 1 in every other step
TICK = sub(ONE, Symbol(CLOCK))  # what it is set to
LATE, WHOLE = "clock.late", "clock.whole"  # inputs: what arrives of it over the delay, and over the whole steps of that
INPUTS = (SPIKES, LATE, WHOLE)

_BEFORE, _EARLIER = "pre.whole.before", "pre.whole.earlier"  # states: what came one step ago, and two


@dataclass(frozen=True, slots=True)
class WholeDelays:
    """How synapses count the spikes of which either part arrives, and what they keep for that:
    (state, what it is at a step's end).
    """

    parts: Parts
    kept: tuple[tuple[str, Expression], ...]

    @staticmethod
    def of(moves: Moves) -> WholeDelays | None:
        """Of synapses of a learnt delay; None where none of their jumps depends on draws of the source's."""
        if not any(map(draws_at_source, moves.on_pre)):
            return None
        whole = apply("stop", Symbol(WHOLE))
        rest = add(whole, mul(sub(ONE, mul(Number(2.0), whole)), Symbol(LATE)))
        come = (_BEFORE, Symbol(f"{SPIKES}!"))
        if moves.after:  # jumps are made up for in the step after
            return WholeDelays(Parts(_BEFORE, _EARLIER, rest), ((_EARLIER, Symbol(_BEFORE)), come))
        return WholeDelays(Parts(SPIKES, _BEFORE, rest), (come,))


def draws_at_source(block: Block) -> bool:
    """Whether jumps depend on what a spike of the source has drawn."""
    return any(is_drawn_by_source(node) for jump in block for node in walk(jump.value))
