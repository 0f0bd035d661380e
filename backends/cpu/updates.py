"""The loop over a group's neurons that an update is, with what each of its arguments stands for."""

from __future__ import annotations

from sncc.backends.cxx.dynamics import Function
from sncc.backends.cxx.layout import Layout
from sncc.program.groups import Group, Row
from sncc.program.operations import Update


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
