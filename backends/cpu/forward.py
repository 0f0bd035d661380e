"""The forward phase of a Program as lines of C++: coefficients, first states, deliveries and updates of a step."""

from __future__ import annotations

from dataclasses import dataclass

from sncc.backends.cxx.dynamics import Function
from sncc.backends.cxx.layout import Layout, padded
from sncc.backends.cxx.stimuli import stimulated
from sncc.backends.cxx.synapse_rows import flag, index_type, place_of_weights, run_of
from sncc.program.groups import Connection, Group, Row
from sncc.program.operations import Deliver, Readout, Update
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
    """What holds the values of a connection's source in a sample, those of a state or, with dropout zeros for the neurons that
    are left out, of a signal.
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
    """A state whose values are delivered: its neurons, where it stands, and which thinned source (-1: none) says what is left."""

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
    return f"LearntDelays<Real, {flag(c.rounded)}>(p, {r})" if c.interpolated else f"WholeDelays<Real>(p.rows[{r}])"


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
    """The weights of synapses in rows: one number as it is set, though a matrix may repeat it for another connection."""
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


def _deliver(layout: Layout, c: Connection) -> list[str]:
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
        else:
            lines.append(
                f"    for (int k = 0; k < spikes.count; ++k) ({target})[spikes.indices[k]] += {weight}[spikes.indices[k]];"
            )
    return [*lines, "}"]


def update_loop(layout: Layout, update: Update, function: Function, sample: str, tape: str, keep: str) -> list[str]:
    """The loop over a group's neurons; `keep` guards stores where the tape may be absent."""
    group = layout.program.group(update.group)
    fields = layout.adjoint if function.name.startswith("adjoint") else layout.state
    struct = "adjoint" if fields is layout.adjoint else "state"
    before: list[str] = []
    passed: list[str] = []
    streams: dict[str, str] = {}  # of drawn numbers, by draw
    counts: dict[str, str] = {}  # of Poisson spikes, by draw
    for a in function.arguments:
        match a.role:
            case "time":
                before.append(f"const Real t = {sample}.time(n);")
                passed.append("t")
            case "learns":
                passed.append(f"{sample}.learns ? Real(1) : Real(0)")
            case "carry" | "input" | "sum":
                field = fields[group.name, a.name].identifier
                owner = f"{sample}.state" if struct == "state" else "adjoint"
                before.append(f"Real* SNCC_RESTRICT const of_{a.identifier} = {owner}.{field};")
                passed.append(f"of_{a.identifier}[j]")
            case "array":
                before.append(
                    f"const Real* SNCC_RESTRICT const of_{a.identifier} = a.{layout.array[group.name, a.name].identifier};"
                )
                passed.append(f"of_{a.identifier}[j]")
            case "out":
                before.append(
                    f"Real* SNCC_RESTRICT const of_{a.identifier} = {sample}.state.{layout.state[group.name, 'spike.mask'].identifier};"
                )
                passed.append(f"of_{a.identifier}[j]")
            case "count":
                passed.append(f"of_{a.identifier}[j - begin]")
                counts[a.name] = a.identifier
            case "draw":
                passed.append(_COUNTERS[a.name].format(sample=sample))
            case "stream":
                passed.append(f"stream_{a.identifier}")
                streams[a.name] = f"stream_{a.identifier}"
            case "load":
                before.append(
                    f"const Real* const of_{a.identifier} = {tape}slot({layout.columns[group.name, a.name]}, {group.size}, n, index);"
                )
                passed.append(f"of_{a.identifier}[j]")
            case "store":
                slot = f"{tape}slot({layout.columns[group.name, a.name]}, {group.size}, n, index)"
                if keep:
                    before.append(f"Real* const of_{a.identifier} = {keep} ? {slot} : nullptr;")
                    before.append(f"Real unused_{a.identifier};")
                    passed.append(f"{keep} ? of_{a.identifier}[j] : unused_{a.identifier}")
                else:
                    before.append(f"Real* const of_{a.identifier} = {slot};")
                    passed.append(f"of_{a.identifier}[j]")
    call = f"dynamics::{function.name}({', '.join(passed)});"
    loops = [f"for (int j = 0; j < {group.size}; ++j) {call}"]
    if streams or counts:
        loops = [line for row in group.rows for line in _drawing_loop(layout, group, row, streams, counts, call)]
    else:
        loops.insert(0, "SNCC_INDEPENDENT")
    inputs = [a for a in function.arguments if a.role == "input"]
    clear = [f"std::memset(of_{a.identifier}, 0, sizeof(Real) * {group.size});" for a in inputs]
    return [*before, *loops, *clear]


_COUNTERS = {
    "seed": "{sample}.seed", "element": "static_cast<std::uint32_t>(j - first)",
    "step": "static_cast<std::uint32_t>({sample}.before + n)", "trial": "{sample}.trial",
}  # fmt: skip


def _drawing_loop(
    layout: Layout, group: Group, row: Row, streams: dict[str, str], counts: dict[str, str], call: str
) -> list[str]:
    """The loop over one population's neurons, each draw with the population's own stream; Poisson counts 64 at a time."""
    end = min((r.offset for r in group.rows if r.offset > row.offset), default=group.size)
    numbers = dict(row.streams)
    lines = ["{", f"    constexpr int first = {row.offset};  // {row.population}"]
    lines += [f"    constexpr std::uint32_t {name} = 0x{numbers[draw]:08x}u;" for draw, name in streams.items()]
    if not counts:
        return [*lines, "    SNCC_INDEPENDENT", f"    for (int j = first; j < {end}; ++j) {call}", "}"]
    lines += [f"    for (int begin = first; begin < {end}; begin += 64) {{"]
    lines += [f"        const int count = std::min(64, {end} - begin);"]
    for draw, name in counts.items():
        lines += [f"        {x}" for x in _counts(layout, group, row, draw, name)]
    return [
        *lines,
        "        SNCC_INDEPENDENT",
        f"        for (int j = begin; j < begin + count; ++j) {call}",
        "    }",
        "}",
    ]


def _counts(layout: Layout, group: Group, row: Row, draw: str, name: str) -> list[str]:
    """Poisson counts of up to 64 neurons: the mean of each, then all counts at once."""
    mean = layout.dynamics.means[group.name, draw]
    passed = []
    for a in mean.arguments:
        match a.role:
            case "time":
                passed.append("static_cast<double>(s.time(n))")
            case "array":
                passed.append(f"a.{layout.array[group.name, a.name].identifier}[begin + j]")
            case _:
                passed.append(f"s.state.{layout.state[group.name, a.name].identifier}[begin + j]")
    population = layout.populations.index(row.population)
    return [
        f"alignas(64) Real of_{name}[64];",
        f"alignas(64) double mean_{name}[64];",
        f"alignas(64) std::uint32_t words_{name}[64];",
        f"for (int j = 0; j < count; ++j) mean_{name}[j] = dynamics::{mean.name}({', '.join(passed)});",
        f"poisson_counts(s.poisson[{population}], s.seed, 0x{dict(row.streams)[draw]:08x}u, static_cast<std::uint32_t>(begin - first),",
        f"               static_cast<std::uint32_t>(s.before + n), s.trial, mean_{name}, count, words_{name}, of_{name});",
    ]


def forward(layout: Layout) -> list[str]:
    """The operations of a step."""
    lines: list[str] = []
    for o in layout.program.forward:
        match o:
            case Deliver(connection):
                lines += _deliver(layout, layout.program.connection(connection))
            case Update():
                lines += _stimuli(layout, o)
                lines += [f"{{  // {', '.join(r.population for r in layout.program.group(o.group).rows)}"]
                lines += [f"    {x}" for x in update_loop(layout, o, layout.functions[id(o)], "s", "tile->", "Keep")]
                if o.spikes:
                    mask = layout.state[o.group, "spike.mask"].identifier
                    fires = any(isinstance(x, Fire) and x.name == o.spikes for x in o.body)
                    append = "append" if fires else "append_counts"
                    for row in layout.program.group(o.group).rows:
                        lines.append(
                            f"    s.spikes[{layout.populations.index(row.population)}].{append}(s.state.{mask} + {row.offset}, {row.size});"
                        )
                        lines += _thin(layout, row.population)
                lines += _put_series(layout, o)
                lines.append("}")
            case Readout(index=k):
                unkept = (
                    f"std::get<{k}>(s.readings).error" if layout.program.traces else "nullptr"
                )  # online learning asks at once
                error = f"Keep ? tile->template error<Readout{k}>(n, index) : {unkept}"
                lines.append(f"observe(s, std::get<{k}>(s.readings), Readout{k}::seen(s), n, {error});")
    # populations that never fire still have a list for each step
    silent = [r.population for _, r in layout.rows if not r.spiking]
    lines += [f"s.spikes[{layout.populations.index(p)}].append_list(nullptr, 0);" for p in silent]
    return [*lines, *(line for p in silent for line in _thin(layout, p))]


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
        for i, (state, _, _) in enumerate(group.declared):
            field = layout.state[group.name, state].identifier
            lines.append(f"if (population == {k} && state == {i}) return s.{field} + {row.offset};")
    return lines
