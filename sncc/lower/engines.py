"""What lowers into a Program and no engine carries out yet: a line goes when the CPU and the CUDA half do it."""

from __future__ import annotations

from collections.abc import Iterator

from sncc.diagnostics import Diagnostic, DiagnosticError, not_supported_yet
from sncc.lower.connections import MOST_DIMENSIONS
from sncc.lower.recorded_synapses import moves_alike, shared_states
from sncc.model.nodes import Model


def refuse(model: Model) -> None:
    """Raise `DiagnosticError` with everything in a Model that no engine carries out yet."""
    if found := tuple(unsupported(model)):
        raise DiagnosticError(found)


def unsupported(model: Model) -> Iterator[Diagnostic]:
    """A `not-supported-yet` for every construct that no engine carries out yet."""
    for connection in model.connections:
        for part in (connection.source_part, connection.target_part):
            if len(part.shape) > MOST_DIMENSIONS and part.contiguous is None:
                what = f"a part of a population of {len(part.shape)} dimensions whose neurons do not follow each other"
                help = f"give the population at most {MOST_DIMENSIONS} dimensions"
                yield not_supported_yet(connection.span, what, help)
    connections = {c.name: c for c in model.connections}
    for record in model.simulation.records if model.simulation is not None else ():
        if record.part is not None:
            continue
        if record.variable == "weight":
            continue
        plasticity = connections[record.owner].plasticity
        shared = not model.spreads_samples and any(s.name == record.variable for s in shared_states(plasticity))
        if shared and plasticity is not None and not moves_alike(plasticity, record.variable):
            what = f"recording `{record.variable}`, one for all synapses of a neuron, that draws or reads states of neurons,"
            help = f"declare it with `state {record.variable} = …`: one number per synapse"
            yield not_supported_yet(record.span, what, help)
