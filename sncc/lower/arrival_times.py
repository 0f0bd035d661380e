"""How the states of synapses follow the times of the spikes that arrive there, as locals for `eventprop`.

A spike that arrives dt later finds states that have flowed dt longer, and its jumps leave states that flow dt less.
Marks before and behind the jumps, `arrival.at.I.K` and `arrival.behind.I.K` (K is a state, I an input, or the state
that has kept its spikes for a step), are where `event_times.py` of the gradients moves them, and `arrival.met.I.X`
where it moves what the jumps read of their target. What is delivered all the time stands for an integral, so the value
from before a jump lasts longer.

Locals, for each arrival of those in the step; those that are zero are left out:
    arrival.count.I         how many there are, one at least, where there may be more than one
    arrival.pass.I.X        d(X) / dt of what the jumps read and pass: a state of the target, as it was before other
                            arrivals, one of a neuron whose spike it is not, or `t`
    arrival.rise.I.K        d(K) / dt right before the jumps
    arrival.fall.I.K        d(K) / dt right behind the jumps
    arrival.gap.I.X         X before minus X behind the jumps: a state, or a value that is told of states
    arrival.later.I.X       the same, where X is told in the step after
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sncc.expressions.algebra import ONE, ZERO, div, fold_all, sub
from sncc.expressions.nodes import Expression, Symbol, apply, substitute, symbols
from sncc.lower.readings import FLOWED, before_events
from sncc.model.nodes import Assignment, Dynamics
from sncc.program.statements import MOMENT, SLOPED, Assign


def at_arrival(name: str) -> str:
    """Mark of the states as a spike arrives."""
    return f"arrival.at.{name}"


def behind_arrival(name: str) -> str:
    """Mark of the states as its jumps have left them."""
    return f"arrival.behind.{name}"


def met_at_arrival(name: str) -> str:
    """Mark of what the jumps read that has a course of its own."""
    return f"arrival.met.{name}"


def moving(dynamics: Dynamics) -> tuple[str, ...]:
    """States that flow, and those that jump alone."""
    jumping = (jump.state for _, jumps in dynamics.arrivals for jump in jumps)
    return tuple(dict.fromkeys((*(e.state for e in dynamics.equations), *jumping)))


def passing(jumps: Iterable[Assignment]) -> dict[str, Expression]:
    """What jumps read that has a course of its own, and how fast it goes."""
    read = sorted({name for jump in jumps for name in symbols(jump.value)})
    ahead = f"post.{FLOWED}"
    found: dict[str, Expression] = {
        n: Symbol(f"post.{SLOPED}{n.removeprefix(ahead)}") for n in read if n.startswith(ahead)
    }
    found |= {n: Symbol(f"{SLOPED}{n}") for n in read if n.startswith(MOMENT)}
    return found | {"t": ONE} if "t" in read else found


def arrival_times(dynamics: Dynamics) -> tuple[Assign, ...]:
    """The locals listed above, for states that jump at spikes."""
    found: list[tuple[str, Expression]] = []
    for name in dict.fromkeys(name for name, _ in dynamics.arrivals):
        several = dynamics.most != 1 and name not in dynamics.once
        if several:
            kept = any(s.name == name for s in dynamics.states)
            found.append((f"arrival.count.{name}", apply("max", Symbol(name if kept else f"{name}!"), 1.0)))
        count = Symbol(f"arrival.count.{name}")
        at: dict[str, Expression] = {s: Symbol(f"{at_arrival(name)}.{s}") for s in moving(dynamics)}
        behind: dict[str, Expression] = {s: Symbol(f"{behind_arrival(name)}.{s}") for s in moving(dynamics)}
        if name in dynamics.early:  # the same spike may make neurons jump, which moves flows behind it by itself
            inputs = {i.name for i in dynamics.inputs}
            seen: dict[str, Expression] = {i: Symbol(k) for i in inputs if (k := before_events(i)) in inputs}
            at, behind = at | seen, behind | seen
        for e in dynamics.equations:
            found.append((f"arrival.rise.{name}.{e.state}", substitute(e.derivative, at)))
            found.append((f"arrival.fall.{name}.{e.state}", substitute(e.derivative, behind)))
        read = passing(jump for other, jumps in dynamics.arrivals if other == name for jump in jumps)
        found += [(f"arrival.pass.{name}.{x}", slope) for x, slope in read.items()]
        begins = {a.state for a in dynamics.leaving} if name not in dynamics.early else set()
        for x, value in _told(dynamics).items():
            gap = fold_all(sub(substitute(value, at), substitute(value, behind)))
            what = "later" if x in begins else "gap"
            found.append((f"arrival.{what}.{name}.{x}", div(gap, count) if several and gap != ZERO else gap))
    return tuple(Assign(name, value) for name, v in found if (value := fold_all(v)) != ZERO)


def _told(dynamics: Dynamics) -> Mapping[str, Expression]:
    """What may be delivered all the time, in terms of the states that flow."""
    told: dict[str, Expression] = {s: Symbol(s) for s in moving(dynamics)}
    return told | {a.state: a.value for a in (*dynamics.leaving, *dynamics.outputs)}
