"""What a Program may hold that the CUDA half cannot run yet."""

from __future__ import annotations

from collections.abc import Iterator

from sncc.backends.cxx.synapse_rows import in_rows
from sncc.program.nodes import Draw, Program, SynapseUpdate, Update


def unsupported(program: Program) -> tuple[str, ...]:
    """What the kernels cannot do, in the user's words; empty where they can do all of it."""
    return tuple(dict.fromkeys([*_connections(program), *_dynamics(program)]))


def _connections(program: Program) -> Iterator[str]:
    weights = [c.weight for c in program.connections]
    for c in program.connections:
        if program.schedule == "neuron_parallel" and in_rows(program, c):
            yield f"the pattern of `{c.name}` in a simulation"
        if c.interpolated:
            yield f"learnt delays of `{c.name}`"
        if weights.count(c.weight) > 1:
            yield f"the shared weight of `{c.name}`"
        if c.plastic:
            yield f"the plasticity of `{c.name}`"
        if c.values is not None or c.gain is not None or c.synapses_of is not None:
            yield f"the synapse of `{c.name}`"


def _dynamics(program: Program) -> Iterator[str]:
    for o in program.forward:
        if isinstance(o, SynapseUpdate):
            yield f"states of every synapse of `{o.connection}`"
        if isinstance(o, Update) and any(isinstance(s, Draw) for s in o.body):
            yield f"draws in `{', '.join(r.population for r in program.group(o.group).rows)}`"
    if program.traces:
        yield "`online = true`"
    if any(s.kept for s in program.sources):
        yield "spike times handed over when the network is loaded"
    if program.simulation and program.simulation.stimuli:
        yield "stimuli"
