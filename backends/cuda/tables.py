"""The constants and tables of the emitted `Network`: sizes, offsets, the layout of its structs."""

from __future__ import annotations

from dataclasses import dataclass

from sncc.backends.cuda.constants import explained
from sncc.backends.cuda.places import MOST_RESIDENT, WARP, moved
from sncc.backends.cuda.samples import Samples
from sncc.backends.cuda.workspace import words_of_kept
from sncc.backends.cxx.calls import optimiser_call
from sncc.backends.cxx.expressions import literal
from sncc.backends.cxx.layout import Field, padded
from sncc.backends.cxx.readouts import reduction_constants, weight_of_class
from sncc.backends.cxx.synapse_rows import flag, rows_line

# bytes beside those that are not dynamic, of 99 KB that a block may have on any card since sm_80
SHARED_EVERYWHERE = 88 << 10


@dataclass(frozen=True, slots=True)
class EmittedReadout:
    """A readout's struct: its constants, numbers per output, its loss, and where the variable stands that it sees."""

    constants: tuple[str, ...]
    maps: tuple[str, ...]
    loss: tuple[str, ...]
    seen: str
    before: str  # where a second variable stands that its loss reads; the same where there is none
    weight: str  # the body of what gives a class's weight


class Tables(Samples):
    """Finished lines of the struct that the kernels and the engine are written over."""

    def parts(self) -> dict[str, object]:
        """What the template prints."""
        p = self.program
        return {
            "constants": [explained(c) for c in (*self._sizes(), *self._training())],
            "state": list(self.state.values()),
            "adjoint": list(self.adjoint.values()),
            "array": list(self.array.values()),
            "shapes": [self.shape(key) for key in self.keys],
            "parameter_offsets": self.offsets,
            "synapse_rows": [rows_line(p, c) for c in self.rows_of_synapses],
            "late_traces": self.late_trace_lines(),
            "row_gradients": [max(self.gradient_of(c), -1) for c in self.rows_of_synapses],
            "row_targets": [p.place(c.target)[1].size for c in self.rows_of_synapses],
            "shared_elements": [self.shared_elements(c) for c in self.rows_of_synapses],
            "halves": [flag(key in self.halves) for key in self.keys],
            "late": [self.late.index(key) if key in self.late else -1 for key in self.keys],
            "scales": [literal(x.scale if x.learnt else 0.0, "double") for x in p.parameters],
            "source_sizes": [
                f"{{{s.size}, {str(s.kind == 'signal').lower()}, {literal(s.si, 'double')}}}" for s in p.sources
            ],
            "words": [
                *(self.spike_words(r) for _, r in self.rows),
                *(
                    0 if c.signal or c.source_group is None else self.spike_words(p.place(c.source)[1])
                    for c in self.thinned
                ),
            ],
            "thinnings": self.thinnings(),
            "rewirings": self.rewirings(),
            "travelling": self.travelling(),
            "series_strides": [padded(self.program.place(one.population)[1].size) for one in self.series],
            "slots": [f"{self.columns[s.group, s.name]}, {p.group(s.group).size}" for s in p.tape if s.shares is None],
            "kept": [f"kept_{k}[{count}]" for k, count in words_of_kept(self)],
            "copies_synapses": flag(any(self.synapses_pay)),
            "synapses_pay": self.synapses_pay,
            "copied": [f"{{{copy.bytes}, {copy.pays_after}, {copy.rows}}},  // {copy.key}" for copy in self.copies],
            "counts": [flag(r.population in self.counted) for _, r in self.rows],
            "workspace_bytes": self.workspace_bytes,
            "variables": self._variables(),
            "readouts": self._readouts(),
            "penalties": self.penalties(),
            "population_names": self.populations,
            "keys": self.keys,
            "state_places": self._places("State", self.state),
            "adjoint_places": self._places("Adjoint", self.adjoint),
            "steps": self._steps(),
            "scalar_names": [a.identifier for a in self.dynamics.scalars.of("out")] if self.dynamics.scalars else [],
        }

    @property
    def resident_blocks(self) -> int:
        """Of a multiprocessor, as many as leave a thread the registers that it needs: at least 120;
        160 where wide matrices are transposed.

        Doubles of sequences that may be cut take the next more, 250 what reads from many places.
        """
        cut = self.program.memory is not None and not self.is_online and self.program.precision == "float64"
        steps = 2 if self.has_many_views else self.is_wide(self.main_threads) + cut
        return max(1, MOST_RESIDENT * (4 - steps) // 4 // self.threads)

    @property
    def in_shared_memory(self) -> bool:
        """Whether a block's states are in shared memory on every card; else each launch decides."""
        return self.workspace_bytes <= SHARED_EVERYWHERE and not self.is_online

    @property
    def optimise_blocks(self) -> int:
        """Of the launch that takes the optimiser's step."""
        return max(1, min(264, self.parameter_size // 4096))

    @property
    def sums_late(self) -> bool:
        """Whether the last launch itself makes sums of gradients, which a number may not hold."""
        scalars = any(self.program.parameter(key).shape == () for key in self.gradient_offsets)
        return scalars or bool(self.further) or bool(self.dynamics.derive_adjoints)

    def _sizes(self) -> list[str]:
        p = self.program
        return [
            f"int parameters = {len(p.parameters)}",
            f"int sources = {len(p.sources)}",
            f"int populations = {len(self.rows)}",
            f"int rewiring_count = {len(self.rewired())}",
            f"int travelling_count = {len(self.travelling())}",
            f"int thinned = {len(self.thinned)}",
            f"int series_count = {len(self.series)}",
            f"int rows_count = {len(self.rows_of_synapses)}",
            f"int late_count = {len(self.late)}",
            f"int threads = {self.threads}",
            f"int main_threads = {self.main_threads}",
            f"bool in_shared_memory = {flag(self.in_shared_memory)}",
            f"int resident_blocks = {self.resident_blocks}",
            f"int optimise_blocks = {self.optimise_blocks}",
            f"std::int64_t most_delay = {max([self.most_delay(c) for c in p.connections], default=0)}",
            f"std::int64_t tape_columns = {self.tape_columns}",
            f"std::int64_t gradient_size = {self.gradient_size}",
            f"std::int64_t parameter_size = {self.parameter_size}",
            f"std::int64_t half_size = {self.half_size}",
            f"std::int64_t sum_size = {self.sum_size}",
            f"std::int64_t fired_neurons = {self.fired_neurons}",
            f"double step_ms = {literal(p.step, 'double')}",
            f"int outputs = {p.readout.size if p.readout else 0}",
            f"int output_width = {padded(p.readout.size) if p.readout else WARP}",
            f"int error_width = {sum(padded(r.size) for r in p.readouts)}",
            f"int penalty_size = {self.penalty_size}",
            f"int penalty_count = {len(p.penalties)}",
            f"bool batch_penalties = {str(any(x.over == 'batch' for x in p.penalties)).lower()}",
        ]

    def _training(self) -> list[str]:
        optimise = self.program.optimise
        clip = optimise.clip if optimise else None
        return [
            f"bool learns = {str(optimise is not None).lower()}",
            f"bool online = {str(self.is_online).lower()}",
            f"bool sums_late = {flag(self.sums_late)}",
            f"bool has_rounds = {flag(self.has_rounds)}",
            f"bool penalises_late = {flag(self.penalises_late)}",
            f"bool loss_every_step = {str(self.loss_every_step).lower()}",
            f"std::int64_t memory = {self.program.memory or 0}",
            f"std::int64_t trace_size = {self.trace_size}",
            f"std::int64_t emitted_size = {self.emitted_size}",
            f"std::int64_t part_size = {self.part_size}",
            f"int late_trace_count = {len(self.late_traces)}",
            f"int optimiser_states = {len(optimise.states) if optimise else 0}",
            f"double learning_rate = {literal(optimise.learning_rate if optimise else 0.0, 'double')}",
            f"Clip clip = Clip::{clip[0] if clip else 'none'}",
            f"double clip_limit = {literal(float(clip[1]) if clip else 0.0, 'double')}",
        ]

    def _readouts(self) -> list[EmittedReadout]:
        result, offset = [], 0
        for readout in self.program.readouts:
            constants = (
                f"int outputs = {readout.size}",
                f"bool aside = {str(readout.group in self.aside).lower()}",
                f"std::int64_t error_offset = {offset}",
                *reduction_constants(readout),
                f"double step_ms = {literal(self.program.step, 'double')}",
            )
            offset += padded(readout.size)
            maps = tuple(self.maps[readout.index].values())
            result.append(
                EmittedReadout(
                    constants, maps, tuple(self._loss(readout)), *self._seen(readout), weight_of_class(readout)
                )
            )
        return result

    def _places(self, struct: str, fields: dict[tuple[str, str], Field]) -> list[str]:
        """What a number of the states or of the adjoints is: its population and neuron."""
        lines = []
        for k, (group, row) in enumerate(self.rows):
            for (name, variable), field in fields.items():
                if name == group.name:
                    first = moved(f"std::int64_t(offsetof({struct}, {field.identifier}) / sizeof(Real))", row.offset)
                    found = f'{{{k}, "{self.described(group, variable)}", index - ({first})}}'
                    lines.append(f"if (index >= {first} && index < {first} + {row.size}) return {found};")
        return lines

    def _variables(self) -> list[str]:
        lines = []
        for k, (group, row) in enumerate(self.rows):
            for i, state in enumerate(group.recorded(row)):
                field = self.state[group.name, state].identifier
                lines.append(
                    f"if (population == {k} && state == {i}) return {moved(f'offsetof(State, {field}) / sizeof(Real)', row.offset)};"
                )
        return lines

    def _steps(self) -> str:
        """The call of the optimiser's dynamics for one element."""
        return "".join(optimiser_call(self.dynamics, lambda k: f"g.states[g.parameter_size * {k} + e]"))
