"""The way back of a sample: adjoints of the loss, credit over connections, transposed updates."""

from __future__ import annotations

from sncc.backends.cuda.meetings import MEET, Access, Part
from sncc.backends.cuda.places import WARP, plus
from sncc.backends.cuda.updates import Updates
from sncc.program.groups import Connection
from sncc.program.learning import Feedback, PenaltyAdjoint, ReadoutAdjoint, Transpose
from sncc.program.operations import Update

THREADS_OF_WIDE = 352  # and a warp aside: 168 registers a thread are left
MOST_HELD = 40  # registers of a thread for rows of narrow matrices
MANY_VIEWS = 30  # of what a sample reads by step, which take registers: beyond these none are left for such rows


class WayBack(Updates):
    """Finished lines of the loop over a sample's steps, the last first."""

    def _back(self) -> list[Part]:
        parts = self._truncate()
        for o in self.program.reverse:
            match o:
                case ReadoutAdjoint(into, k, after):
                    r, readout = self.program.readouts[k], f"Network::Readout{k}"
                    field = plus(f"d.{self.adjoint[r.group, into].identifier}", self.at(r.group, r.offset))
                    call = f"readout_adjoint<{readout}{', 1' if after else ''}>(w.reading{k}, labels, n, share_{k}, {readout}::error(g, b, n, origin), {field});"
                    team = f"team of {k}" if r.size <= WARP else None
                    read = Access(f"reading {k}", own=team), Access(f"error {k}", own=team, by_step=True)
                    once = self.in_first_block((call,))
                    parts.append(Part(once, (*read, self.touched("d", r.group, into, r.offset))))
                case PenaltyAdjoint(k, into):
                    p = self.program.penalties[k]
                    field = self.adjoint[p.group, into].identifier
                    row, place = self.row_at(p.group, p.offset), plus(f"d.{field}", self.at(p.group, p.offset))
                    own = f", {{{self.first(row)}, {self.share(row, p.size)}}}" if self.first(row) else ""
                    call = f"add_penalty(g, Network::penalty({k}), b, steps, Network::step_ms, {place}{own});"
                    parts.append(Part((call,), (Access(f"d.{field}", True),)))
                case Feedback():
                    parts.append(self._feedback(o))
                case Transpose():
                    parts.append(self._transpose(o))
                case Update():
                    function = self.functions[id(o)]
                    lines = [f"// {comment}" for comment in function.comments]
                    lines += ["{", *(f"    {x}" for x in self._call(o, function, "d", True)), "}"]
                    parts.append(Part(tuple(lines), self._touched(o, function, "d")))
        return [*parts, Part((self._end_of_step_back(),), ())]

    def _end_of_step_back(self) -> str:
        """What is looked at."""
        return "if (g.looks && fails(g, d, w.not_finite, b, n, true)) return;"

    def _before(self) -> list[str]:
        """The credit for states as they start, which are delivered before the first step."""
        lines: list[str] = []
        for o in self.program.before:
            if isinstance(o, Feedback):
                most, part = str(o.delay), self._feedback(o, before=True)
            else:
                c = self.program.connection(o.connection)
                rows = c in self.rows_of_synapses and c.delays is not None
                most = f"g.rows[{self.row_number(c)}].most_delay" if rows else str(self.most_delay(c))
                part = self._transpose(o, before=True)
            lines += [MEET, f"for (std::int64_t n = 0; n > -{most}; --n) {{"]
            lines += [*(f"    {x}" for x in part.lines), f"    {MEET}", "}"]
        return lines

    def _truncate(self) -> list[Part]:
        """Where a window of truncated credit ends, nothing comes from the next one."""
        window = self.program.truncate
        if not window:
            return []
        clear = [f"    set_to_zero(d.{field});" for field in self.carried_adjoints()]
        return [Part((f"if (n % {window} == 0) {{", f"    {MEET}", *clear, f"    {MEET}", "}"), ())]

    def _reaches(self, delay: int, before: bool = False, cut: bool = True) -> str:
        """The condition, where there is one, that credit of step n + delay comes back to step n,
        or to one before the first; `cut`: not from a later window.
        """
        later, window = f"n + {delay}", self.program.truncate if cut else None
        if before:
            return f"if ({later} >= 1 && {later} <= steps" + (f" && {later} <= {window}) " if window else ") ")
        if not delay:
            return ""
        return f"if ({later} <= steps" + (f" && (n - 1) / {window} == ({later} - 1) / {window}) " if window else ") ")

    def _feedback(self, o: Feedback, before: bool = False) -> Part:
        (group, offset, outputs), (target, start, neurons) = o.source, o.target
        later = f"n + {o.delay}" if o.delay else "n"
        row = self.row_at(target, start)
        c = self.program.connection(o.instead) if o.instead is not None else None
        left = self.of_own(f"kept_{self.thinning(c)}", row) if c is not None and c.dropout else ""
        into = plus(f"d.{self.adjoint[target, o.into].identifier}", self.at(target, start))
        own_neurons = self.share(row, neurons)
        weight = self.after(self.weight(o.weight), row)
        kept = plus(self.kept(group, o.slot, later), offset)
        if o.one_to_one:
            name, end = ("transpose_one_to_one_at_spikes", f", {left}, n") if left else ("transpose_one_to_one", "")
            call = f"{name}({into}, {own_neurons}, {weight}, {self.after(kept, row)}{end});"
        else:
            passed = f"{own_neurons}, {outputs}, {weight}, {self.stride(o.weight)}, {kept}"
            call = f"feed_back(all, {into}, {passed}{f', {left}' if left else ''});"
        own = None if target in self.aside or o.one_to_one else self.own(target, start)
        into_ = Access(f"d.{self.adjoint[target, o.into].identifier}", True, own)
        return Part((f"// {o.weight}", f"{self._reaches(o.delay, before)}{call}"), (self.on_tape(group, o.slot), into_))

    def _touches(self, o: Transpose, c: Connection, own: str | None = None) -> tuple[Access, ...]:
        """The adjoints of the targets that a connection leads back from, and those of its sources."""
        assert c.source_group is not None
        emitted = self.spikes_read(c) if o.at_spikes else ()
        into = self.adjoint[c.source_group, o.into].identifier
        return *emitted, self.on_tape(c.target_group, o.slot), Access(f"d.{into}", True, own)

    def _held(self) -> list[str]:
        """Narrow matrices of which a thread keeps its own rows in registers for the whole way back,
        read once from where they stand.
        """
        return [
            f"const HeldRows<Real, {c.source_size}, {c.target_size}, Network::main_threads> "
            f"held_{k}({super(WayBack, self).weight(c.weight)}, {self.stride(c.weight)});  // {c.name}"
            for k, (_, c) in enumerate(self._narrow())
        ]

    def _shares(self) -> list[str]:
        """What the losses' derivatives are multiplied by."""
        read = dict.fromkeys(o.readout for o in self.program.reverse if isinstance(o, ReadoutAdjoint))
        return [f"const Real share_{k} = share_of_steps<Network::Readout{k}>(w.reading{k}, 1.0 / g.of);" for k in read]

    @property
    def main_threads(self) -> int:
        """Threads that share the neurons; fewer of a large group where a wide matrix is transposed,
        as that takes more registers.
        """
        most = super().main_threads
        return min(most, THREADS_OF_WIDE) if self.is_wide(most) else most

    def is_wide(self, threads: int) -> bool:
        """Whether matrices are transposed that so many threads do not hold in registers."""
        return len(self._narrow(threads)) < sum(isinstance(o, Transpose) for o in self.program.reverse)

    @property
    def has_many_views(self) -> bool:
        """Whether what a sample reads by step takes most of a thread's registers."""
        return len(self.program.sources) + len(self.rows) + len(self.series) > MANY_VIEWS

    @property
    def held_in_registers(self) -> frozenset[str]:
        """Connections with such a matrix, which the way back reads once."""
        return frozenset(c.name for _, c in self._narrow())

    def _narrow(self, threads: int | None = None) -> list[tuple[Transpose, Connection]]:
        """Transposed products with such a matrix."""
        found, left = [], 0 if self.has_many_views else MOST_HELD
        threads = threads or self.main_threads
        for o in self.program.reverse:
            if not isinstance(o, Transpose) or o.at_spikes:
                continue
            c = self.program.connection(o.connection)
            room = -(-c.source_size // threads) * c.target_size * self.program.bytes_of_real // 4
            plain = c.pattern == "dense" and not c.dropout and c not in self.rows_of_synapses
            if plain and c.target_size <= WARP and room <= left:
                found.append((o, c))
                left -= room
        return found

    def _transpose(self, o: Transpose, before: bool = False) -> Part:
        c = self.program.connection(o.connection)
        assert c.source_group is not None
        if c in self.rows_of_synapses:
            return self._transpose_rows(o, c, before)
        later = f"n + {c.delay}" if c.delay else "n"
        row, start = self.program.place(c.source)[1], self.at(c.source_group, c.source_offset)
        into = plus(f"d.{self.adjoint[c.source_group, o.into].identifier}", start)
        kept = plus(self.kept(c.target_group, o.slot, later), c.target_offset)
        weight = self.weight(c.weight)
        size = self.share(row, c.source_size)
        title = f"// {c.name}, backwards: {c.target} -> {c.source}"
        if not before and (o, c) in (narrow := self._narrow()):
            call = f"held_{narrow.index((o, c))}.transpose({into}, {kept});"
            own = self.own(c.source_group, c.source_offset)
            return Part((title, f"{self._reaches(c.delay, cut=not c.of_numbers)}{call}"), self._touches(o, c, own))
        name, passed = "transpose_one_to_one", [into, size, self.after(weight, row), self.after(kept, row)]
        if c.pattern == "dense":
            stride = self.stride(c.weight)
            sizes = [size, str(c.target_size), self.after(weight, row, stride), str(stride)]
            name, passed = "transpose_rows", [into, *sizes, kept]
        if o.at_spikes or c.dropout:
            where = self.of_own(self.source(c) if o.at_spikes else f"kept_{self.thinning(c)}", row)
            name, passed = f"{name}_at_spikes", [*passed, where, "n"]
        return Part(
            (title, f"{self._reaches(c.delay, before, not c.of_numbers)}{name}({', '.join(passed)});"),
            self._touches(o, c),
        )

    def _transpose_rows(self, o: Transpose, c: Connection, before: bool) -> Part:
        """Credit back over synapses in rows, to the whole source."""
        size, row = self.program.group(c.target_group).size, self.program.place(c.target)[1]
        later = f"n + {c.delay}" if c.delay and c.delays is None else "n"
        field = self.adjoint[c.source_group or "", o.into].identifier
        source = self.program.place(c.source)[1]
        into = plus(f"d.{field}", self.at(c.source_group or "", source.offset))
        kept = plus(self.kept(c.target_group, o.slot, later), row.offset)
        rows = self.of_own(self.synapses(c), source)
        passed = f"{into}, {self.share(source, source.size)}, {rows}, {kept}"
        title = f"// {c.name}, backwards: {c.target} -> {c.source}"
        where = f", {self.of_own(f'kept_{self.thinning(c)}', source)}" if c.dropout else ""
        if c.delays is not None:
            window = self.program.truncate or 0
            call = f"transpose_delayed_synapses({passed}, {size}, n, steps, {window}{where});"
            if c.interpolated:
                where = f", {self.of_own(self.source(c), source)}" if o.at_spikes else where
                late = f"{self.learnt_delays(c)}, {kept}, {size}"
                passed = f"{into}, {self.share(source, source.size)}, {rows}, {late}"
                call = f"transpose_learnt_synapses({passed}, n, steps, {window}{where});"
        else:
            call = f"{self._reaches(c.delay, before, not c.of_numbers)}transpose_synapses({passed}{where});"
        return Part((title, call), self._touches(o, c))
