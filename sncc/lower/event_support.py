"""What `eventprop` cannot follow yet of what synapses with states read and move."""

from __future__ import annotations

from collections.abc import Sequence

from sncc.lower.plasticity import reads_target
from sncc.lower.traces import unsupported
from sncc.model.nodes import Connection, Model, Population


def refuse_events(model: Model, population: Population, arriving: Sequence[Connection]) -> None:
    """Raise `DiagnosticError` where a population reads what jumps in a way that has no exact gradient yet."""
    if any(c.gain is not None or reads_target(model, c) for c in arriving):
        what = f"`eventprop` through weights that move in synapses onto `{population.name}`"
        raise unsupported(population.span, what, "train with `bptt`")
