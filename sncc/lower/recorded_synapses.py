"""Model → Model: synapses that a `simulate` block records, beside their states that neurons carry.

A connection whose synapses moved into their neurons has no state of each synapse any more. What is recorded of it moves a
second time, synapse by synapse, in a connection of its own, `CONN.recorded`, over the same synapses, that delivers nothing:
so recording changes no other number.
"""

from __future__ import annotations

from dataclasses import replace

from sncc.expressions.nodes import symbols
from sncc.model.nodes import Connection, Model, Synapse

_TAIL = ".recorded"


def record_synapses(written: Model, placed: Model) -> Model:
    """The model whose synapses have been `placed` in neurons, with copies of those that a simulation records as `written`."""
    if written.training is not None or written.simulation is None:
        return placed
    wanted: dict[str, set[str]] = {}
    for record in written.simulation.records:
        if record.part is None and record.variable != "weight":
            wanted.setdefault(record.owner, set()).add(record.variable)
    whole = {c.name: c for c in written.connections}
    connections: list[Connection] = []
    for connection in placed.connections:
        synapse = whole[connection.name].synapse if connection.name in wanted else None
        if synapse is not None and connection.synapse is None:
            own = _needed(synapse, wanted[connection.name])
            # in front: its spikes arrive with the weight from before a plasticity moves it
            connections += [_copy(whole[connection.name], connection, own)] if own.states else []
        connections.append(connection)
    return replace(placed, connections=tuple(connections))


def _copy(whole: Connection, placed: Connection, synapse: Synapse) -> Connection:
    keys = tuple(replace(p, key=p.key or f"{whole.name}.{p.name}") for p in synapse.parameters)
    return replace(
        whole,
        name=f"{whole.name}{_TAIL}",
        input=placed.input,
        synapse=replace(synapse, parameters=keys),
        plasticity=None,
        modulators=(),
        synapses_of=whole.name,
        only_recorded=True,
    )


def _needed(synapse: Synapse, recorded: set[str]) -> Synapse:
    """The synapse with those states alone that are recorded, or that move them."""
    names = {s.name for s in synapse.states}
    kept = recorded & names
    while True:
        moves = [e.derivative for e in synapse.equations if e.state in kept]
        moves += [a.value for a in synapse.on_pre if a.state in kept]
        needed = kept | {name for move in moves for name in symbols(move)} & names
        if needed == kept:
            break
        kept = needed
    return replace(
        synapse,
        states=tuple(s for s in synapse.states if s.name in kept),
        equations=tuple(e for e in synapse.equations if e.state in kept),
        on_pre=tuple(a for a in synapse.on_pre if a.state in kept),
        deliver=None,
        deliver_unit=None,
    )
