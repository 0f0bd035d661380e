"""The loop over a group's neurons that an update is, with what each of its arguments stands for."""

from __future__ import annotations

from sncc.backends.cxx.functions import Argument, Function
from sncc.backends.cxx.layout import Layout
from sncc.program.groups import Group, Row
from sncc.program.operations import Update


def update_loop(layout: Layout, update: Update, function: Function, sample: str, tape: str, keep: str) -> list[str]:
    """The loop over a group's neurons; `keep` guards stores where the tape may be absent."""
    group = layout.program.group(update.group)
    before: list[str] = []
    passed: list[str] = []
    for a in function.arguments:
        if a.role in ("load", "store"):
            lines, value = _on_tape(layout, group, a, tape, keep)
        else:
            lines, value = _of_neuron(layout, group, a, sample, function.name.startswith("adjoint"))
        before += lines
        passed.append(value)
    call = f"dynamics::{function.name}({', '.join(passed)});"
    streams = {a.name: f"stream_{a.identifier}" for a in function.of("stream")}  # of drawn numbers, by draw
    counts = {a.name: a.identifier for a in function.of("count")}  # of Poisson spikes, by draw
    if streams or counts:
        loops = [line for row in group.rows for line in _drawing_loop(layout, group, row, streams, counts, call)]
    else:
        loops = ["SNCC_INDEPENDENT", f"for (int j = 0; j < {group.size}; ++j) {call}"]
    inputs = [a for a in function.arguments if a.role == "input"]
    clear = [f"std::memset(of_{a.identifier}, 0, sizeof(Real) * {group.size});" for a in inputs]
    return [*before, *loops, *clear]


def _of_neuron(layout: Layout, group: Group, a: Argument, sample: str, backwards: bool) -> tuple[list[str], str]:
    """What stands before the loop for an argument of neuron j, and what the argument is."""
    match a.role:
        case "time":
            return [f"const Real t = {sample}.time(n);"], "t"
        case "learns":
            return [], f"{sample}.learns ? Real(1) : Real(0)"
        case "count":
            return [], f"of_{a.identifier}[j - begin]"
        case "draw":
            return [], _COUNTERS[a.name].format(sample=sample)
        case "stream":
            return [], f"stream_{a.identifier}"
        case "array":
            place = (
                f"const Real* SNCC_RESTRICT const of_{a.identifier} = a.{layout.array[group.name, a.name].identifier};"
            )
        case "out":
            field = layout.state[group.name, "spike.mask"].identifier
            place = f"Real* SNCC_RESTRICT const of_{a.identifier} = {sample}.state.{field};"
        case _:
            fields, owner = (layout.adjoint, "adjoint") if backwards else (layout.state, f"{sample}.state")
            field = fields[group.name, a.name].identifier
            place = f"Real* SNCC_RESTRICT const of_{a.identifier} = {owner}.{field};"
    return [place], f"of_{a.identifier}[j]"


def _on_tape(layout: Layout, group: Group, a: Argument, tape: str, keep: str) -> tuple[list[str], str]:
    """The same of what a step keeps for the way back."""
    name = f"of_{a.identifier}"
    slot = f"{tape}slot({layout.columns[group.name, a.name]}, {group.size}, n, index)"
    if a.role == "load":
        return [f"const Real* const {name} = {slot};"], f"{name}[j]"
    if not keep:
        return [f"Real* const {name} = {slot};"], f"{name}[j]"
    before = [f"Real* const {name} = {keep} ? {slot} : nullptr;", f"Real unused_{a.identifier};"]
    return before, f"{keep} ? {name}[j] : unused_{a.identifier}"


_COUNTERS = {
    "seed": "{sample}.seed", "element": "static_cast<std::uint32_t>(j - first)",
    "step": "static_cast<std::uint32_t>({sample}.before + n)", "trial": "{sample}.trial",
}  # fmt: skip


def _drawing_loop(
    layout: Layout, group: Group, row: Row, streams: dict[str, str], counts: dict[str, str], call: str
) -> list[str]:
    """The loop over one population's neurons; each draw has the population's stream, Poisson counts 64 at a time."""
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
    mean = mean_of(layout, group, draw, "s.time(n)", "s.state", "begin")
    population = layout.populations.index(row.population)
    return [
        f"alignas(64) Real of_{name}[64];",
        f"alignas(64) double mean_{name}[64];",
        f"alignas(64) std::uint32_t words_{name}[64];",
        f"for (int j = 0; j < count; ++j) mean_{name}[j] = {mean};",
        f"poisson_counts(s.poisson[{population}], s.seed, 0x{dict(row.streams)[draw]:08x}u, static_cast<std::uint32_t>(begin - first),",
        f"               static_cast<std::uint32_t>(s.before + n), s.trial, mean_{name}, count, words_{name}, of_{name});",
    ]


def mean_of(layout: Layout, group: Group, draw: str, time: str, states: str, first: str) -> str:
    """The call for the mean of a Poisson count of neuron `first + j`."""
    mean = layout.dynamics.means[group.name, draw]
    passed = []
    for a in mean.arguments:
        match a.role:
            case "time":
                passed.append(f"static_cast<double>({time})")
            case "array":
                passed.append(f"a.{layout.array[group.name, a.name].identifier}[{first} + j]")
            case _:
                passed.append(f"{states}.{layout.state[group.name, a.name].identifier}[{first} + j]")
    return f"dynamics::{mean.name}({', '.join(passed)})"
