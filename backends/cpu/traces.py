"""Eligibility traces of a Program as lines of C++: learning signals, traces and gradients of a step, and at a sample's end."""

from __future__ import annotations

from collections.abc import Iterable

from sncc.backends.cpu.forward import spikes_of, tile_layout, values_of
from sncc.backends.cxx.dynamics import TraceFunctions
from sncc.backends.cxx.layout import Layout, padded
from sncc.program.groups import Connection
from sncc.program.learning import LearningSignal, PenaltySignal, TraceUpdate


def step(layout: Layout) -> list[str]:
    """What follows the forward operations of a step."""
    lines: list[str] = []
    for k, o in enumerate(layout.program.traces):
        match o:
            case LearningSignal() if _every_step(layout):
                lines += _signal(layout, o)
            case TraceUpdate():
                lines += _update(layout, k, o, layout.dynamics.traces[k])
    return lines


def end(layout: Layout) -> list[str]:
    """What follows the last step, for losses at a sample's end."""
    lines: list[str] = []
    for k, o in enumerate(layout.program.traces):
        match o:
            case LearningSignal() if not _every_step(layout):
                lines += _signal(layout, o)
            case TraceUpdate() if not _every_step(layout):
                lines += _gather(layout, k, o)
    return lines


def penalties(layout: Layout) -> list[str]:
    """What follows when the rates of all samples are known: signals of penalties, and their gradients."""
    lines: list[str] = []
    for o in layout.program.traces:
        if isinstance(o, PenaltySignal):
            group, offset, size = o.target
            into = f"s.state.{layout.state[group, o.variable].identifier} + {offset}"
            place = layout.penalty_offsets[o.penalty]
            lines.append(f"std::memcpy({into}, penalties + {place}, sizeof(Real) * {size});")
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
            place = f"s.traces.data() + {layout.trace_offsets[k, trace]}"
            size = layout.program.group(o.group).size
            arrays = [f"a.{layout.array[o.group, x.name].identifier}[j]" for x in function.of("array")]
            lines.append(
                f"for (int j = 0; j < {size}; ++j) ({place})[j] = dynamics::{function.name}({', '.join(arrays)});"
            )
    return lines


def _every_step(layout: Layout) -> bool:
    return all(r.reduction is None for r in layout.program.readouts)


def _signal(layout: Layout, o: LearningSignal) -> list[str]:
    group, offset, size = o.target
    into = f"s.state.{layout.state[group, o.variable].identifier} + {offset}"
    outputs = layout.program.readouts[o.readout].size
    lines = ["{", f"    alignas(64) Real error[{padded(outputs)}];", f"    error_of<{o.readout}>(s, error);"]
    if o.weight is None:
        lines.append(f"    for (int j = 0; j < {size}; ++j) ({into})[j] = error[j];")
        return [*lines, "}"]
    key = layout.keys.index(o.weight)
    lines.append(f"    std::memset({into}, 0, sizeof(Real) * {padded(size)});")
    if o.one_to_one:
        lines.append(f"    add_products<1>({into}, 0, p.weight({key}), error, 0, {size});")
    else:
        weight = f"p.weight({key})" if o.transposed else f"p.transposed[{key}].data()"
        lines.append(f"    dense_product<1>({into}, 0, {weight}, TileLayout<Real>{{{outputs}, {size}}}, error, 0);")
    across = layout.program.connection(o.across) if o.across is not None else None
    if across is not None and across.dropout:
        kept = f"s.kept[{layout.thinning(across)}].data()"
        lines.append(f"    for (int j = 0; j < {size}; ++j) ({into})[j] *= {kept}[j];")
    return [*lines, "}"]


def _synapses(layout: Layout, o: TraceUpdate) -> tuple[Connection | None, str, int]:
    """The connection, the layout of its traces, and where its neurons stand in the group."""
    if o.connection is None:
        return None, f"TileLayout<Real>{{1, {layout.program.group(o.group).size}}}", 0
    c = layout.program.connection(o.connection)
    return c, tile_layout(layout, c.weight), c.target_offset


def _update(layout: Layout, k: int, o: TraceUpdate, functions: TraceFunctions) -> list[str]:
    c, shape, offset = _synapses(layout, o)
    name = o.connection or f"{o.group}.{o.array}"
    lines = [f"{{  // traces of {name}"]
    one = c is not None and c.pattern == "one_to_one"
    lines += _emitted(layout, c)
    passed: list[str] = []
    for a in functions.step.arguments:
        match a.role:
            case "trace":
                lines.append(
                    f"    Real* SNCC_RESTRICT const of_{a.identifier} = s.traces.data() + {layout.trace_offsets[k, a.name]};"
                )
                passed.append(f"of_{a.identifier}[at + j]")
            case "pre":
                passed.append("pre[first + j]" if one else "emitted")
            case "post":
                field = layout.state[o.group, a.name.removeprefix("post.")].identifier
                lines.append(f"    const Real* SNCC_RESTRICT const of_{a.identifier} = s.state.{field} + {offset};")
                passed.append(f"of_{a.identifier}[first + j]")
            case "read":
                index, _, variable = a.name.removeprefix("read.").partition(".")
                readout = layout.program.readouts[int(index)]
                field = layout.state[readout.group, variable].identifier
                lines.append(f"    const Real of_{a.identifier} = s.state.{field}[{readout.offset}];")
                passed.append(f"of_{a.identifier}")
            case "reads":
                lines.append(f"    const Real of_{a.identifier} = reads<{a.name.removeprefix('reads.')}>(s, n);")
                passed.append(f"of_{a.identifier}")
    pre = "one" if c is None else "pre[i]"
    call = f"dynamics::{functions.step.name}({', '.join(passed)});"
    emitted = [] if one or not functions.step.of("pre") else [f"    [[maybe_unused]] const Real emitted = {pre};"]
    lines += [
        "    constexpr Real one = 1;", "    static_cast<void>(one);",
        f"    for_rows({shape}, [&](int i, int first, std::int64_t at, int width) {{",
        "        static_cast<void>(i), static_cast<void>(first);", *(f"    {x}" for x in emitted),
        "        SNCC_INDEPENDENT", f"        for (int j = 0; j < width; ++j) {call}", "    });", "}",
    ]  # fmt: skip
    return [*lines, *(_gather(layout, k, o) if _every_step(layout) else [])]


def _emitted(layout: Layout, c: Connection | None) -> list[str]:
    """What the source emitted, a number per neuron."""
    if c is None:
        return []
    when = f"n - {c.delay}" if c.delay else "n"
    if c.signal:
        source = f"{values_of(layout, c)}.at({when})"
        return [f"    const Real* const pre = values_or_zeros(s.emitted, {source}, {c.source_size});"]
    return [f"    const Real* const pre = as_numbers(s.emitted, {spikes_of(layout, c)}.at({when}), {c.source_size});"]


def _gather(layout: Layout, k: int, o: TraceUpdate) -> list[str]:
    """The gradient of the losses."""
    return _products(layout, k, o, [(signal, trace) for signal, trace, _ in o.gradient])


def _products(layout: Layout, k: int, o: TraceUpdate, pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Signals times traces, added to the gradient."""
    c, shape, offset = _synapses(layout, o)
    lines: list[str] = []
    for signal, trace in pairs:
        field = layout.state[o.group, signal].identifier
        factor = f"s.state.{field} + {offset}"
        values = f"s.traces.data() + {layout.trace_offsets[k, trace]}"
        if c is not None:
            into = f"gradient + {layout.gradient_offsets[c.weight]}"
            lines.append(f"gather_traces({into}, {shape}, {factor}, {values});  // {c.name}")
        elif (o.group, f"{o.array}~") in layout.sums:
            into = f"sums + {layout.sums[o.group, f'{o.array}~']}"
            lines.append(f"gather_numbers({into}, {layout.program.group(o.group).size}, {factor}, {values});")
    return lines
