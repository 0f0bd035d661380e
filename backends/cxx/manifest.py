"""The manifest of a project: what its library has, by the names that its user gave."""

from __future__ import annotations

import hashlib

from sncc.backends.cpu.neuron_tables import has_rows
from sncc.backends.cxx.names import project_name
from sncc.backends.cxx.readouts import reads_labels, takes_step_labels
from sncc.backends.cxx.recorded import stood_for, synapse_states
from sncc.backends.cxx.synapse_rows import in_rows
from sncc.connectivity.patterns import Dense, OfSynapses, Random, Shared, Sparse
from sncc.program.groups import Connection, Parameter
from sncc.program.nodes import Program
from sncc.program.statements import WEIGHT_NOW

VERSION = "0.1.0"
ABI_VERSION = 7


def manifest(program: Program) -> dict[str, object]:
    """What the library has, by the user's names; Python's binding reads it."""
    readout, optimiser = program.readout, program.optimise
    schedule = None
    if optimiser and optimiser.schedule:
        schedule = {"name": optimiser.schedule[0], "settings": dict(optimiser.schedule[1])}
    hidden, states = hidden_keys(program), dict[str, list[dict[str, object]]]()
    for i, s in enumerate(synapse_states(program)):
        entry = {"index": i, "name": s.name, "unit": s.unit, "si": s.si, "size": s.size, "counted": s.counted}
        states.setdefault(s.owner, []).append(entry)
    return {
        "name": project_name(program.name),
        "abi": ABI_VERSION,
        "version": VERSION,
        "precision": program.precision,
        "weights": program.weights,
        "step": program.step * 1e-3,
        "rule": program.rule,
        "batch": program.batch,
        "source_hash": hashlib.sha256(program.source.encode()).hexdigest(),
        "sources": [
            {"name": s.name, "kind": s.kind, "shape": list(s.shape), "size": s.size, "unit": s.unit, "si": s.si, "kept": s.kept}
            for s in program.sources
        ],
        "populations": [
            {
                "index": k, "name": r.population, "shape": list(r.shape), "size": r.size, "spiking": r.spiking,
                "states": [{"name": n, "unit": u, "si": si} for n, u, si in g.declared],
            }
            for k, (g, r) in enumerate((g, r) for g in program.groups for r in g.rows)
            if r.holds == "neurons"
        ],
        "parameters": [
            {"index": k, **_parameter_entry(program, p)} for k, p in enumerate(program.parameters) if p.key not in hidden
        ],
        "connections": [
            {
                "index": k, "name": c.name, "pre": _sender(program, c), "post": _receiver(c), "sparse": _has_synapses(program, c),
                "pairs": takes_pairs(c), "plastic": c.plastic or _moves(program, c), "rewired": c.rewiring is not None,
                "drawn": isinstance(c.wiring, Random),
                "states": states.get(c.name, []), **_shares(c),
            }
            for k, c in enumerate(program.connections) if is_written(c.name)
        ] + [
            {"index": -1, "name": name, "pre": pre, "post": post, "plastic": True, "states": states.get(name, [])}
            for name, pre, post in stood_for(program)
        ],
        "readout": readout and {
            "population": readout.population, "outputs": readout.size, "labels": readout.labels,
            "per_step": readout.reduction is None, "reduction": readout.reduction, "over_steps": readout.over_steps,
            "reads_labels": reads_labels(program), "step_labels": takes_step_labels(program), "windows": [[r.first, r.last] for r in program.readouts],
        },
        "optimiser": optimiser and {
            "name": optimiser.name, "learning_rate": optimiser.learning_rate, "states": list(optimiser.states),
            "schedule": schedule,
        },
        "simulation": program.simulation and {
            "steps": program.simulation.steps,
            "trials": program.simulation.trials,
            "records": [
                {
                    "owner": r.owner, "variable": r.variable, "every": r.every,
                    "ranges": r.part and not r.part.is_whole and [list(ends) for ends in r.part.ranges] or None,
                }
                for r in program.simulation.records
            ],
        },
    }  # fmt: skip


def hidden_keys(program: Program) -> set[str]:
    """The weights of what lowering adds, which are nobody's parameters."""
    written = {c.weight for c in program.connections if is_written(c.name)}
    return {c.weight for c in program.connections if c.synapses_of is None} - written


def is_written(name: str) -> bool:
    """Whether a connection is the user's: what lowering adds has a dot in its name."""
    return "." not in name


def _sender(program: Program, c: Connection) -> str:
    """The user's population that a connection comes from: the one whose spikes move the states that it delivers."""
    if isinstance(c.structure, OfSynapses):
        return c.structure.between[0]
    if c.source_group is None or program.place(c.source)[1].holds == "neurons":
        return c.source
    return next((d.source for d in program.connections if d.target == c.source), c.source)


def _receiver(c: Connection) -> str:
    return c.structure.between[1] if isinstance(c.structure, OfSynapses) else c.target


def _shares(c: Connection) -> dict[str, str]:
    """The connection whose weights this one has in place of its own; nothing where it has some."""
    owner = c.weight.removesuffix(".weight")
    return {"shares": owner} if owner != c.owner else {}


def takes_pairs(c: Connection) -> bool:
    """Whether the pairs of a connection are handed over."""
    return isinstance(c.wiring, Sparse) and c.synapses_of is None


def _moves(program: Program, c: Connection) -> bool:
    """Whether a connection's weights are where a sample begins, and states of its synapses move from there."""
    into = (g for g in program.groups if g.name == c.target_group)
    return c.name == c.owner and any(WEIGHT_NOW in g.states for g in into)


def _has_synapses(program: Program, c: Connection) -> bool:
    """Whether the library can list a connection's synapses."""
    return has_rows(program, c) if program.schedule == "neuron_parallel" else in_rows(program, c)


def storage_of(program: Program, p: Parameter) -> str:
    """How a parameter is stored; `made`: nowhere, as its synapses, which are stored where samples are spread."""
    spread = program.schedule == "sample_parallel"
    made = not spread and p.shape != () and any(c.weight == p.key and not c.stored for c in program.connections)
    return "made" if made else p.storage


def _parameter_entry(program: Program, p: Parameter) -> dict[str, object]:
    entry: dict[str, object] = {
        "key": p.key, "shape": seen_shape(program, p), "storage": storage_of(program, p), "learnt": p.learnt, "unit": p.unit, "si": p.si,
        "scale": p.scale, "bounds": _bounds(p), "divisor": p.divisor, "doc": p.doc,
    }  # fmt: skip
    if p.connection is not None and p.shape != ():
        entry["synapses_of"] = p.connection
    connection = next((c for c in program.connections if c.weight == p.key), None)
    if connection:
        entry["connection"] = {
            "pattern": connection.pattern,
            "pre": _sender(program, connection),
            "post": _receiver(connection),
        }
    return entry


def seen_shape(program: Program, p: Parameter) -> list[int]:
    """The shape of what Python sees."""
    shape = list(p.shape) if p.connection is None or p.shape == () else _matrix(program, p) or [-1]
    return shape[::-1] if p.turned else shape


def _matrix(program: Program, p: Parameter) -> list[int] | None:
    """Sources and targets of a `dense` connection of parts with gaps, of whose synapses these are numbers:
    in the order of these.
    """
    c = next((c for c in program.connections if p.connection == c.name or p.key in (c.weight, c.delays)), None)
    wiring = c.wiring if c is not None else None
    wiring = wiring.pattern if isinstance(wiring, Shared) else wiring
    if c is None or not isinstance(wiring, Dense) or not wiring.self_connections:
        return None
    own = c.structure
    source, target = (own.source, own.target) if isinstance(own, OfSynapses) else (c.source_part, c.target_part)
    return None if source is None or target is None else [source.size, target.size]


def _bounds(p: Parameter) -> list[float | None] | None:
    if p.bounds is None:
        return None
    infinite = float("inf")
    return [None if abs(b) == infinite else b * p.si for b in p.bounds]
