"""Which connections make their synapses on the device, and the first values that these need there."""

from __future__ import annotations

from sncc.backends.cpu.neuron_tables import NeuronTables
from sncc.backends.cxx.draws import WHOLE
from sncc.backends.cxx.expressions import literal
from sncc.connectivity.patterns import Random
from sncc.expressions.nodes import Apply, Expression, Number, symbols, walk
from sncc.program.groups import Connection


def connects_itself(tables: NeuronTables, c: Connection) -> bool:
    """Whether kernels know how to draw a connection's synapses, and all that these have is a weight,
    which may change, and a delay.

    They know `random(p)`, `random(fan_in)`, `random(fan_out)`, and `random(total)` with repeats; any weight, and any
    delay that does not depend on `i` and `j`. All else is made on the host and copied.
    """
    random = isinstance(c.structure, Random) and (c.structure.kind != "total" or c.structure.repeats)
    if not random or c.signal or c.synapses_of is not None or not tables.compressed(c):
        return False
    if any(other.synapses_of == c.name for other in tables.program.connections):
        return False
    if any(connection == c.name and name != "weight" for connection, name in tables.synapse_fields):
        return False
    weight = tables.program.parameter(c.weight)
    if (c.name, "weight") in tables.synapse_fields and (weight.connection is None or _is_whole(weight.initial)):
        return False
    return c.delays is None or not {"i", "j"} & symbols(tables.program.parameter(c.delays).initial)


def makes_rows(tables: NeuronTables, c: Connection) -> bool:
    """Whether its synapses are not stored, but drawn again at each spike of their source:
    rows of different targets, source by source.
    """
    return not c.stored and not has_repeats(c) and connects_itself(tables, c)


def has_repeats(c: Connection) -> bool:
    """Whether a source may reach a target several times."""
    return isinstance(c.structure, Random) and c.structure.kind != "p" and c.structure.repeats


def _is_whole(initial: Expression) -> bool:
    """Whether a first value is an element of a random matrix, which the host makes as a whole."""
    return any(isinstance(node, Apply) and node.operation == WHOLE for node in walk(initial))


def first_values(tables: NeuronTables) -> list[str]:
    """Cases, by the number of the parameter: what weights and delays of those connections are at first."""
    lines = []
    for c in tables.program.connections:
        if not connects_itself(tables, c):
            continue
        keys = [c.weight] if (c.name, "weight") in tables.synapse_fields else []
        for key in (*keys, *([c.delays] if c.delays else [])):
            first = tables.program.parameter(key).initial
            if isinstance(first, Number):
                value = literal(first.value, "double")
            else:
                value = f"dynamics::{tables.dynamics.parameters[key].name}(seed, synapse, source, target, nullptr)"
            lines.append(f"case {tables.layout.keys.index(key)}: return {value};")
    return lines
