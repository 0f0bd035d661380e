"""Networks whose states start at draws, as an oracle follows them: what runs have drawn is given as numbers."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from sncc.expressions.nodes import DRAWS, Apply, Number, Symbol, rewrite
from sncc.expressions.units import PLAIN
from sncc.model.nodes import Parameter


def with_given_draws(model):
    """The Model in which what states start at draws is a number of their block's, `STATE.K` for draws K = 0, 1,
    ... as they are written.
    """
    populations = []
    for p in model.populations:
        added = []
        if p.dynamics is not None:
            p = replace(p, dynamics=replace(p.dynamics, states=_given(p.dynamics.states, added)))
            p = replace(p, parameters=(*p.parameters, *added))
        populations.append(p)
    connections = (replace(c, synapse=_block(c.synapse), plasticity=_block(c.plasticity)) for c in model.connections)
    return replace(model, populations=tuple(populations), connections=tuple(connections))


def _block(block):
    if block is None:
        return None
    added = []
    kinds = [kind for kind in ("states", "pre_states", "post_states") if hasattr(block, kind)]
    block = replace(block, **{kind: _given(getattr(block, kind), added) for kind in kinds})
    return replace(block, parameters=(*block.parameters, *added))


def _given(states, added):
    result = []
    for s in states:
        numbers = count()

        def given(node, name=s.name, numbers=numbers):
            if not isinstance(node, Apply) or node.operation not in DRAWS:
                return node
            added.append(Parameter(f"{name}.{next(numbers)}", Number(0.0), PLAIN))
            return Symbol(added[-1].name)

        result.append(replace(s, initial=rewrite(s.initial, given)))
    return tuple(result)
