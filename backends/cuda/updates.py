"""A block's loops around the functions of the dynamics, with rows of the tape and draws."""

from __future__ import annotations

from sncc.backends.cuda.meetings import Access
from sncc.backends.cuda.online import Online
from sncc.backends.cuda.places import moved
from sncc.backends.cxx.dynamics import Function
from sncc.backends.cxx.functions import Argument
from sncc.program.groups import Group, Row
from sncc.program.operations import Update


class Updates(Online):
    """Finished lines of the updates of a group's neurons, forwards and back."""

    mine, whole = "j", "j"  # a neuron's place among those of the block, and in its group

    def _call(self, update: Update, function: Function, owner: str, keeps: bool) -> list[str]:
        """A loop over a group's neurons around one function of the dynamics, rows of the tape before it."""
        group = self.program.group(update.group)
        fields = self.state if owner == "s" else self.adjoint
        passed: list[str] = []
        rows: dict[str, str] = {}  # of the tape, by name
        unused: list[str] = []
        for a in function.arguments:
            match a.role:
                case "time":
                    passed.append("t")
                case "learns":
                    passed.append("g.learns ? Real(1) : Real(0)")
                case "carry" | "input" | "sum":
                    passed.append(f"{owner}.{fields[group.name, a.name].identifier}[{self.mine}]")
                case "array":
                    passed.append(f"a.{self.array[group.name, a.name].identifier}[{self.whole}]")
                case "out":
                    passed.append(f"s.{self.state[group.name, 'spike.mask'].identifier}[{self.mine}]")
                case "load" | "store" if keeps or a.role == "load":
                    row = rows.setdefault(self.kept(group.name, a.name), f"kept_{len(rows)}")
                    passed.append(f"{row}[{self.whole}]")
                case "store":
                    unused.append(f"Real unused_{a.identifier};")
                    passed.append(f"unused_{a.identifier}")
                case "draw":
                    passed.append(_COUNTERS[a.name])
                case "stream":
                    passed.append(f"stream_{a.identifier}")
                case "count":
                    passed.append(f"of_{a.identifier}")
        inputs = [
            f"{owner}.{fields[group.name, a.name].identifier}[{self.mine}] = Real(0);" for a in function.of("input")
        ]
        body = [*unused, f"dynamics::{function.name}({', '.join(passed)});", *inputs]
        tape = [f"Real* const {name} = {row};" for row, name in rows.items()]
        return [*tape, *self._loops(group, function, body)]

    def _loops(self, group: Group, function: Function, body: list[str]) -> list[str]:
        """Over a group's neurons."""
        if any(a.role in ("draw", "stream", "count") for a in function.arguments):
            return [line for row in group.rows for line in self._drawing_loop(group, row, function, body)]
        return [
            f"for_own({self.who(group.name)}, {group.size}, [&](int j) {{",
            *(f"    {x}" for x in body),
            "});",
        ]

    def _touched(self, update: Update, function: Function, owner: str) -> tuple[Access, ...]:
        """What an update touches: each neuron's numbers by one thread."""
        group, fields = update.group, self.state if owner == "s" else self.adjoint
        draws = any(a.role in ("draw", "stream", "count") for a in function.arguments)
        own = None if draws and (len(self.program.group(group).rows) > 1 or group in self.aside) else self.own(group)
        found: list[Access] = []
        for a in function.arguments:
            match a.role:
                case "carry" | "input" | "sum":
                    found.append(Access(f"{owner}.{fields[group, a.name].identifier}", True, own))
                case "out":
                    found.append(Access(f"s.{self.state[group, 'spike.mask'].identifier}", True, own))
                case "load" | "store":
                    found.append(Access(f"tape {self.columns[group, a.name]}", a.role == "store", own, by_step=True))
        return tuple(found)

    def _drawing_loop(self, group: Group, row: Row, function: Function, body: list[str]) -> list[str]:
        """The loop over one population's neurons and the padding behind them; each draw has its own stream."""
        end = min((r.offset for r in group.rows if r.offset > row.offset), default=group.size)
        lines = [f"for_own(all, {end - row.offset}, [&](int k) {{  // {row.population}"]
        lines.append(f"    const int j = {moved('k', row.offset)};")
        for a in function.of("stream"):
            lines.append(f"    constexpr std::uint32_t stream_{a.identifier} = 0x{dict(row.streams)[a.name]:08x}u;")
        for a in function.of("count"):
            lines += [f"    {x}" for x in self._count(group, row, a)]
        return [*lines, *(f"    {x}" for x in body), "});"]

    def _count(self, group: Group, row: Row, a: Argument) -> list[str]:
        """A Poisson count of neuron k of a population."""
        mean = self.dynamics.means[group.name, a.name]
        passed = []
        for x in mean.arguments:
            match x.role:
                case "time":
                    passed.append("static_cast<double>(t)")
                case "array":
                    passed.append(f"a.{self.array[group.name, x.name].identifier}[{self.whole}]")
                case _:
                    passed.append(f"s.{self.state[group.name, x.name].identifier}[{self.mine}]")
        counter = ", ".join(_COUNTERS[x] for x in ("element", "step", "trial"))
        return [
            f"const Real of_{a.identifier} = static_cast<Real>(",
            f"    poisson_count({_COUNTERS['seed']}, 0x{dict(row.streams)[a.name]:08x}u, {counter}, dynamics::{mean.name}({', '.join(passed)})));",
        ]


_COUNTERS = {
    "seed": "g.seed", "element": "static_cast<std::uint32_t>(k)", "step": "static_cast<std::uint32_t>(g.before + n)",
    "trial": "g.trials[b]",
}  # fmt: skip
