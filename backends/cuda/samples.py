"""First launch: what a block does with its sample, forwards and back, as calls of the headers and of the dynamics."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from sncc.backends.cuda.copies import Copy, copies_of, pay_after
from sncc.backends.cuda.losses import Losses
from sncc.backends.cuda.meetings import MEET, Access, Part, with_meetings
from sncc.backends.cuda.places import moved, plus, words
from sncc.backends.cuda.workspace import bytes_of_workspace
from sncc.backends.cxx.first_values import Drawing
from sncc.backends.cxx.layout import padded
from sncc.backends.cxx.stimuli import stimulated
from sncc.program.groups import Connection, Row
from sncc.program.operations import Deliver, Readout, Update

MOST_SHARED = (227 - 9) << 10  # bytes of a block on sm_90, beside those that are not dynamic


class Samples(Losses):
    """Finished lines of the kernel that runs samples."""

    def parts(self) -> dict[str, object]:
        """What the template prints."""
        return {
            "views": self._views(),
            "copies": self._copies(),
            "start": self._start(),
            "ahead": self._ahead(),
            "forward": with_meetings(self._forward()),
            "held": [*self._shares(), *self._held()],
            "back": with_meetings(self._back()),
            "turn": self._turn(),
            "before": self._before(),
            "keep_sums": self._keep_sums(),
            "rates": self._rates(),
            "readings": list(range(len(self.program.readouts))),
            "online": self.is_online,
            "begin_traces": self.begin_traces(),
            "trace_end": self.trace_end(),
            "trace_penalties": self.trace_penalties(),
            "penalises_late": self.penalises_late,
            "batch_penalties": any(p.over == "batch" for p in self.program.penalties),
        }

    # ---------------------------------------------------------------------------------------- places
    @property
    def workspace_bytes(self) -> int:
        """Of a block's shared memory; the emitted code asserts it."""
        fields = (*self.state.values(), *self.adjoint.values())
        return bytes_of_workspace(self, self.maps, [f.size for f in fields])

    @cached_property
    def copies(self) -> list[Copy]:
        """Weights that a block copies into its shared memory where a launch has room."""
        beside = self.workspace_bytes
        return copies_of(self, MOST_SHARED - (beside if beside <= MOST_SHARED else 0), self.held_in_registers)

    def weight(self, key: str) -> str:
        """The first number of a weight: where the block reads it."""
        found = (k for k, copy in enumerate(self.copies) if copy.key == key)
        return next((f"weights_{k}" for k in found), super().weight(key))

    @cached_property
    def synapses_pay(self) -> list[int]:
        """Of each connection of synapses in rows: after how many steps copies of these are worth it; 0: never."""
        return pay_after(self)

    def synapses(self, c: Connection) -> str:
        """The table of a connection's synapses in rows: where the block reads it."""
        return f"rows[{self.row_number(c)}]" if any(self.synapses_pay) else super().synapses(c)

    def _copies(self) -> list[str]:
        """Where a block reads those weights."""
        lines = []
        if any(self.synapses_pay):
            lines.append("[[maybe_unused]] const DeviceRows<Real>* const rows = copied_synapses(g, smem);")
        for k, copy in enumerate(self.copies):
            passed = f"g, {k}, smem, {super().weight(copy.key)}"
            kind, call = (
                f"const {'Bfloat16' if copy.key in self.halves else 'Real'}* const",
                f"copied({passed}, {copy.elements})",
            )
            if copy.rows:
                kind, call = "const SplitRows<Real>", f"copied_rows({passed}, {self.stride(copy.key)})"
            lines.append(f"[[maybe_unused]] {kind} weights_{k} = {call};  // {copy.key}")
        return lines

    def _views(self) -> list[str]:
        """What a sample reads by step: events and values handed over, spikes emitted."""
        lines = []
        for k, s in enumerate(self.program.sources):
            if s.kind == "signal":
                lines.append(
                    f"[[maybe_unused]] const ValueRows<Real> values_{k} = values_of(g, {k}, b, {padded(s.size)});  // {s.name}"
                )
            else:
                lines.append(f"[[maybe_unused]] const EventRows events_{k} = events_of(g, {k}, b);  // {s.name}")
        for k, (_, row) in enumerate(self.rows):
            kind, name = ("Counts", "counts") if row.population in self.counted else ("Bits", "spikes")
            lines.append(
                f"[[maybe_unused]] const Spike{kind} spikes_{k} = {name}_of(g, {k}, b, {self.spike_words(row)});  // {row.population}"
            )
        for k, one in enumerate(self.series):
            stride = padded(self.program.place(one.population)[1].size)
            lines.append(
                f"[[maybe_unused]] const ValueRows<Real> series_{k} = series_of(g, {k}, b, {stride});  // {one.population}.{one.variable}"
            )
        return [*lines, *(line for c in self.thinned for line in self._left(c))]

    def _left(self, c: Connection) -> list[str]:
        """What dropout leaves of a connection's source, and of which neurons; all of it where nothing is learnt."""
        k, whole, own = self.thinning(c), replace(c, dropout=0.0), self.number_of_source(c)
        size = self.whole_source(c)
        kept = f"[[maybe_unused]] const SpikeBits kept_{k} = {{w.kept_{k}, 0, 1}};  // {c.name}, at every step the same"
        if c.values is not None:  # its series has them without those that are left out
            return [kept]
        if c.source in self.counted:
            left, kind = f"counts_of(g, {own}, b, {size})", "SpikeCounts"
        elif c.source_group is not None:
            left, kind = f"spikes_of(g, {own}, b, {words(size)})", "SpikeBits"
        elif c.signal:
            left, kind = f"values_of(g, {own}, b, {padded(size)})", "ValueRows<Real>"
        else:
            left, kind = f"events_of(g, {own}, b)", "EventRows"
        lines = [f"[[maybe_unused]] const {kind} left_{k} = g.learns ? {left} : {self.source(whole)};  // {c.name}"]
        if c.source_group is not None:
            lines.append(kept)
        return lines

    def _leave_out(self) -> list[str]:
        """Which neurons dropout leaves."""
        return [
            f"if (g.learns) draw_kept(kept_{k}, {self.whole_source(c)}, g.seed, 0x{c.dropout_stream:08x}u, g.trials[b], {c.dropout_threshold}u);  // {c.name}"
            for k, c in enumerate(self.thinned)
            if c.source_group is not None
        ]

    def _thin(self, population: str) -> list[Part]:
        """What dropout leaves of the spikes that a population has just emitted."""
        p, row = self.populations.index(population), self.program.place(population)[1]
        own = f", {self.share(row, row.size)}" if self.first(row) else ""
        return [
            Part(
                (
                    f"if (g.learns) keep_spikes({self.of_own(f'left_{k}', row)}, n, {self.of_own(f'spikes_{p}', row)}, "
                    f"{self.of_own(f'kept_{k}', row)}{own});  // {c.name}",
                ),
                (Access(f"spikes_{p}", by_step=True), Access(f"left_{k}", True, by_step=True)),
            )
            for k, c in enumerate(self.thinned)
            if c.source == population and c.values is None
        ]

    def _start(self) -> list[str]:
        lines = self._leave_out()
        for group, row in self.rows:
            for state, _ in row.initial:
                function = self.dynamics.states[row.population, state]
                number = self.after("j", row)  # of the neuron
                arrays = [
                    f"a.{self.array[group.name, x.name].identifier}[{moved(number, row.offset)}]"
                    for x in function.of("array")
                ]
                arguments = ", ".join(["g.seed", "g.trials[b]", f"static_cast<std::uint32_t>({number})", *arrays])
                field = self.state[group.name, state].identifier
                lines += [
                    f"for_own({self.share(row, row.size)}, [&](int j) {{  // {row.population}.{state}",
                    f"    s.{field}[{moved('j', self.at(group.name, row.offset))}] = dynamics::{function.name}({arguments});",
                    "});",
                ]
        if any(one.thinned is not None for one in self.series):
            lines.append(f"{MEET}  // what is left is known")
        for k in range(len(self.series)):
            lines.append(f"for (std::int64_t n = 1 - g.series_lead; n <= 0; ++n) {self._put(k)}")
        return lines

    def _put(self, k: int) -> str:
        """Keeps the values of a state that is delivered."""
        one = self.series[k]
        group, row = self.program.place(one.population)
        own = self.share(row, row.size)
        place = plus(f"s.{self.state[group.name, one.variable].identifier}", self.at(group.name, row.offset))
        left = "" if one.thinned is None else f", {self.of_own(f'kept_{one.thinned}', row)}"
        first = f"Portion{{{self.first(row)}, {own}}}" if self.first(row) else own
        return f"put_series(g, {k}, b, {padded(row.size)}, n, {place}, {first}{left});"

    # ---------------------------------------------------------------------------------------- forward
    def _update(self, o: Update) -> list[Part]:
        function = self.functions[id(o)]
        lines = [f"// {comment}" for comment in function.comments]
        if o.stores:
            lines += ["if (keeps) {", *(f"    {x}" for x in self._call(o, function, "s", True)), "} else {"]
            lines += [*(f"    {x}" for x in self._call(o, function, "s", False)), "}"]
        else:
            lines += self._call(o, function, "s", False)
        parts = [*self._stimuli(o), Part(tuple(lines), self._touched(o, function, "s"))]
        group = self.program.group(o.group)
        for row in group.rows if o.spikes else ():
            mask = self.state[o.group, "spike.mask"].identifier
            k = self.populations.index(row.population)
            own = plus(f"s.{mask}", self.at(o.group, row.offset)), self.share(row, row.size)
            call = f"list_spikes({self.who(o.group)}, {self.of_own(f'spikes_{k}', row)}, n, {', '.join(own)});"
            read = self.touched("s", o.group, "spike.mask", row.offset, writes=False)
            parts.append(Part((call,), (read, Access(f"spikes_{k}", True, by_step=True))))
            parts += self._thin(row.population)
        for k, one in enumerate(self.series):
            if self.program.place(one.population)[0].name == o.group:
                read = Access(f"s.{self.state[o.group, one.variable].identifier}")
                parts.append(Part((self._put(k),), (read, Access(f"series_{k}", True, by_step=True))))
        return parts

    def _stimuli(self, o: Update) -> list[Part]:
        """What `stimulate` adds to accumulators before an update, in a simulation."""

        def add(field: str, row: Row, first: int, last: int) -> str:
            own = f"if (j >= {first}) " if first else ""  # a neuron is one thread's, whatever the range
            return f"for_own({last}, [&](int j) {{ {own}s.{field}[{moved('j', row.offset)}] += value; }});"

        lines = stimulated(self, o, "g.before + n", "t", add, "g.carried && ")
        fields = (self.state[o.group, name].identifier for name in o.inputs)
        return [Part(tuple(lines), tuple(Access(f"s.{field}", writes=True) for field in fields))] if lines else []

    def _forward(self) -> list[Part]:
        parts: list[Part] = []
        for o in self.program.forward:
            match o:
                case Deliver(connection):
                    c = self.program.connection(connection)
                    parts += self._moved([self._deliver(c)], c.target_group)
                case Update():
                    parts += self._moved(self._update(o), o.group)
                case Readout(index=k):
                    parts += self._observe(k)
        for k, (_, row) in enumerate(self.rows):
            if not row.spiking:
                parts.append(
                    Part(
                        self.in_first_block((f"no_spikes(spikes_{k}, n);  // {row.population}",)),
                        (Access(f"spikes_{k}", True, by_step=True),),
                    )
                )
                parts += self._thin(row.population)
        if trace := self.trace_step():
            parts.append(Part(("if (g.keeps) {", *(f"    {line}" for line in trace), "}")))
        return [*parts, Part(self._end_of_step(), ())]

    def _moved(self, parts: list[Part], group: str) -> list[Part]:
        """What moves a group: in a simulation alone where it is there to be recorded."""
        if not self.program.group(group).only_recorded:
            return parts
        return [replace(p, lines=("if (g.carried) {", *(f"    {line}" for line in p.lines), "}")) for p in parts]

    def _end_of_step(self) -> tuple[str, ...]:
        """What is recorded, and looked at."""
        recorded = ("if (g.trace_count > 0) {", f"    {MEET}", "    record(g, s, n);", f"    {MEET}", "}")
        return (*recorded, "if (g.looks && fails(g, s, w.not_finite, b, n, false)) return;")

    def _rates(self) -> list[str]:
        """Rates of the penalised populations."""
        lines = []
        for p, offset in zip(self.program.penalties, self.penalty_offsets, strict=True):
            k = self.populations.index(p.population)
            row = self.row_at(p.group, p.offset)
            into = self.after(f"g.rates + b * Network::penalty_size + {offset}", row)
            passed = f"{into}, {self.of_own(f'spikes_{k}', row)}, steps, {self.share(row, p.size)}"
            lines.append(f"rates_of({passed}, Network::step_ms);  // {p.population}")
        return lines

    def _turn(self) -> list[str]:
        """Spikes by step, turned into spikes by neuron: of each source that gradients look up."""
        lines, turned = [], set()
        for c in self.gathered():
            key = c.source_group is None, self.number_of_source(c)
            if c.signal or key in turned:
                continue
            turned.add(key)
            if c.source_group is None:
                lines.append(
                    f"turn_events({self.fired_at(c)}, g.events[{key[1]}], {self.whole_source(c)}, of);  // {c.source}"
                )
            else:
                spikes, width = self.spikes(c)
                numbers = f"g.most_steps * {width}, {self.whole_source(c)}"
                lines.append(f"turn_spikes({self.fired_at(c)}, {spikes}, {numbers}, of);  // {c.source}")
        return lines

    def _first_sum(self, group: str, name: str, offset: int) -> list[str]:
        """The adjoints before the first step, times what the sample's own draws make of them."""
        one, function = self.dynamics.first_sums[group, name]
        lines: list[str] = []
        for row in self.program.group(group).rows:
            number = self.after("j", row)  # in its population
            place = moved("j", self.at(group, row.offset))  # in the block
            fields = " + ".join(f"d.{self.adjoint[group, x].identifier}[{place}]" for x in one.adjoints)
            call = Drawing("g.seed", "g.trials[b]", number).call(self, function, group, moved(number, row.offset))
            to = f"g.sums[b * Network::sum_size + {moved(number, offset + row.offset)}]"
            body = f"{to} = static_cast<double>(({fields}) * {call});"
            lines.append(f"for_own({self.extent(row)}, [&](int j) {{ {body} }});")
        return lines

    def _keep_sums(self) -> list[str]:
        lines: list[str] = []
        if self.is_online:
            return lines
        for (group, name), offset in self.sums.items():
            if (group, name) in self.dynamics.first_sums:
                lines += self._first_sum(group, name, offset)
                continue
            field, size = self.adjoint[group, name].identifier, self.program.group(group).size
            lines.append(
                f"for_own({size}, [&](int j) {{ g.sums[b * Network::sum_size + {moved('j', offset)}] = static_cast<double>(d.{field}[j]); }});"
            )
        return lines
