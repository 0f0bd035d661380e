"""Model → Model: synapses that a `simulate` block records, beside their states that neurons carry.

A connection whose synapses moved into their neurons, or whose plasticity has states that synapses of a neuron share,
has no state of each synapse. What is recorded of it moves a second time, synapse by synapse, in a connection of its
own, `CONN.recorded`, over the same synapses, that delivers nothing: so recording changes no other number. Where samples
are spread it moves in simulations alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sncc.expressions.algebra import has_draws
from sncc.expressions.nodes import Expression, symbols
from sncc.expressions.units import Unit
from sncc.lower.names_apart import called
from sncc.lower.synapse_moves import Moves
from sncc.model.nodes import Assignment, Connection, Equation, Model, Parameter, Plasticity, Recordable, State, Synapse
from sncc.model.white_noise import is_noise
from sncc.program.statements import TOLD, WEIGHT_NOW

_TAIL = ".recorded"


def record_synapses(written: Model, placed: Model) -> Model:
    """The model whose synapses have been `placed` in neurons,
    with copies of those that a simulation records as `written`.
    """
    if written.simulation is None:
        return placed
    wanted: dict[str, set[str]] = {}
    for record in written.simulation.records:
        if record.part is None and record.variable != "weight":
            wanted.setdefault(record.owner, set()).add(record.variable)
    connections: list[Connection] = []
    for connection in placed.connections:
        if connection.name in wanted:
            copy = _copy(written.connection(connection.name), connection, wanted[connection.name])
            if written.spreads_samples:  # synapses that move one by one have traces of their own
                copy = replace(copy, plasticity=None)
            # in front: its spikes arrive with the weight from before a plasticity moves it
            connections += [copy] if copy.synapse is not None or copy.plasticity is not None else []
        connections.append(connection)
    return replace(placed, connections=tuple(connections))


def recordable_states(c: Connection, moves: Moves) -> tuple[Recordable, ...]:
    """What a run may record of synapses for which a population stands."""

    def recordable(name: str, state: str, unit: Unit) -> Recordable:
        ahead = state in moves.made_up
        return Recordable(name, f"{state}{TOLD}" if ahead else state, unit, ahead)

    states = (s for s in moves.states if "." not in called(s))
    found = tuple(recordable(called(s), s.name, s.unit) for s in states)
    return found if c.plasticity is None else (recordable("weight", WEIGHT_NOW, c.weight.unit), *found)


def shared_states(plasticity: Plasticity | None) -> tuple[State, ...]:
    """Those that synapses of one neuron share."""
    return (*plasticity.pre_states, *plasticity.post_states) if plasticity is not None else ()


def moves_alike(plasticity: Plasticity, state: str) -> bool:
    """Whether a state that synapses share is alike in each of them:
    it draws nothing, also where it starts, and reads no states of neurons.
    """
    jumps = (*plasticity.on_pre, *plasticity.on_post)
    kept = _closure({state}, shared_states(plasticity), plasticity.equations, jumps)
    moves = _moves(kept, plasticity.equations, jumps)
    moves += [s.initial for s in shared_states(plasticity) if s.name in kept]
    read = {name for move in moves for name in symbols(move)}
    return not any(map(has_draws, moves)) and not any(is_noise(n) or n.startswith(("pre.", "post.")) for n in read)


def _copy(whole: Connection, placed: Connection, recorded: set[str]) -> Connection:
    return replace(
        whole,
        name=f"{whole.name}{_TAIL}",
        input=placed.input,
        synapse=_synapse(whole, recorded) if placed.synapse is None else None,
        plasticity=_plasticity(whole, recorded),
        modulators=(),
        synapses_of=whole.name,
        only_recorded=True,
    )


def _synapse(whole: Connection, recorded: set[str]) -> Synapse | None:
    """The synapse with those states alone that are recorded, or that move them."""
    synapse = whole.synapse
    if synapse is None or not recorded & {s.name for s in synapse.states}:
        return None
    kept = _closure(recorded, synapse.states, synapse.equations, synapse.on_pre)
    return replace(
        synapse,
        parameters=_keyed(synapse.parameters, whole.name),
        states=tuple(s for s in synapse.states if s.name in kept),
        equations=tuple(e for e in synapse.equations if e.state in kept),
        on_pre=tuple(a for a in synapse.on_pre if a.state in kept),
        deliver=None,
        deliver_unit=None,
    )


def _plasticity(whole: Connection, recorded: set[str]) -> Plasticity | None:
    """The plasticity with those of its shared states alone that are recorded, each synapse its own."""
    plasticity, shared = whole.plasticity, shared_states(whole.plasticity)
    if plasticity is None or not recorded & {s.name for s in shared}:
        return None
    kept = _closure(recorded, shared, plasticity.equations, (*plasticity.on_pre, *plasticity.on_post))
    return replace(
        plasticity,
        parameters=_keyed(plasticity.parameters, f"{whole.name}.plasticity"),
        pre_states=(),
        post_states=(),
        states=tuple(s for s in shared if s.name in kept),
        equations=tuple(e for e in plasticity.equations if e.state in kept),
        on_pre=tuple(a for a in plasticity.on_pre if a.state in kept),
        on_post=tuple(a for a in plasticity.on_post if a.state in kept),
        modulators=(),
        bounds=tuple(b for b in plasticity.bounds if b[0] in kept),
    )


def _keyed(parameters: Iterable[Parameter], owner: str) -> tuple[Parameter, ...]:
    return tuple(replace(p, key=p.key or f"{owner}.{p.name}") for p in parameters)


def _moves(kept: set[str], equations: Iterable[Equation], jumps: Iterable[Assignment]) -> list[Expression]:
    return [e.derivative for e in equations if e.state in kept] + [a.value for a in jumps if a.state in kept]


def _closure(
    recorded: set[str], states: Iterable[State], equations: Iterable[Equation], jumps: Iterable[Assignment]
) -> set[str]:
    """Of states those that are recorded, and those that move them."""
    names, equations, jumps = {s.name for s in states}, tuple(equations), tuple(jumps)
    kept = recorded & names
    while True:
        needed = kept | {name for move in _moves(kept, equations, jumps) for name in symbols(move)} & names
        if needed == kept:
            return kept
        kept = needed
