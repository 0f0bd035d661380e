"""Model → Model: a synapse and its plasticity, each of which the user names as he likes, in one space of names."""

from __future__ import annotations

from dataclasses import replace

from sncc.expressions.nodes import Expression, Symbol, substitute
from sncc.model.nodes import Connection, State

_APART = "synapse."  # before names that a synapse has in common with its plasticity; a user's names hold no dot


def called(state: State) -> str:
    """What the user calls a state of synapses."""
    return state.name.removeprefix(_APART)


def with_names_apart(connection: Connection) -> Connection:
    """The connection whose synapse has other names than its plasticity, each of which the user calls as he likes."""
    synapse, plasticity = connection.synapse, connection.plasticity
    if synapse is None or plasticity is None:
        return connection
    taken = {p.name for p in plasticity.parameters} | {m.name for m in plasticity.modulators}
    taken |= {s.name for s in (*plasticity.pre_states, *plasticity.post_states, *plasticity.states)}
    alike = taken & ({p.name for p in synapse.parameters} | {s.name for s in synapse.states})
    renames = {name: f"{_APART}{name}" for name in alike}
    symbols_of: dict[str, Expression] = {name: Symbol(other) for name, other in renames.items()}

    def of(expression: Expression) -> Expression:
        return substitute(expression, symbols_of)

    renamed = replace(
        synapse,
        parameters=tuple(
            replace(p, name=renames.get(p.name, p.name), key=p.key or f"{connection.name}.{p.name}")
            for p in synapse.parameters
        ),
        states=tuple(replace(s, name=renames.get(s.name, s.name), initial=of(s.initial)) for s in synapse.states),
        equations=tuple(
            replace(e, state=renames.get(e.state, e.state), derivative=of(e.derivative)) for e in synapse.equations
        ),
        on_pre=tuple(replace(a, state=renames.get(a.state, a.state), value=of(a.value)) for a in synapse.on_pre),
        deliver=of(synapse.deliver) if synapse.deliver is not None else None,
    )
    return replace(connection, synapse=renamed, deliveries=tuple((i, of(value)) for i, value in connection.deliveries))
