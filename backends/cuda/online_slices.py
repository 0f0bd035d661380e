"""Training forwards in time by the blocks of a cluster: what a block does with the traces of the synapses onto its own neurons."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from sncc.backends.cuda.places import moved, plus
from sncc.program.learning import LearningSignal, PenaltySignal, TraceUpdate

if TYPE_CHECKING:
    from sncc.backends.cuda.clusters import ClusterSamples
    from sncc.backends.cuda.samples import Samples
    from sncc.program.groups import Row

_KNOWN = {"trace", "pre", "post", "read", "within", "reads"}


def knows(samples: Samples) -> bool:
    """Whether all that is done forwards in time is of own neurons and whole matrices: no loop over outputs, no synapses in rows."""
    p = samples.program
    whole = {(g.name, r.offset, r.size) for g in p.groups for r in g.rows}
    for k, o in enumerate(p.traces):
        match o:
            case PenaltySignal() if o.target in whole:
                continue
            case LearningSignal(each=None) if o.target in whole:
                if o.across is None or p.connection(o.across) not in samples.rows_of_synapses:
                    continue
            case TraceUpdate(each=None) if not o.kept:
                c = p.connection(o.connection) if o.connection is not None else None
                roles = {a.role for a in samples.dynamics.traces[k].step.arguments}
                if roles <= _KNOWN and (c is None or (c not in samples.rows_of_synapses and c.delays is None)):
                    continue
        return False
    return True


def _same(line: str, row: Row) -> list[str]:
    return [line]


class OnlineSlices:
    """Finished lines; each block writes what sources emitted to a room of its own."""

    def __init__(self, samples: ClusterSamples) -> None:
        self.samples = samples

    def begin(self) -> list[str]:
        """Before the first step, when all is zero."""
        s, lines = self.samples, []
        for k, o in self._updates():
            for trace, function in s.dynamics.traces[k].start.items():
                arrays = ", ".join(f"a.{s.array[o.group, x.name].identifier}[e]" for x in function.of("array"))
                line = f"({self._place(k, trace)})[e] = dynamics::{function.name}({arrays});"
                lines += self._loop(o, partial(_same, line))
        return lines

    def step(self) -> list[str]:
        """After the forward operations of a step."""
        lines = ["cluster.sync();  // the first block's derivative of the loss is there", *self._signals(True)]
        for k, o in self._updates():
            lines += self._trace(k, o)
        return lines

    def end(self) -> list[str]:
        """After the last step, for losses at a sample's end."""
        lines = self._signals(False)
        for k, o in self._updates():
            lines += self._of_losses(k, o, False)
        return lines

    def penalties(self) -> list[str]:
        """When the rates are known."""
        s, lines = self.samples, []
        for o in s.program.traces:
            if isinstance(o, PenaltySignal):
                into, row = self._field(o.target[0], o.variable, o.target[1])
                own = f"Portion{{{s.first(row)}, {s.share(row, row.size)}}}"
                lines.append(f"for_own({s.share(row, row.size)}, [&](int j) {{ ({into})[j] = Real(0); }});")
                lines.append(
                    f"add_penalty(g, Network::penalty({o.penalty}), b, steps, Network::step_ms, {into}, {own});"
                )
        lines = [*lines, "__syncthreads();"] if lines else []
        for k, o in self._updates():
            lines += self._products(k, o, o.penalised)
        return lines

    # ---------------------------------------------------------------------------------------- lines
    def _updates(self) -> list[tuple[int, TraceUpdate]]:
        return [(k, o) for k, o in enumerate(self.samples.program.traces) if isinstance(o, TraceUpdate)]

    def _every_step(self, readout: int) -> bool:
        return self.samples.program.readouts[readout].reduction is None

    def _field(self, group: str, variable: str, offset: int) -> tuple[str, Row]:
        """Where a block has a variable of a population's own neurons."""
        s = self.samples
        return plus(f"s.{s.state[group, variable].identifier}", s.at(group, offset)), s.row_at(group, offset)

    def _signals(self, at_every_step: bool) -> list[str]:
        lines: list[str] = []
        for o in self.samples.program.traces:
            if isinstance(o, LearningSignal) and self._every_step(o.readout) == at_every_step:
                lines += self._signal(o)
        return lines

    def _signal(self, o: LearningSignal) -> list[str]:
        s, k = self.samples, o.readout
        into, row = self._field(o.target[0], o.variable, o.target[1])
        count, error = s.share(row, row.size), f"told_{k}.error"
        factor = f"error_factor<Network::Readout{k}>(told_{k}, g.of)"
        if o.weight is None:
            call = f"signal_errors({into}, {count}, {s.after(error, row)}, {factor}, -1);"
        elif o.one_to_one:
            weight = s.after(s.weight(o.weight), row)
            call = f"signal_one_to_one({into}, {count}, {s.after(error, row)}, {factor}, -1, {weight});"
        else:
            output, neuron = (s.stride(o.weight), 1) if o.transposed else (1, s.stride(o.weight))
            weight = s.after(s.weight(o.weight), row, neuron)
            outputs = s.program.readouts[k].size
            call = f"signal_by_matrix({into}, {count}, {error}, {factor}, -1, {outputs}, {weight}, {output}, {neuron});"
        lines = [call]
        across = s.program.connection(o.across) if o.across is not None else None
        if across is not None and across.dropout:
            left = f"kept_{s.thinning(across)}.fired(1, {s.first(row)} + j)"
            lines.append(f"for_own({count}, [&](int j) {{ if (!{left}) ({into})[j] = Real(0); }});")
        return [*lines, "__syncthreads();"]

    def _rows(self, o: TraceUpdate) -> list[tuple[Row, int, int, str]]:
        """Of own synapses, or neurons: a population, rows and columns of the traces, the number of its first neuron among the columns."""
        s = self.samples
        if o.connection is None:
            size = s.program.group(o.group).size
            return [(r, 1, size, moved(s.first(r), r.offset)) for r in s.program.group(o.group).rows]
        c = s.program.connection(o.connection)
        row = s.program.place(c.target)[1]
        return [(row, *s.matrix(c.weight), s.first(row))]

    def _loop(self, o: TraceUpdate, body: Callable[[Row], list[str]]) -> list[str]:
        """Loops over them: i is the source, j the block's neuron, e where the numbers stand; `body` makes the lines for a population."""
        lines: list[str] = []
        for row, rows, columns, first in self._rows(o):
            own = f"Portion{{{first}, {self.samples.share(row, row.size)}}}"
            arguments = "[&]([[maybe_unused]] int i, [[maybe_unused]] int j, [[maybe_unused]] std::int64_t e)"
            lines.append(f"for_elements_of({own}, {rows}, {columns}, {arguments} {{  // {row.population}")
            lines += [*(f"    {line}" for line in body(row)), "});"]
        return lines

    def _place(self, k: int, trace: str) -> str:
        return plus("traces", self.samples.trace_offsets[k, trace])

    def _post(self, o: TraceUpdate, variable: str, row: Row) -> str:
        return f"s.{variable}[{moved('j', self.samples.at(o.group, row.offset))}]"

    def _trace(self, k: int, o: TraceUpdate) -> list[str]:
        s, lines = self.samples, [f"// traces of {o.connection or f'{o.group}.{o.array}'}"]
        function = s.dynamics.traces[k].step
        c = s.program.connection(o.connection) if o.connection is not None else None
        if c is not None:
            when = f"n - {c.delay}" if c.delay else "n"
            lines += [f"write_emitted(emitted, {c.source_size}, {s.source(c)}, {when});", "__syncthreads();"]

        reads: list[str] = []
        for a in function.of("read"):
            group, variable, neuron = s.program.seen_by(o, a.name) or ("", "", 0)
            place = f"s.{s.state[group, variable].identifier}[{s.at(group, neuron or 0)}]"  # in the first block
            reads.append(f"const Real of_{a.identifier} = *cluster.map_shared_rank(&{place}, 0);")

        def body(row: Row) -> list[str]:
            passed: list[str] = []
            for a in function.arguments:
                match a.role:
                    case "trace":
                        passed.append(f"({self._place(k, a.name)})[e]")
                    case "pre":
                        one_to_one = c is not None and c.pattern == "one_to_one"
                        place = f"{s.first(row)} + j" if one_to_one else "i"
                        passed.append("Real(1)" if c is None else f"emitted[{place}]")
                    case "post":
                        passed.append(self._post(o, s.seen_by(o, a.name)[0], row))
                    case "read":
                        passed.append(f"of_{a.identifier}")
                    case "within":
                        passed.append(f"{s.starts_window()} ? Real(0) : Real(1)")
                    case "reads":
                        passed.append(f"taken<Network::Readout{a.name.removeprefix('reads.')}>(steps, n)")
            return [f"dynamics::{function.name}({', '.join(passed)});"]

        loop = ["{", *(f"    {line}" for line in (*reads, *self._loop(o, body))), "}"]
        return [*lines, *loop, *self._of_losses(k, o, True), "__syncthreads();"]

    def _of_losses(self, k: int, o: TraceUpdate, at_every_step: bool) -> list[str]:
        found = [(signal, trace) for signal, trace, r in o.gradient if self._every_step(r) == at_every_step]
        return self._products(k, o, found)

    def _products(self, k: int, o: TraceUpdate, pairs: Iterable[tuple[str, str]]) -> list[str]:
        """Signals times traces, added to the sample's gradient."""
        s, lines = self.samples, []
        for signal, trace in pairs:
            value = f"({self._place(k, trace)})[e]"

            def body(row: Row, signal: str = signal, value: str = value) -> list[str]:
                factor = self._post(o, s.state[o.group, signal].identifier, row)
                if o.connection is None:
                    into = f"sums[{moved('e', s.sums[o.group, f'{o.array}~'])}]"
                    return [f"{into} += static_cast<double>({factor}) * static_cast<double>({value});"]
                into = f"gradient[{moved('e', s.gradient_offsets[s.program.connection(o.connection).weight])}]"
                return [f"{into} = m_fma({factor}, {value}, {into});"]

            if o.connection is not None or (o.group, f"{o.array}~") in s.sums:
                lines += self._loop(o, body)
        return lines
