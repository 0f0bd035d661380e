"""The constants and tables of the emitted `Network`: sizes, offsets, the layout of its structs."""

from __future__ import annotations

from sncc.backends.cuda.places import WARP, moved, words
from sncc.backends.cuda.samples import Samples
from sncc.backends.cxx.expressions import literal

MOST_THREADS = 512  # of a block: 128 registers a thread are left on every card
_REDUCTIONS = {None: "none", "mean": "mean", "sum": "sum", "max": "maximum", "last": "last"}


class Tables(Samples):
    """Finished lines of the struct that the kernels and the engine are written over."""

    def parts(self) -> dict[str, object]:
        """What the template prints."""
        p = self.program
        return {
            "constants": [*self._sizes(), *self._training(), *self._readout()],
            "state": list(self.state.values()),
            "adjoint": list(self.adjoint.values()),
            "array": list(self.array.values()),
            "maps": list(self.maps.values()),
            "shapes": [self.shape(key) for key in self.keys],
            "parameter_offsets": self.offsets,
            "scales": [literal(x.scale if x.learnt else 0.0, "double") for x in p.parameters],
            "source_sizes": [
                f"{{{s.size}, {str(s.kind == 'signal').lower()}, {literal(s.si, 'double')}}}" for s in p.sources
            ],
            "words": [words(r.size) for _, r in self.rows],
            "variables": self._variables(),
            "loss": self._loss(),
            "seen": self._seen(),
            "steps": self._steps(),
            "scalar_names": [a.identifier for a in self.dynamics.scalars.of("out")] if self.dynamics.scalars else [],
        }

    @property
    def threads(self) -> int:
        """Of a block that runs a sample."""
        largest = max([g.size for g in self.program.groups], default=WARP)
        return min(MOST_THREADS, words(largest) * WARP)

    def _sizes(self) -> list[str]:
        p = self.program
        return [
            f"int parameters = {len(p.parameters)}",
            f"int sources = {len(p.sources)}",
            f"int populations = {len(self.rows)}",
            f"int threads = {self.threads}",
            f"int optimise_blocks = {max(1, min(264, self.parameter_size // 4096))}",
            f"std::int64_t most_delay = {max([c.delay for c in p.connections], default=0)}",
            f"std::int64_t tape_columns = {self.tape_columns}",
            f"std::int64_t gradient_size = {self.gradient_size}",
            f"std::int64_t parameter_size = {self.parameter_size}",
            f"std::int64_t sum_size = {self.sum_size}",
            f"double step_ms = {literal(p.step, 'double')}",
        ]

    def _training(self) -> list[str]:
        optimise = self.program.optimise
        clip = optimise.clip if optimise else None
        return [
            f"bool learns = {str(optimise is not None).lower()}",
            f"int optimiser_states = {len(optimise.states) if optimise else 0}",
            f"double learning_rate = {literal(optimise.learning_rate if optimise else 0.0, 'double')}",
            f"Clip clip = Clip::{clip[0] if clip else 'none'}",
            f"double clip_limit = {literal(float(clip[1]) if clip else 0.0, 'double')}",
        ]

    def _readout(self) -> list[str]:
        readout = self.program.readout
        return [
            f"int outputs = {readout.size if readout else 0}",
            f"Reduction reduction = Reduction::{_REDUCTIONS[readout.reduction if readout else None]}",
            f"bool mean_over_steps = {str(bool(readout and readout.over_steps == 'mean')).lower()}",
            f"std::int64_t first = {readout.first if readout else 0}",
            f"std::int64_t last = {-1 if readout is None or readout.last is None else readout.last}",
            f"double factor = {literal(readout.factor if readout else 1.0, 'double')}",
        ]

    def _variables(self) -> list[str]:
        lines = []
        for k, (group, row) in enumerate(self.rows):
            for i, (state, _, _) in enumerate(group.declared):
                field = self.state[group.name, state].identifier
                lines.append(
                    f"if (population == {k} && state == {i}) return {moved(f'offsetof(State, {field}) / sizeof(Real)', row.offset)};"
                )
        return lines

    def _steps(self) -> str:
        """The call of the optimiser's dynamics for one element."""
        function = self.dynamics.optimise
        if function is None or self.dynamics.scalars is None:
            return ""
        states = iter(range(len(function.of("state"))))
        scalars = [x.name for x in self.dynamics.scalars.of("out")]
        passed = []
        for a in function.arguments:
            match a.role:
                case "value":
                    passed.append("value")
                case "gradient":
                    passed.append("slope")
                case "state":
                    passed.append(f"g.states[parameter_size * {next(states)} + e]")
                case "rate":
                    passed.append("rate")
                case "scalar":
                    passed.append(f"g.scalars.numbers[{scalars.index(a.name)}]")
        return f"dynamics::{function.name}({', '.join(passed)});"
