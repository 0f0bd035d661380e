"""A connection of the Model as one of the Program: which accumulator it delivers into, and how its synapses lie."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from sncc.connectivity.patterns import Dense, Part, Pattern, is_matrix, leaves_nothing_out
from sncc.expressions.nodes import Apply, Number
from sncc.lower.readings import is_timed, read_at_spikes
from sncc.model.constants import round_half_up
from sncc.model.nodes import Connection, Model
from sncc.program import groups as program_groups

MOST_DIMENSIONS = 4  # of a population, that the engines' patterns know


def impulsive(model: Model, connection: Connection) -> bool:
    """Whether a connection delivers impulses, rather than a drive that is held over a step."""
    source = model.population(connection.source)
    if connection.only_recorded:  # it needs no input of its own
        return impulsive(model, model.connection(connection.synapses_of or ""))
    if connection.synapse is not None:
        return False  # a synapse that its neurons cannot carry delivers all the time
    if connection.values is not None:
        return connection.impulses
    return source.kind != "signal" or source.impulse


def accumulator(model: Model, connection: Connection) -> str:
    """The accumulator of the target that a connection delivers into,
    the first of those of synapses that move by themselves.
    """
    if connection.only_recorded:
        return accumulator(model, model.connection(connection.synapses_of or ""))
    if connection.deliveries:
        return connection.deliveries[0][0]
    return connection.input + ("!" if impulsive(model, connection) else "")


def _is_read_curved(model: Model, connection: Connection) -> bool:
    """Whether what is delivered jumps and is read nonlinearly,
    so that a part of a jump would not be a part of what it does.
    """
    dynamics = model.population(connection.target).dynamics
    return dynamics is not None and connection.input in dynamics.curved


def _learns(model: Model, key: str) -> bool:
    return model.training is not None and any(entry.key == key for entry in model.training.learn)


def lower_connection(model: Model, connection: Connection, groups: Mapping[str, str]) -> program_groups.Connection:
    """The Program's connection; `groups` are the populations' groups, each of which holds one population yet.

    dense and one_to_one between parts without gaps stay what they are, of some rows and columns; all else is sparse.
    """
    source, target = model.population(connection.source), model.population(connection.target)
    left, right = connection.source_part.contiguous, connection.target_part.contiguous
    pattern: Literal["dense", "one_to_one", "sparse"] = "sparse"
    offsets, sizes = (0, 0), (source.size, target.size)
    structure: Pattern = connection.pattern
    avoids = not leaves_nothing_out(structure)
    matrix = is_matrix(connection.pattern, connection.source_part, connection.target_part)
    if matrix and left is not None and right is not None:
        pattern = "dense" if isinstance(structure, Dense) else "one_to_one"
        offsets, sizes = (left[0], right[0]), (left[1], right[1])
    sparse = pattern == "sparse"
    own, impulses = connection.synapses_of or connection.name, impulsive(model, connection)
    learns_delay = connection.delay is not None and _learns(model, connection.delay.key or f"{own}.delay")
    owner = connection.share[0] if connection.share is not None else own
    return program_groups.Connection(
        name=connection.name,
        source=source.name,
        source_group=groups.get(source.name),
        source_offset=offsets[0],
        source_size=sizes[0],
        target=target.name,
        target_group=groups[target.name],
        target_offset=offsets[1],
        target_size=sizes[1],
        input=accumulator(model, connection),
        pattern=pattern,
        weight=f"{owner}.weight",
        delay=connection.delay_steps if learns_delay else _smallest_delay(connection, model.step),
        signal=source.kind == "signal" or connection.values is not None,
        structure=structure if sparse or avoids else None,
        source_part=flattened(connection.source_part) if sparse else None,
        target_part=flattened(connection.target_part) if sparse else None,
        delays=(connection.delay.key or f"{own}.delay") if connection.delay is not None else None,
        values=connection.values,
        of_target=connection.of_target,
        gain=connection.gain,
        plastic=connection.plasticity is not None and not connection.only_recorded,
        interpolated=learns_delay,
        rounded=is_timed(model)
        and (impulses or read_at_spikes(connection.values) or _is_read_curved(model, connection)),
        whole=learns_delay and connection.whole_delays,
        synapses_of=connection.synapses_of,
        rewiring=connection.rewiring if connection.synapses_of is None and _learns(model, f"{owner}.weight") else None,
        dropout=connection.dropout if model.training is not None else 0.0,
        stored=connection.stored,
    )


def flattened(part: Part) -> Part:
    """A part of more dimensions than the engines know as one of a line of neurons, where it has no gaps."""
    place = part.contiguous
    if len(part.shape) <= MOST_DIMENSIONS or place is None:
        return part
    return Part((math.prod(part.shape),), ((place[0], place[0] + place[1]),))


def _smallest_delay(connection: Connection, step: float) -> int:
    """The delay in steps, or the least that a delay of each synapse has: the smallest legal one, or what bounds its
    draws; a learnt one may become shorter than what was drawn.

    The larger it is, the seldomer threads have to exchange spikes.
    """
    least = connection.delay_steps
    if connection.delay is not None:
        match connection.delay.value:
            case Apply(operation="uniform", arguments=(Number(value=low), Number())):
                least = max(least, round_half_up(low, step))
        if connection.delay.clip is not None:
            least = max(least, round_half_up(connection.delay.clip[0], step))
    return least
