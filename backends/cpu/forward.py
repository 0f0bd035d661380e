"""The forward phase of a Program as lines of C++: coefficients, first states, deliveries and updates of a step."""

from __future__ import annotations

from dataclasses import dataclass

from sncc.backends.cpu.stages import Stages, stages
from sncc.backends.cpu.updates import update_loop
from sncc.backends.cxx.layout import Layout, padded
from sncc.backends.cxx.stimuli import stimulated
from sncc.backends.cxx.synapse_rows import flag, index_type, place_of_weights, run_of
from sncc.program.groups import Connection, Group, Row
from sncc.program.operations import Deliver, ForwardOperation, Readout, Update
from sncc.program.statements import Fire


def _pad(group: Group, row: Row, array: str) -> list[str]:
    """Fills the neurons behind a row with its last one, so that nothing there is undefined or infinite."""
    end = min((r.offset for r in group.rows if r.offset > row.offset), default=group.size)
    last = row.offset + row.size - 1
    return [f"std::fill({array} + {last + 1}, {array} + {end}, {array}[{last}]);"] if end > last + 1 else []


def derive(layout: Layout) -> list[str]:
    """Coefficients per neuron from parameters, row by row."""
    lines: list[str] = []
    for group in layout.program.groups:
        function = layout.dynamics.derives.get(group.name)
        if function is None:
            continue
        for row in group.rows:
            outs = function.of("out")
            lines.append(f"for (int j = 0; j < {row.size}; ++j) {{  // {row.population}")
            lines.append(f"    double {', '.join(a.identifier for a in outs)};")
            bound = [layout.bound(group, row.population, a.name) for a in function.of("parameter")]
            lines.append(f"    dynamics::{function.name}({', '.join([*bound, *(a.identifier for a in outs)])});")
            for a in outs:
                field = layout.array[group.name, a.name].identifier
                lines.append(f"    a.{field}[{row.offset} + j] = static_cast<Real>({a.identifier});")
            lines.append("}")
            for a in outs:
                lines += _pad(group, row, f"a.{layout.array[group.name, a.name].identifier}")
    return lines


def start(layout: Layout) -> list[str]:
    """First values of the states, row by row."""
    lines: list[str] = []
    for group, row in layout.rows:
        for state, _ in row.initial:
            function = layout.dynamics.states[row.population, state]
            arrays = [
                f"a.{layout.array[group.name, x.name].identifier}[{row.offset} + j]" for x in function.of("array")
            ]
            arguments = ", ".join(["seed", "trial", "static_cast<std::uint32_t>(j)", *arrays])
            field = layout.state[group.name, state].identifier
            lines.append(
                f"for (int j = 0; j < {row.size}; ++j) s.{field}[{row.offset} + j] = dynamics::{function.name}({arguments});"
            )
            lines += _pad(group, row, f"s.{field}")
    return lines


def spikes_of(layout: Layout, c: Connection, sample: str = "s") -> str:
    """What holds the spikes of a connection's source in a sample; with dropout those of the neurons that are left."""
    if c.source_group is None:
        whole, lists = f"{sample}.events[{layout.sources.index(c.source)}]", ""
    else:
        whole, lists = f"{sample}.spikes[{layout.populations.index(c.source)}]", ".lists()"
    return f"{sample}.left({layout.thinning(c)}, {whole}{lists})" if c.dropout else whole


def values_of(layout: Layout, c: Connection, sample: str = "s") -> str:
    """What holds the values of a connection's source in a sample, those of a state or,
    with dropout zeros for the neurons that are left out, of a signal.
    """
    if c.values is not None:
        return f"{sample}.series[{layout.series_of(c)}].rows()"
    whole = f"{sample}.values[{layout.sources.index(c.source)}]"
    return f"{sample}.left({layout.thinning(c)}, {whole})" if c.dropout else whole


def is_mostly_zero(c: Connection) -> bool:
    """Whether what is delivered is a value at spikes and zero else."""
    return c.values is not None and c.input.endswith("!")


@dataclass(frozen=True, slots=True)
class Series:
    """A state whose values are delivered: its neurons, where it stands,
    and which thinned source (-1: none) says what is left.
    """

    size: int
    place: str
    thinned: int


def series(layout: Layout) -> list[Series]:
    """The states whose values are delivered."""
    found = []
    for one in layout.series:
        group, row = layout.program.place(one.population)
        place = f"{layout.state[group.name, one.variable].identifier} + {row.offset}"
        found.append(Series(row.size, place, -1 if one.thinned is None else one.thinned))
    return found


def tile_layout(layout: Layout, key: str) -> str:
    """The layout of a weight."""
    rows, columns = layout.matrix(key)
    if layout.halves.get(key) == "packed":
        return f"PackedLayout{{{rows}, {columns}}}"
    return f"TileLayout<Real>{{{rows}, {columns}}}"


def delays_of_rows(layout: Layout, c: Connection) -> str:
    """The delays of synapses that have one each: whole steps, or what is learnt."""
    r = layout.row_number(c)
    return (
        f"LearntDelays<Real, {flag(not c.in_parts)}>(p, {r})" if c.interpolated else f"WholeDelays<Real>(p.rows[{r}])"
    )


def row_loop(layout: Layout, c: Connection) -> str:
    """The loop over the synapses of a connection in rows."""
    r, run = layout.row_number(c), 1 if c.delays is not None else run_of(c)
    place = place_of_weights(layout.program, c)
    return f"RowLoop<{index_type(layout.program, c)}, Element::{place}, {run}>(p.rows[{r}])"


def all_sources(layout: Layout, c: Connection) -> int:
    """Neurons of the whole source."""
    return (
        next((s.size for s in layout.program.sources if s.name == c.source), 0)
        or layout.program.place(c.source)[1].size
    )


def weight_of_rows(layout: Layout, c: Connection) -> str:
    """The weights of synapses in rows: one number as it is set, though a matrix may repeat it for another one."""
    if place_of_weights(layout.program, c) == "one":
        return f"p.own[{layout.keys.index(c.weight)}].data()"
    return _weight(layout, c)


def _weight(layout: Layout, c: Connection) -> str:
    """A connection's weights, of 16 bits or of the network's precision."""
    return f"p.{'half_' if c.weight in layout.halves else ''}weight({layout.keys.index(c.weight)})"


def deliver_delays(layout: Layout) -> list[str]:
    """What arrives over synapses with delays of their own, into numbers that nobody reads."""
    delayed = [c for c in layout.rows_of_synapses if c.delays is not None]
    return [_deliver_rows(layout, c, "unused") for c in delayed]


def _deliver_rows(layout: Layout, c: Connection, target: str = "") -> str:
    """What arrives over synapses in rows; their indices are those of whole populations."""
    row = layout.program.place(c.target)[1]
    target = target or f"s.state.{layout.state[c.target_group, c.input].identifier} + {row.offset}"
    weight, when = weight_of_rows(layout, c), f"n - {c.delay}" if c.delay else "n"
    source = values_of(layout, c) if c.signal else spikes_of(layout, c)
    loop, r = row_loop(layout, c), layout.row_number(c)
    if c.delays is not None:
        late, window = delays_of_rows(layout, c), f", {c.window}" if c.window else ""
        call = f"deliver_delayed({loop}, p.rows[{r}], {late}, s.rings[{r}], {target}, {row.size}, {weight}, {source}, n, s.before + n{window});  // {c.name}"
        if not layout.program.traces or any(o.reduction is not None for o in layout.program.readouts):
            return call
        on_arrival = (
            f"deliver_on_arrival({loop}, p.rows[{r}], {late}, s.emitted, {target}, {weight}, {source}, n{window})"
        )
        return f"if (s.learns) {on_arrival}; else {call}"
    if c.signal:
        return f"deliver_synapse_values({loop}, {target}, {weight}, {source}.at({when}), {all_sources(layout, c)});  // {c.name}"
    return f"deliver_synapses({loop}, {target}, {weight}, {source}.at({when}));  // {c.name}"


def _deliver(layout: Layout, parts: Stages, c: Connection) -> list[str]:
    if c in layout.rows_of_synapses:
        return [_deliver_rows(layout, c)]
    target = f"s.state.{layout.state[c.target_group, c.input].identifier} + {c.target_offset}"
    weight = _weight(layout, c)
    when = f"n - {c.delay}" if c.delay else "n"
    head = f"{{  // {c.name}"
    if c.signal:
        source = f"{values_of(layout, c)}.at({when})"
        lines = [head, f"    const Real* const x = {source};"]
        if c.pattern == "dense" and is_mostly_zero(c):
            lines.append(f"    std::uint32_t there[{padded(c.source_size)}];")
            lines.append(
                f"    add_scaled_rows({target}, {weight}, {tile_layout(layout, c.weight)}, there, collect(x, {c.source_size}, there), x);"
            )
        elif c.pattern == "dense":
            lines.append(f"    if (x) dense_product<1>({target}, 0, {weight}, {tile_layout(layout, c.weight)}, x, 0);")
        else:
            lines.append(
                f"    if (x) for (int j = 0; j < {c.source_size}; ++j) ({target})[j] = m_fma(x[j], {weight}[j], ({target})[j]);"
            )
    else:
        lines = [head, f"    const SpikesOfStep spikes = {spikes_of(layout, c)}.at({when});"]
        if c.pattern == "dense":
            lines.append(
                f"    add_rows({target}, {weight}, {tile_layout(layout, c.weight)}, spikes.indices, spikes.count);"
            )
            if (place := parts.place(c)) is not None:
                arrived, first = f"s.arrivals[{place[0]}]", place[1]
                lines[0] = f"if (!{arrived}.has(n)) {{  // {c.name}"
                return [*([f"if ({arrived}.has(n)) {arrived}.add(n, {target});"] if first else []), *lines, "}"]
        else:
            lines.append(
                f"    for (int k = 0; k < spikes.count; ++k) ({target})[spikes.indices[k]] += {weight}[spikes.indices[k]];"
            )
    return [*lines, "}"]


def forward(layout: Layout) -> list[list[str]]:
    """The operations of a step, stage by stage."""
    parts = stages(layout)
    found = [[line for o in part for line in _operation(layout, parts, o)] for part in parts.operations]
    # populations that never fire still have a list for each step
    silent = [r.population for _, r in layout.rows if not r.spiking]
    found[-1] += [f"s.spikes[{layout.populations.index(p)}].append_list(nullptr, 0);" for p in silent]
    found[-1] += [line for p in silent for line in _thin(layout, p)]
    return found


def _operation(layout: Layout, parts: Stages, o: ForwardOperation) -> list[str]:
    match o:
        case Deliver(connection):
            c = layout.program.connection(connection)
            return _moved(_deliver(layout, parts, c), layout.program.group(c.target_group))
        case Update():
            return _moved(_update(layout, o), layout.program.group(o.group))
        case Readout(index=k):
            # online learning asks at once
            unkept = f"std::get<{k}>(s.readings).error" if layout.program.traces else "nullptr"
            error = f"Keep ? tile->template error<Readout{k}>(n, index) : {unkept}"
            return [f"observe(s, std::get<{k}>(s.readings), Readout{k}::seen(s), n, {error});"]
    return []


def deliver_ahead(layout: Layout) -> list[str]:
    """What many steps bring to a stage from earlier ones, accumulator by accumulator."""
    lines = []
    for k, arrivals in enumerate(stages(layout).arrivals):
        lines.append(f"if (stage == {arrivals.stage}) {{  // {', '.join(c.name for c in arrivals.connections)}")
        lines.append(f"    const Incoming<Network> from[{len(arrivals.connections)}] = {{")
        for c in arrivals.connections:
            lists = f"[](const Sample<Network>& s) {{ return lists_of({spikes_of(layout, c)}); }}"
            lines.append(f"        {{{_weight(layout, c)}, {tile_layout(layout, c.weight)}, {c.delay}, {lists}}},")
        lines.append("    };")
        lines.append(f"    sum_ahead(tile, {k}, count, first, last, from, {len(arrivals.connections)});")
        lines.append("}")
    return lines


def _update(layout: Layout, o: Update) -> list[str]:
    """An update, with what is stimulated before it and the lists of its spikes behind it."""
    group = layout.program.group(o.group)
    lines = [*_stimuli(layout, o), f"{{  // {', '.join(r.population for r in group.rows)}"]
    lines += [f"    {x}" for x in update_loop(layout, o, layout.functions[id(o)], "s", "tile->", "Keep")]
    if o.spikes:
        mask = layout.state[o.group, "spike.mask"].identifier
        fires = any(isinstance(x, Fire) and x.name == o.spikes for x in o.body)
        append = "append" if fires else "append_counts"
        for row in group.rows:
            lines.append(
                f"    s.spikes[{layout.populations.index(row.population)}].{append}(s.state.{mask} + {row.offset}, {row.size});"
            )
            lines += _thin(layout, row.population)
    return [*lines, *_put_series(layout, o), "}"]


def _moved(lines: list[str], group: Group) -> list[str]:
    """What moves a group: in a simulation alone where it is there to be recorded."""
    return ["if (s.stimulated) {", *(f"    {line}" for line in lines), "}"] if group.only_recorded else lines


def _stimuli(layout: Layout, update: Update) -> list[str]:
    """What `stimulate` adds to accumulators before an update, in a simulation."""

    def add(field: str, row: Row, first: int, last: int) -> str:
        return f"for (int j = {row.offset + first}; j < {row.offset + last}; ++j) s.state.{field}[j] += value;"

    return stimulated(layout, update, "s.before + n", "s.time(n)", add, "s.stimulated && ")


def _thin(layout: Layout, population: str) -> list[str]:
    """What dropout leaves of the spikes that a population has just emitted."""
    spikes = f"s.spikes[{layout.populations.index(population)}].at(n)"
    thinned = [(k, c) for k, c in enumerate(layout.thinned) if c.source == population and c.values is None]
    return [f"s.thin({k}, {spikes});  // {c.name}" for k, c in thinned]


def _put_series(layout: Layout, update: Update) -> list[str]:
    """Keeps the values of states that are delivered, after their update."""
    return [
        f"    s.series[{k}].put(n, delivered(s.state, {k}){'' if one.thinned is None else f', s.kept_of({one.thinned})'});"
        for k, one in enumerate(layout.series)
        if layout.program.place(one.population)[0].name == update.group
    ]


def not_finite(layout: Layout) -> list[str]:
    """The first number of a state that is none, with its population and neuron."""
    lines = []
    for k, (group, row) in enumerate(layout.rows):
        for state in group.states:
            place, what = f"{layout.state[group.name, state].identifier} + {row.offset}", layout.described(group, state)
            found = f"first_not_finite(s.{place}, first ? first->{place} : nullptr, {row.size})"
            lines.append(f'if (const std::int64_t j = {found}; j >= 0) return {{{k}, "{what}", j}};')
    return lines


def variables(layout: Layout) -> list[str]:
    """Where a recordable state stands, for each population and state."""
    lines = []
    for k, (group, row) in enumerate(layout.rows):
        for i, state in enumerate(group.recorded(row)):
            field = layout.state[group.name, state].identifier
            lines.append(f"if (population == {k} && state == {i}) return s.{field} + {row.offset};")
    return lines
