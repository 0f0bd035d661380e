"""Gradients of weights and delays as lines of C++: sums over the spikes, or values, that a sample's adjoints meet."""

from __future__ import annotations

from sncc.backends.cpu.forward import (
    all_sources,
    delays_of_rows,
    is_mostly_zero,
    row_loop,
    spikes_of,
    tile_layout,
    values_of,
    weight_of_rows,
)
from sncc.backends.cxx.layout import KNOWN_AT_BUILD, Layout, padded
from sncc.backends.cxx.synapse_rows import place_of_delays, place_of_weights
from sncc.program.groups import Connection
from sncc.program.learning import Gather, GatherDelay

_SAMPLE = "tile.samples[index]"


def _begin(layout: Layout, key: str, written: set[str]) -> list[str]:
    """Zeros where the first of a tile's gradients goes to, unless another connection of this parameter has begun it."""
    if key in written:
        return []
    written.add(key)
    rows, columns = layout.matrix(key)
    size = f"p.own[{layout.keys.index(key)}].size()" if columns < 0 else str(rows * padded(columns))
    return [f"if (first) std::memset({place_of_gradient(layout, key)}, 0, sizeof(Real) * {size});"]


def place_of_gradient(layout: Layout, key: str) -> str:
    """Where a parameter's gradient starts."""
    offset = layout.gradient_offsets[key]
    return f"gradient + {f'p.gradient_offsets[{layout.keys.index(key)}]' if offset == KNOWN_AT_BUILD else offset}"


def gradient_of_rows(layout: Layout, c: Connection) -> str:
    """Where the gradient of the weights of synapses in rows starts."""
    one = layout.place_of_one(c.weight)
    return place_of_gradient(layout, c.weight) + (f" + {one}" if one else "")


def gather(layout: Layout) -> list[str]:
    """Gradients of the weights, source by source."""
    lines: list[str] = []
    by_source: dict[str, list[tuple[Connection, str]]] = {}
    for o in layout.program.gradient:
        if isinstance(o, Gather):
            c = layout.program.connection(o.connection)
            if _is_gathered_with_delays(layout, c):
                continue
            by_source.setdefault(c.name if c.dropout else c.source, []).append((c, o.slot))
    written: set[str] = set()  # weights whose gradient has been begun: others of them add
    for source, found in by_source.items():
        if any(not c.signal and (c.pattern == "dense" or c in layout.rows_of_synapses) for c, _ in found):
            c = found[0][0]
            lines += [
                f"for (int index = 0; index < tile.size; ++index)  // {source}",
                f"    list_channels(tile, index, {spikes_of(layout, c, _SAMPLE)}, {all_sources(layout, c)});",
            ]
        for c, slot in found:
            lines += _gather_one(layout, c, slot, written)
    late = [o for o in layout.program.gradient if isinstance(o, GatherDelay)]
    return [*lines, *(line for o in late for line in _gather_delays(layout, o, written))]


def _is_gathered_with_delays(layout: Layout, c: Connection) -> bool:
    """Whether the gradients of a connection's weights and delays are sums over the same adjoints, and made at once."""
    learnt = layout.program.parameter(c.weight).learnt
    return c.in_parts and learnt and layout.program.parameter(c.delays or "").learnt


def _gather_delays(layout: Layout, o: GatherDelay, written: set[str]) -> list[str]:
    """The gradient of learnt delays, and of the weights where both are made at once."""
    c = layout.program.connection(o.connection)
    key = c.delays or ""
    size, offset = layout.program.group(c.target_group).size, layout.program.place(c.target)[1].offset
    where = f"SlotPlace{{{layout.columns[c.target_group, o.slot]}, {size}, {offset}}}"
    of = values_of(layout, c, _SAMPLE) if c.signal else spikes_of(layout, c, _SAMPLE)
    loop, delays = f"{row_loop(layout, c)}, p.rows[{layout.row_number(c)}]", delays_of_rows(layout, c)
    place, into = f"Element::{place_of_delays(layout.program, c)}", place_of_gradient(layout, key)
    end = f"{weight_of_rows(layout, c)}, {of}, {where});"
    lines, each = _begin(layout, key, written), f"for (int index = 0; index < tile.size; ++index)  // {c.name}"
    if not _is_gathered_with_delays(layout, c):
        return [
            *lines,
            each,
            f"    gather_delays<{place}>({loop}, SlopesOfDelays({delays}), tile, index, {into}, {end}",
        ]
    lines += _begin(layout, c.weight, written)
    places = f"Element::{place_of_weights(layout.program, c)}, {place}"
    call = f"gather_weights_and_delays<{places}>({loop}, {delays}, tile, index, {gradient_of_rows(layout, c)}, {into}, {end}"
    return [*lines, each, f"    {call}"]


def _gather_rows(layout: Layout, c: Connection, slot: str, written: set[str]) -> list[str]:
    """The gradient of weights of synapses in rows."""
    size, offset = layout.program.group(c.target_group).size, layout.program.place(c.target)[1].offset
    loop, gradient = row_loop(layout, c), gradient_of_rows(layout, c)
    where = f"SlotPlace{{{layout.columns[c.target_group, slot]}, {size}, {offset}}}"
    place = f"Element::{place_of_weights(layout.program, c)}"
    of = values_of(layout, c, _SAMPLE) if c.signal else spikes_of(layout, c, _SAMPLE)
    lines = _begin(layout, c.weight, written)
    each = f"for (int index = 0; index < tile.size; ++index)  // {c.name}"
    if c.delays is not None:
        call = (
            f"gather_delayed<{place}>({loop}, p.rows[{layout.row_number(c)}], {delays_of_rows(layout, c)}, "
            f"tile, index, {gradient}, {of}, {where});"
        )
        return [*lines, each, f"    {call}"]
    if c.signal:
        call = f"gather_synapse_values<{place}>({loop}, tile, index, {gradient}, {of}, {where}, {c.delay}, {all_sources(layout, c)});"
        return [*lines, each, f"    {call}"]
    return [
        *lines,
        f"gather_synapses<{place}>({loop}, tile, {gradient}, {where}, {c.delay}, {all_sources(layout, c)});  // {c.name}",
    ]


def _gather_one(layout: Layout, c: Connection, slot: str, written: set[str]) -> list[str]:
    if c in layout.rows_of_synapses:
        return _gather_rows(layout, c, slot, written)
    size = layout.program.group(c.target_group).size
    column = layout.columns[c.target_group, slot]
    gradient = place_of_gradient(layout, c.weight)
    where = f"{{{column}, {size}, {c.target_offset}}}"
    if not c.signal and c.pattern == "dense":
        first = "false" if c.weight in written else "first"
        written.add(c.weight)
        return [
            f"gather_dense(tile, {gradient}, {tile_layout(layout, c.weight)}, SlotPlace{where}, {c.delay}, {first});  // {c.name}"
        ]
    of = values_of(layout, c, _SAMPLE) if c.signal else spikes_of(layout, c, _SAMPLE)
    call = "gather_product" if c.signal else "gather_one_to_one"
    if c.signal and c.pattern == "one_to_one":
        call = "gather_product_one_to_one"
    shape = (
        f"{tile_layout(layout, c.weight)}, " if call == "gather_product" else f"{c.source_size}, " if c.signal else ""
    )
    begin = _begin(layout, c.weight, written)
    if c.pattern == "dense" and is_mostly_zero(c):
        return [
            *begin,
            f"for (int index = 0; index < tile.size; ++index) {{  // {c.name}",
            f"    list_values(tile, index, {of}, {c.source_size});",
            f"    gather_values(tile, index, {gradient}, {shape}{of}, SlotPlace{where}, {c.delay});",
            "}",
        ]
    return [
        *begin,
        f"for (int index = 0; index < tile.size; ++index)  // {c.name}",
        f"    {call}(tile, index, {gradient}, {shape}{of}, SlotPlace{where}, {c.delay});",
    ]
