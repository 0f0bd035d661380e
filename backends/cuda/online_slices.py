"""Training forwards in time by the blocks of a cluster:
what a block does with the traces of the synapses onto its own neurons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from sncc.backends.cuda.places import moved, plus
from sncc.backends.cxx.first_values import Drawing
from sncc.program.learning import Each, LearningSignal, PenaltySignal, Picked, SignalBack, TraceOperation, TraceUpdate

if TYPE_CHECKING:
    from sncc.backends.cuda.clusters import ClusterSamples
    from sncc.backends.cuda.samples import Samples
    from sncc.backends.cxx.functions import Argument, Function
    from sncc.program.groups import Connection, Row

_KNOWN = {"trace", "past", "pre", "post", "through", "shared", "adds", "read", "output", "within", "reads"}


def knows(samples: Samples) -> bool:
    """Whether all that is done forwards in time is of own neurons and synapses, or reads what is like them."""
    p = samples.program
    whole = {(g.name, r.offset, r.size) for g in p.groups for r in g.rows}
    for k, o in enumerate(p.traces):
        match o:
            case PenaltySignal() if o.target in whole:
                continue
            case LearningSignal() if o.target in whole:
                continue
            case SignalBack() if _is_one_row(samples, o.group):
                continue
            case Picked() if o.each.inside is not None:
                return False
            case Picked() if _is_one_row(samples, o.group) and (o.what == "delay" or _is_one_row(samples, o.of[0])):
                continue
            case TraceUpdate():
                c = p.connection(o.connection) if o.connection is not None else None
                arguments = samples.dynamics.traces[k].step.arguments
                aligned = _are_aligned(
                    samples, o, c, [*(a.name for a in arguments if a.role == "through"), *(x for _, x in o.delays)]
                )
                if {a.role for a in arguments} <= _KNOWN and aligned and (c is None or _has_places(samples, c)):
                    continue
        return False
    return True


def _has_places(samples: Samples, c: Connection) -> bool:
    """Whether what is learnt of a connection's synapses is that of rows, or of the places of a matrix."""
    return c in samples.rows_of_synapses or c.delays is None


def _is_one_row(samples: Samples, group: str) -> bool:
    """Whether a group is one population, from its first place on."""
    rows = samples.program.group(group).rows
    return len(rows) == 1 and rows[0].offset == 0


def _are_aligned(samples: Samples, o: TraceUpdate, c: Connection | None, through: Iterable[str]) -> bool:
    """Whether a block has the same places of all that traces follow, and of the elements that they are of."""
    p = samples.program
    groups = {
        o.group,
        *(seen[0] for x in through if (seen := p.seen_by(o, x)) is not None),
        *([c.target_group] if c else []),
    }
    return len(groups) == 1 or (
        all(_is_one_row(samples, g) for g in groups) and len({p.group(g).size for g in groups}) == 1
    )


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
                call = Drawing("g.seed", "g.trials[b]", "e").call(s, function, o.group, "e")
                line = f"({s.trace_place(k, o, trace)})[e] = {call};"
                loop = self._loop(o, partial(_same, line))
                if trace in dict(o.kept):  # of all steps before the first one
                    steps = f"{s.kept_trace(s.late_trace(k, trace)[0], o)}.steps"
                    loop = [
                        f"for (std::int64_t n = 0, steps = {steps}; n < steps; ++n) {{",
                        *(f"    {x}" for x in loop),
                        "}",
                    ]
                lines += loop
        return lines

    def step(self) -> list[str]:
        """After the forward operations of a step; the first block's derivative of the loss is there."""

        def lines(k: int, o: TraceOperation) -> list[str]:
            match o:
                case LearningSignal() if self._every_step(o.readout):
                    return self._signal(o)
                case SignalBack(readout=int(readout)) if self._every_step(readout):
                    return self._signal_back(o)
                case Picked():
                    return self._pick(o)
                case TraceUpdate():
                    return self._trace(k, o)
            return []

        return self.samples.in_loops(lines)

    def end(self) -> list[str]:
        """After the last step, for losses at a sample's end."""

        def lines(k: int, o: TraceOperation) -> list[str]:
            match o:
                case LearningSignal() if not self._every_step(o.readout):
                    return self._signal(o)
                case SignalBack(readout=int(readout)) if not self._every_step(readout):
                    return self._signal_back(o)
                case TraceUpdate():
                    return self._of_losses(k, o, False)
            return []

        return self.samples.in_loops(lines)

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
        for back in s.program.traces:
            if isinstance(back, SignalBack) and back.readout is None:
                lines += self._signal_back(back)
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

    def _signal(self, o: LearningSignal) -> list[str]:
        s, k = self.samples, o.readout
        into, row = self._field(o.target[0], o.variable, o.target[1])
        count, error, only = s.share(row, row.size), f"told_{k}.error", "-1" if o.each is None else "output"
        factor = f"error_factor<Network::Readout{k}>(told_{k}, g.of)"
        across = s.program.connection(o.across) if o.across is not None else None
        if o.each is not None and o.each.along:
            call = self._picked_error(o, o.each, into, row, factor)
        elif o.weight is None:
            call = (
                f"signal_errors({into}, {count}, {s.after(error, row) if o.each is None else error}, {factor}, {only});"
            )
        elif across in s.rows_of_synapses:
            rows = s.synapses(across)
            call = f"signal_over_synapses({into}, {count}, {error}, {factor}, {only}, {rows}, {s.first(row)});"
        elif o.one_to_one:
            weight, last = s.after(s.weight(o.weight), row), "-1" if o.each is None else f"output - {s.first(row)}"
            call = f"signal_one_to_one({into}, {count}, {s.after(error, row)}, {factor}, {last}, {weight});"
        else:
            output, neuron = (s.stride(o.weight), 1) if o.transposed else (1, s.stride(o.weight))
            weight = s.after(s.weight(o.weight), row, neuron)
            outputs = s.program.readouts[k].size
            call = f"signal_by_matrix({into}, {count}, {error}, {factor}, {only}, {outputs}, {weight}, {output}, {neuron});"
        lines = [call]
        if across is not None and across.dropout:
            left = f"kept_{s.thinning(across)}.fired(1, {s.first(row)} + j)"
            lines.append(f"for_own({count}, [&](int j) {{ if (!{left}) ({into})[j] = Real(0); }});")
        return [*lines, "__syncthreads();"]

    def _signal_back(self, o: SignalBack) -> list[str]:
        """What the target of each synapse is told, to what stands for the synapse."""
        group = o.told or self.samples.program.connection(o.connection or "").target_group
        return self._copied(o.connection, (o.group, o.variable), (group, o.variable), o.each is not None)

    def _picked_error(self, o: LearningSignal, each: Each, into: str, row: Row, factor: str) -> str:
        """The derivative of the output that a loop along synapses has come to."""
        s, error = self.samples, f"told_{o.readout}.error"
        count, first = s.share(row, row.size), s.first(row)
        along = s.program.connection(each.along[0])
        if o.across is not None:
            rows = s.synapses(s.program.connection(o.across))
            return f"pick_error<Real>({into}, {count}, {error}, {factor}, output, {rows}, {first});"
        if along not in s.rows_of_synapses:  # one synapse for each neuron, and in the same places
            return f"for_own({count}, [&](int j) {{ ({into})[j] = {factor} * {error}[{first} + j]; }});"
        onto = s.onto(each, "target")
        return f"pick<Real>({into}, {count}, {error}, {factor}, output, {s.synapses(along)}, {onto}, {first});"

    def _pick(self, o: Picked) -> list[str]:
        """What the synapse of each own neuron onto an output is like, whichever block has it."""
        s = self.samples
        if o.over is not None:
            return self._copied(o.over, (o.group, o.variable), o.of, True)
        into, row = self._field(o.group, o.variable, 0)
        count, first = s.share(row, row.size), s.first(row)
        if o.what == "delay":
            c = s.program.connection(o.of[0])
            passed = f"{into}, {count}, output, {s.synapses(c)}"
            call = f"pick_delay<Real>({passed}, {first});"
            if c.interpolated:
                call = f"pick_learnt_delay({passed}, {s.learnt_delays(c)}, {first});"
            return [call, "__syncthreads();"]
        of, target = self._field(*o.of, 0)
        along, most = s.program.connection(o.each.along[0]), s.slices[target.population].most
        if along not in s.rows_of_synapses:
            call = (
                f"for_own({count}, [&](int j) {{ ({into})[j] = of_any_block(cluster, {of}, {first} + j, {most}); }});"
            )
        else:
            passed = f"{into}, Portion{{{first}, {count}}}, {of}, {most}, output, {s.synapses(along)}, {s.onto(o.each, o.what)}"
            call = f"pick_of(cluster, {passed});"
        return [call, "__syncthreads();"]

    def _copied(self, connection: str | None, to: tuple[str, str], of: tuple[str, str], again: bool) -> list[str]:
        """A variable of the targets of a connection, whichever block has them, for each of its sources,
        or of elements with the same places.

        Blocks meet before and, where it is computed `again` in the step, behind.
        """
        s = self.samples
        into, row = self._field(*to, 0)
        c = s.program.connection(connection) if connection is not None else None
        told, target = self._field(*of, s.program.place(c.target)[1].offset if c else 0)
        most = s.slices[target.population].most
        own = f"{s.first(row)}, {s.share(row, row.size)}"
        if c is not None and c in s.rows_of_synapses:
            call = f"signal_back_of(cluster, {into}, Portion{{{own}}}, {told}, {most}, {s.synapses(c)});"
        else:
            at = moved(f"{s.first(row)} + j", c.target_offset - target.offset if c else 0)
            call = f"for_own({s.share(row, row.size)}, [&](int j) {{ ({into})[j] = of_any_block(cluster, {told}, {at}, {most}); }});"
        return [s.meeting, call, s.meeting if again else "__syncthreads();"]

    def _rows(self, o: TraceUpdate) -> list[tuple[Row, int, int, str]]:
        """Of own synapses, or neurons: a population, rows and columns of the traces,
        the number of its first neuron among the columns.
        """
        s = self.samples
        if o.connection is None:
            size = s.program.group(o.group).size
            return [(r, 1, size, moved(s.first(r), r.offset)) for r in s.program.group(o.group).rows]
        c = s.program.connection(o.connection)
        row = s.program.place(c.target)[1]
        rows, columns = (0, 0) if c in s.rows_of_synapses else s.matrix(c.weight)
        return [(row, rows, columns, s.first(row))]

    def _loop(self, o: TraceUpdate, body: Callable[[Row], list[str]]) -> list[str]:
        """Loops over them: i is the source, j the block's neuron, e where the numbers stand;
        `body` makes the lines for a population.
        """
        s, lines = self.samples, list[str]()
        c = s.program.connection(o.connection) if o.connection is not None else None
        for row, rows, columns, first in self._rows(o):
            own = f"Portion{{{first}, {s.share(row, row.size)}}}"
            arguments = "[&]([[maybe_unused]] int i, [[maybe_unused]] int j, [[maybe_unused]] std::int64_t e)"
            head = f"for_elements_of({own}, {rows}, {columns}, {arguments}"
            if c is not None and c in s.rows_of_synapses:
                head = f"for_synapses_of({own}, {s.synapses(c)}, {s.whole_source(c)}, {arguments}"
            lines += [f"{head} {{  // {row.population}", *(f"    {line}" for line in body(row)), "});"]
        return lines

    def _post(self, o: TraceUpdate, variable: str, row: Row) -> str:
        return f"s.{variable}[{moved('j', self.samples.at(o.group, row.offset))}]"

    def _arriving(self, c: Connection, of_delays: bool, row: Row) -> str:
        """What arrives over a synapse of what the source emitted."""
        one_to_one = c.pattern == "one_to_one" and c not in self.samples.rows_of_synapses
        return f"emitted[{self.samples.first(row)} + j]" if one_to_one else self.samples.arriving(c, of_delays)[1]

    def _seen(self, o: TraceUpdate, symbol: str) -> str:
        """A variable of a readout's neurons, which are the first block's."""
        s = self.samples
        group, variable, neuron = s.program.seen_by(o, symbol) or ("", "", 0)
        place = s.at(group, neuron or 0)
        index = moved("output", place) if o.each is not None else str(place)
        return f"*cluster.map_shared_rank(&s.{s.state[group, variable].identifier}[{index}], 0)"

    def _trace(self, k: int, o: TraceUpdate) -> list[str]:
        s, lines = self.samples, [f"// traces of {o.connection or f'{o.group}.{o.array}'}"]
        function = s.dynamics.traces[k].step
        if o.connection is not None:
            lines += s.arriving(s.program.connection(o.connection), o.of_delays)[0]

        def body(row: Row) -> list[str]:
            passed = (self._passed(o, a, row) for a in function.arguments)
            return [f"dynamics::{function.name}({', '.join(passed)});"]

        loop = ["{", *(f"    {line}" for line in (*self._seen_alike(k, o, function), *self._loop(o, body))), "}"]
        return [*lines, *loop, *self._of_losses(k, o, True), "__syncthreads();"]

    def _seen_alike(self, k: int, o: TraceUpdate, function: Function) -> list[str]:
        """What all synapses see alike, ahead of the loop over them."""
        s, before = self.samples, list[str]()
        for a in function.arguments:
            match a.role:
                case "trace":
                    before.append(f"Real* const of_{a.identifier} = {s.trace_place(k, o, a.name)};")
                case "shared" | "adds":
                    where = s.trace_place(*s.program.beside(o), a.name.removeprefix("shared."))
                    before.append(f"Real* const of_{a.identifier} = {where};")
                case "past":
                    kept = s.program.beside(o)[0], a.name.removeprefix("past.")
                    before.append(f"const auto of_{a.identifier} = {s.kept_trace(s.late_trace(*kept)[0], o)};")
                case "read" | "output":
                    before.append(f"const Real of_{a.identifier} = {self._seen(o, a.name)};")
        return before

    def _passed(self, o: TraceUpdate, a: Argument, row: Row) -> str:
        """What one synapse, or neuron, passes to the function of a step."""
        s = self.samples
        match a.role:
            case "trace" | "shared" | "adds":
                return f"of_{a.identifier}[e]"
            case "past":
                ago = s.seen_by(o, dict(o.delays)[a.name.removeprefix("past.")])[0]
                return f"of_{a.identifier}.before(e, n, {self._post(o, ago, row)}, {s.program.truncate or 0})"
            case "pre" if o.connection is None:
                return "Real(1)"
            case "pre":
                return self._arriving(s.program.connection(o.connection or ""), o.of_delays, row)
            case "post" | "through":
                return self._post(o, s.seen_by(o, a.name)[0], row)
            case "read" | "output":
                return f"of_{a.identifier}"
            case "within":
                return f"{s.starts_window()} ? Real(0) : Real(1)"
            case "reads":
                return f"taken<Network::Readout{a.name.removeprefix('reads.')}>(steps, n)"
        raise TypeError(f"traces read no {a.role}")

    def _of_losses(self, k: int, o: TraceUpdate, at_every_step: bool) -> list[str]:
        found = [(signal, trace) for signal, trace, r in o.gradient if self._every_step(r) == at_every_step]
        return self._products(k, o, found)

    def _products(self, k: int, o: TraceUpdate, pairs: Iterable[tuple[str, str]]) -> list[str]:
        """Signals times traces, added to the sample's gradient."""
        s, lines = self.samples, list[str]()
        c = s.program.connection(o.connection) if o.connection is not None else None
        for signal, trace in pairs:
            value = f"({s.trace_place(k, o, trace)})[e]"

            def body(row: Row, signal: str = signal, value: str = value) -> list[str]:
                factor = self._post(o, s.state[o.group, signal].identifier, row)
                if c is None:
                    into = f"sums[{moved('e', s.sums[o.group, f'{o.array}~'])}]"
                    return [f"{into} += static_cast<double>({factor}) * static_cast<double>({value});"]
                if c not in s.rows_of_synapses:
                    into = f"gradient[{moved('e', s.gradient_offsets[c.weight])}]"
                elif o.of_delays:
                    into = f"({s.gradient_of_delays(c)})[{s.synapses(c)}.delay_elements[e]]"
                else:
                    into = f"({s.gradient_in_rows(c)})[{s.synapses(c)}.element(static_cast<std::uint64_t>(e))]"
                return [f"{into} = m_fma({factor}, {value}, {into});"]

            if c is not None or (o.group, f"{o.array}~") in s.sums:
                part = s.parts_of_shared.get((o.connection or "", o.of_delays))
                lines += self._loop(o, body) if part is None else [self._part(o, part, signal, trace, k)]
        return lines

    def _part(self, o: TraceUpdate, part: tuple[int, int], signal: str, trace: str, k: int) -> str:
        """The same of what synapses share: a block adds up those onto its own neurons."""
        s, c = self.samples, self.samples.program.connection(o.connection or "")
        row = s.program.place(c.target)[1]
        own = f"Portion{{{s.first(row)}, {s.share(row, row.size)}}}, {plus('parts', part[0])}, {s.synapses(c)}"
        numbers = f"{plus(f's.{s.state[o.group, signal].identifier}', s.at(o.group, row.offset))}, {s.trace_place(k, o, trace)}, emitted"
        if o.of_delays:
            return f"add_one_delay_products_of({own}, {s.whole_source(c)}, {numbers});"
        return f"add_shared_products_of({own}, {part[1]}, {numbers});"

    def join_parts(self) -> list[str]:
        """When all blocks have theirs."""
        s, lines = self.samples, []
        for (name, of_delays), (at, count) in s.parts_of_shared.items():
            c = s.program.connection(name)
            into = s.gradient_of_delays(c) if of_delays else s.gradient_in_rows(c)
            lines.append(f"add_parts({into}, {plus('traces + g.trace_size', at)}, {count}, {s.blocks}, room_of_block);")
        return lines
