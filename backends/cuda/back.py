"""The way back of a sample: adjoints of the loss, credit over connections, transposed updates."""

from __future__ import annotations

from sncc.backends.cuda.places import plus
from sncc.backends.cuda.updates import Updates
from sncc.program.nodes import Connection, Feedback, PenaltyAdjoint, ReadoutAdjoint, Transpose, Update


class WayBack(Updates):
    """Finished lines of the loop over a sample's steps, the last first."""

    def _back(self) -> list[str]:
        lines = self._truncate()
        for o in self.program.reverse:
            match o:
                case ReadoutAdjoint(into, k):
                    r, readout = self.program.readouts[k], f"Network::Readout{k}"
                    field = plus(f"d.{self.adjoint[r.group, into].identifier}", r.offset)
                    lines.append(
                        f"readout_adjoint<{readout}>(w.reading{k}, labels, n, 1.0 / g.of, {readout}::error(g, b, n), {field});"
                    )
                case PenaltyAdjoint(k, into):
                    p = self.program.penalties[k]
                    field = plus(f"d.{self.adjoint[p.group, into].identifier}", p.offset)
                    lines.append(f"add_penalty(g, Network::penalty({k}), b, steps, Network::step_ms, {field});")
                case Feedback():
                    lines += self._feedback(o)
                case Transpose():
                    lines += self._transpose(o)
                case Update():
                    function = self.functions[id(o)]
                    lines += [f"// {comment}" for comment in function.comments]
                    lines += ["{", *(f"    {x}" for x in self._call(o, function, "d", True)), "}"]
            lines.append("__syncthreads();")
        return lines

    def _truncate(self) -> list[str]:
        """Where a window of truncated credit ends, nothing comes from the next one."""
        window = self.program.truncate
        if not window:
            return []
        clear = [f"    set_to_zero(d.{field});" for field in self.carried_adjoints()]
        return [f"if (n % {window} == 0) {{", *clear, "    __syncthreads();", "}"]

    def _reaches(self, delay: int) -> str:
        """The condition, where there is one, that credit of step n + delay comes back to step n."""
        later, window = f"n + {delay}", self.program.truncate
        if not delay:
            return ""
        return f"if ({later} <= steps" + (f" && (n - 1) / {window} == ({later} - 1) / {window}) " if window else ") ")

    def _feedback(self, o: Feedback) -> list[str]:
        (group, offset, outputs), (target, start, neurons) = o.source, o.target
        later = f"n + {o.delay}" if o.delay else "n"
        into = plus(f"d.{self.adjoint[target, o.into].identifier}", start)
        kept = plus(self.kept(group, o.slot, later), offset)
        c = self.program.connection(o.instead) if o.instead is not None else None
        left = f"kept_{self.thinned.index(c)}" if c is not None and c.dropout else ""
        if o.one_to_one:
            name, end = ("transpose_one_to_one_at_spikes", f", {left}, n") if left else ("transpose_one_to_one", "")
            call = f"{name}({into}, {neurons}, {self.weight(o.weight)}, {kept}{end});"
        else:
            passed = f"{neurons}, {outputs}, {self.weight(o.weight)}, {self.stride(o.weight)}, {kept}"
            call = f"feed_back({into}, {passed}{f', {left}' if left else ''});"
        return [f"// {o.weight}", f"{self._reaches(o.delay)}{call}"]

    def _transpose(self, o: Transpose) -> list[str]:
        c = self.program.connection(o.connection)
        assert c.source_group is not None
        if c in self.rows_of_synapses:
            return self._transpose_rows(o, c)
        later = f"n + {c.delay}" if c.delay else "n"
        into = plus(f"d.{self.adjoint[c.source_group, o.into].identifier}", c.source_offset)
        kept = plus(self.kept(c.target_group, o.slot, later), c.target_offset)
        weight = self.weight(c.weight)
        if c.interpolated:
            return self._transpose_interpolated(o, c, into)
        name, passed = "transpose_one_to_one", [into, str(c.source_size), weight, kept]
        if c.pattern == "dense":
            sizes = [str(c.source_size), str(c.target_size)]
            name, passed = "transpose_rows", [into, *sizes, weight, str(self.stride(c.weight)), kept]
        if o.at_spikes or c.dropout:
            where = self.source(c) if o.at_spikes else f"kept_{self.thinned.index(c)}"
            name, passed = f"{name}_at_spikes", [*passed, where, "n"]
        call = f"{name}({', '.join(passed)});"
        return [
            f"// {c.name}, backwards: {c.target} -> {c.source}",
            f"{self._reaches(c.delay)}{call}",
        ]

    def _transpose_interpolated(self, o: Transpose, c: Connection, into: str) -> list[str]:
        """Credit back over delays that need not be whole steps."""
        column, size = self.columns[c.target_group, o.slot], self.program.group(c.target_group).size
        columns, stride = (c.target_size, self.stride(c.weight)) if c.pattern == "dense" else (1, 0)
        later = f"LaterAdjoint<Real>{{tape, {column}, {size}, {c.target_offset}, steps}}"
        passed = (
            f"{into}, {c.source_size}, {columns}, {self.weight(c.weight)}, {stride}, {self.learnt_delays(c)}, {later}"
        )
        call = f"transpose_interpolated({passed}, n);"
        if o.at_spikes:
            call = f"transpose_rounded({passed}, {self.source(c)}, n);"
        elif c.dropout:
            call = f"transpose_interpolated({passed}, n, kept_{self.thinned.index(c)});"
        return [f"// {c.name}, backwards: {c.target} -> {c.source}", call]

    def _transpose_rows(self, o: Transpose, c: Connection) -> list[str]:
        """Credit back over synapses in rows, to the whole source."""
        size, row = self.program.group(c.target_group).size, self.program.place(c.target)[1]
        later = f"n + {c.delay}" if c.delay and c.delays is None else "n"
        field = self.adjoint[c.source_group or "", o.into].identifier
        into = plus(f"d.{field}", self.program.place(c.source)[1].offset)
        kept = plus(self.kept(c.target_group, o.slot, later), row.offset)
        passed = f"{into}, {self.whole_source(c)}, g.rows[{self.row_number(c)}], {kept}"
        title = f"// {c.name}, backwards: {c.target} -> {c.source}"
        where = f", kept_{self.thinned.index(c)}" if c.dropout else ""
        if c.delays is not None:
            window = self.program.truncate or 0
            return [title, f"transpose_delayed_synapses({passed}, {size}, n, steps, {window}{where});"]
        return [title, f"{self._reaches(c.delay)}transpose_synapses({passed}{where});"]
