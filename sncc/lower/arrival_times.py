"""How the states of synapses follow the times of the spikes that arrive there, as locals for `eventprop`.

A spike that arrives dt later finds states that have flowed dt longer, and its jumps leave states that flow dt less. Marks before
and behind the jumps, `arrival.at.I.K` and `arrival.behind.I.K` (K is a state, I an input), are where `event_times.py` of the
gradients moves them. What is delivered all the time stands for an integral, so the value from before a jump lasts longer.

Locals, for each arrival of those in the step; those that are zero are left out:
    arrival.count.I         how many there are, one at least, where there may be more than one
    arrival.rise.I.K        d(K) / dt right before the jumps
    arrival.fall.I.K        d(K) / dt right behind the jumps
    arrival.gap.I.X         X before minus X behind the jumps: a state, or a value that is told of states
    arrival.later.I.X       the same, where X is told in the step after
"""

from __future__ import annotations

from collections.abc import Mapping

from sncc.expressions.algebra import ZERO, div, fold_all, sub
from sncc.expressions.nodes import Expression, Symbol, apply, substitute
from sncc.model.nodes import Dynamics
from sncc.program.statements import Assign


def at_arrival(name: str) -> str:
    """Mark of the states as a spike arrives."""
    return f"arrival.at.{name}"


def behind_arrival(name: str) -> str:
    """Mark of the states as its jumps have left them."""
    return f"arrival.behind.{name}"


def arrival_times(dynamics: Dynamics) -> tuple[Assign, ...]:
    """The locals listed above, for states that jump at spikes."""
    found: list[tuple[str, Expression]] = []
    for name in dict.fromkeys(name for name, _ in dynamics.arrivals):
        several = dynamics.most != 1 and name not in dynamics.once
        if several:
            found.append((f"arrival.count.{name}", apply("max", Symbol(f"{name}!"), 1.0)))
        count = Symbol(f"arrival.count.{name}")
        flowing = [e.state for e in dynamics.equations]
        at: dict[str, Expression] = {s: Symbol(f"{at_arrival(name)}.{s}") for s in flowing}
        behind: dict[str, Expression] = {s: Symbol(f"{behind_arrival(name)}.{s}") for s in flowing}
        for e in dynamics.equations:
            found.append((f"arrival.rise.{name}.{e.state}", substitute(e.derivative, at)))
            found.append((f"arrival.fall.{name}.{e.state}", substitute(e.derivative, behind)))
        begins = {a.state for a in dynamics.leaving} if name not in dynamics.early else set()
        for x, value in _told(dynamics).items():
            gap = fold_all(sub(substitute(value, at), substitute(value, behind)))
            what = "later" if x in begins else "gap"
            found.append((f"arrival.{what}.{name}.{x}", div(gap, count) if several and gap != ZERO else gap))
    return tuple(Assign(name, value) for name, v in found if (value := fold_all(v)) != ZERO)


def _told(dynamics: Dynamics) -> Mapping[str, Expression]:
    """What may be delivered all the time, in terms of the states that flow."""
    told: dict[str, Expression] = {e.state: Symbol(e.state) for e in dynamics.equations}
    return told | {a.state: a.value for a in (*dynamics.leaving, *dynamics.outputs)}
