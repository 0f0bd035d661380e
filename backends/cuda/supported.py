"""What a Program may hold that the CUDA half cannot run yet."""

from __future__ import annotations

from collections.abc import Iterator

from sncc.program.nodes import Program, SynapseUpdate


def unsupported(program: Program) -> tuple[str, ...]:
    """What the kernels cannot do, in the user's words; empty where they can do all of it."""
    if program.schedule == "neuron_parallel":
        return tuple(dict.fromkeys(_neuron_parallel(program)))
    return tuple(dict.fromkeys([*_connections(program), *_dynamics(program)]))


def _neuron_parallel(program: Program) -> Iterator[str]:
    sizes = {r.population: r.size for g in program.groups for r in g.rows}
    for o in program.forward:
        if isinstance(o, SynapseUpdate):
            c = program.connection(o.connection)
            for read, size in ((o.pre, _whole(program, c.source)), (o.post, _whole(program, c.target))):
                if any(sizes[population] != size for _, population, _ in read):
                    yield f"a variable that all synapses of `{c.name}` share"


def _whole(program: Program, name: str) -> int:
    return next((s.size for s in program.sources if s.name == name), 0) or program.place(name)[1].size


def _connections(program: Program) -> Iterator[str]:
    weights = [c.weight for c in program.connections]
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
    if program.memory is not None and any(p.over == "batch" for p in program.penalties):
        yield "a bound on memory with a penalty over the batch"
    if (
        program.traces
        and all(r.reduction is None for r in program.readouts)
        and any(p.over == "batch" for p in program.penalties)
    ):
        yield "a penalty over the batch under `online = true` with a loss at every step"
    if any(s.kept for s in program.sources):
        yield "spike times handed over when the network is loaded"
