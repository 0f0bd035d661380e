"""Training forwards in time: traces of a step and at a sample's end, as calls of the headers and of the dynamics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from sncc.backends.cuda.places import Places, moved, plus
from sncc.backends.cxx.dynamics import TraceFunctions
from sncc.backends.cxx.first_values import Drawing
from sncc.backends.cxx.layout import padded
from sncc.backends.cxx.trace_loops import in_loops, turn_beside
from sncc.program.groups import Connection
from sncc.program.learning import Each, LearningSignal, PenaltySignal, Picked, SignalBack, TraceOperation, TraceUpdate

SUMS_A_BLOCK = 1024  # numbers of a gradient that a block adds up over the samples
BLOCKS_OF_LATE_SUMS = 32  # of a gradient whose size is known when synapses are built
NO_ROWS = "static_cast<const DeviceRows<Real>*>(nullptr)"


class Online(Places):
    """Finished lines of what a block does with its sample's eligibility traces, each thread with own synapses."""

    @property
    def emitted_size(self) -> int:
        """Room, behind a sample's traces, for what a source emitted in a step, and for a number of each thread."""
        found = [
            self.program.connection(o.connection)
            for o in self.program.traces
            if isinstance(o, TraceUpdate) and o.connection
        ]
        sizes = [padded(self.whole_source(c) if c in self.rows_of_synapses else c.source_size) for c in found]
        return max(sizes, default=0) and max(*sizes, self.threads)

    def begin_traces(self) -> list[str]:
        """Before the first step."""
        lines = [
            "for (std::int64_t e = threadIdx.x; e < g.trace_width; e += blockDim.x) traces[e] = Real(0);",
            "__syncthreads();",
        ]
        for k, o in enumerate(self.program.traces):
            if isinstance(o, TraceUpdate):
                for trace, function in self.dynamics.traces[k].start.items():
                    place = self.trace_place(k, o, trace)
                    call = Drawing("g.seed", "g.trials[b]", "j").call(self, function, o.group, "j")
                    size = self.program.group(o.group).size
                    line = f"for_own({size}, [&](int j) {{ ({place})[j] = {call}; }});"
                    if trace in dict(o.kept):  # of all steps before the first one
                        steps = f"{self.kept_trace(self.late_trace(k, trace)[0], o)}.steps"
                        line = f"for (std::int64_t n = 0, steps = {steps}; n < steps; ++n) {line}"
                    lines.append(line)
        lines += [
            f"count_labels<Network::Readout{r.index}>(w.reading{r.index}, labels, steps);"
            for r in self.program.readouts
        ]
        return lines

    def trace_step(self) -> list[str]:
        """After the forward operations of a step."""

        def lines(k: int, o: TraceOperation) -> list[str]:
            match o:
                case LearningSignal() if self._at_every_step(o.readout):
                    return self._signal(o)
                case SignalBack(readout=int(readout)) if self._at_every_step(readout):
                    return self._signal_back(o)
                case Picked():
                    return self._pick(o)
                case TraceUpdate():
                    return self._trace(k, o, self.dynamics.traces[k])
            return []

        return self.in_loops(lines)

    def trace_end(self) -> list[str]:
        """After the last step, for losses at a sample's end."""

        def lines(k: int, o: TraceOperation) -> list[str]:
            match o:
                case LearningSignal() if not self._at_every_step(o.readout):
                    return self._signal(o)
                case SignalBack(readout=int(readout)) if not self._at_every_step(readout):
                    return self._signal_back(o)
                case TraceUpdate():
                    return self._of_losses(k, o, False)
            return []

        return self.in_loops(lines)

    def in_loops(self, lines: Callable[[int, TraceOperation], list[str]]) -> list[str]:
        """What `lines` says of each operation on traces, in loops over outputs, or along synapses."""

        def count(each: Each) -> str:
            return str(self.outputs(each) or f"static_cast<int>(g.rows[{self.rows_along(each)}].most)")

        def head(each: Each) -> str:
            if each.inside is None:
                return f"for (int output = 0; output < {count(each)}; ++output)"
            outer = f"outer = 0, outers = {count(each.inside)}, inners = {count(each)}; outer < outers; ++outer"
            return f"for (int {outer}) for (int output = outer * inners; output < (outer + 1) * inners; ++output)"

        return in_loops(self.program.traces, lines, head, ("__syncthreads();",))

    @property
    def penalises_late(self) -> bool:
        """Whether penalties wait, where the weights change after every step, for a launch of their own:
        until all samples' rates are known.
        """
        batch = any(p.over == "batch" for p in self.program.penalties)
        return self.is_online and self.loss_every_step and batch

    def trace_penalties(self) -> list[str]:
        """When the rates are known: signals of penalties, and their gradients."""
        lines: list[str] = []
        for o in self.program.traces:
            if isinstance(o, PenaltySignal):
                group, offset, size = o.target
                into = plus(f"s.{self.state[group, o.variable].identifier}", offset)
                lines.append(f"for_own({size}, [&](int j) {{ ({into})[j] = Real(0); }});")
                lines.append(f"add_penalty(g, Network::penalty({o.penalty}), b, steps, Network::step_ms, {into});")
        if lines:
            lines = ["__syncthreads();", *lines, "__syncthreads();"]
        for o in self.program.traces:
            if isinstance(o, SignalBack) and o.readout is None:
                lines += self._signal_back(o)
        for k, o in enumerate(self.program.traces):
            if isinstance(o, TraceUpdate):
                lines += self._products(k, o, o.penalised)
        return lines

    def _signal(self, o: LearningSignal) -> list[str]:
        """What a loss says to the neurons of a population, by way of a matrix."""
        group, offset, size = o.target
        into, outputs = (
            plus(f"s.{self.state[group, o.variable].identifier}", offset),
            self.program.readouts[o.readout].size,
        )
        error = f"w.reading{o.readout}.error"
        passed = f"{into}, {size}, {error}, error_factor<Network::Readout{o.readout}>(w.reading{o.readout}, g.of)"
        across = self.program.connection(o.across) if o.across is not None else None
        only = -1 if o.each is None else "output"
        if o.each is not None and o.each.along:
            factor = f"error_factor<Network::Readout{o.readout}>(w.reading{o.readout}, g.of)"
            call = self._picked(o.each, "target", f"({into})", error, factor)
            if across is not None:
                call = f"pick_error<Real>({into}, {size}, {error}, {factor}, output, {self._rows(across)});"
        elif o.weight is None:
            call = f"signal_errors({passed}, {only});"
        elif across in self.rows_of_synapses:
            call = f"signal_over_synapses({passed}, {only}, {self._rows(across)});"
        elif o.one_to_one:
            call = f"signal_one_to_one({passed}, {only}, {self.weight(o.weight)});"
        else:
            strides = (self.stride(o.weight), 1) if o.transposed else (1, self.stride(o.weight))
            call = (
                f"signal_by_matrix({passed}, {only}, {outputs}, {self.weight(o.weight)}, {strides[0]}, {strides[1]});"
            )
        lines = [call]
        if across is not None and across.dropout:
            left = f"kept_{self.thinning(across)}.fired(1, j)"
            lines.append(f"for_own({size}, [&](int j) {{ if (!{left}) ({into})[j] = Real(0); }});")
        return [*lines, "__syncthreads();"]

    def _signal_back(self, o: SignalBack) -> list[str]:
        """What the target of each synapse is told, to what stands for the synapse."""
        group = o.told or self.program.connection(o.connection or "").target_group
        return self._copied(o.connection, (o.group, o.variable), (group, o.variable))

    def _copied(self, connection: str | None, to: tuple[str, str], of: tuple[str, str]) -> list[str]:
        """A variable of the targets of a connection for each of its sources, or of elements with the same places."""
        into, told = (f"s.{self.state[place].identifier}" for place in (to, of))
        size, place = self.program.group(to[0]).size, "j"
        if connection is not None:
            c = self.program.connection(connection)
            if c in self.rows_of_synapses:
                from_ = plus(told, self.program.place(c.target)[1].offset)
                return [f"signal_back({into}, {self.whole_source(c)}, {from_}, {self._rows(c)});", "__syncthreads();"]
            size, place = c.target_size, moved("j", c.target_offset)
        return [f"for_own({size}, [&](int j) {{ ({into})[j] = ({told})[{place}]; }});", "__syncthreads();"]

    def _pick(self, o: Picked) -> list[str]:
        """What the synapse of each neuron onto an output is like."""
        if o.over is not None:
            return self._copied(o.over, (o.group, o.variable), o.of)
        into = f"s.{self.state[o.group, o.variable].identifier}"
        if o.what == "delay":
            c = self.program.connection(o.of[0])
            passed = f"{into}, {self.whole_source(c)}, output, {self._rows(c)}"
            learnt = f"pick_learnt_delay({passed}, {self.learnt_delays(c)});" if c.interpolated else ""
            return [learnt or f"pick_delay<Real>({passed});", "__syncthreads();"]
        of = f"s.{self.state[o.of].identifier}"
        if o.each.inside is not None:
            return [self._picked_of_reached(o, o.each.inside, into, of), "__syncthreads();"]
        return [self._picked(o.each, o.what, into, of, "Real(1)"), "__syncthreads();"]

    def _picked_of_reached(self, o: Picked, around: Each, into: str, of: str) -> str:
        """What each neuron sees of a synapse of the neuron that it reaches in a turn of the loop around this one."""
        reached = "[&](int i) { return std::int64_t(i); }"  # in the same places
        if not around.along:
            reached = (
                f"[&](int) {{ return std::int64_t({self.program.readouts[around.readout or 0].offset} + outer); }}"
            )
        elif (first_of := self.program.connection(around.along[0])) in self.rows_of_synapses:
            reached = f"Reached<Real>{{{self._rows(first_of)}, {self.onto(around, 'target')}, outer}}"
        reading = self.program.connection(o.each.along[0])
        having = f"&{self._rows(reading)}" if reading in self.rows_of_synapses else NO_ROWS
        return f"pick_of_reached({into}, {self.program.group(o.group).rows[0].size}, {of}, {reached}, output - outer * inners, {having});"

    def _picked(self, each: Each, what: Literal["synapse", "target"], into: str, of: str, factor: str) -> str:
        """What each neuron sees of its synapse that a loop has come to, or of the target of this."""
        along = [self.program.connection(name) for name in each.along]
        if along[0] not in self.rows_of_synapses:  # one synapse for each neuron, and in the same places
            return f"for_own({along[0].source_size}, [&](int j) {{ {into}[j] = {factor} * {of}[j]; }});"
        size, rows = self.whole_source(along[0]), self._rows(along[0])
        return f"pick<Real>({into}, {size}, {of}, {factor}, output, {rows}, {self.onto(each, what)});"

    def onto(self, each: Each, what: Literal["synapse", "target"]) -> str:
        """The connection from a loop's synapses to their targets, where these are meant and are not the loop's own."""
        if what == "target" and len(each.along) > 1:
            return f"&{self.synapses(self.program.connection(each.along[1]))}"
        return NO_ROWS

    def _at_every_step(self, readout: int) -> bool:
        return self.program.readouts[readout].reduction is None

    def _synapses(self, o: TraceUpdate) -> tuple[Connection | None, int, int, int]:
        """The connection; rows, columns of its traces; where its neurons stand in the group."""
        if o.connection is None:
            return None, 1, self.program.group(o.group).size, 0
        c = self.program.connection(o.connection)
        if c in self.rows_of_synapses:
            return c, 0, 0, self.program.place(c.target)[1].offset
        return c, *self.matrix(c.weight), c.target_offset

    def _loop(self, o: TraceUpdate, body: list[str]) -> list[str]:
        """The loop over own synapses, or neurons: i and j are the neurons, e is where the numbers stand."""
        c, rows, columns, _ = self._synapses(o)
        arguments = "[&]([[maybe_unused]] int i, [[maybe_unused]] int j, [[maybe_unused]] std::int64_t e)"
        head = f"for_elements({rows}, {columns}, {arguments} {{"
        if c is not None and c in self.rows_of_synapses:
            head = f"for_synapses({self._rows(c)}, {self.whole_source(c)}, {arguments} {{"
        return [head, *(f"    {line}" for line in body), "});"]

    def _rows(self, c: Connection) -> str:
        return self.synapses(c)

    def trace_place(self, k: int, o: TraceUpdate, trace: str, turn: str = "output") -> str:
        """Where a trace's numbers start, in a turn of its loop."""
        if (k, trace) in self.trace_offsets:
            further = f" + std::int64_t({turn}) * {self.trace_strides[k]}" if o.each is not None else ""
            return plus("traces", self.trace_offsets[k, trace]) + further
        entry, late = self.late_trace(k, trace)
        if late.steps is not None:
            return f"{self.kept_trace(entry, o)}.at(n)"
        number = str(late.names.index(trace))
        if o.each is not None:
            number = f"({turn} * {len(late.names)} + {number})"
        start = f"traces + g.trace_starts[{entry}]"
        return start + (f" + {number} * {self._room(o)}" if number != "0" else "")

    def _room(self, o: TraceUpdate) -> str:
        """The numbers of a trace."""
        c = self.program.connection(o.connection) if o.connection is not None else None
        if c is not None and c in self.rows_of_synapses:
            return f"room_of(synapses_of({self._rows(c)}, {self.whole_source(c)}))"
        return f"std::int64_t({self.size_of(o)})"

    def kept_trace(self, entry: int, o: TraceUpdate) -> str:
        """A trace of several steps."""
        steps = f"g.rows[{self.late_traces[entry].steps}].most_delay + 1"
        return f"KeptTrace<Real>{{traces + g.trace_starts[{entry}], {self._room(o)}, {steps}}}"

    def arriving(self, c: Connection, of_delays: bool) -> tuple[list[str], str]:
        """Lines that write out what a source emitted, and what arrives over a synapse of it."""
        size = self.whole_source(c) if c in self.rows_of_synapses else c.source_size
        if c.delays is not None:
            rows = self._rows(c)
            write = f"write_emitted_before(emitted, {size}, {self.source(c)}, n, {c.delay}, {rows}.most_delay);"
            if c.interpolated:
                what = "slope" if of_delays else "sum"
                call = f"{self.learnt_delays(c)}.{what}_over({rows}, emitted, {padded(size)}, e, i)"
                return [write, "__syncthreads();"], call
            return [write, "__syncthreads();"], f"emitted[({rows}.delays[e] - {c.delay}) * {padded(size)} + i]"
        when = f"n - {c.delay}" if c.delay else "n"
        one = c.pattern == "one_to_one" and c not in self.rows_of_synapses
        lines = [f"write_emitted(emitted, {size}, {self.source(c)}, {when});", "__syncthreads();"]
        return lines, "emitted[j]" if one else "emitted[i]"

    def _trace(self, k: int, o: TraceUpdate, functions: TraceFunctions) -> list[str]:
        c, _, _, offset = self._synapses(o)
        lines = [f"// traces of {o.connection or f'{o.group}.{o.array}'}"]
        pre = "Real(1)"
        if c is not None:
            written, pre = self.arriving(c, o.of_delays)
            lines += written
        passed: list[str] = []
        places: list[str] = []
        for a in functions.step.arguments:
            match a.role:
                case "trace":
                    places.append(f"Real* const of_{a.identifier} = {self.trace_place(k, o, a.name)};")
                    passed.append(f"of_{a.identifier}[e]")
                case "pre":
                    passed.append(pre)
                case "post" | "through":
                    passed.append(f"s.{self.seen_by(o, a.name)[0]}[{moved('j', offset)}]")
                case "shared":
                    where = self.trace_place(*self.program.beside(o), a.name.removeprefix("shared."), turn_beside(o))
                    places.append(f"const Real* const of_{a.identifier} = {where};")
                    passed.append(f"of_{a.identifier}[e]")
                case "adds":
                    where = self.trace_place(*self.program.beside(o), a.name, turn_beside(o))
                    places.append(f"Real* const of_{a.identifier} = {where};")
                    passed.append(f"of_{a.identifier}[e]")
                case "past":
                    kept = self.program.beside(o)[0], a.name.removeprefix("past.")
                    entry, _ = self.late_trace(*kept)
                    places.append(f"const auto of_{a.identifier} = {self.kept_trace(entry, o)};")
                    delays, window = self.seen_by(o, dict(o.delays)[kept[1]])[0], self.program.truncate or 0
                    passed.append(f"of_{a.identifier}.before(e, n, s.{delays}[{moved('j', offset)}], {window})")
                case "within":
                    places.append(f"const Real within = {self.starts_window()} ? 0 : 1;")
                    passed.append("within")
                case "read" | "output":
                    field, number = self.seen_by(o, a.name)
                    passed.append(f"s.{field}[{moved('output', number or 0) if o.each is not None else number}]")
                case "reads":
                    passed.append(f"taken<Network::Readout{a.name.removeprefix('reads.')}>(steps, n)")
        step = self._loop(o, [f"dynamics::{functions.step.name}({', '.join(passed)});"])
        lines += ["{", *(f"    {line}" for line in (*places, *step)), "}"]
        return [*lines, *self._of_losses(k, o, True), "__syncthreads();"]

    def _of_losses(self, k: int, o: TraceUpdate, at_every_step: bool) -> list[str]:
        """The gradient of the losses of every step, or of those of the end."""
        found = [(signal, trace) for signal, trace, r in o.gradient if self._at_every_step(r) == at_every_step]
        return self._products(k, o, found)

    def _products(self, k: int, o: TraceUpdate, pairs: Iterable[tuple[str, str]]) -> list[str]:
        """Signals times traces, added to the sample's gradient."""
        c, _, _, offset = self._synapses(o)
        lines: list[str] = []
        for signal, trace in pairs:
            field, place = f"s.{self.state[o.group, signal].identifier}", self.trace_place(k, o, trace)
            if c is not None and c in self.rows_of_synapses:
                products = self._products_of_delays if o.of_delays else self._products_in_rows
                lines.append(products(c, plus(field, offset), place))
                continue
            factor, value = f"{field}[{moved('j', offset)}]", f"({place})[e]"
            if c is not None:
                into = f"gradient[{moved('e', self.gradient_offsets[c.weight])}]"
                lines += self._loop(o, [f"{into} = m_fma({factor}, {value}, {into});"])
            elif (o.group, f"{o.array}~") in self.sums:
                into = f"sums[{moved('j', self.sums[o.group, f'{o.array}~'])}]"
                lines += self._loop(o, [f"{into} += static_cast<double>({factor}) * static_cast<double>({value});"])
        return lines

    def _products_in_rows(self, c: Connection, signals: str, traces: str) -> str:
        """The same for synapses in rows; gradients stand as their sums over the samples do."""
        rows, shared, into = self._rows(c), self.shared_elements(c), self.gradient_in_rows(c)
        if shared:
            return f"add_shared_products({into}, {rows}, {shared}, {signals}, {traces}, emitted);"
        return f"add_own_products({into}, {rows}, {self.whole_source(c)}, {signals}, {traces});"

    def _products_of_delays(self, c: Connection, signals: str, traces: str) -> str:
        """The same of learnt delays."""
        passed = f"{self.gradient_of_delays(c)}, {self._rows(c)}, {self.whole_source(c)}, {signals}, {traces}"
        return f"add_{'one_delay' if self.is_one_delay(c) else 'delay'}_products({passed}{', emitted' * self.is_one_delay(c)});"

    def gradient_in_rows(self, c: Connection) -> str:
        """Where a sample has the gradient of the weights of synapses in rows."""
        return plus(f"gradient + ({self._rows(c)}.gradient - g.gathered)", self.place_of_one(c.weight))

    def gradient_of_delays(self, c: Connection) -> str:
        """The same of learnt delays."""
        key = c.delays or ""
        late = f"gradient + ({self._rows(c)}.delay_gradient - g.gathered)"
        return late if key in self.late else plus("gradient", self.gradient_offsets[key])

    # ---------------------------------------------------------------------------------------- sums of gradients
    def sums_of_samples(self) -> list[tuple[int, int, int]]:
        """Parameters whose gradients the samples have: number, offset, size."""
        found = []
        for key, offset in self.gradient_offsets.items():
            rows, columns = self.matrix(key)
            if columns < 0:
                continue
            found.append((self.keys.index(key), offset, rows * padded(columns)))
        return found

    def late_sums(self) -> list[tuple[str, bool, Connection]]:
        """Those whose size is known when synapses are built: key, whether of delays, a connection that learns it."""
        learnt = [late.update for late in self.late_traces if late.update.connection is not None]
        users = {
            self.program.learnt_by(o): o
            for o in learnt
            if self.program.connection(o.connection or "") in self.rows_of_synapses
        }
        return [
            (key, o.of_delays, self.program.connection(o.connection or ""))
            for key, o in users.items()
            if key in self.late
        ]
