"""What readouts take up of a step, and the loss with its derivative by each output."""

from __future__ import annotations

from sncc.backends.cuda.deliveries import Deliveries
from sncc.backends.cuda.meetings import Access, Part
from sncc.backends.cuda.places import WARP, plus
from sncc.backends.cxx.dynamics import Dynamics
from sncc.backends.cxx.names import Namer
from sncc.program.nodes import Program
from sncc.program.operations import Readout
from sncc.program.statements import SPIKE


class Losses(Deliveries):
    """Finished lines of a sample's readouts."""

    def __init__(self, program: Program, shared: Dynamics) -> None:
        super().__init__(program, shared)
        # per readout: numbers per output that its loss keeps where a thread has several
        self.maps: list[dict[str, str]] = []
        for readout, steps in zip(program.readouts, shared.readouts, strict=True):
            names = Namer()
            wide = readout.size > WARP
            self.maps.append({s.name: names.fresh(f"map.{s.name}") for s in steps if s.kind == "map" and wide})

    def _observe(self, k: int) -> list[Part]:
        """A readout takes up what it sees of a step."""
        r = self.program.readouts[k]
        seen, before = self.seen(k)
        name = "spike.mask" if r.variable == SPIKE else r.variable
        error = "nullptr" if self.is_online else f"keeps ? Network::Readout{k}::error(g, b, n, origin) : nullptr"
        call = f"observe<Network::Readout{k}>(w.reading{k}, {seen}, {before}, labels, n, {error});"
        team = f"team of {k}" if r.size <= WARP else None
        own = self.own(r.group, r.offset) if team else None
        read = tuple(
            Access(f"s.{self.state[r.group, x].identifier}", own=own) for x in dict.fromkeys((name, r.before or name))
        )
        parts = [
            Part(
                self.in_first_block((call,)),
                (*read, Access(f"reading {k}", True, team), Access(f"error {k}", True, team, by_step=True)),
            )
        ]
        if k == 0:
            lines = (
                f"if (g.step_outputs) for_own({self.who(r.group)}, outputs, [&](int j) {{",
                f"    g.step_outputs[(b * g.most_steps + n - 1) * Network::output_width + j] = static_cast<Real>(Network::Readout0::scale) * {seen}[j];",
                "});",
            )
            parts.append(Part(self.in_first_block(lines), (self.touched("s", r.group, name, r.offset, writes=False),)))
        return parts

    def seen(self, k: int) -> tuple[str, str]:
        """Where a readout's variables stand."""
        return f"Network::Readout{k}::seen(s)", f"Network::Readout{k}::before(s)"

    def _loss(self, readout: Readout) -> list[str]:
        """The loss, and its derivative by each output: by the lanes of a warp, one an output, or by all threads."""
        return self._wide_loss(readout) if readout.size > WARP else self._loss_of_lanes(readout)

    def _loss_of_lanes(self, readout: Readout) -> list[str]:
        names = Namer(["r", "x", "before", "gradient", "j", "own"])
        place = {"x": "x[j]", "before": "before[j]", "target": "r.target[j]"}
        lines = ["const int j = Who::rank();", "const bool own = j < outputs;"]
        for step in self.dynamics.readouts[readout.index]:
            call = f"own ? dynamics::{step.function.name}({', '.join(place[a.name] for a in step.function.arguments)}) : Real(0)"
            name = place[step.name] = names.fresh(step.name)
            how = {"map": "{}", "sum": "Who::sum(r.term, {})"}.get(step.kind, "Who::largest(r.term, {})")
            lines.append(f"[[maybe_unused]] const Real {name} = {how.format(call)};")
        return [*lines, f"if (own) gradient[j] = {place['x~']};", f"return {place[readout.loss]};"]

    def _wide_loss(self, readout: Readout) -> list[str]:
        names = Namer(["r", "x", "before", "gradient", "j"])
        place = {"x": "x[j]", "before": "before[j]", "target": "r.target[j]"}
        lines: list[str] = []
        for step in self.dynamics.readouts[readout.index]:
            call = f"dynamics::{step.function.name}({', '.join(place[a.name] for a in step.function.arguments)})"
            if step.kind == "map":
                field = self.maps[readout.index][step.name]
                lines += [f"Who::for_own(outputs, [&](int j) {{ r.{field}[j] = {call}; }});", "Who::meet();"]
                place[step.name] = f"r.{field}[j]"
                continue
            own = names.fresh(step.name)
            how = "sum" if step.kind == "sum" else "largest"
            lines += [
                f"Who::for_own(outputs, [&](int j) {{ r.term[j] = {call}; }});",
                f"const Real {own} = Who::{how}(r.term, Real(0));",
            ]
            place[step.name] = own
        lines.append(f"Who::for_own(outputs, [&](int j) {{ gradient[j] = {place['x~']}; }});")
        return [*lines, "Who::meet();", f"return {place[readout.loss]};"]

    def _seen(self, readout: Readout) -> tuple[str, str]:
        """Where a readout's variables stand."""
        name = "spike.mask" if readout.variable == SPIKE else readout.variable
        places = (self.state[readout.group, x].identifier for x in (name, readout.before or name))
        seen, before = (plus(f"s.{place}", readout.offset) for place in places)
        return seen, before
