"""Training forwards in time: the traces of a step and at a sample's end, as calls of the headers and of the dynamics."""

from __future__ import annotations

from collections.abc import Iterable

from sncc.backends.cuda.places import Places, moved, plus
from sncc.backends.cxx.dynamics import TraceFunctions
from sncc.backends.cxx.layout import padded
from sncc.program.groups import Connection
from sncc.program.learning import LearningSignal, PenaltySignal, TraceUpdate

SUMS_A_BLOCK = 1024  # numbers of a gradient that a block adds up over the samples


class Online(Places):
    """Finished lines of what a block does with its sample's eligibility traces, each thread with own synapses."""

    @property
    def loss_every_step(self) -> bool:
        """Whether the weights change after every step."""
        return all(r.reduction is None for r in self.program.readouts)

    @property
    def emitted_size(self) -> int:
        """Room, behind a sample's traces, for what a source emitted in a step."""
        found = [
            self.program.connection(o.connection)
            for o in self.program.traces
            if isinstance(o, TraceUpdate) and o.connection
        ]
        return max((padded(c.source_size) for c in found), default=0)

    def begin_traces(self) -> list[str]:
        """Before the first step."""
        lines = [
            f"for_own({self.trace_size + self.emitted_size}, [&](int e) {{ traces[e] = Real(0); }});",
            "__syncthreads();",
        ]
        for k, o in enumerate(self.program.traces):
            if isinstance(o, TraceUpdate):
                for trace, function in self.dynamics.traces[k].start.items():
                    place = moved("j", self.trace_offsets[k, trace])
                    arrays = [f"a.{self.array[o.group, x.name].identifier}[j]" for x in function.of("array")]
                    size = self.program.group(o.group).size
                    lines.append(
                        f"for_own({size}, [&](int j) {{ traces[{place}] = dynamics::{function.name}({', '.join(arrays)}); }});"
                    )
        lines += [
            f"count_labels<Network::Readout{r.index}>(w.reading{r.index}, labels, steps);"
            for r in self.program.readouts
        ]
        return lines

    def trace_step(self) -> list[str]:
        """After the forward operations of a step."""
        lines: list[str] = []
        for k, o in enumerate(self.program.traces):
            match o:
                case LearningSignal() if self.loss_every_step:
                    lines += self._signal(o)
                case TraceUpdate():
                    lines += self._trace(k, o, self.dynamics.traces[k])
        return lines

    def trace_end(self) -> list[str]:
        """After the last step, for losses at a sample's end."""
        lines: list[str] = []
        for k, o in enumerate(self.program.traces):
            match o:
                case LearningSignal() if not self.loss_every_step:
                    lines += self._signal(o)
                case TraceUpdate() if not self.loss_every_step:
                    lines += self._products(k, o, [(signal, trace) for signal, trace, _ in o.gradient])
        return lines

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
        if o.weight is None:
            call = f"signal_errors({passed});"
        elif o.one_to_one:
            call = f"signal_one_to_one({passed}, {self.weight(o.weight)});"
        else:
            strides = (self.stride(o.weight), 1) if o.transposed else (1, self.stride(o.weight))
            call = f"signal_by_matrix({passed}, {outputs}, {self.weight(o.weight)}, {strides[0]}, {strides[1]});"
        lines = [call]
        across = self.program.connection(o.across) if o.across is not None else None
        if across is not None and across.dropout:
            left = f"kept_{self.thinning(across)}.fired(1, j)"
            lines.append(f"for_own({size}, [&](int j) {{ if (!{left}) ({into})[j] = Real(0); }});")
        return [*lines, "__syncthreads();"]

    def _synapses(self, o: TraceUpdate) -> tuple[Connection | None, int, int, int]:
        """The connection; rows, columns of its traces; where its neurons stand in the group."""
        if o.connection is None:
            return None, 1, self.program.group(o.group).size, 0
        c = self.program.connection(o.connection)
        return c, *self.matrix(c.weight), c.target_offset

    def _trace(self, k: int, o: TraceUpdate, functions: TraceFunctions) -> list[str]:
        c, rows, columns, offset = self._synapses(o)
        lines = [f"// traces of {o.connection or f'{o.group}.{o.array}'}"]
        pre = "Real(1)"
        if c is not None:
            when = f"n - {c.delay}" if c.delay else "n"
            lines += [f"write_emitted(emitted, {c.source_size}, {self.source(c)}, {when});", "__syncthreads();"]
            pre = "emitted[j]" if c.pattern == "one_to_one" else "emitted[i]"
        passed: list[str] = []
        for a in functions.step.arguments:
            match a.role:
                case "trace":
                    passed.append(f"traces[{moved('e', self.trace_offsets[k, a.name])}]")
                case "pre":
                    passed.append(pre)
                case "post":
                    passed.append(
                        f"s.{self.state[o.group, a.name.removeprefix('post.')].identifier}[{moved('j', offset)}]"
                    )
                case "read":
                    index, _, variable = a.name.removeprefix("read.").partition(".")
                    readout = self.program.readouts[int(index)]
                    passed.append(f"s.{self.state[readout.group, variable].identifier}[{readout.offset}]")
                case "reads":
                    passed.append(f"taken<Network::Readout{a.name.removeprefix('reads.')}>(steps, n)")
        lines.append(
            f"for_elements({rows}, {columns}, [&]([[maybe_unused]] int i, [[maybe_unused]] int j, std::int64_t e) {{"
        )
        lines += [f"    dynamics::{functions.step.name}({', '.join(passed)});", "});"]
        if self.loss_every_step:
            lines += self._products(k, o, [(signal, trace) for signal, trace, _ in o.gradient])
        return [*lines, "__syncthreads();"]

    def _products(self, k: int, o: TraceUpdate, pairs: Iterable[tuple[str, str]]) -> list[str]:
        """Signals times traces, added to the sample's gradient."""
        c, rows, columns, offset = self._synapses(o)
        lines: list[str] = []
        for signal, trace in pairs:
            factor = f"s.{self.state[o.group, signal].identifier}[{moved('j', offset)}]"
            value = f"traces[{moved('e', self.trace_offsets[k, trace])}]"
            body = ""
            if c is not None:
                into = f"gradient[{moved('e', self.gradient_offsets[c.weight])}]"
                body = f"{into} = m_fma({factor}, {value}, {into});"
            elif (o.group, f"{o.array}~") in self.sums:
                into = f"sums[{moved('j', self.sums[o.group, f'{o.array}~'])}]"
                body = f"{into} += static_cast<double>({factor}) * static_cast<double>({value});"
            if body:
                lines.append(
                    f"for_elements({rows}, {columns}, [&](int, [[maybe_unused]] int j, [[maybe_unused]] std::int64_t e) {{ {body} }});"
                )
        return lines

    # ---------------------------------------------------------------------------------------- sums of gradients
    def sums_of_samples(self) -> list[tuple[int, int, int]]:
        """Parameters whose gradients the samples have: number, offset, size."""
        found = []
        for key, offset in self.gradient_offsets.items():
            rows, columns = self.matrix(key)
            found.append((self.keys.index(key), offset, rows * padded(columns)))
        return found
