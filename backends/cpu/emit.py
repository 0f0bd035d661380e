"""Program → the CPU half of a project: the layout of states, and the operations of a step as calls of the headers."""

from __future__ import annotations

from pathlib import Path
from typing import TypeGuard

from sncc.backends.cpu import forward, gather, learning, reverse, traces
from sncc.backends.cpu.stages import LEAST_COLUMNS, stages
from sncc.backends.cxx.dynamics import dynamics
from sncc.backends.cxx.expressions import literal
from sncc.backends.cxx.layout import KNOWN_AT_BUILD, Layout, padded
from sncc.backends.cxx.names import project_name
from sncc.backends.cxx.rendering import render
from sncc.backends.cxx.synapse_rows import CONNECTIVITY, rows_line
from sncc.program.learning import LearningSignal, ReverseOperation, Transpose
from sncc.program.nodes import Program

_TEMPLATES = Path(__file__).parent / "templates"
CHAINS = 8  # of a batch; fixed, so that results do not depend on the machine
GATHER_STEPS = 512  # that are gathered at once: the same for any memory bound, as results are
GRADIENT_MEMORY = 1 << 28  # bytes that the chains' gradients may take together


def emit(program: Program) -> dict[str, str]:
    """The files of `src/cpu`."""
    layout = Layout(program, dynamics(program))
    text = render(_TEMPLATES, "network.cpp", name=project_name(program.name), **_parts(layout))
    connectivity = {"src/engine/connectivity.cpp": CONNECTIVITY} if layout.rows_of_synapses else {}
    return {f"src/cpu/{project_name(program.name)}_cpu.cpp": text, **connectivity}


def _parts(layout: Layout) -> dict[str, object]:
    """What the template prints."""
    p, real = layout.program, layout.program.bytes_of_real
    per_chain = max(1, layout.gradient_size * real)
    readout, optimise = p.readout, p.optimise
    clip = optimise.clip if optimise else None
    parts = stages(layout)
    constants = [
        f"int parameters = {len(p.parameters)}",
        f"int sources = {len(p.sources)}",
        f"int populations = {len(layout.rows)}",
        f"int tile = {_tile(layout)}",
        f"int chains = {max(1, min(CHAINS, GRADIENT_MEMORY // per_chain))}",
        f"std::int64_t most_delay = {max([layout.most_delay(c) for c in p.connections], default=0)}",
        f"std::int64_t tape_columns = {layout.tape_columns}",
        f"std::int64_t tape_slots = {len(_slots(layout))}",
        f"std::int64_t gather_steps = {GATHER_STEPS}",
        f"std::int64_t memory = {p.memory or 0}",
        f"std::int64_t gradient_size = {layout.gradient_size}",
        f"std::int64_t chain_memory = {GRADIENT_MEMORY}",
        f"std::int64_t known_at_build = {KNOWN_AT_BUILD}",
        f"int rows_count = {len(layout.rows_of_synapses)}",
        f"int stages = {len(parts.operations)}",
        f"int arrivals = {len(parts.arrivals)}",
        f"bool strips = {str(any(c.pattern == 'dense' and c.target_size >= LEAST_COLUMNS for c in p.connections)).lower()}",
        f"std::int64_t arrival_columns = {parts.columns}",
        f"int series_count = {len(layout.series)}",
        f"std::int64_t series_width = {sum(padded(p.place(one.population)[1].size) for one in layout.series)}",
        f"std::int64_t sum_size = {layout.sum_size}",
        f"int optimiser_states = {len(optimise.states) if optimise else 0}",
        f"int thinned = {len(layout.thinned)}",
        f"double step_ms = {literal(p.step, 'double')}",
        f"double learning_rate = {literal(optimise.learning_rate if optimise else 0.0, 'double')}",
        f"Clip clip = Clip::{clip[0] if clip else 'none'}",
        f"double clip_limit = {literal(float(clip[1]) if clip else 0.0, 'double')}",
        f"int outputs = {readout.size if readout else 0}",
        f"bool online = {str(bool(p.traces)).lower()}",
        f"std::int64_t trace_size = {layout.trace_size}",
        f"bool loss_every_step = {str(all(r.reduction is None for r in p.readouts)).lower()}",
        f"int penalty_size = {layout.penalty_size}",
        f"bool batch_penalties = {str(any(x.over == 'batch' for x in p.penalties)).lower()}",
    ]
    return {
        "constants": constants,
        "state": list(layout.state.values()),
        "adjoint": list(layout.adjoint.values()),
        "array": list(layout.array.values()),
        "shapes": [layout.shape(key) for key in layout.keys],
        "rows": [rows_line(p, c) for c in layout.rows_of_synapses],
        "row_targets": [p.place(c.target)[1].size for c in layout.rows_of_synapses],
        "series": forward.series(layout),
        "slots": _slots(layout),
        "halves": [layout.halves.get(key, "none") for key in layout.keys],
        "transposed": [str(key in _transposed(layout)).lower() for key in layout.keys],
        "gradient_offsets": [layout.gradient_offsets.get(key, -1) for key in layout.keys],
        "source_sizes": [
            f"{{{s.size}, {str(s.kind == 'signal').lower()}, {literal(s.si, 'double')}}}" for s in p.sources
        ],
        "thinnings": layout.thinnings(),
        "derive": forward.derive(layout),
        "start": forward.start(layout),
        "forward": forward.forward(layout),
        "back": reverse.back(layout),
        "deliver_ahead": forward.deliver_ahead(layout),
        "deliver_delays": forward.deliver_delays(layout),
        "before": reverse.before(layout),
        "gather": gather.gather(layout),
        "add_sums": reverse.add_sums(layout),
        "derive_adjoint": reverse.derive_adjoint(layout),
        "readouts": learning.readouts(layout),
        "penalties": layout.penalties(),
        "count_spikes": learning.count_spikes(layout),
        "population_names": layout.populations,
        "keys": layout.keys,
        "states_not_finite": forward.not_finite(layout),
        "adjoints_not_finite": reverse.not_finite(layout),
        "follows": layout.follows(),
        "rewirings": layout.rewirings(),
        "travelling": layout.travelling(),
        "late_traces": layout.late_trace_lines(),
        "traces": {
            "start": traces.start(layout),
            "step": traces.step(layout),
            "end": traces.end(layout),
            "penalties": traces.penalties(layout),
        },
        "variables": forward.variables(layout),
        "scalar_names": [a.identifier for a in layout.dynamics.scalars.of("out")] if layout.dynamics.scalars else [],
        "optimise": learning.optimise(layout),
    }


def _slots(layout: Layout) -> list[str]:
    """The parts of the tape: columns before each, and its width."""
    slots = [s for s in layout.program.tape if s.shares is None]
    return [f"{{{layout.columns[s.group, s.name]}, {layout.program.group(s.group).size}}}" for s in slots]


def _tile(layout: Layout) -> int:
    """Samples in lockstep: more where credit goes through matrices, which are then loaded once for all."""
    hidden = any(
        _is_whole(o) and layout.program.connection(o.connection).source_size >= 64
        and layout.program.connection(o.connection).target_size >= 64
        for o in layout.program.reverse
    )  # fmt: skip
    return 4 if hidden else 2


def _is_whole(operation: ReverseOperation) -> TypeGuard[Transpose]:
    """Whether credit goes back through all of a weight, and not only through the rows of neurons that fired."""
    return isinstance(operation, Transpose) and not operation.at_spikes


def _transposed(layout: Layout) -> set[str]:
    """Weights that the reverse phase reads by column: they are kept transposed as well.

    A product of rows needs no sum across a vector's lanes, which costs more than the product itself where a
    readout has few columns.
    """
    through = [layout.program.connection(o.connection) for o in layout.program.reverse if _is_whole(o)]
    matrices = {c.name for c in layout.program.connections if c not in layout.rows_of_synapses} | {None}
    signals = {
        o.weight
        for o in layout.program.traces
        if isinstance(o, LearningSignal) and o.weight is not None and not o.transposed and not o.one_to_one
        if o.across in matrices
    }
    return signals | {c.weight for c in through if c.pattern == "dense" and c not in layout.rows_of_synapses}
