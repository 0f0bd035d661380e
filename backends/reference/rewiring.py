"""Deep R on a sparse connection's weights after a step of the optimiser (Bellec, Kappel, Maass, Legenstein 2018)."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from sncc.backends.reference.draws import Counter, standard_normal
from sncc.backends.reference.synapses import Tables
from sncc.connectivity.patterns import OfSynapses, Part
from sncc.connectivity.rewire import rewire
from sncc.program.groups import Connection, Parameter
from sncc.program.nodes import Program
from sncc.program.streams import stream


class Trained(Protocol):
    """What a network in training offers: its numbers are replaced."""

    program: Program
    seed: int
    tables: Tables
    parameters: dict[str, np.ndarray]
    optimiser_states: dict[tuple[str, str], np.ndarray]
    optimiser_step: int
    dormant: dict[str, np.ndarray]  # by connection, the synapses that wait to be moved


def step_weights(network: Trained, c: Connection, p: Parameter, stepped: Any, rate: float) -> None:
    """Gives a connection its weights after a step of the optimiser;
    those that would change their sign are dormant, and 0, until they are moved.

    `stepped`: what the optimiser made of the weights (synapses,), in its numbers; `rate`: its learning rate for them.
    """
    optimise = network.program.optimise
    assert c.rewiring is not None and optimise is not None
    before, size, step = network.parameters[p.key], len(stepped), network.optimiser_step
    walk = standard_normal(Counter(network.seed, stream(c.name, "rewiring walk"), np.arange(size), step))
    value = stepped - rate * c.rewiring.l1 * np.copysign(1.0, before)
    value = value + np.sqrt(2.0 * rate * c.rewiring.temperature) * walk
    dormant = network.dormant.get(c.name, False) | np.where(np.signbit(before), value > 0, value < 0)
    weight = np.copysign(np.where(dormant, 0.0, np.abs(value) * p.scale), before)
    weight = np.clip(weight, *p.bounds) if p.bounds else weight
    for number, followed, _ in optimise.follows:
        if followed == p.key:
            network.parameters[number] = network.parameters[number] + (weight - before)
    network.parameters[p.key], network.dormant[c.name] = weight, dormant


def move_synapses(network: Trained, c: Connection, p: Parameter) -> None:
    """Gives a connection other synapses for those that are dormant.

    A synapse that has moved has a weight of 0, with the sign of the one that it was; its other numbers go with it, and
    the optimiser's states, theirs too, are 0.
    """
    optimise = network.program.optimise
    assert optimise is not None
    weight, dormant = network.parameters[p.key], network.dormant.pop(c.name)
    table = network.tables[c.name]
    source, target = c.source_part or Part.whole((c.source_size,)), c.target_part or Part.whole((c.target_size,))
    if isinstance(c.structure, OfSynapses):
        source, target = c.structure.source, c.structure.target
    assert c.wiring is not None
    pre, post, former = rewire(
        c.wiring, source, target, table.source, table.target, dormant, stream(c.name, "rewiring"), network.seed,
        network.optimiser_step,
    )  # fmt: skip
    network.tables.move(c.name, pre, post)
    network.parameters[p.key] = weight[former]
    own = network.program.numbers_of_synapses(c)
    network.parameters |= {number.key: network.parameters[number.key][former] for number in own}
    stepping = [number.key for number in (p, *own) if number.learnt]
    for place in ((key, state) for key in stepping for state in optimise.states):
        network.optimiser_states[place] = np.where(dormant, 0.0, network.optimiser_states[place])[former]
