"""The reverse and gradient phases of a Program as lines of C++."""

from __future__ import annotations

from sncc.backends.cpu.forward import (
    all_sources,
    delays_of_rows,
    row_loop,
    spikes_of,
    tile_layout,
    weight_of_rows,
)
from sncc.backends.cpu.updates import update_loop
from sncc.backends.cxx.first_values import Drawing
from sncc.backends.cxx.layout import Layout, padded
from sncc.program.groups import Connection
from sncc.program.learning import Feedback, PenaltyAdjoint, ReadoutAdjoint, Transpose
from sncc.program.operations import Update

_SAMPLE = "tile.samples[index]"


def back(layout: Layout) -> list[str]:
    """The operations of a step backwards."""
    lines = _truncate(layout)
    for o in layout.program.reverse:
        match o:
            case ReadoutAdjoint(into, k, after):
                r = layout.program.readouts[k]
                field = layout.adjoint[r.group, into].identifier
                lines += [
                    "for (int index = 0; index < tile.size; ++index)",
                    f"    if (n <= tile.samples[index].steps) readout_adjoint<{k}{', 1' if after else ''}>(tile, index, n, tile.adjoint[index].{field} + {r.offset});",
                ]
            case PenaltyAdjoint(k, into):
                p, offset = layout.program.penalties[k], layout.penalty_offsets[k]
                field = layout.adjoint[p.group, into].identifier
                lines += [
                    "for (int index = 0; index < tile.size; ++index)",
                    f"    if (n <= tile.samples[index].steps) add_numbers(tile.adjoint[index].{field} + {p.offset}, tile.penalty(index) + {offset}, {p.size});",
                ]
            case Feedback():
                lines += _feedback(layout, o)
            case Transpose():
                lines += _transpose(layout, o)
            case Update():
                lines += _adjoint(layout, o)
    return lines


def before(layout: Layout) -> list[str]:
    """The credit for states as they start, which are delivered before the first step."""
    lines: list[str] = []
    for o in layout.program.before:
        if isinstance(o, Feedback):
            lines += [
                f"for (std::int64_t n = 0; n > -{o.delay}; --n) {{",
                *(f"    {x}" for x in _feedback(layout, o, before=True)),
                "}",
            ]
            continue
        c = layout.program.connection(o.connection)
        rows = c in layout.rows_of_synapses and c.delays is not None
        most = f"p.rows[{layout.row_number(c)}].most_delay()" if rows else str(layout.most_delay(c))
        lines.append(f"for (std::int64_t n = 0; n > -{most}; --n) {{")
        lines += [f"    {x}" for x in _transpose(layout, o, before=True)]
        lines.append("}")
    return lines


def _truncate(layout: Layout) -> list[str]:
    """Where a window of truncated credit ends, nothing comes from the next one."""
    window = layout.program.truncate
    if not window:
        return []
    clear = [f"    clear(tile.adjoint[index].{field});" for field in layout.carried_adjoints()]
    return [f"if (n % {window} == 0) for (int index = 0; index < tile.size; ++index) {{", *clear, "}"]


def _reaches(layout: Layout, delay: int, before: bool = False, cut: bool = True) -> str:
    """Whether credit of step n + delay comes back to step n.

    `before`: to one before the first, which is of the first window; `cut`: not from a later window.
    """
    later, window = f"n + {delay}" if delay else "n", layout.program.truncate if cut else None
    test = f"{later} <= tile.steps"
    if before:
        return f"{later} >= 1 && {test}" + (f" && {later} <= {window}" if window else "")
    return f"{test} && (n - 1) / {window} == ({later} - 1) / {window}" if window and delay else test


def _feedback(layout: Layout, o: Feedback, before: bool = False) -> list[str]:
    later = f"n + {o.delay}" if o.delay else "n"
    (group, offset, outputs), (target, start, neurons) = o.source, o.target
    size = layout.program.group(group).size
    slot = f"tile.slot({layout.columns[group, o.slot]}, {size}, {later}, 0) + {offset}"
    source = _Source(layout, layout.adjoint[target, o.into].identifier, o.instead, start, neurons)
    into, stride = source.of_all
    weight = f"p.weight({layout.keys.index(o.weight)})"
    lines = [f"if ({_reaches(layout, o.delay, before)}) {{  // {o.weight}"]
    lines.append(f"    constexpr std::int64_t stride = {stride};")
    if o.one_to_one:
        lines.append(f"    add_products<tile_size>({into}, stride, {weight}, {slot}, {size}, {neurons});")
    else:
        shape = f"TileLayout<Real>{{{outputs}, {neurons}}}"
        lines.append(f"    dense_product<tile_size>({into}, stride, {weight}, {shape}, {slot}, {size});")
    return source.around([*lines, "}"])


def not_finite(layout: Layout) -> list[str]:
    """The first number of an adjoint that is none, with its population and neuron."""
    lines = []
    for k, (group, row) in enumerate(layout.rows):
        carried = {
            v: None for o in layout.program.reverse if isinstance(o, Update) and o.group == group.name for v, _ in o.carry
        }  # fmt: skip
        for v in carried:
            what = layout.described(group, v)
            found = f"first_not_finite<Real>(a.{layout.adjoint[group.name, v].identifier} + {row.offset}, nullptr, {row.size})"
            lines.append(f'if (const std::int64_t j = {found}; j >= 0) return {{{k}, "{what}", j}};')
    return lines


def _transpose(layout: Layout, o: Transpose, before: bool = False) -> list[str]:
    c = layout.program.connection(o.connection)
    assert c.source_group is not None
    if c in layout.rows_of_synapses:
        return _transpose_rows(layout, o, c, before)
    later = f"n + {c.delay}" if c.delay else "n"
    size = layout.program.group(c.target_group).size
    slot = f"tile.slot({layout.columns[c.target_group, o.slot]}, {size}, {later}, 0) + {c.target_offset}"
    field = layout.adjoint[c.source_group, o.into].identifier
    source = _Source(layout, field, c.name, c.source_offset, c.source_size, o.at_spikes)
    into, stride = source.of_all
    key = layout.keys.index(c.weight)
    weight = f"p.weight({key})"
    lines = [f"if ({_reaches(layout, c.delay, before, not c.of_numbers)}) {{  // {c.name}, backwards"]
    lines.append(f"    constexpr std::int64_t stride = {stride};")
    if o.at_spikes:
        spikes = spikes_of(layout, c, _SAMPLE)
        lines.append("    for (int index = 0; index < tile_size; ++index) {")
        lines.append(f"        const SpikesOfStep spikes = {spikes}.at(n);")
        numbers = f"{into} + index * stride, {weight}", f"spikes.indices, spikes.count, {slot} + index * {size}"
        if c.pattern == "dense":
            lines.append(f"        transpose_rows({numbers[0]}, {tile_layout(layout, c.weight)}, {numbers[1]});")
        else:
            lines.append(f"        add_products_at({numbers[0]}, {numbers[1]});")
        lines.append("    }")
    elif c.pattern == "dense":
        rows, columns = layout.matrix(c.weight)
        across = f"TileLayout<Real>{{{columns}, {rows}}}"
        lines.append(
            f"    dense_product<tile_size>({into}, stride, p.transposed[{key}].data(), {across}, {slot}, {size});"
        )
    else:
        lines.append(f"    add_products<tile_size>({into}, stride, {weight}, {slot}, {size}, {c.source_size});")
    return source.around([*lines, "}"])


class _Source:
    """Where credit is added: the adjoints of the source, or, with dropout, room that is sifted afterwards."""

    def __init__(
        self, layout: Layout, field: str, connection: str | None, offset: int, size: int, listed: bool = False
    ) -> None:
        self.place = f"{field} + {offset}"
        c = layout.program.connection(connection) if connection is not None else None
        sifted = c is not None and c.dropout > 0 and not listed  # listed: spikes that are left
        self.kept = layout.thinning(c) if c is not None and sifted else None
        self.width = padded(size)

    @property
    def of_all(self) -> tuple[str, str]:
        """The first sample's, and numbers from one sample to the next."""
        if self.kept is not None:
            return "tile.credit.data()", str(self.width)
        return f"tile.adjoint[0].{self.place}", "sizeof(Adjoint) / sizeof(Real)"

    @property
    def of_one(self) -> str:
        """That of sample `index`."""
        if self.kept is not None:
            return f"tile.credit.data() + index * {self.width}"
        return f"tile.adjoint[index].{self.place}"

    def around(self, lines: list[str]) -> list[str]:
        """Lines that add the credit, with what clears and sifts the room."""
        if self.kept is None:
            return lines
        pass_on = f"tile.samples[index].pass_on({self.kept}, tile.adjoint[index].{self.place}, {self.of_one});"
        return [
            f"tile.clear_credit({self.width});",
            *lines,
            f"for (int index = 0; index < tile.size; ++index) {pass_on}",
        ]


def _transpose_rows(layout: Layout, o: Transpose, c: Connection, before: bool) -> list[str]:
    """Credit back over synapses in rows, to the whole source."""
    program = layout.program
    size, first = program.group(c.target_group).size, program.place(c.target)[1].offset
    field = layout.adjoint[c.source_group or "", o.into].identifier
    source = _Source(layout, field, c.name, program.place(c.source)[1].offset, all_sources(layout, c))
    into, stride = source.of_all
    weight, loop = weight_of_rows(layout, c), row_loop(layout, c)
    column = layout.columns[c.target_group, o.slot]
    if c.delays is not None:
        later = (
            f"LaterAdjoint<Network>{{tile, index, SlotPlace{{{column}, {size}, {first}}}, n, {program.truncate or 0}}}"
        )
        passed = f"{loop}, {delays_of_rows(layout, c)}, {source.of_one}, {weight}, {later}"
        call = f"transpose_delayed({passed}, {all_sources(layout, c)});"
        if o.at_spikes and c.interpolated:
            call = f"transpose_delayed_at({passed}, {spikes_of(layout, c, _SAMPLE)}.at(n));"
        lines = [
            f"for (int index = 0; index < tile.size; ++index)  // {c.name}, backwards",
            f"    if (n <= tile.samples[index].steps) {call}",
        ]
        return source.around(lines)
    slot = f"tile.slot({column}, {size}, {f'n + {c.delay}' if c.delay else 'n'}, 0) + {first}"
    lines = [
        f"if ({_reaches(layout, c.delay, before, not c.of_numbers)}) {{  // {c.name}, backwards",
        f"    constexpr std::int64_t stride = {stride};",
        f"    transpose_synapses<tile_size>({loop}, {into}, stride, {weight}, {slot}, {size}, {all_sources(layout, c)});",
        "}",
    ]
    return source.around(lines)


def _adjoint(layout: Layout, o: Update) -> list[str]:
    group = layout.program.group(o.group)
    names = ", ".join(r.population for r in group.rows)
    lines = [f"for (int index = 0; index < tile.size; ++index) {{  // adjoint of {names}"]
    lines.append("    Adjoint& adjoint = tile.adjoint[index];")
    lines.append("    if (n > tile.samples[index].steps) {")
    for slot, _ in o.stores:
        lines.append(
            f"        std::memset(tile.slot({layout.columns[group.name, slot]}, {group.size}, n, index), 0, sizeof(Real) * {group.size});"
        )
    lines += ["        continue;", "    }"]
    lines += [f"    {x}" for x in update_loop(layout, o, layout.functions[id(o)], "tile.samples[index]", "tile.", "")]
    return [*lines, "}"]


def add_sums(layout: Layout) -> list[str]:
    """Sums over time of the reverse updates."""
    lines: list[str] = []
    if layout.program.traces:
        return lines
    for (group, name), offset in layout.sums.items():
        if (group, name) in layout.dynamics.first_sums:
            lines += _first_sum(layout, group, name, offset)
            continue
        field = layout.adjoint[group, name].identifier
        size = layout.program.group(group).size
        lines.append("for (int index = 0; index < tile.size; ++index)")
        lines.append(
            f"    for (int j = 0; j < {size}; ++j) sums[{offset} + j] += static_cast<double>(tile.adjoint[index].{field}[j]);"
        )
    return lines


def _first_sum(layout: Layout, group: str, name: str, offset: int) -> list[str]:
    """The sum of adjoints before the first step, each sample's times what its own draws make of it."""
    one, function = layout.dynamics.first_sums[group, name]
    lines: list[str] = []
    for row in layout.program.group(group).rows:
        place = f"{row.offset} + j"
        fields = " + ".join(f"tile.adjoint[index].{layout.adjoint[group, x].identifier}[{place}]" for x in one.adjoints)
        call = Drawing(f"{_SAMPLE}.seed", f"{_SAMPLE}.trial", "j").call(layout, function, group, place)
        lines += [
            f"for (int index = 0; index < tile.size; ++index)  // {row.population}",
            f"    for (int j = 0; j < {row.size}; ++j) sums[{offset + row.offset} + j] += static_cast<double>(({fields}) * {call});",
        ]
    return lines


def _told(layout: Layout, c: Connection, at: int) -> str:
    """What the synapses of a neuron have of a sum over time, each of its own."""
    if c not in layout.rows_of_synapses:  # one for each neuron, and in the same places
        return f"sums[{at} + j]"
    return f"sum_of_targets(p.rows[{layout.row_number(c)}], sums + {at}, j)"


def derive_adjoint(layout: Layout) -> list[str]:
    """Gradients of the learnt parameters of neurons from their sums over time."""
    lines: list[str] = []
    shared_keys: dict[int, None] = {}  # one number may be one of several populations: sums over all of them
    for name, function in layout.dynamics.derive_adjoints.items():
        group = layout.program.group(name)
        outs = function.of("out")
        for row in group.rows:
            keys = dict(row.values)
            results = [(a, keys[a.name]) for a in outs]
            lines.append(f"for (int j = 0; j < {row.size}; ++j) {{  // {row.population}")
            bound = [layout.bound(group, row.population, a.name) for a in function.of("parameter")]
            totals = [f"sums[{layout.sums[name, a.name]} + {row.offset} + j]" for a in function.of("total")]
            totals += [_told(layout, *layout.told(name, a.name)) for a in function.of("told")]
            lines.append(f"    double {', '.join(a.identifier for a in outs)};")
            lines.append(
                f"    dynamics::{function.name}({', '.join([*bound, *totals, *(a.identifier for a in outs)])});"
            )
            for a, key in results:
                if not isinstance(key, str) or not layout.program.parameter(key).learnt:
                    lines.append(f"    static_cast<void>({a.identifier});")
                    continue
                k = layout.keys.index(key)
                shared = layout.program.parameter(key).shape == ()
                if shared:
                    lines.append(f"    shared_{k} += {a.identifier};")
                    shared_keys[k] = None
                else:
                    lines.append(f"    gradients[{k}][j] = static_cast<Real>({a.identifier});")
            lines.append("}")
            for _, key in results:
                if (
                    isinstance(key, str)
                    and layout.program.parameter(key).learnt
                    and layout.program.parameter(key).shape == ()
                ):
                    k = layout.keys.index(key)
                    lines.append(f"gradients[{k}][0] = static_cast<Real>(shared_{k});")
    return [*(f"double shared_{k} = 0;" for k in shared_keys), *lines]
