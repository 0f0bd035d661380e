"""What arrives in a step, as calls of the headers: rows of weights for spikes and events, products with values."""

from __future__ import annotations

from sncc.backends.cuda.back import WayBack
from sncc.backends.cuda.meetings import Access, Part
from sncc.backends.cuda.places import WARP, plus
from sncc.backends.cxx.synapse_rows import flag
from sncc.program.groups import Connection

MOST_COLUMNS = 4  # of a thread that adds rows, at once
MOST_AHEAD = 2  # connections whose events a thread reads ahead


class Deliveries(WayBack):
    """Finished lines of a sample's deliveries."""

    def _deliver(self, c: Connection) -> Part:
        if c in self.rows_of_synapses:
            return self._deliver_rows(c)
        field, row = self.state[c.target_group, c.input].identifier, self.program.place(c.target)[1]
        into = plus(f"s.{field}", self.at(c.target_group, c.target_offset))
        when = f"n - {c.delay}" if c.delay else "n"
        weight, source = self.after(self.weight(c.weight), row), self.source(c)
        size = self.share(row, c.target_size)
        # ordered: whether each number is added to by the thread that it belongs to
        who, ordered = self.who(c.target_group), False
        if c.signal and c.pattern == "dense":
            ordered = True
            call = f"add_product({who}, {into}, {size}, {c.source_size}, {weight}, {self.stride(c.weight)}, {source}, {when});"
        elif c.signal:
            call = f"add_product_one_to_one({into}, {self.share(row, c.source_size)}, {weight}, {self.of_own(source, row)}, {when});"
        elif c.pattern == "dense":
            ordered = True
            if c in self.read_ahead:
                source, when = f"ahead_{self.read_ahead.index(c)}.take()", "n"
            threads = WARP if c.target_group in self.aside else self.main_threads
            columns = -(-self.most(row, c.target_size) // threads)  # of a thread
            add = f"add_rows<{columns}>" if columns <= MOST_COLUMNS else f"add_wide_rows<{MOST_COLUMNS}>"
            call = f"{add}({who}, {into}, {size}, {weight}, {self.stride(c.weight)}, {source}, {when});"
        else:
            if c.source_group is not None:
                passed = f"{self.share(row, c.source_size)}, {weight}, {self.of_own(source, row)}"
            else:
                own = "" if not self.first(row) else f"Portion{{{self.first(row)}, {size}}}, "
                passed = f"{own}{self.weight(c.weight)}, {source}"
            call = f"add_one_to_one({into}, {passed}, {when});"
        shared = self.own(c.target_group, c.target_offset) if ordered else None
        return Part(
            (f"// {c.name}: {c.source} -> {c.target}", call),
            (*self.spikes_read(c), Access(f"s.{field}", writes=True, own=shared)),
        )

    def _deliver_rows(self, c: Connection) -> Part:
        """What arrives over synapses in rows; their indices are those of whole populations."""
        row = self.program.place(c.target)[1]
        field = self.state[c.target_group, c.input].identifier
        into = plus(f"s.{field}", self.at(c.target_group, row.offset))
        own = "" if not self.first(row) else f"Portion{{{self.first(row)}, {self.share(row, row.size)}}}, "
        when = f"n - {c.delay}" if c.delay else "n"
        rows, source, window = self.synapses(c), self.source(c), f", {c.window}" if c.window else ""
        weight = "Bfloat16" if c.weight in self.halves else "Real"
        if c.interpolated:
            late = f"{self.learnt_delays(c)}, {source}, n"
            call = f"add_learnt_synapses({into}, {own or 'Whole{}, '}{rows}, {late});"
            if c.signal:
                passed = f"{self.share(row, row.size)}, {self.of_own(rows, row)}, {late}{window}"
                call = f"add_learnt_values<{flag(c.values is not None)}>({into}, {passed});"
        elif c.signal:
            passed = f"{self.share(row, row.size)}, {self.of_own(rows, row)}"
            call = f"add_synapse_values<{flag(c.values is not None)}>({into}, {passed}, {source}, {'n' if c.delays is not None else when}{window});"
        elif c.delays is not None:
            call = f"add_delayed_synapses<{weight}>({into}, {own}{rows}, {source}, n, {c.delay});"
        else:
            call = f"add_synapses<{weight}>({into}, {own}{rows}, {source}, {when}, 0);"
        return Part(
            (f"// {c.name}: {c.source} -> {c.target}", call),
            (*self.spikes_read(c), Access(f"s.{field}", writes=True)),
        )

    @property
    def read_ahead(self) -> list[Connection]:
        """Connections whose events are read a step ahead; each takes registers."""
        dense = [
            c
            for c in self.program.connections
            if c.source_group is None and c.values is None and not c.signal and c.pattern == "dense"
            if c not in self.rows_of_synapses
        ]
        return dense[:MOST_AHEAD]

    def _ahead(self) -> list[str]:
        """What reads events ahead, from the first step's on."""
        return [
            f"EventsAhead ahead_{k}({self.source(c)}, begin + 1{f' - {c.delay}' if c.delay else ''});  // {c.name}"
            for k, c in enumerate(self.read_ahead)
        ]
