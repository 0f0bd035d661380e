"""Program → the CPU half of a project: the layout of states, and the operations of a step as calls of the headers."""

from __future__ import annotations

from pathlib import Path

import jinja2

from sncc.backends.cxx.dynamics import Function, dynamics
from sncc.backends.cxx.expressions import Unsupported, literal
from sncc.backends.cxx.layout import Layout, padded
from sncc.backends.cxx.names import Namer
from sncc.program.nodes import (
    Connection,
    Deliver,
    Gather,
    Group,
    Program,
    Readout,
    ReadoutAdjoint,
    Row,
    Transpose,
    Update,
)

_TEMPLATES = Path(__file__).parent / "templates"
CHAINS = 8  # of a batch; fixed, so that results do not depend on the machine
GRADIENT_MEMORY = 1 << 28  # bytes that the chains' gradients may take together
_REDUCTIONS = {None: "none", "mean": "mean", "sum": "sum", "max": "maximum", "last": "last"}


def emit(program: Program) -> dict[str, str]:
    """The files of `src/cpu`."""
    _check(program)
    network = _Network(program, dynamics(program))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    text = environment.get_template("network.cpp.j2").render(name=program.name.lower(), **network.parts())
    return {f"src/cpu/{program.name.lower()}_cpu.cpp": text}


def _pad(group: Group, row: Row, array: str) -> list[str]:
    """Fills the neurons behind a row with its last one, so that nothing there is undefined or infinite."""
    end = min((r.offset for r in group.rows if r.offset > row.offset), default=group.size)
    last = row.offset + row.size - 1
    return [f"std::fill({array} + {last + 1}, {array} + {end}, {array}[{last}]);"] if end > last + 1 else []


def _check(program: Program) -> None:
    """Raises `Unsupported` for what the loops below cannot do."""
    sizes = {s.name: s.size for s in program.sources} | {r.population: r.size for g in program.groups for r in g.rows}
    for c in program.connections:
        if c.source_size != sizes[c.source] or c.target_size != sizes[c.target]:
            raise Unsupported(f"the connection `{c.name}` of a slice of a population")


class _Network(Layout):
    """Finished lines of the emitted `Network`."""

    # ---------------------------------------------------------------------------------------- all parts
    def parts(self) -> dict[str, object]:
        """What the template prints."""
        p, real = self.program, 4 if self.program.precision == "float32" else 8
        per_chain = max(1, self.gradient_size * real)
        readout, optimise = p.readout, p.optimise
        clip = optimise.clip if optimise else None
        constants = [
            f"int parameters = {len(p.parameters)}",
            f"int sources = {len(p.sources)}",
            f"int populations = {len(self.rows)}",
            f"int tile = {self._tile()}",
            f"int chains = {max(1, min(CHAINS, GRADIENT_MEMORY // per_chain))}",
            f"std::int64_t most_delay = {max([c.delay for c in p.connections], default=0)}",
            f"std::int64_t tape_columns = {self.tape_columns}",
            f"std::int64_t gradient_size = {self.gradient_size}",
            f"std::int64_t sum_size = {self.sum_size}",
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
            "shapes": [self.shape(key) for key in self.keys],
            "transposed": [str(key in self._transposed()).lower() for key in self.keys],
            "gradient_offsets": [self.gradient_offsets.get(key, -1) for key in self.keys],
            "source_sizes": [
                f"{{{s.size}, {str(s.kind == 'signal').lower()}, {literal(s.si, 'double')}}}" for s in p.sources
            ],
            "derive": self._derive(),
            "start": self._start(),
            "forward": self._forward(),
            "back": self._back(),
            "gather": self._gather(),
            "add_sums": self._add_sums(),
            "derive_adjoint": self._derive_adjoint(),
            "loss": self._loss(),
            "seen": self._seen(),
            "variables": self._variables(),
            "scalar_names": [a.identifier for a in self.dynamics.scalars.of("out")] if self.dynamics.scalars else [],
            "optimise": self._optimise(),
        }

    def _tile(self) -> int:
        """Samples in lockstep: more where credit goes through matrices, which are then loaded once for all."""
        hidden = any(
            isinstance(o, Transpose) and self.program.connection(o.connection).source_size >= 64
            and self.program.connection(o.connection).target_size >= 64
            for o in self.program.reverse
        )  # fmt: skip
        return 4 if hidden else 2

    def _transposed(self) -> set[str]:
        """Weights that the reverse phase reads by column: they are kept transposed as well.

        A product of rows needs no sum across a vector's lanes, which costs more than the product itself where a
        readout has few columns.
        """
        through = [self.program.connection(o.connection) for o in self.program.reverse if isinstance(o, Transpose)]
        return {c.weight for c in through if c.pattern == "dense"}

    # ---------------------------------------------------------------------------------------- parameters
    def _derive(self) -> list[str]:
        lines: list[str] = []
        for group in self.program.groups:
            function = self.dynamics.derives.get(group.name)
            if function is None:
                continue
            for row in group.rows:
                outs = function.of("out")
                lines.append(f"for (int j = 0; j < {row.size}; ++j) {{  // {row.population}")
                lines.append(f"    double {', '.join(a.identifier for a in outs)};")
                bound = [self.bound(group, row.population, a.name) for a in function.of("parameter")]
                lines.append(f"    dynamics::{function.name}({', '.join([*bound, *(a.identifier for a in outs)])});")
                for a in outs:
                    field = self.array[group.name, a.name].identifier
                    lines.append(f"    a.{field}[{row.offset} + j] = static_cast<Real>({a.identifier});")
                lines.append("}")
                for a in outs:
                    lines += _pad(group, row, f"a.{self.array[group.name, a.name].identifier}")
        return lines

    def _start(self) -> list[str]:
        lines: list[str] = []
        for group, row in self.rows:
            for state, _ in row.initial:
                function = self.dynamics.states[row.population, state]
                arrays = [
                    f"a.{self.array[group.name, x.name].identifier}[{row.offset} + j]" for x in function.of("array")
                ]
                arguments = ", ".join(["seed", "trial", "static_cast<std::uint32_t>(j)", *arrays])
                field = self.state[group.name, state].identifier
                lines.append(
                    f"for (int j = 0; j < {row.size}; ++j) s.{field}[{row.offset} + j] = dynamics::{function.name}({arguments});"
                )
                lines += _pad(group, row, f"s.{field}")
        return lines

    # ---------------------------------------------------------------------------------------- forward
    def _spikes_of(self, c: Connection) -> str:
        if c.source_group is None:
            return f"s.events[{self.sources.index(c.source)}]"
        return f"s.spikes[{self.populations.index(c.source)}]"

    def _layout(self, key: str) -> str:
        rows, columns = self.matrix(key)
        return f"TileLayout<Real>{{{rows}, {columns}}}"

    def _deliver(self, c: Connection) -> list[str]:
        target = f"s.state.{self.state[c.target_group, c.input].identifier} + {c.target_offset}"
        weight = f"p.weight({self.keys.index(c.weight)})"
        when = f"n - {c.delay}" if c.delay else "n"
        head = f"{{  // {c.name}"
        if c.signal:
            source = f"s.values[{self.sources.index(c.source)}].at({when})"
            lines = [head, f"    const Real* const x = {source};"]
            if c.pattern == "dense":
                lines.append(f"    if (x) dense_product<1>({target}, 0, {weight}, {self._layout(c.weight)}, x, 0);")
            else:
                lines.append(
                    f"    if (x) for (int j = 0; j < {c.source_size}; ++j) ({target})[j] = m_fma(x[j], {weight}[j], ({target})[j]);"
                )
        else:
            lines = [head, f"    const SpikesOfStep spikes = {self._spikes_of(c)}.at({when});"]
            if c.pattern == "dense":
                lines.append(
                    f"    add_rows({target}, {weight}, {self._layout(c.weight)}, spikes.indices, spikes.count);"
                )
            else:
                lines.append(
                    f"    for (int k = 0; k < spikes.count; ++k) ({target})[spikes.indices[k]] += {weight}[spikes.indices[k]];"
                )
        return [*lines, "}"]

    def _call(self, update: Update, function: Function, sample: str, tape: str, keep: str) -> list[str]:
        """The loop over a group's neurons; `keep` guards stores where the tape may be absent."""
        group = self.program.group(update.group)
        fields = self.adjoint if function.name.startswith("adjoint") else self.state
        struct = "adjoint" if fields is self.adjoint else "state"
        before: list[str] = []
        passed: list[str] = []
        for a in function.arguments:
            match a.role:
                case "time":
                    before.append(f"const Real t = {sample}.time(n);")
                    passed.append("t")
                case "carry" | "input" | "sum":
                    field = fields[group.name, a.name].identifier
                    owner = f"{sample}.state" if struct == "state" else "adjoint"
                    before.append(f"Real* SNCC_RESTRICT const of_{a.identifier} = {owner}.{field};")
                    passed.append(f"of_{a.identifier}[j]")
                case "array":
                    before.append(
                        f"const Real* SNCC_RESTRICT const of_{a.identifier} = a.{self.array[group.name, a.name].identifier};"
                    )
                    passed.append(f"of_{a.identifier}[j]")
                case "out":
                    before.append(
                        f"Real* SNCC_RESTRICT const of_{a.identifier} = {sample}.state.{self.state[group.name, 'spike.mask'].identifier};"
                    )
                    passed.append(f"of_{a.identifier}[j]")
                case "load":
                    before.append(
                        f"const Real* const of_{a.identifier} = {tape}slot({self.columns[group.name, a.name]}, {group.size}, n, index);"
                    )
                    passed.append(f"of_{a.identifier}[j]")
                case "store":
                    slot = f"{tape}slot({self.columns[group.name, a.name]}, {group.size}, n, index)"
                    if keep:
                        before.append(f"Real* const of_{a.identifier} = {keep} ? {slot} : nullptr;")
                        before.append(f"Real unused_{a.identifier};")
                        passed.append(f"{keep} ? of_{a.identifier}[j] : unused_{a.identifier}")
                    else:
                        before.append(f"Real* const of_{a.identifier} = {slot};")
                        passed.append(f"of_{a.identifier}[j]")
        loop = f"for (int j = 0; j < {group.size}; ++j) dynamics::{function.name}({', '.join(passed)});"
        inputs = [a for a in function.arguments if a.role == "input"]
        clear = [f"std::memset(of_{a.identifier}, 0, sizeof(Real) * {group.size});" for a in inputs]
        return [*before, "SNCC_INDEPENDENT", loop, *clear]

    def _forward(self) -> list[str]:
        lines: list[str] = []
        for o in self.program.forward:
            match o:
                case Deliver(connection):
                    lines += self._deliver(self.program.connection(connection))
                case Update():
                    lines += [f"{{  // {', '.join(r.population for r in self.program.group(o.group).rows)}"]
                    lines += [f"    {x}" for x in self._call(o, self.functions[id(o)], "s", "tile->", "Keep")]
                    if o.spikes:
                        mask = self.state[o.group, "spike.mask"].identifier
                        for row in self.program.group(o.group).rows:
                            lines.append(
                                f"    s.spikes[{self.populations.index(row.population)}].append(s.state.{mask} + {row.offset}, {row.size});"
                            )
                    lines.append("}")
                case Readout():
                    lines.append("observe<Network>(s, seen(s), n, Keep ? tile->error(n, index) : nullptr);")
        # populations that never fire still have a list for each step
        silent = [r.population for _, r in self.rows if not r.spiking]
        lines += [f"s.spikes[{self.populations.index(p)}].append_list(nullptr, 0);" for p in silent]
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
                    lines += [
                        "for (int index = 0; index < tile.size; ++index)",
                        f"    if (n <= tile.samples[index].steps) readout_adjoint(tile, index, n, tile.adjoint[index].{field} + {r.offset});",
                    ]
                case Transpose():
                    lines += self._transpose(o)
                case Update():
                    lines += self._adjoint(o)
        return lines

    def _transpose(self, o: Transpose) -> list[str]:
        c = self.program.connection(o.connection)
        assert c.source_group is not None
        later = f"n + {c.delay}" if c.delay else "n"
        size = self.program.group(c.target_group).size
        slot = f"tile.slot({self.columns[c.target_group, o.slot]}, {size}, {later}, 0) + {c.target_offset}"
        into = f"tile.adjoint[0].{self.adjoint[c.source_group, o.into].identifier} + {c.source_offset}"
        key = self.keys.index(c.weight)
        weight = f"p.weight({key})"
        lines = [f"if ({later} <= tile.steps) {{  // {c.name}, backwards"]
        lines.append("    constexpr std::int64_t stride = sizeof(Adjoint) / sizeof(Real);")
        if c.pattern == "dense":
            rows, columns = self.matrix(c.weight)
            layout = f"TileLayout<Real>{{{columns}, {rows}}}"
            lines.append(
                f"    dense_product<tile_size>({into}, stride, p.transposed[{key}].data(), {layout}, {slot}, {size});"
            )
        else:
            lines.append("    for (int index = 0; index < tile_size; ++index)")
            lines.append(
                f"        for (int j = 0; j < {c.source_size}; ++j) ({into})[index * stride + j] += {weight}[j] * ({slot})[index * {size} + j];"
            )
        return [*lines, "}"]

    def _adjoint(self, o: Update) -> list[str]:
        group = self.program.group(o.group)
        names = ", ".join(r.population for r in group.rows)
        lines = [f"for (int index = 0; index < tile.size; ++index) {{  // adjoint of {names}"]
        lines.append("    Adjoint& adjoint = tile.adjoint[index];")
        lines.append("    if (n > tile.samples[index].steps) {")
        for slot, _ in o.stores:
            lines.append(
                f"        std::memset(tile.slot({self.columns[group.name, slot]}, {group.size}, n, index), 0, sizeof(Real) * {group.size});"
            )
        lines += ["        continue;", "    }"]
        lines += [f"    {x}" for x in self._call(o, self.functions[id(o)], "tile.samples[index]", "tile.", "")]
        return [*lines, "}"]

    # ---------------------------------------------------------------------------------------- gradient
    def _gather(self) -> list[str]:
        lines: list[str] = []
        by_source: dict[str, list[tuple[Connection, str]]] = {}
        for o in self.program.gradient:
            if isinstance(o, Gather):
                c = self.program.connection(o.connection)
                by_source.setdefault(c.source, []).append((c, o.slot))
        for source, found in by_source.items():
            if any(not c.signal and c.pattern == "dense" for c, _ in found):
                c = found[0][0]
                lines += [
                    f"for (int index = 0; index < tile.size; ++index)  // {source}",
                    f"    list_channels(tile, index, {self._spikes_of(c).replace('s.', 'tile.samples[index].', 1)}, {c.source_size});",
                ]
            for c, slot in found:
                lines += self._gather_one(c, slot)
        return lines

    def _gather_one(self, c: Connection, slot: str) -> list[str]:
        size = self.program.group(c.target_group).size
        column = self.columns[c.target_group, slot]
        gradient = f"gradient + {self.gradient_offsets[c.weight]}"
        where = f"{{{column}, {size}, {c.target_offset}}}"
        if not c.signal and c.pattern == "dense":
            return [
                f"gather_dense(tile, {gradient}, {self._layout(c.weight)}, SlotPlace{where}, {c.delay}, first);  // {c.name}"
            ]
        source = f"s.values[{self.sources.index(c.source)}]" if c.signal else self._spikes_of(c)
        of = source.replace("s.", "tile.samples[index].", 1)
        call = "gather_product" if c.signal else "gather_one_to_one"
        if c.signal and c.pattern == "one_to_one":
            call = "gather_product_one_to_one"
        layout = f"{self._layout(c.weight)}, " if call == "gather_product" else f"{c.source_size}, " if c.signal else ""
        rows, columns = self.matrix(c.weight)
        return [
            f"if (first) std::memset({gradient}, 0, sizeof(Real) * {rows * padded(columns)});",
            f"for (int index = 0; index < tile.size; ++index)  // {c.name}",
            f"    {call}(tile, index, {gradient}, {layout}{of}, SlotPlace{where}, {c.delay});",
        ]

    def _add_sums(self) -> list[str]:
        lines = []
        for (group, name), offset in self.sums.items():
            field = self.adjoint[group, name].identifier
            size = self.program.group(group).size
            lines.append("for (int index = 0; index < tile.size; ++index)")
            lines.append(
                f"    for (int j = 0; j < {size}; ++j) sums[{offset} + j] += static_cast<double>(tile.adjoint[index].{field}[j]);"
            )
        return lines

    def _derive_adjoint(self) -> list[str]:
        lines: list[str] = []
        for name, function in self.dynamics.derive_adjoints.items():
            group = self.program.group(name)
            outs = function.of("out")
            for row in group.rows:
                keys = dict(row.values)
                results = [(a, keys[a.name]) for a in outs]
                lines.append(f"for (int j = 0; j < {row.size}; ++j) {{  // {row.population}")
                bound = [self.bound(group, row.population, a.name) for a in function.of("parameter")]
                totals = [f"sums[{self.sums[name, a.name]} + {row.offset} + j]" for a in function.of("total")]
                lines.append(f"    double {', '.join(a.identifier for a in outs)};")
                lines.append(
                    f"    dynamics::{function.name}({', '.join([*bound, *totals, *(a.identifier for a in outs)])});"
                )
                for a, key in results:
                    if not isinstance(key, str) or not self.program.parameter(key).learnt:
                        lines.append(f"    static_cast<void>({a.identifier});")
                        continue
                    k = self.keys.index(key)
                    shared = self.program.parameter(key).shape == ()
                    if shared:
                        lines.append(f"    shared_{k} += {a.identifier};")
                        lines.insert(0, f"double shared_{k} = 0;")
                    else:
                        lines.append(f"    gradients[{k}][j] = static_cast<Real>({a.identifier});")
                lines.append("}")
                for _, key in results:
                    if (
                        isinstance(key, str)
                        and self.program.parameter(key).learnt
                        and self.program.parameter(key).shape == ()
                    ):
                        k = self.keys.index(key)
                        lines.append(f"gradients[{k}][0] = static_cast<Real>(shared_{k});")
        return lines

    # ---------------------------------------------------------------------------------------- loss and optimiser
    def _loss(self) -> list[str]:
        readout = self.program.readout
        if readout is None:
            return ["static_cast<void>(x), static_cast<void>(target), static_cast<void>(gradient);", "return 0.0;"]
        names = Namer(["x", "target", "gradient", "j"])
        place = {"x": "x[j]", "target": "target[j]"}
        lines: list[str] = []
        every = "for (int j = 0; j < width; ++j)"
        for step in self.dynamics.readout:
            call = f"dynamics::{step.function.name}({', '.join(place[a.name] for a in step.function.arguments)})"
            own = names.fresh(step.name)
            if step.kind == "map":
                lines += [f"Real {own}[width];", f"{every} {own}[j] = {call};"]
                place[step.name] = f"{own}[j]"
                continue
            terms = names.fresh(f"{step.name}.terms")
            lines += [f"Real {terms}[width];", f"{every} {terms}[j] = {call};"]
            lines.append(f"const Real {own} = {'sum' if step.kind == 'sum' else 'most'}_of<outputs>({terms});")
            place[step.name] = own
        lines.append(f"{every} gradient[j] = {place['x~']};")
        lines.append(f"return static_cast<double>({place[readout.loss]});")
        return lines

    def _seen(self) -> str:
        readout = self.program.readout
        if readout is None:
            return "nullptr"
        name = "spike.mask" if readout.variable == "spike" else readout.variable
        return f"s.state.{self.state[readout.group, name].identifier} + {readout.offset}"

    def _variables(self) -> list[str]:
        lines = []
        for k, (group, row) in enumerate(self.rows):
            for i, (state, _, _) in enumerate(group.declared):
                field = self.state[group.name, state].identifier
                lines.append(f"if (population == {k} && state == {i}) return s.{field} + {row.offset};")
        return lines

    def _optimise(self) -> list[str]:
        function = self.dynamics.optimise
        if function is None:
            return []
        states = iter(range(len(function.of("state"))))
        passed = []
        for a in function.arguments:
            match a.role:
                case "value":
                    passed.append("value")
                case "gradient":
                    passed.append("slope")
                case "state":
                    passed.append(f"states[{next(states)}][k]")
                case "rate":
                    passed.append("rate")
                case "scalar":
                    passed.append(
                        f"scalars.numbers[{[x.name for x in self.dynamics.scalars.of('out')].index(a.name) if self.dynamics.scalars else 0}]"
                    )
        return [f"dynamics::{function.name}({', '.join(passed)});"]
