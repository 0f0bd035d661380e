"""The command-line runner of a project, and its example of the C interface: what their templates read."""

from __future__ import annotations

from sncc.backends.cxx.expressions import literal
from sncc.program.nodes import Program


def runner(program: Program) -> dict[str, object]:
    """Sources, of which the runner gives events to one (-1: to none), how long it runs by itself, and what it prints."""
    return {
        "sources": program.sources,
        "given": next((k for k, s in enumerate(program.sources) if s.kind == "events" and not s.kept), -1),
        "step": literal(program.step, "double"),
        "duration": program.simulation.steps if program.simulation else 0,
        "widest_signal": max([s.size for s in program.sources if s.kind == "signal"], default=0),
        "populations": [
            (k, r.population) for k, r in enumerate(r for g in program.groups for r in g.rows) if r.holds == "neurons"
        ],
        "outputs": program.readout.size if program.readout else 0,
    }
