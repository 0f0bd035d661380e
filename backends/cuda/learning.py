"""Second and third launch: sums of gradients per presynaptic neuron; optimiser, and what follows from parameters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from sncc.backends.cuda.online import BLOCKS_OF_LATE_SUMS, SUMS_A_BLOCK, Online
from sncc.backends.cuda.places import WARP, moved, plus, values_of_batch
from sncc.backends.cxx.expressions import literal
from sncc.backends.cxx.functions import Function
from sncc.backends.cxx.layout import padded
from sncc.backends.cxx.synapse_rows import flag, place_of_weights
from sncc.program.groups import Connection, Group, Row
from sncc.program.learning import Gather, GatherDelay

WARPS_A_BLOCK, VECTOR = 4, 16  # warps of a block that sums gradients; bytes that a lane loads at once


@dataclass(frozen=True, slots=True)
class Sums:
    """A part of a gradient: so many sums, each by a warp or by a block."""

    sums: int
    by_warps: bool
    title: str
    lines: list[str]

    @property
    def blocks(self) -> str:
        """That make them."""
        return f"blocks_of({self.sums}, warps)" if self.by_warps else str(self.sums)


class Learning(Online):
    """Finished lines of the kernels that gather gradients and take optimiser steps."""

    def parts(self) -> dict[str, object]:
        """What the template prints."""
        return {
            "turned": bool(self.fired),
            "gather_resident": self.gather_resident,
            "lists": WARPS_A_BLOCK if self.gathered() else 1,  # no warp lists spikes where there are none to look up
            "gather": self._gather(),
            "derive": self._derive(),
            "collect": self._collect(),
            "optimise": self._optimise(),
        }

    # ---------------------------------------------------------------------------------------- gradient
    @property
    def gather_blocks(self) -> int:
        """Of the launch that sums gradients."""
        return sum(-(-part.sums // WARPS_A_BLOCK) if part.by_warps else part.sums for part in self.sums_made)

    @property
    def gather_blocks_by_warps(self) -> str:
        """The same by blocks of a number of warps."""
        return " + ".join(part.blocks for part in self.sums_made)

    @property
    def gather_resident(self) -> int:
        """Blocks of that launch on a multiprocessor: 96 registers a thread suffice for rows of matrices; 128 else."""
        matrices = all(not (c in self.rows_of_synapses or c.signal) for c in self.gathered())
        return 5 if matrices else 4

    def sums_of(self, o: Gather | GatherDelay, c: Connection) -> tuple[int, bool]:
        """Sums of a connection's gradient, and whether each is a warp's:
        one for each presynaptic neuron or shared number, or for neighbouring elements.
        """
        if isinstance(o, GatherDelay):
            return (1 if self.is_one_delay(c) else self.whole_source(c)), False
        if c in self.rows_of_synapses:
            return self.shared_elements(c) or self.whole_source(c), False
        tiles = -(-c.target_size // (WARP * self.columns_a_lane(c))) if c.pattern == "dense" else 1
        return c.source_size * tiles, True

    def columns_a_lane(self, c: Connection) -> int:
        """Neighbouring elements of a dense row that a lane sums: as many as it loads at once."""
        at_once = VECTOR // (8 if self.program.precision == "float64" else 4)
        return at_once if c.target_offset % at_once == 0 else 1

    def _gathers(self) -> list[list[tuple[Gather | GatherDelay, Connection]]]:
        """Sums of gradients and the connections that they are of;
        together those of one connection's delays, or of weights of its synapses, which a block adds up.
        """
        found = [o for o in self.program.gradient if isinstance(o, Gather | GatherDelay)]
        result: dict[object, list[tuple[Gather | GatherDelay, Connection]]] = {}
        for number, (o, c) in enumerate(zip(found, self.gathered(), strict=True)):
            of_synapses = isinstance(o, Gather) and c.weight in self.late
            shared = (
                ("delays", c.delays) if isinstance(o, GatherDelay) else ("weights", c.weight) if of_synapses else number
            )
            result.setdefault(shared, []).append((o, c))
        return list(result.values())

    @cached_property
    def sums_made(self) -> list[Sums]:
        """What is summed, part by part: over samples, then per presynaptic neuron."""
        call = "if (round.origin == 0) sum_over_samples(g.total, g.sums, sum_size, g.batch, round.adds_sums);"
        parts = [Sums(1, False, "over samples", [call])]
        for k, offset, size in self.sums_of_samples() if self.is_online else ():
            lines = [
                f"const int begin = block * {SUMS_A_BLOCK}, count = {size} - begin < {SUMS_A_BLOCK} ? {size} - begin : {SUMS_A_BLOCK};",
                f"add_samples(g.gradient, g.sample_gradients, g.gradient_width, g.batch, {moved('begin', offset)}, count, round.adds);",
                f"check_sums(g.overflown, {k}, g.gradient + {moved('begin', offset)}, count);",
            ]
            parts.append(Sums(-(-size // SUMS_A_BLOCK), False, self.keys[k], lines))
        for key, of_delays, c in self.late_sums():
            k, row = self.keys.index(key), f"g.rows[{self.row_number(c)}]"
            gathered, synapses = f"{row}.{'delay_' * of_delays}gradient", f"synapses_of({row}, {self.whole_source(c)})"
            lines = [
                f"const std::int64_t begins = {gathered} - g.gradient, size = {synapses};",
                f"for (std::int64_t begin = block * {SUMS_A_BLOCK}; begin < size; begin += {BLOCKS_OF_LATE_SUMS * SUMS_A_BLOCK}) {{",
                f"    const int count = static_cast<int>(size - begin < {SUMS_A_BLOCK} ? size - begin : {SUMS_A_BLOCK});",
                "    add_samples(g.gradient, g.sample_gradients, g.gradient_width, g.batch, begins + begin, count, round.adds);",
                f"    check_sums(g.overflown, {k}, g.gradient + begins + begin, count);",
                "}",
            ]
            parts.append(Sums(BLOCKS_OF_LATE_SUMS, False, key, lines))
        for found in self._gathers():
            lines = []
            for number, (o, c) in enumerate(found):
                inside = self._gather_weights(o, c, "block", "true" if number else "round.adds")
                lines += inside if len(found) == 1 else ["{", *inside, "}", "__syncthreads();"]
            titles = (f"{c.name}: {c.source} -> {c.target}" for _, c in found)
            parts.append(Sums(*self.sums_of(*found[0]), "; ".join(titles), lines))
        return parts

    def _gather(self) -> list[str]:
        """Which block does what, each counted from the first of its part."""
        lines, before = [], ""
        for part in self.sums_made:
            here = f"(block -= {before})" if before else "block"
            lines += [f"{'} else ' if before else ''}if ({here} < {part.blocks}) {{  // {part.title}"]
            lines += [f"    {line}" for line in part.lines]
            before = part.blocks
        return [*lines, "}"]

    def _emitted(self, c: Connection) -> tuple[str, str]:
        """What a connection's source emitted in the batch: the type and its fields."""
        if c.signal:
            return "ValuesOfBatch<Real>", values_of_batch(self, c)
        fired = f"{{{self.fired_at(c)}, g.batch, chunks}}"
        if c.source_group is None:
            return (
                "FiredEvents",
                f"{{{fired}, g.events[{self.number_of_source(c)}].from(round.origin), {self.whole_source(c)}, g.most_steps}}",
            )
        spikes, width = self.spikes(c, gathered=True)
        if spikes.startswith("SpikeBits"):
            return "FiredBits", f"{{{fired}}}"
        return "FiredCounts", f"{{{fired}, {spikes}, g.most_steps * {width}}}"

    def _kept_adjoint(self, o: Gather | GatherDelay, c: Connection, offset: int) -> str:
        """The adjoints of a connection's targets, of which the first stands at `offset` in their group."""
        column, size = self.columns[c.target_group, o.slot], self.program.group(c.target_group).size
        return f"{{{plus('g.tape', column)}{' * rows' if column else ''}, {size}, {offset}, g.room}}"

    def _gather_weights(self, o: Gather | GatherDelay, c: Connection, block: str, adds: str) -> list[str]:
        """The gradient of weights, or of learnt delays, by one block."""
        key, in_rows = self.keys.index(c.weight), c in self.rows_of_synapses
        kind, emitted = self._emitted(c)
        offset = self.program.place(c.target)[1].offset if in_rows else c.target_offset
        kept = self._kept_adjoint(o, c, offset)
        lines = [f"const WeightGradient<Real, {kind}> of = {{{emitted}, g.steps, g.batch, {kept}}};"]
        if c.interpolated:
            return [*lines, *self._gather_learnt(o, c, kind, block, adds)]
        into = plus("g.gradient", self.gradient_of(c))
        rows = f"g.rows[{self.row_number(c)}]" if in_rows else ""
        end = f"of, {c.delay}, {adds}, {{g.overflown, {key}}});"
        if in_rows and self.shared_elements(c):
            lines.append(f"gather_element({rows}, {block}, {end}")
        elif in_rows:
            lines.append(f"gather_row(list, {rows}, {block}, {end}")
        elif c.pattern == "dense":
            call = f"gather_dense<{self.columns_a_lane(c)}>(list, {into}, {c.source_size}, {c.target_size}, {block}"
            lines.append(f"{call}, {end}")
        else:
            lines.append(f"gather_one_to_one(list, {into}, {c.target_size}, {block}, {end}")
        return lines

    def _gather_learnt(self, o: Gather | GatherDelay, c: Connection, kind: str, block: str, adds: str) -> list[str]:
        """The same over synapses whose delays are learnt, of what `of` sums."""
        term = "weight" if isinstance(o, Gather) else "time" if c.rounded else "delay"
        key = c.weight if term == "weight" else c.delays or ""
        rows, sources = f"g.rows[{self.row_number(c)}]", self.whole_source(c)
        head = (
            f"const LearntGradient<DelayTerm::{term}, Real, {kind}> learnt = {{of, {rows}, {self.learnt_delays(c)}}};"
        )
        end = f"learnt, {adds}, {{g.overflown, {self.keys.index(key)}}});"
        into = f"{rows}.{'gradient' if term == 'weight' else 'delay_gradient'}"
        if term != "weight" and key not in self.late:
            into = plus("g.gradient", self.gradient_of(c, key))
        if term == "weight" and self.shared_elements(c):
            return [head, f"gather_learnt_weight({block}, {end}"]
        if term != "weight" and self.is_one_delay(c):
            return [head, f"gather_learnt_delay({into}, {sources}, {end}"]
        return [head, f"gather_learnt_row(list, {into}, {block}, {end}"]

    # ---------------------------------------------------------------------------------------- parameters

    def _derive(self) -> list[str]:
        lines: list[str] = []
        for group in self.program.groups:
            function = self.dynamics.derives.get(group.name)
            if function is None:
                continue
            ends = [*(r.offset for r in group.rows[1:]), group.size]
            for row, end in zip(group.rows, ends, strict=True):
                outs = function.of("out")
                bound = [self.bound(group, row.population, a.name) for a in function.of("parameter")]
                lines += [f"// {comment}" for comment in function.comments]
                lines.append(f"for_own({end - row.offset}, [&](int k) {{  // {row.population}")
                lines.append(
                    f"    [[maybe_unused]] const int j = k < {row.size} ? k : {row.size - 1};  // padding repeats the last neuron"
                )
                lines.append(f"    double {', '.join(a.identifier for a in outs)};")
                lines.append(f"    dynamics::{function.name}({', '.join([*bound, *(a.identifier for a in outs)])});")
                for a in outs:
                    field = self.array[group.name, a.name].identifier
                    lines.append(f"    g.arrays->{field}[{row.offset} + k] = static_cast<Real>({a.identifier});")
                lines.append("});")
        return lines

    def _collect(self) -> list[str]:
        """Gradients of parameters as the user sees them."""
        lines = [line for key, offset in self.gradient_offsets.items() for line in self._collect_gathered(key, offset)]
        summed: set[str] = set()  # numbers of which another population has given its part
        for name, function in self.dynamics.derive_adjoints.items():
            for row in self.program.group(name).rows:
                lines += self._collect_derived(function, self.program.group(name), row, summed)
        return lines

    def _collect_gathered(self, key: str, offset: int) -> list[str]:
        """The gradient of what connections share, from what was gathered for each of these."""
        k = self.keys.index(key)
        if key in self.late:
            late = f"g.late[{self.late.index(key)}]"
            each = f"g.gradients[{late}.offset + e] = g.gathered[{late}.gathered + e];"
            return [f"for_all({late}.size, [&](std::int64_t e) {{ {each} }});  // {key}"]
        rows, columns = self.matrix(key)
        more = [at for (_, of), at in self.further.items() if of == key]
        sums, stride, apart = self._single_sums(key), padded(columns), self.is_apart(key)
        if self.program.parameter(key).shape == ():
            lines: list[str] = []
            into = plus("g.gradients", self.offsets[k] + self.place_of_one(key))
            for at in (offset, *more):
                matrix = "1, 1" if at in sums else f"{rows}, {columns}"
                flags = f"{flag(at != offset)}, {flag(apart and at not in sums)}"
                sum_ = f"sum_gradient({into}, g.gathered + {at}, {matrix}, {flags});"
                lines.append(f"if (blockIdx.x == 0) {sum_}  // {key}")
            return [*lines, f"if (blockIdx.x == 0) {self._check(k, self.place_of_one(key), 1)}"]
        gathered = " + ".join(f"g.gathered[{at} + e]" for at in (offset, *more))
        if apart:  # none to itself
            gathered = f"e / {stride} == e % {stride} ? Real(0) : {gathered}"
        each = f"g.gradients[{self.offsets[k]} + e] = {gathered};"
        if more:
            each += f" note_overflow(g.overflown, {k}, g.gradients[{self.offsets[k]} + e]);"
        return [f"for_all({rows * stride}, [&](std::int64_t e) {{ {each} }});  // {key}"]

    def _collect_derived(self, function: Function, group: Group, row: Row, summed: set[str]) -> list[str]:
        """The gradients of a population's numbers, from sums over time of what is derived of them."""
        keys, outs = dict(row.values), function.of("out")
        bound = [self.bound(group, row.population, a.name) for a in function.of("parameter")]
        totals = [f"g.total[{self.sums[group.name, a.name]} + {row.offset} + j]" for a in function.of("total")]
        totals += [self._told(*self.told(group.name, a.name)) for a in function.of("told")]
        passed = ", ".join([*bound, *totals, *(a.identifier for a in outs)])
        lines = ["__syncthreads();"] if summed & set(keys.values()) else []
        lines += [
            f"if (blockIdx.x == 0) for_own({row.size}, [&](int j) {{  // {row.population}",
            f"    double {', '.join(a.identifier for a in outs)};",
            f"    dynamics::{function.name}({passed});",
        ]
        after: list[str] = []  # in one block, by its threads or the first of them
        for a in outs:
            learnt = keys[a.name]
            if not isinstance(learnt, str) or not self.program.parameter(learnt).learnt:
                lines.append(f"    static_cast<void>({a.identifier});")
                continue
            place, size = self.offsets[self.keys.index(learnt)], row.size
            if self.program.parameter(learnt).shape == ():
                lines.append(f"    g.scratch[{place} + j] = {a.identifier};")
                numbers = f"g.gradients + {place}, g.scratch + {place}, {row.size}, {flag(learnt in summed)}"
                after.append(f"if (blockIdx.x == 0) sum_numbers({numbers});  // {learnt}")
                summed.add(learnt)
                size = 1
            else:
                lines.append(f"    g.gradients[{place} + j] = static_cast<Real>({a.identifier});")
            after.append(f"if (blockIdx.x == 0) {self._check(self.keys.index(learnt), 0, size)}")
        return [*lines, "});", "__syncthreads();", *after]

    def _told(self, c: Connection, at: int) -> str:
        """What the synapses of a neuron have of a sum over time, each of its own."""
        if c not in self.rows_of_synapses:  # one for each neuron, and in the same places
            return f"g.total[{at} + j]"
        return f"sum_of_targets({self.synapses(c)}, g.total + {at}, j)"

    def _check(self, k: int, first: int, count: int) -> str:
        """Notes sums of a parameter's gradient that are none; thread by thread as they were made."""
        return f"check_sums(g.overflown, {k}, g.gradients + {self.offsets[k] + first}, {count});"

    def _optimise(self) -> list[str]:
        lines: list[str] = []
        for k, key in enumerate(self.keys):
            p = self.program.parameter(key)
            if not p.learnt:
                continue
            rows, columns = self.matrix(key)
            moves = [c for c in self.rewired() if c.weight == key]  # a walk keeps bounds and signs then
            low, high = (p.bounds if not moves else None) or (float("-inf"), float("inf"))
            rate, scale, lower, upper = (literal(x, "double") for x in (p.rate, p.scale, low, high))
            numbers = f"{rate}, {scale}, {lower}, {upper}, {flag(p.keeps_sign and not moves)}"
            if key in self.late:
                late = f"g.late[{self.late.index(key)}]"
                call = f"step_element<Network>(g, scalars, {late}.offset + e, {{{numbers}}}, factor_of_norm);"
                if moves:
                    lines.append(
                        f"const Walk<Real> walk_{k}({self.rewiring(moves[0])}, g.seed, g.learning_rate * {rate}, {scale});"
                    )
                    call = f"step_synapse<Network>(g, scalars, {late}, e, {{{numbers}}}, factor_of_norm, walk_{k});"
                call = self._followed(key, call)
                lines.append(f"for_all({late}.size, [&](std::int64_t e) {{ {call} }});  // {key}")
                continue
            call = f"step_element<Network>(g, scalars, {moved('e', self.offsets[k])}, {{{numbers}}}, factor_of_norm);"
            call = self._followed(key, call)
            if self.is_apart(key) and p.shape:
                call = f"if (e / {padded(columns)} != e % {padded(columns)}) {call}"
            if p.shape == ():
                lines.append(f"if (blockIdx.x == 0 && threadIdx.x == 0) {{  // {key}")
                one = self.place_of_one(key)
                lines.append(f"    const std::int64_t e = {one};")
                lines.append(f"    {call}")
                diagonal = f"if (j % {padded(columns)} != j / {padded(columns)}) " if self.is_apart(key) else ""
                lines.append(
                    f"    for (int j = {1 - one}; j < {rows * padded(columns)}; ++j) {diagonal}g.parameters[{self.offsets[k]} + j] = g.parameters[{self.offsets[k] + one}];"
                )
                lines.append("}")
            elif any(key in (c.weight, c.delays) for c in self.program.connections):
                lines.append(f"for_all({rows * padded(columns)}, [&](std::int64_t e) {{ {call} }});  // {key}")
            else:
                lines.append(f"if (blockIdx.x == 0) for_own({columns}, [&](int e) {{ {call} }});  // {key}")
        return lines

    def _single_sums(self, key: str) -> set[int]:
        """Of the places where a weight's gradient is gathered, those that hold one sum over synapses in rows."""
        users = (self.program.connection(o.connection) for o in self.program.gradient if isinstance(o, Gather))
        return {
            self.gradient_of(c)
            for c in users
            if c.weight == key and c in self.rows_of_synapses and place_of_weights(self.program, c) == "one"
        }

    def _followed(self, key: str, call: str) -> str:
        """A step on element e, whose change the matrices that follow this parameter get as well."""
        optimise = self.program.optimise
        matrices = [f for f in (optimise.follows if optimise else ()) if f[1] == key]
        if not matrices:
            return call
        rows, columns = self.matrix(key)
        stride, adds = padded(columns), ""
        for matrix, _, across in matrices:
            if matrix in self.late:
                late = f"g.late[{self.late.index(matrix)}]"
                if key in self.late:
                    adds += f" g.parameters[{late}.offset + e] += change;"
                else:
                    adds += (
                        f" for (std::int64_t m = 0; m < {late}.size; ++m) g.parameters[{late}.offset + m] += change;"
                    )
                continue
            at = self.offset(matrix)
            if self.program.parameter(key).shape == ():
                whole = self.matrix(matrix)[0] * self.stride(matrix)
                adds += f" for (int m = 0; m < {whole}; ++m) g.parameters[{at} + m] += change;"
            elif across:
                place = f"{at} + e % {stride} * {self.stride(matrix)} + e / {stride}"
                adds += f" if (e % {stride} < {columns}) g.parameters[{place}] += change;"
            else:
                adds += f" g.parameters[{at} + e] += change;"
        return f"const Real change = {call}{adds}"
