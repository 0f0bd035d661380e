"""Eligibility traces as lines of C++: learning signals, traces and gradients of a step, and at a sample's end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from sncc.backends.cpu.forward import (
    all_sources,
    delays_of_rows,
    row_loop,
    spikes_of,
    tile_layout,
    values_of,
    weight_of_rows,
)
from sncc.backends.cpu.gather import gradient_of_rows, place_of_gradient
from sncc.backends.cxx.dynamics import TraceFunctions
from sncc.backends.cxx.first_values import Drawing
from sncc.backends.cxx.layout import Layout, padded
from sncc.backends.cxx.synapse_rows import place_of_delays, place_of_weights
from sncc.backends.cxx.trace_loops import in_loops, turn_beside
from sncc.program.groups import Connection
from sncc.program.learning import Each, LearningSignal, PenaltySignal, Picked, SignalBack, TraceOperation, TraceUpdate


def step(layout: Layout) -> list[str]:
    """What follows the forward operations of a step."""

    def lines(k: int, o: TraceOperation) -> list[str]:
        match o:
            case LearningSignal() if _at_every_step(layout, o.readout):
                return _signal(layout, o)
            case SignalBack(readout=int(readout)) if _at_every_step(layout, readout):
                return _back(layout, o)
            case Picked():
                return _pick(layout, o)
            case TraceUpdate():
                return [*_update(layout, k, o, layout.dynamics.traces[k]), *_gather(layout, k, o, True)]
        return []

    return _in_loops(layout, lines)


def end(layout: Layout) -> list[str]:
    """What follows the last step, for losses at a sample's end."""

    def lines(k: int, o: TraceOperation) -> list[str]:
        match o:
            case LearningSignal() if not _at_every_step(layout, o.readout):
                return _signal(layout, o)
            case SignalBack(readout=int(readout)) if not _at_every_step(layout, readout):
                return _back(layout, o)
            case TraceUpdate():
                return _gather(layout, k, o, False)
        return []

    return _in_loops(layout, lines)


def _in_loops(layout: Layout, lines: Callable[[int, TraceOperation], list[str]]) -> list[str]:
    def count(each: Each) -> str:
        return str(layout.outputs(each) or f"most_of_a_source(p, {layout.rows_along(each)})")

    def head(each: Each) -> str:
        if each.inside is None:
            return f"for (std::int64_t output = 0, outputs = {count(each)}; output < outputs; ++output)"
        outer = f"outer = 0, outers = {count(each.inside)}, inners = {count(each)}; outer < outers; ++outer"
        inner = "output = outer * inners; output < (outer + 1) * inners; ++output"
        return f"for (std::int64_t {outer}) for (std::int64_t {inner})"

    return in_loops(layout.program.traces, lines, head)


def penalties(layout: Layout) -> list[str]:
    """What follows when the rates of all samples are known: signals of penalties, and their gradients."""
    lines: list[str] = []
    for o in layout.program.traces:
        if isinstance(o, PenaltySignal):
            group, offset, size = o.target
            into = f"s.state.{layout.state[group, o.variable].identifier} + {offset}"
            place = layout.penalty_offsets[o.penalty]
            lines.append(f"std::memcpy({into}, penalties + {place}, sizeof(Real) * {size});")
        if isinstance(o, SignalBack) and o.readout is None:
            lines += _back(layout, o)
    for k, o in enumerate(layout.program.traces):
        if isinstance(o, TraceUpdate):
            lines += _products(layout, k, o, o.penalised)
    return lines


def start(layout: Layout) -> list[str]:
    """First values of the traces that do not start at zero."""
    lines: list[str] = []
    for k, o in enumerate(layout.program.traces):
        if not isinstance(o, TraceUpdate):
            continue
        for trace, function in layout.dynamics.traces[k].start.items():
            place = _place(layout, k, o, trace)
            size = layout.program.group(o.group).size
            call = Drawing("s.seed", "s.trial", "j").call(layout, function, o.group, "j")
            line = f"for (int j = 0; j < {size}; ++j) ({place})[j] = {call};"
            if trace in dict(o.kept):  # of all steps before the first one
                steps = f"kept_trace(s, p, {layout.late_trace(k, trace)[0]}).steps"
                line = f"for (std::int64_t n = 0, steps = {steps}; n < steps; ++n) {line}"
            lines.append(line)
    return lines


def _at_every_step(layout: Layout, readout: int) -> bool:
    return layout.program.readouts[readout].reduction is None


def _place(layout: Layout, k: int, o: TraceUpdate, trace: str, turn: str = "output") -> str:
    """Where a trace's numbers start, in a turn of its loop."""
    if (k, trace) in layout.trace_offsets:
        further = f" + {turn} * {layout.trace_strides[k]}" if o.each is not None else ""
        return f"s.traces.data() + {layout.trace_offsets[k, trace]}{further}"
    entry, late = layout.late_trace(k, trace)
    if late.steps is not None:
        return f"kept_trace(s, p, {entry}).at(n)"
    number = str(late.names.index(trace))
    if o.each is not None:
        number = f"{turn} * {len(late.names)} + {number}"
    return f"traces_in_rows(s, p, {entry}, {number})"


def _signal(layout: Layout, o: LearningSignal) -> list[str]:
    group, offset, size = o.target
    into = f"s.state.{layout.state[group, o.variable].identifier} + {offset}"
    outputs = layout.program.readouts[o.readout].size
    lines = ["{", f"    alignas(64) Real error[{padded(outputs)}];", f"    error_of<{o.readout}>(s, error);"]
    if o.each is not None and o.weight is not None and not o.each.along:
        lines.append(f"    for (int k = 0; k < {outputs}; ++k) error[k] = k == output ? error[k] : Real(0);")
    across = layout.program.connection(o.across) if o.across is not None else None
    if o.each is not None and o.each.along and across is None:
        return [*lines, f"    {_picked(layout, o.each, 'target', into, 'error')}", "}"]
    if o.weight is None:
        which = "j" if o.each is None else "output"
        lines.append(f"    for (int j = 0; j < {size}; ++j) ({into})[j] = error[{which}];")
        return [*lines, "}"]
    key = layout.keys.index(o.weight)
    lines.append(f"    std::memset({into}, 0, sizeof(Real) * {padded(size)});")
    if o.each is not None and o.each.along and across is not None:
        rows = f"p.rows[{layout.row_number(across)}]"
        lines.append(f"    pick_error<Real>({rows}, output, {into}, {weight_of_rows(layout, across)}, error);")
    elif across in layout.rows_of_synapses:
        passed = f"{row_loop(layout, across)}, {into}, 0, {weight_of_rows(layout, across)}, error, 0, {size}"
        lines.append(f"    transpose_synapses<1>({passed});")
    elif o.one_to_one:
        lines.append(f"    add_products<1>({into}, 0, p.weight({key}), error, 0, {size});")
    else:
        weight = f"p.weight({key})" if o.transposed else f"p.transposed[{key}].data()"
        lines.append(f"    dense_product<1>({into}, 0, {weight}, TileLayout<Real>{{{outputs}, {size}}}, error, 0);")
    if across is not None and across.dropout:
        kept = f"s.kept[{layout.thinning(across)}].data()"
        lines.append(f"    for (int j = 0; j < {size}; ++j) ({into})[j] *= {kept}[j];")
    return [*lines, "}"]


def _back(layout: Layout, o: SignalBack) -> list[str]:
    """What the target of each synapse is told, to what stands for the synapse."""
    group = o.told or layout.program.connection(o.connection or "").target_group
    return _copied(layout, o.connection, (o.group, o.variable), (group, o.variable))


def _copied(layout: Layout, connection: str | None, to: tuple[str, str], of: tuple[str, str]) -> list[str]:
    """A variable of the targets of a connection for each of its sources, or of elements with the same places."""
    into, told = (f"s.state.{layout.state[place].identifier}" for place in (to, of))
    if connection is None:
        return [f"std::memcpy({into}, {told}, sizeof(Real) * {layout.program.group(to[0]).size});"]
    c = layout.program.connection(connection)
    if c in layout.rows_of_synapses:
        offset = layout.program.place(c.target)[1].offset
        return [f"signal_back(p.rows[{layout.row_number(c)}], {into}, {told} + {offset});"]
    return [f"std::memcpy({into}, {told} + {c.target_offset}, sizeof(Real) * {c.target_size});"]


def _pick(layout: Layout, o: Picked) -> list[str]:
    """What the synapse of each neuron onto an output is like."""
    if o.over is not None:
        return _copied(layout, o.over, (o.group, o.variable), o.of)
    into = f"s.state.{layout.state[o.group, o.variable].identifier}"
    if o.what == "delay":
        c = layout.program.connection(o.of[0])
        r = layout.row_number(c)
        return [f"pick_delay<Real>(p.rows[{r}], output, {into}{f', p.rests[{r}].data()' if c.interpolated else ''});"]
    of = f"s.state.{layout.state[o.of].identifier}"
    if o.each.inside is not None:
        return [_picked_of_reached(layout, o, o.each.inside, into, of)]
    return [_picked(layout, o.each, o.what, into, of)]


def _picked_of_reached(layout: Layout, o: Picked, around: Each, into: str, of: str) -> str:
    """What each neuron sees of a synapse of the neuron that it reaches in a turn of the loop around this one."""
    size = layout.program.group(o.group).rows[0].size
    reached = "[&](std::int64_t i) { return i; }"  # in the same places
    if not around.along:
        first = layout.program.readouts[around.readout or 0].offset
        reached = f"[&](std::int64_t) {{ return {first} + outer; }}"
    elif layout.rows_along(around) is not None:
        rows = [f"p.rows[{layout.row_number(layout.program.connection(name))}]" for name in around.along]
        reached = f"Reached{{{rows[0]}, {f'&{rows[1]}' if len(rows) > 1 else 'nullptr'}, outer}}"
    reading = layout.rows_along(o.each)
    having = "nullptr" if reading is None else f"&p.rows[{reading}]"
    return f"pick_of_reached({size}, {reached}, {having}, output - outer * inners, {into}, {of});"


def _picked(layout: Layout, each: Each, what: Literal["synapse", "target"], into: str, of: str) -> str:
    """What each neuron sees of its synapse that a loop has come to, or of the target of this."""
    c = layout.program.connection(each.along[0])
    if len(each.along) == 1 and c in layout.rows_of_synapses:  # no synapses, elements of a group, in between
        return f"pick<Real>(p.rows[{layout.row_number(c)}], nullptr, output, {into}, {of});"
    rows = [
        f"p.rows[{layout.row_number(c)}]" if c in layout.rows_of_synapses else ""
        for c in map(layout.program.connection, each.along)
    ]
    if not rows[0]:  # one synapse for each neuron, and in the same places
        size = c.source_size
        return f"std::memcpy({into}, {of}, sizeof(Real) * {size});"
    onto = f"&{rows[1]}" if what == "target" else "nullptr"
    return f"pick<Real>({rows[0]}, {onto}, output, {into}, {of});"


def _synapses(layout: Layout, o: TraceUpdate) -> tuple[Connection | None, str, int]:
    """The connection, the layout of its traces unless they are of synapses in rows,
    and where its neurons stand in the group.
    """
    if o.connection is None:
        return None, f"TileLayout<Real>{{1, {layout.program.group(o.group).size}}}", 0
    c = layout.program.connection(o.connection)
    if c in layout.rows_of_synapses:
        return c, "", layout.program.place(c.target)[1].offset
    return c, tile_layout(layout, c.weight), c.target_offset


def _update(layout: Layout, k: int, o: TraceUpdate, functions: TraceFunctions) -> list[str]:
    c, _, offset = _synapses(layout, o)
    in_rows = c in layout.rows_of_synapses
    one = c is not None and c.pattern == "one_to_one" and not in_rows
    lines = [f"{{  // traces of {o.connection or f'{o.group}.{o.array}'}"]
    place, neuron = ("k", "j") if in_rows else ("at + j", "first + j")
    passed: list[str] = []
    for a in functions.step.arguments:
        match a.role:
            case "trace":
                where = _place(layout, k, o, a.name)
                lines.append(f"    Real* SNCC_RESTRICT const of_{a.identifier} = {where};")
                passed.append(f"of_{a.identifier}[{place}]")
            case "pre":
                passed.append(f"pre[{neuron}]" if one else "emitted")
            case "post" | "through":
                field, _ = layout.seen_by(o, a.name)
                lines.append(f"    const Real* SNCC_RESTRICT const of_{a.identifier} = s.state.{field} + {offset};")
                passed.append(f"of_{a.identifier}[{neuron}]")
            case "shared":
                where = _place(layout, *layout.program.beside(o), a.name.removeprefix("shared."), turn_beside(o))
                lines.append(f"    const Real* SNCC_RESTRICT const of_{a.identifier} = {where};")
                passed.append(f"of_{a.identifier}[{place}]")
            case "adds":
                where = _place(layout, *layout.program.beside(o), a.name, turn_beside(o))
                lines.append(f"    Real* const of_{a.identifier} = {where};")
                passed.append(f"of_{a.identifier}[{place}]")
            case "past":
                kept = layout.program.beside(o)[0], a.name.removeprefix("past.")
                delays, _ = layout.seen_by(o, dict(o.delays)[kept[1]])
                lines.append(f"    const auto of_{a.identifier} = kept_trace(s, p, {layout.late_trace(*kept)[0]});")
                lines.append(f"    const Real* const delays_{a.identifier} = s.state.{delays} + {offset};")
                window = layout.program.truncate or 0
                passed.append(f"of_{a.identifier}.before({place}, n, delays_{a.identifier}[{neuron}], {window})")
            case "within":
                lines.append(f"    const Real within = {layout.starts_window()} ? 0 : 1;")
                passed.append("within")
            case "read" | "output":
                field, number = layout.seen_by(o, a.name)
                which = f"{number} + output" if o.each is not None else number
                lines.append(f"    const Real of_{a.identifier} = s.state.{field}[{which}];")
                passed.append(f"of_{a.identifier}")
            case "reads":
                lines.append(f"    const Real of_{a.identifier} = reads<{a.name.removeprefix('reads.')}>(s, n);")
                passed.append(f"of_{a.identifier}")
    call = f"dynamics::{functions.step.name}({', '.join(passed)});"
    reads = bool(functions.step.of("pre"))
    if c is not None and in_rows:
        return [*lines, *_over_rows(layout, c, call, reads, o.of_delays), "}"]
    lines += _emitted(layout, c)
    pre = "one" if c is None else "pre[i]"
    emitted = [] if one or not reads else [f"    [[maybe_unused]] const Real emitted = {pre};"]
    return [
        *lines, "    constexpr Real one = 1;", "    static_cast<void>(one);",
        f"    for_rows({_synapses(layout, o)[1]}, [&](int i, int first, std::int64_t at, int width) {{",
        "        static_cast<void>(i), static_cast<void>(first);", *(f"    {x}" for x in emitted),
        "        SNCC_INDEPENDENT", f"        for (int j = 0; j < width; ++j) {call}", "    });", "}",
    ]  # fmt: skip


def _over_rows(layout: Layout, c: Connection, call: str, reads: bool, of_delays: bool) -> list[str]:
    """The loop over synapses in rows; with a delay for each, what the source emitted in these steps stands first."""
    size, loop = all_sources(layout, c), row_loop(layout, c)
    lines = _emitted(layout, c)
    emitted = "pre[i]"
    if c.delays is not None:
        source = values_of(layout, c) if c.signal else spikes_of(layout, c)
        rows = f"p.rows[{layout.row_number(c)}]"
        lines = [
            f"    const EmittedBefore<Real> pre = emitted_before(s.emitted, {source}, n, {rows}, {size});",
            f"    const auto delays = {delays_of_rows(layout, c)};",
        ]
        emitted = "pre.over(delays, k, i)"
        if of_delays:
            lines.append(f"    const Real* const weights = {weight_of_rows(layout, c)};")
            emitted = "weights[e] * pre.over(SlopesOfDelays(delays), k, i)"
    body = f"const Real emitted = {emitted}; {call}" if reads else call
    return [
        *lines, "    static_cast<void>(pre);", f"    const auto loop = {loop};",
        f"    for (std::int64_t i = 0; i < {size}; ++i)",
        f"        loop.template row<true>(i, [&]([[maybe_unused]] std::int64_t j, [[maybe_unused]] std::int64_t e, std::uint64_t k) SNCC_INLINE_LAMBDA {{ {body} }});",
    ]  # fmt: skip


def _emitted(layout: Layout, c: Connection | None) -> list[str]:
    """What the source emitted, a number per neuron; of synapses in rows, of the whole source."""
    if c is None:
        return []
    when = f"n - {c.delay}" if c.delay else "n"
    size = all_sources(layout, c) if c in layout.rows_of_synapses else c.source_size
    if c.signal:
        source = f"{values_of(layout, c)}.at({when})"
        return [f"    const Real* const pre = values_or_zeros(s.emitted, {source}, {size});"]
    return [f"    const Real* const pre = as_numbers(s.emitted, {spikes_of(layout, c)}.at({when}), {size});"]


def _gather(layout: Layout, k: int, o: TraceUpdate, at_every_step: bool) -> list[str]:
    """The gradient of the losses of every step, or of those of the end."""
    pairs = [(s, trace) for s, trace, readout in o.gradient if _at_every_step(layout, readout) == at_every_step]
    return _products(layout, k, o, pairs)


def _products(layout: Layout, k: int, o: TraceUpdate, pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Signals times traces, added to the gradient."""
    c, shape, offset = _synapses(layout, o)
    lines: list[str] = []
    for signal, trace in pairs:
        field = layout.state[o.group, signal].identifier
        factor, values = f"s.state.{field} + {offset}", _place(layout, k, o, trace)
        if c is not None and o.of_delays:
            key, place = layout.program.learnt_by(o), f"Element::{place_of_delays(layout.program, c)}"
            into = f"{place_of_gradient(layout, key)}, {all_sources(layout, c)}, {factor}, {values}"
            loop = f"{row_loop(layout, c)}, {delays_of_rows(layout, c)}"
            lines.append(f"gather_traces_of_delays<{place}>({loop}, {into});  // {key}")
        elif c is not None and c in layout.rows_of_synapses:
            into = f"{gradient_of_rows(layout, c)}, {all_sources(layout, c)}, {factor}, {values}"
            place = f"Element::{place_of_weights(layout.program, c)}"
            lines.append(f"gather_traces_in_rows<{place}>({row_loop(layout, c)}, {into});  // {c.name}")
        elif c is not None:
            into = f"gradient + {layout.gradient_offsets[c.weight]}"
            lines.append(f"gather_traces({into}, {shape}, {factor}, {values});  // {c.name}")
        elif (o.group, f"{o.array}~") in layout.sums:
            into = f"sums + {layout.sums[o.group, f'{o.array}~']}"
            lines.append(f"gather_numbers({into}, {layout.program.group(o.group).size}, {factor}, {values});")
    return lines
