"""First launch: what a block does with its sample, forwards and back, as calls of the headers and of the dynamics."""

from __future__ import annotations

from dataclasses import replace

from sncc.backends.cuda.back import WayBack
from sncc.backends.cuda.places import moved, plus, words
from sncc.backends.cxx.dynamics import Dynamics
from sncc.backends.cxx.layout import padded
from sncc.backends.cxx.names import Namer
from sncc.backends.cxx.stimuli import stimulated
from sncc.program.nodes import (
    SPIKE,
    Connection,
    Deliver,
    Program,
    Readout,
    Row,
    Update,
)


class Samples(WayBack):
    """Finished lines of the kernel that runs samples."""

    def __init__(self, program: Program, shared: Dynamics) -> None:
        super().__init__(program, shared)
        self.maps: list[dict[str, str]] = []  # per readout: numbers per output that its loss keeps
        for steps in shared.readouts:
            names = Namer()
            self.maps.append({s.name: names.fresh(f"map.{s.name}") for s in steps if s.kind == "map"})

    def parts(self) -> dict[str, object]:
        """What the template prints."""
        return {
            "views": self._views(),
            "start": self._start(),
            "forward": self._forward(),
            "back": self._back(),
            "keep_sums": self._keep_sums(),
            "rates": self._rates(),
            "readings": list(range(len(self.program.readouts))),
            "online": self.is_online,
            "begin_traces": self.begin_traces(),
            "trace_step": self.trace_step(),
            "trace_end": [*self.trace_end(), *self.trace_penalties()],
        }

    # ---------------------------------------------------------------------------------------- places
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
        for k, (population, variable) in enumerate(self.series):
            stride = padded(self.program.place(population)[1].size)
            lines.append(
                f"[[maybe_unused]] const ValueRows<Real> series_{k} = series_of(g, {k}, b, {stride});  // {population}.{variable}"
            )
        return [*lines, *(line for c in self.thinned for line in self._left(c))]

    def _left(self, c: Connection) -> list[str]:
        """What dropout leaves of a connection's source, and of which neurons; all of it where nothing is learnt."""
        k, whole, own = self.thinned.index(c), replace(c, dropout=0.0), self.number_of_source(c)
        size = self.whole_source(c)
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
            lines.append(
                f"[[maybe_unused]] const SpikeBits kept_{k} = {{w.kept_{k}, 0, 1}};  // at every step the same"
            )
        return lines

    def _leave_out(self) -> list[str]:
        """Which neurons dropout leaves."""
        return [
            f"if (g.learns) draw_kept(kept_{k}, {self.whole_source(c)}, g.seed, 0x{c.dropout_stream:08x}u, g.trials[b], {c.dropout_threshold}u);  // {c.name}"
            for k, c in enumerate(self.thinned)
            if c.source_group is not None
        ]

    def _thin(self, population: str) -> list[str]:
        """What dropout leaves of the spikes that a population has just emitted."""
        p = self.populations.index(population)
        lines = [
            f"if (g.learns) keep_spikes(left_{k}, n, spikes_{p}, kept_{k});  // {c.name}"
            for k, c in enumerate(self.thinned)
            if c.source == population
        ]
        return ["__syncthreads();", *lines] if lines else []

    def _start(self) -> list[str]:
        lines = self._leave_out()
        for group, row in self.rows:
            for state, _ in row.initial:
                function = self.dynamics.states[row.population, state]
                arrays = [
                    f"a.{self.array[group.name, x.name].identifier}[{moved('j', row.offset)}]"
                    for x in function.of("array")
                ]
                arguments = ", ".join(["g.seed", "g.trials[b]", "static_cast<std::uint32_t>(j)", *arrays])
                field = self.state[group.name, state].identifier
                lines += [
                    f"for_own({row.size}, [&](int j) {{  // {row.population}.{state}",
                    f"    s.{field}[{moved('j', row.offset)}] = dynamics::{function.name}({arguments});",
                    "});",
                ]
        for k in range(len(self.series)):
            lines.append(f"for (std::int64_t n = 1 - g.series_lead; n <= 0; ++n) {self._put(k)}")
        return lines

    def _put(self, k: int) -> str:
        """Keeps the values of a state that is delivered."""
        population, variable = self.series[k]
        group, row = self.program.place(population)
        place = plus(f"s.{self.state[group.name, variable].identifier}", row.offset)
        return f"put_series(g, {k}, b, {padded(row.size)}, n, {place}, {row.size});"

    # ---------------------------------------------------------------------------------------- forward
    def _deliver_rows(self, c: Connection) -> list[str]:
        """What arrives over synapses in rows; their indices are those of whole populations."""
        row = self.program.place(c.target)[1]
        into = plus(f"s.{self.state[c.target_group, c.input].identifier}", row.offset)
        when = f"n - {c.delay}" if c.delay else "n"
        rows, source = f"g.rows[{self.row_number(c)}]", self.source(c)
        weight = "Bfloat16" if c.weight in self.halves else "Real"
        if c.signal:
            call = f"add_synapse_values({into}, {row.size}, {rows}, {source}, {'n' if c.delays is not None else when});"
        elif c.delays is not None:
            call = f"add_delayed_synapses<{weight}>({into}, {rows}, {source}, n, {c.delay});"
        else:
            call = f"add_synapses<{weight}>({into}, {rows}, {source}, {when}, 0);"
        return [f"// {c.name}: {c.source} -> {c.target}", call, "__syncthreads();"]

    def _deliver(self, c: Connection) -> list[str]:
        if c in self.rows_of_synapses:
            return self._deliver_rows(c)
        into = plus(f"s.{self.state[c.target_group, c.input].identifier}", c.target_offset)
        when = f"n - {c.delay}" if c.delay else "n"
        weight, source = self.weight(c.weight), self.source(c)
        if c.interpolated:
            one, shape = ("", f", {self.stride(c.weight)}") if c.pattern == "dense" else ("_one_to_one", "")
            call = f"add_interpolated{one}({into}, {c.target_size}, {weight}{shape}, {self.learnt_delays(c)}, {source}, n);"
        elif c.signal and c.pattern == "dense":
            call = f"add_product({into}, {c.target_size}, {c.source_size}, {weight}, {self.stride(c.weight)}, {source}, {when});"
        elif c.signal:
            call = f"add_product_one_to_one({into}, {c.source_size}, {weight}, {source}, {when});"
        elif c.pattern == "dense":
            call = f"add_rows({into}, {c.target_size}, {weight}, {self.stride(c.weight)}, {source}, {when});"
        else:
            count = "" if c.source_group is None else f"{c.source_size}, "
            call = f"add_one_to_one({into}, {count}{weight}, {source}, {when});"
        return [f"// {c.name}: {c.source} -> {c.target}", call, "__syncthreads();"]

    def _update(self, o: Update) -> list[str]:
        function = self.functions[id(o)]
        lines = [*self._stimuli(o), *(f"// {comment}" for comment in function.comments)]
        if o.stores:
            lines += ["if (g.keeps) {", *(f"    {x}" for x in self._call(o, function, "s", True)), "} else {"]
            lines += [*(f"    {x}" for x in self._call(o, function, "s", False)), "}"]
        else:
            lines += self._call(o, function, "s", False)
        lines.append("__syncthreads();")
        if o.spikes:
            mask = self.state[o.group, "spike.mask"].identifier
            for row in self.program.group(o.group).rows:
                k = self.populations.index(row.population)
                lines.append(f"list_spikes(spikes_{k}, n, {plus(f's.{mask}', row.offset)}, {row.size});")
                lines += self._thin(row.population)
            lines.append("__syncthreads();")
        kept = [k for k, (p, _) in enumerate(self.series) if self.program.place(p)[0].name == o.group]
        return [*lines, *map(self._put, kept), *["__syncthreads();"] * bool(kept)]

    def _stimuli(self, o: Update) -> list[str]:
        """What `stimulate` adds to accumulators before an update, in a simulation."""

        def add(field: str, row: Row, first: int, last: int) -> str:
            own = f"if (j >= {first}) " if first else ""  # a neuron is one thread's, whatever the range
            return f"for_own({last}, [&](int j) {{ {own}s.{field}[{moved('j', row.offset)}] += value; }});"

        lines = stimulated(self, o, "g.before + n", "t", add, "g.carried && ")
        return [*lines, "__syncthreads();"] if lines else []

    def _forward(self) -> list[str]:
        lines: list[str] = []
        for o in self.program.forward:
            match o:
                case Deliver(connection):
                    lines += self._deliver(self.program.connection(connection))
                case Update():
                    lines += self._update(o)
                case Readout(index=k):
                    seen = f"Network::Readout{k}::seen(s)"
                    error = "nullptr" if self.is_online else f"g.keeps ? Network::Readout{k}::error(g, b, n) : nullptr"
                    lines += [
                        f"observe<Network::Readout{k}>(w.reading{k}, {seen}, Network::Readout{k}::before(s), labels, n, {error});",
                        "__syncthreads();",
                    ]
                    if k == 0:
                        lines += [
                            "if (g.step_outputs) for_own(outputs, [&](int j) {",
                            f"    g.step_outputs[(b * g.most_steps + n - 1) * Network::output_width + j] = static_cast<Real>(Network::Readout0::scale) * {seen}[j];",
                            "});",
                        ]
        for k, (_, row) in enumerate(self.rows):
            if not row.spiking:
                lines.append(f"no_spikes(spikes_{k}, n);  // {row.population}")
                lines += self._thin(row.population)
        return lines

    def _rates(self) -> list[str]:
        """Rates of the penalised populations."""
        lines = []
        for p, offset in zip(self.program.penalties, self.penalty_offsets, strict=True):
            k = self.populations.index(p.population)
            into = f"g.rates + b * Network::penalty_size + {offset}"
            lines.append(f"rates_of({into}, spikes_{k}, steps, {p.size}, Network::step_ms);  // {p.population}")
        return lines

    def _keep_sums(self) -> list[str]:
        lines: list[str] = []
        if self.is_online:
            return lines
        for (group, name), offset in self.sums.items():
            field, size = self.adjoint[group, name].identifier, self.program.group(group).size
            lines.append(
                f"for_own({size}, [&](int j) {{ g.sums[b * Network::sum_size + {moved('j', offset)}] = static_cast<double>(d.{field}[j]); }});"
            )
        return lines

    # ---------------------------------------------------------------------------------------- loss
    def _loss(self, readout: Readout) -> list[str]:
        names = Namer(["r", "x", "before", "gradient", "j"])
        place = {"x": "x[j]", "before": "before[j]", "target": "r.target[j]"}
        lines: list[str] = []
        for step in self.dynamics.readouts[readout.index]:
            call = f"dynamics::{step.function.name}({', '.join(place[a.name] for a in step.function.arguments)})"
            if step.kind == "map":
                field = self.maps[readout.index][step.name]
                lines += [f"for_own(outputs, [&](int j) {{ r.{field}[j] = {call}; }});", "__syncthreads();"]
                place[step.name] = f"r.{field}[j]"
                continue
            own = names.fresh(step.name)
            start, add = (
                ("Real(0)", f"{own} + r.term[j]") if step.kind == "sum" else ("-INFINITY", f"m_max({own}, r.term[j])")
            )
            lines += [
                f"for_own(outputs, [&](int j) {{ r.term[j] = {call}; }});", "__syncthreads();", f"Real {own} = {start};",
                f"for (int j = 0; j < outputs; ++j) {own} = {add};", "__syncthreads();",
            ]  # fmt: skip
            place[step.name] = own
        lines.append(f"for_own(outputs, [&](int j) {{ gradient[j] = {place['x~']}; }});")
        lines += ["__syncthreads();", f"return {place[readout.loss]};"]
        return lines

    def _seen(self, readout: Readout) -> tuple[str, str]:
        """Where a readout's variables stand."""
        name = "spike.mask" if readout.variable == SPIKE else readout.variable
        places = (self.state[readout.group, x].identifier for x in (name, readout.before or name))
        seen, before = (plus(f"s.{place}", readout.offset) for place in places)
        return seen, before
