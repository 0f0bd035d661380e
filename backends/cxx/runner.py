"""The command-line runner of a project, and its example of the C interface: what their templates read."""

from __future__ import annotations

from sncc.backends.cxx.expressions import literal
from sncc.backends.cxx.manifest import is_written, takes_pairs
from sncc.program.nodes import Program


def runner(program: Program) -> dict[str, object]:
    """Sources, to one of which the runner gives events (-1: to none), how long it runs by itself, what it prints."""
    given = next((k for k, s in enumerate(program.sources) if s.kind == "events" and not s.kept), -1)
    pairs = [(k, c.name) for k, c in enumerate(program.connections) if is_written(c.name) and takes_pairs(c)]
    return {
        "usage": "[--seconds S] " + "--pairs NAME FILE ... " * bool(pairs) + "[EVENTS [WEIGHTS]]",
        "help": _help(program, given, bool(pairs)),
        "pairs": pairs,
        "connections_there_are": f"there are: {', '.join(name for _, name in pairs)}" if pairs else "there is none",
        "sources": program.sources,
        "given": given,
        "step": literal(program.step, "double"),
        "duration": _duration(program),
        "widest_signal": max([s.size for s in program.sources if s.kind == "signal"], default=0),
        "populations": [
            (k, r.population) for k, r in enumerate(r for g in program.groups for r in g.rows) if r.holds == "neurons"
        ],
        "outputs": program.readout.size if program.readout else 0,
    }


def _duration(program: Program) -> int:
    """The steps of a run by itself; 0: its events say how many."""
    return program.simulation.steps if program.simulation else 0


def _help(program: Program, given: int, pairs: bool) -> list[str]:
    """What the words of the runner's command line are, a line each."""
    ends = "the `simulate` block's duration" if _duration(program) else "till the last event"
    events = (
        f"spikes of `{program.sources[given].name}`" if given >= 0 else "none in this network, which takes no events"
    )
    others = [s.name for k, s in enumerate(program.sources) if k != given]
    return [
        f"--seconds: how long the run is, by default {ends}; events behind its end are left out",
        *["--pairs: the synapses of a `sparse` connection, lines `pre post`, flat indices from 0"] * pairs,
        f"EVENTS: {events}, lines `step neuron`, steps from 1; `-`: none",
        *[f"        nothing is given to {', '.join(f'`{name}`' for name in others)}"] * bool(others),
        "WEIGHTS: a file of `network.save`, or the seed of untrained weights",
    ]
