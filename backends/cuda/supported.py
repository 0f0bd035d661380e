"""What a Program may hold that the CUDA half cannot run yet, or runs in another way."""

from __future__ import annotations

from collections.abc import Iterator

from sncc.backends.cuda.connecting import has_repeats
from sncc.program.nodes import Program
from sncc.program.operations import SynapseUpdate


def unsupported(program: Program) -> tuple[str, ...]:
    """What the kernels cannot do, in the user's words; empty where they can do all of it."""
    if program.schedule == "neuron_parallel":
        return ()
    return tuple(dict.fromkeys([*_connections(program), *_dynamics(program)]))


def differences(program: Program) -> tuple[str, ...]:
    """What is done in another way than the file asks for, with the same results, in the user's words."""
    names = ", ".join(f"`{c.name}`" for c in program.connections if not c.stored and has_repeats(c))
    if not names:
        return ()
    return (
        f"on a GPU synapses of `repeats = true` are stored, with `stored = false` too ({names}): the same network, with their memory",
    )


def _connections(program: Program) -> Iterator[str]:
    weights = [c.weight for c in program.connections if c.synapses_of is None]
    for c in program.connections:
        if weights.count(c.weight) > 1 and -1 in program.parameter(c.weight).dimensions:
            yield f"the shared weight of `{c.name}`"
        if c.plastic:
            yield f"the plasticity of `{c.name}`"
        if c.gain is not None:
            yield f"the synapse of `{c.name}`"


def _dynamics(program: Program) -> Iterator[str]:
    for o in program.forward:
        if isinstance(o, SynapseUpdate):
            yield f"states of every synapse of `{o.connection}`"
