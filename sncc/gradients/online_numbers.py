"""e-prop forwards: numbers that each neuron has for itself and the synapses behind it read.

What such a number moves is followed by each synapse that reads it, as it follows its own numbers; the gradient is what
comes together over the synapses of the neuron.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sncc.gradients.derivation import Told
from sncc.gradients.jacobians import Jacobian
from sncc.program.groups import Connection
from sncc.program.nodes import Program
from sncc.program.statements import NUMBER


def tells_number(c: Connection) -> bool:
    """Whether neurons tell the synapses behind them a number by a connection."""
    return c.of_numbers and not c.of_target


def told_to(program: Program, group: str) -> list[Connection]:
    """The connections by which synapses, elements of a group, are told learnt numbers of their sources."""
    learnt = {p.key for p in program.parameters if p.learnt}
    telling = [c for c in program.connections if c.target_group == group and tells_number(c)]
    return [c for c in telling if dict(program.place(c.source)[1].values).get(_number(c)) in learnt]


def told_by(program: Program, learning: Mapping[str, Iterable[Connection]]) -> dict[str, list[Told]]:
    """By group of neurons what its synapses have of the gradients of its numbers.

    `learning`: by places of traces, what is followed there.
    """
    result: dict[str, list[Told]] = {}
    for places, telling in learning.items():
        for c in telling:
            result.setdefault(c.source_group or "", []).append((_number(c), c.name, (places, f"{c.input}~")))
    return result


def moving(program: Program, group: str, jacobian: Jacobian) -> set[str]:
    """Numbers that move more of a group than what it tells the synapses behind it."""
    onto = {c.values for c in program.connections if c.source_group == group and c.of_target}
    return {by for output, by in jacobian if not output.startswith(NUMBER) or output in onto}


def _number(c: Connection) -> str:
    return (c.values or "").removeprefix(NUMBER)
