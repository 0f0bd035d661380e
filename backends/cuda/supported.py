"""What a Program may hold that the CUDA half cannot run yet."""

from __future__ import annotations

from collections.abc import Iterator

from sncc.program.nodes import Connection, Draw, Program, SynapseUpdate, Update


def unsupported(program: Program) -> tuple[str, ...]:
    """What the kernels cannot do, in the user's words; empty where they can do all of it."""
    return tuple(dict.fromkeys([*_connections(program), *_dynamics(program)]))


def _connections(program: Program) -> Iterator[str]:
    sizes = {s.name: s.size for s in program.sources} | {r.population: r.size for g in program.groups for r in g.rows}
    for c in program.connections:
        if c.pattern == "sparse" or c.structure is not None:
            yield f"the pattern of `{c.name}`"
        if _is_part(c, sizes):
            yield f"a part of a population in `{c.name}`"
        if c.delays is not None:
            yield f"a delay per synapse of `{c.name}`"
        if c.plastic:
            yield f"the plasticity of `{c.name}`"
        if c.values is not None or c.gain is not None or c.synapses_of is not None:
            yield f"the synapse of `{c.name}`"


def _is_part(c: Connection, sizes: dict[str, int]) -> bool:
    whole = c.source_size == sizes[c.source] and c.target_size == sizes[c.target]
    return not whole or c.source_part is not None or c.target_part is not None


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
