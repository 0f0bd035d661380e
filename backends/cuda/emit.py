"""Program → the CUDA half of a project: what a block does in a step, as calls of the headers and of the shared dynamics."""

from __future__ import annotations

from pathlib import Path

import jinja2

from sncc.backends.cxx.dynamics import Function, dynamics
from sncc.backends.cxx.expressions import literal
from sncc.backends.cxx.layout import Layout, padded
from sncc.backends.cxx.names import Namer
from sncc.program.nodes import (
    Connection,
    Deliver,
    Gather,
    Program,
    Readout,
    ReadoutAdjoint,
    Transpose,
    Update,
)

_HERE = Path(__file__).parent
WARP, MOST_THREADS = 32, 512  # of a block: 128 registers a thread are left on every card
_REDUCTIONS = {None: "none", "mean": "mean", "sum": "sum", "max": "maximum", "last": "last"}


def emit(program: Program) -> dict[str, str]:
    """The files of `src/cuda`, the CMake part, and the emulation that runs the same sources on a CPU."""
    name = program.name.lower()
    network = _Network(program, dynamics(program))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    files = {
        f"src/cuda/{name}_cuda.cu": environment.get_template("network.cu.j2").render(name=name, **network.parts()),
        "cmake/cuda.cmake": environment.get_template("cuda.cmake.j2").render(name=name),
    }
    include, emulation = _HERE / "include", _HERE / "emulation"
    files |= {f"src/{p.relative_to(include).as_posix()}": p.read_text() for p in sorted(include.rglob("*.h"))}
    found = [p for p in sorted(emulation.rglob("*")) if p.suffix in (".h", ".cpp", ".md")]
    return files | {f"emulation/{p.relative_to(emulation).as_posix()}": p.read_text() for p in found}


class _Network(Layout):
    """Finished lines of the emitted kernels."""

    def parts(self) -> dict[str, object]:
        """What the template prints."""
        p, readout, optimise = self.program, self.program.readout, self.program.optimise
        clip = optimise.clip if optimise else None
        self.offsets: list[int] = []
        size = 0
        for key in self.keys:
            self.offsets.append(size)
            rows, columns = self.matrix(key)
            size += rows * padded(columns)
        largest = max([g.size for g in p.groups], default=WARP)
        maps = [s.name for s in self.dynamics.readout if s.kind == "map"]
        names = Namer()
        self.maps = {name: names.fresh(f"map.{name}") for name in maps}
        gathers = [o for o in p.gradient if isinstance(o, Gather)]
        constants = [
            f"int parameters = {len(p.parameters)}",
            f"int sources = {len(p.sources)}",
            f"int populations = {len(self.rows)}",
            f"int threads = {min(MOST_THREADS, -(-largest // WARP) * WARP)}",
            f"int optimise_blocks = {max(1, min(264, size // 4096))}",
            f"std::int64_t most_delay = {max([c.delay for c in p.connections], default=0)}",
            f"std::int64_t tape_columns = {self.tape_columns}",
            f"std::int64_t gradient_size = {self.gradient_size}",
            f"std::int64_t parameter_size = {size}",
            f"std::int64_t sum_size = {self.sum_size}",
            f"bool learns = {str(optimise is not None).lower()}",
            f"int optimiser_states = {len(optimise.states) if optimise else 0}",
            f"double step_ms = {literal(p.step, 'double')}",
            f"double learning_rate = {literal(optimise.learning_rate if optimise else 0.0, 'double')}",
            f"Clip clip = Clip::{clip[0] if clip else 'none'}",
            f"double clip_limit = {literal(float(clip[1]) if clip else 0.0, 'double')}",
            f"int outputs = {readout.size if readout else 0}",
            f"Reduction reduction = Reduction::{_REDUCTIONS[readout.reduction if readout else None]}",
            f"bool mean_over_steps = {str(bool(readout and readout.over_steps == 'mean')).lower()}",
            f"std::int64_t first = {readout.first if readout else 0}",
            f"std::int64_t last = {-1 if readout is None or readout.last is None else readout.last}",
            f"double factor = {literal(readout.factor if readout else 1.0, 'double')}",
        ]
        return {
            "constants": constants,
            "state": list(self.state.values()),
            "adjoint": list(self.adjoint.values()),
            "array": list(self.array.values()),
            "maps": list(self.maps.values()),
            "shapes": [self.shape(key) for key in self.keys],
            "parameter_offsets": self.offsets,
            "scales": [literal(x.scale if x.learnt else 0.0, "double") for x in p.parameters],
            "source_sizes": [
                f"{{{s.size}, {str(s.kind == 'signal').lower()}, {literal(s.si, 'double')}}}" for s in p.sources
            ],
            "words": [-(-r.size // WARP) for _, r in self.rows],
            "variables": self._variables(),
            "views": self._views(),
            "start": self._start(),
            "forward": self._forward(),
            "back": self._back(),
            "keep_sums": self._keep_sums(),
            "gather": self._gather(),
            "gather_blocks": self._gather_blocks(gathers),
            "derive": self._derive(),
            "collect": self._collect(),
            "optimise": self._optimise(),
            "steps": self._steps(),
            "loss": self._loss(),
            "seen": self.seen(),
            "scalar_names": [a.identifier for a in self.dynamics.scalars.of("out")] if self.dynamics.scalars else [],
            "learns": optimise is not None,
        }

    # ---------------------------------------------------------------------------------------- places
    def _weight(self, key: str) -> str:
        return f"g.parameters + {self.offsets[self.keys.index(key)]}"

    def _stride(self, key: str) -> int:
        return padded(self.matrix(key)[1])

    def _slot(self, group: str, slot: str, when: str = "n") -> str:
        size = self.program.group(group).size
        return f"(g.tape + {self.columns[group, slot]} * rows + (b * g.most_steps + {when} - 1) * {size})"

    def _source(self, c: Connection) -> str:
        if c.source_group is None:
            return f"{'values' if c.signal else 'events'}_{self.sources.index(c.source)}"
        return f"spikes_{self.populations.index(c.source)}"

    def _views(self) -> list[str]:
        """What a sample reads by step: events and values handed over, spikes emitted."""
        lines = []
        for k, s in enumerate(self.program.sources):
            if s.kind == "signal":
                stride = padded(s.size)
                lines.append(
                    f"const ValueRows<Real> values_{k} = {{g.values[{k}] + b * (g.most_steps + g.lead) * {stride}, {stride}, 1 - g.lead, g.most_steps}};"
                )
            else:
                lines.append(
                    f"const EventRows events_{k} = {{g.events[{k}].offsets + b * (g.most_steps + g.lead + 1), g.events[{k}].indices, 1 - g.lead, g.most_steps}};"
                )
        for k, (_, row) in enumerate(self.rows):
            words = -(-row.size // WARP)
            lines.append(
                f"const SpikeBits spikes_{k} = {{g.bits[{k}] + b * (g.most_steps + g.lead) * {words}, {words}, 1 - g.lead}};"
            )
        names = [line.split(" = ")[0].split()[-1] for line in lines]
        return [*lines, *(f"static_cast<void>({name});" for name in names)]

    def _start(self) -> list[str]:
        lines: list[str] = []
        for group, row in self.rows:
            for state, _ in row.initial:
                function = self.dynamics.states[row.population, state]
                arrays = [
                    f"a.{self.array[group.name, x.name].identifier}[{row.offset} + j]" for x in function.of("array")
                ]
                arguments = ", ".join(["g.seed", "g.trials[b]", "static_cast<std::uint32_t>(j)", *arrays])
                field = self.state[group.name, state].identifier
                lines.append(
                    f"for_own({row.size}, [&](int j) {{ s.{field}[{row.offset} + j] = dynamics::{function.name}({arguments}); }});"
                )
        return lines

    # ---------------------------------------------------------------------------------------- forward
    def _deliver(self, c: Connection) -> list[str]:
        into = f"s.{self.state[c.target_group, c.input].identifier} + {c.target_offset}"
        when = f"n - {c.delay}" if c.delay else "n"
        weight, source = self._weight(c.weight), self._source(c)
        if c.signal and c.pattern == "dense":
            call = f"add_product({into}, {c.target_size}, {c.source_size}, {weight}, {self._stride(c.weight)}, {source}, {when});"
        elif c.signal:
            call = f"add_product_one_to_one({into}, {c.source_size}, {weight}, {source}, {when});"
        elif c.pattern == "dense":
            call = f"add_rows({into}, {c.target_size}, {weight}, {self._stride(c.weight)}, {source}, {when});"
        else:
            count = "" if c.source_group is None else f"{c.source_size}, "
            call = f"add_one_to_one({into}, {count}{weight}, {source}, {when});"
        return [f"{call}  // {c.name}", "__syncthreads();"]

    def _call(self, update: Update, function: Function, owner: str, keeps: bool) -> list[str]:
        group = self.program.group(update.group)
        fields = self.state if owner == "s" else self.adjoint
        passed: list[str] = []
        before: list[str] = []
        for a in function.arguments:
            match a.role:
                case "time":
                    passed.append("t")
                case "carry" | "input" | "sum":
                    passed.append(f"{owner}.{fields[group.name, a.name].identifier}[j]")
                case "array":
                    passed.append(f"a.{self.array[group.name, a.name].identifier}[j]")
                case "out":
                    passed.append(f"s.{self.state[group.name, 'spike.mask'].identifier}[j]")
                case "load":
                    passed.append(f"{self._slot(group.name, a.name)}[j]")
                case "store" if keeps:
                    passed.append(f"{self._slot(group.name, a.name)}[j]")
                case "store":
                    before.append(f"Real unused_{a.identifier};")
                    passed.append(f"unused_{a.identifier}")
        inputs = [f"{owner}.{fields[group.name, a.name].identifier}[j] = Real(0);" for a in function.of("input")]
        call = f"dynamics::{function.name}({', '.join(passed)});"
        return [f"for_own({group.size}, [&](int j) {{", *(f"    {x}" for x in (*before, call, *inputs)), "});"]

    def _forward(self) -> list[str]:
        lines: list[str] = []
        for o in self.program.forward:
            match o:
                case Deliver(connection):
                    lines += self._deliver(self.program.connection(connection))
                case Update():
                    function = self.functions[id(o)]
                    if o.stores:
                        kept, plain = self._call(o, function, "s", True), self._call(o, function, "s", False)
                        lines += ["if (g.keeps) {", *(f"    {x}" for x in kept), "} else {"]
                        lines += [*(f"    {x}" for x in plain), "}"]
                    else:
                        lines += self._call(o, function, "s", False)
                    lines.append("__syncthreads();")
                    if o.spikes:
                        mask = self.state[o.group, "spike.mask"].identifier
                        for row in self.program.group(o.group).rows:
                            k = self.populations.index(row.population)
                            lines.append(f"list_spikes(spikes_{k}, n, s.{mask} + {row.offset}, {row.size});")
                        lines.append("__syncthreads();")
                case Readout():
                    lines.append("observe<Network>(w.reading, seen(s), labels, n, g.keeps ? error(g, b, n) : nullptr);")
                    lines.append("__syncthreads();")
                    lines.append("if (g.step_outputs) for_own(outputs, [&](int j) {")
                    lines.append("    g.step_outputs[(b * g.most_steps + n - 1) * Reading::width + j] = seen(s)[j];")
                    lines.append("});")
        for k, (_, row) in enumerate(self.rows):
            if not row.spiking:
                words = -(-row.size // WARP)
                lines.append(
                    f"for_own({words}, [&](int j) {{ spikes_{k}.bits[(n - spikes_{k}.first) * {words} + j] = 0; }});"
                )
        return lines

    # ---------------------------------------------------------------------------------------- reverse
    def _back(self) -> list[str]:
        lines: list[str] = []
        for o in self.program.reverse:
            match o:
                case ReadoutAdjoint(into):
                    r = self.program.readout
                    assert r is not None
                    field = self.adjoint[r.group, into].identifier
                    lines.append(
                        f"readout_adjoint<Network>(w.reading, labels, n, 1.0 / g.batch, error(g, b, n), d.{field} + {r.offset});"
                    )
                case Transpose():
                    lines += self._transpose(o)
                case Update():
                    lines += self._call(o, self.functions[id(o)], "d", True)
            lines.append("__syncthreads();")
        return lines

    def _transpose(self, o: Transpose) -> list[str]:
        c = self.program.connection(o.connection)
        assert c.source_group is not None
        later = f"n + {c.delay}" if c.delay else "n"
        into = f"d.{self.adjoint[c.source_group, o.into].identifier} + {c.source_offset}"
        kept = f"{self._slot(c.target_group, o.slot, f'({later})')} + {c.target_offset}"
        weight = self._weight(c.weight)
        if c.pattern == "dense":
            call = (
                f"transpose_rows({into}, {c.source_size}, {c.target_size}, {weight}, {self._stride(c.weight)}, {kept});"
            )
        else:
            call = f"for_own({c.source_size}, [&](int j) {{ ({into})[j] += ({weight})[j] * ({kept})[j]; }});"
        return [f"if ({later} <= steps) {call}  // {c.name}, backwards"]

    def _keep_sums(self) -> list[str]:
        lines = []
        for (group, name), offset in self.sums.items():
            field, size = self.adjoint[group, name].identifier, self.program.group(group).size
            lines.append(
                f"for_own({size}, [&](int j) {{ g.sums[b * sum_size + {offset} + j] = static_cast<double>(d.{field}[j]); }});"
            )
        return lines

    # ---------------------------------------------------------------------------------------- gradient
    def _rows_of(self, c: Connection) -> int:
        return c.source_size if c.pattern == "dense" else 1

    def _gather_blocks(self, gathers: list[Gather]) -> int:
        return 1 + sum(self._rows_of(self.program.connection(o.connection)) for o in gathers)

    def _gather(self) -> list[str]:
        """Which block does what: block 0 the sums over samples, then a block per presynaptic neuron."""
        lines = ["if (block == 0) {", "    for_own(static_cast<int>(sum_size), [&](int e) {", "        double sum = 0;"]
        lines += [
            "        for (int b = 0; b < g.batch; ++b) sum += g.sums[b * sum_size + e];",
            "        g.total[e] = sum;",
            "    });",
        ]
        first = 1
        for o in self.program.gradient:
            if not isinstance(o, Gather):
                continue
            c = self.program.connection(o.connection)
            rows, size = self._rows_of(c), self.program.group(c.target_group).size
            lines.append(f"}} else if (block < {first + rows}) {{  // {c.name}")
            lines.append(f"    const int i = block - {first};")
            column = self.columns[c.target_group, o.slot]
            lines.append(
                f"    const KeptAdjoint<Real> kept = {{g.tape + {column} * rows, {size}, {c.target_offset}, g.most_steps}};"
            )
            into = f"g.gradient + {self.gradient_offsets[c.weight]} + i * {self._stride(c.weight)}"
            lines.append(f"    {self._gather_call(c, into)}")
            first += rows
        return [*lines, "}"]

    def _gather_call(self, c: Connection, into: str) -> str:
        dense = c.pattern == "dense"
        columns = c.target_size if dense else c.source_size
        row, one = ("i, ", "") if dense else ("", "_one_to_one")
        tail = f"g.steps, g.batch, {c.delay}, kept);"
        head = "" if dense else "static_cast<void>(i); "
        if c.signal:
            k = self.sources.index(c.source)
            return f"{head}gather_values{one}({into}, {columns}, {row}g.values[{k}], {padded(c.source_size)}, g.most_steps, {tail}"
        if c.source_group is None:
            k = self.sources.index(c.source)
            channels = f"{c.source_size}, " if dense else ""
            return f"{head}gather_times{one}({into}, {columns}, {row}g.channel_offsets[{k}], g.channel_times[{k}], {channels}{tail}"
        k = self.populations.index(c.source)
        words = -(-c.source_size // WARP)
        return f"{head}gather_bits{one}({into}, {columns}, {row}g.bits[{k}], {words}, g.most_steps * {words}, {tail}"

    # ---------------------------------------------------------------------------------------- optimise
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
                lines.append(f"for_own({end - row.offset}, [&](int k) {{  // {row.population}")
                lines.append(
                    f"    const int j = k < {row.size} ? k : {row.size - 1};  // padding repeats the last neuron"
                )
                lines.append("    static_cast<void>(j);")
                lines.append(f"    double {', '.join(a.identifier for a in outs)};")
                lines.append(f"    dynamics::{function.name}({', '.join([*bound, *(a.identifier for a in outs)])});")
                for a in outs:
                    field = self.array[group.name, a.name].identifier
                    lines.append(f"    g.arrays->{field}[{row.offset} + k] = static_cast<Real>({a.identifier});")
                lines.append("});")
        return lines

    def _collect(self) -> list[str]:
        """Gradients of parameters as the user sees them."""
        lines: list[str] = []
        for key, offset in self.gradient_offsets.items():
            k = self.keys.index(key)
            rows, columns = self.matrix(key)
            size = rows * padded(columns)
            if self.program.parameter(key).shape == ():
                lines.append(
                    f"if (blockIdx.x == 0) sum_gradient(g.gradients + {self.offsets[k]}, g.gathered + {offset}, {rows}, {columns});  // {key}"
                )
            else:
                lines.append(
                    f"for_all({size}, [&](std::int64_t e) {{ g.gradients[{self.offsets[k]} + e] = g.gathered[{offset} + e]; }});  // {key}"
                )
        for name, function in self.dynamics.derive_adjoints.items():
            group = self.program.group(name)
            outs = function.of("out")
            for row in group.rows:
                keys = dict(row.values)
                bound = [self.bound(group, row.population, a.name) for a in function.of("parameter")]
                totals = [f"g.total[{self.sums[name, a.name]} + {row.offset} + j]" for a in function.of("total")]
                lines.append(f"if (blockIdx.x == 0) for_own({row.size}, [&](int j) {{  // {row.population}")
                lines.append(f"    double {', '.join(a.identifier for a in outs)};")
                lines.append(
                    f"    dynamics::{function.name}({', '.join([*bound, *totals, *(a.identifier for a in outs)])});"
                )
                after: list[str] = []
                for a in outs:
                    learnt = keys[a.name]
                    if not isinstance(learnt, str) or not self.program.parameter(learnt).learnt:
                        lines.append(f"    static_cast<void>({a.identifier});")
                        continue
                    place = self.offsets[self.keys.index(learnt)]
                    if self.program.parameter(learnt).shape == ():
                        lines.append(f"    g.scratch[{place} + j] = {a.identifier};")
                        after.append(
                            f"if (blockIdx.x == 0) sum_numbers(g.gradients + {place}, g.scratch + {place}, {row.size});  // {learnt}"
                        )
                    else:
                        lines.append(f"    g.gradients[{place} + j] = static_cast<Real>({a.identifier});")
                lines.append("});")
                lines += ["__syncthreads();", *after]
        return lines

    def _optimise(self) -> list[str]:
        lines: list[str] = []
        for k, key in enumerate(self.keys):
            p = self.program.parameter(key)
            if not p.learnt:
                continue
            rows, columns = self.matrix(key)
            low, high = p.bounds or (float("-inf"), float("inf"))
            numbers = ", ".join(f"static_cast<Real>({literal(x, 'double')})" for x in (p.scale, low, high))
            call = f"step_element(g, {self.offsets[k]} + e, static_cast<Real>(g.learning_rate * {literal(p.rate, 'double')}), {numbers}, factor_of_norm);"
            if p.shape == ():
                lines.append(f"if (blockIdx.x == 0 && threadIdx.x == 0) {{  // {key}")
                lines.append("    const std::int64_t e = 0;")
                lines.append(f"    {call}")
                lines.append(
                    f"    for (int j = 1; j < {rows * padded(columns)}; ++j) g.parameters[{self.offsets[k]} + j] = g.parameters[{self.offsets[k]}];"
                )
                lines.append("}")
            elif any(c.weight == key for c in self.program.connections):
                lines.append(f"for_all({rows * padded(columns)}, [&](std::int64_t e) {{ {call} }});  // {key}")
            else:
                lines.append(f"if (blockIdx.x == 0) for_own({columns}, [&](int e) {{ {call} }});  // {key}")
        return lines

    def _steps(self) -> str:
        """The call of the optimiser's dynamics for one element."""
        function = self.dynamics.optimise
        if function is None or self.dynamics.scalars is None:
            return ""
        states = iter(range(len(function.of("state"))))
        scalars = [x.name for x in self.dynamics.scalars.of("out")]
        passed = []
        for a in function.arguments:
            match a.role:
                case "value":
                    passed.append("value")
                case "gradient":
                    passed.append("slope")
                case "state":
                    passed.append(f"g.states[parameter_size * {next(states)} + e]")
                case "rate":
                    passed.append("rate")
                case "scalar":
                    passed.append(f"g.scalars.numbers[{scalars.index(a.name)}]")
        return f"dynamics::{function.name}({', '.join(passed)});"

    # ---------------------------------------------------------------------------------------- loss
    def _loss(self) -> list[str]:
        readout = self.program.readout
        if readout is None:
            return ["static_cast<void>(r), static_cast<void>(x), static_cast<void>(gradient);", "return Real(0);"]
        names = Namer(["r", "x", "gradient", "j"])
        place = {"x": "x[j]", "target": "r.target[j]"}
        lines: list[str] = []
        for step in self.dynamics.readout:
            call = f"dynamics::{step.function.name}({', '.join(place[a.name] for a in step.function.arguments)})"
            if step.kind == "map":
                field = self.maps[step.name]
                lines += [f"for_own(outputs, [&](int j) {{ r.{field}[j] = {call}; }});", "__syncthreads();"]
                place[step.name] = f"r.{field}[j]"
                continue
            own = names.fresh(step.name)
            start, add = (
                ("Real(0)", f"{own} + r.term[j]") if step.kind == "sum" else ("-INFINITY", f"m_max({own}, r.term[j])")
            )
            lines += [
                f"for_own(outputs, [&](int j) {{ r.term[j] = {call}; }});", "__syncthreads();", f"Real {own} = {start};",
                f"for (int j = 0; j < outputs; ++j) {own} = {add};", "__syncthreads();",
            ]  # fmt: skip
            place[step.name] = own
        lines.append(f"for_own(outputs, [&](int j) {{ gradient[j] = {place['x~']}; }});")
        lines += ["__syncthreads();", f"return {place[readout.loss]};"]
        return lines

    def _variables(self) -> list[str]:
        lines = []
        for k, (group, row) in enumerate(self.rows):
            for i, (state, _, _) in enumerate(group.declared):
                field = self.state[group.name, state].identifier
                lines.append(
                    f"if (population == {k} && state == {i}) return offsetof(State, {field}) / sizeof(Real) + {row.offset};"
                )
        return lines

    def seen(self) -> str:
        """Where the readout's variable stands."""
        readout = self.program.readout
        if readout is None:
            return "nullptr"
        name = "spike.mask" if readout.variable == "spike" else readout.variable
        return f"s.{self.state[readout.group, name].identifier} + {readout.offset}"
