"""Samples whose states are too large for a block's shared memory:
the blocks of a cluster share each, a slice of every population a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sncc.backends.cuda.back import THREADS_OF_WIDE
from sncc.backends.cuda.copies import Copy
from sncc.backends.cuda.meetings import MEET, Part, with_meetings
from sncc.backends.cuda.online_slices import OnlineSlices, knows
from sncc.backends.cuda.places import WARP, moved, plus, words
from sncc.backends.cuda.samples import MOST_SHARED, Samples
from sncc.backends.cuda.workspace import bytes_of_workspace, words_of_kept
from sncc.backends.cxx.dynamics import Dynamics
from sncc.backends.cxx.functions import Function
from sncc.backends.cxx.layout import Field, padded
from sncc.program.groups import Connection, Group, Row
from sncc.program.learning import Feedback, Transpose
from sncc.program.nodes import Program
from sncc.program.operations import Update
from sncc.program.statements import SPIKE

SIZES = (2, 4, 8)  # blocks of a cluster that every card with clusters has room for
_OF_A_BLOCK = ("s.", "d.", "reading ")  # what other blocks do not reach


@dataclass(frozen=True, slots=True)
class Slice:
    """What the blocks of a cluster have of a population:
    `most` neurons each at place `at` of their group's arrays, or all in the first one.

    `extent`: its neurons with the padding behind them.
    """

    number: int
    at: int
    most: int
    extent: int
    whole: bool


def clusters_of(samples: Samples, workspace_bytes: int) -> ClusterSamples | None:
    """The kernel's lines for as few blocks as have room for a sample of so many bytes.

    None: one block has room, or not even eight, or the network has operations that slices do not know.
    """
    if workspace_bytes <= MOST_SHARED or not _knows(samples):
        return None
    found = (ClusterSamples(samples.program, samples.dynamics, blocks) for blocks in SIZES)
    return next((clusters for clusters in found if clusters.workspace_bytes <= MOST_SHARED), None)


def _knows(samples: Samples) -> bool:
    """Whether all of a network's operations are those of a slice."""
    p = samples.program
    whole = {(g.name, r.offset, r.size) for g in p.groups for r in g.rows}
    signals = all(o.target in whole for o in p.reverse if isinstance(o, Feedback))
    readouts = all((r.group, r.offset) in {(g, offset) for g, offset, _ in whole} for r in p.readouts)
    forwards = not samples.is_online or knows(samples)
    return forwards and signals and readouts and all(c.gain is None for c in p.connections)


class ClusterSamples(Samples):
    """Finished lines of the kernel that runs a sample in a cluster. No weights are copied: states fill the blocks."""

    mine, whole = "j", "i"
    meeting = "cluster.sync();"  # of all blocks that share the sample
    copies: ClassVar[list[Copy]] = []
    synapses_pay: ClassVar[list[int]] = []

    def __init__(self, program: Program, shared: Dynamics, blocks: int) -> None:
        super().__init__(program, shared)
        self.blocks = blocks
        read = {(r.group, r.offset) for r in program.readouts}
        self.slices: dict[str, Slice] = {}
        self.sizes: dict[str, int] = {}  # of a block's arrays, by group
        for number, (group, row) in enumerate(self.rows):
            whole, at = (group.name, row.offset) in read, self.sizes.get(group.name, 0)
            extent = min((r.offset for r in group.rows if r.offset > row.offset), default=group.size) - row.offset
            most = extent if whole else min(extent, words(-(-extent // blocks)) * WARP)
            self.slices[row.population] = Slice(number, at, most, extent, whole)
            self.sizes[group.name] = at + padded(most)

    def parts(self) -> dict[str, object]:
        """What the template prints."""
        return {
            "size": self.blocks,
            "threads": self.threads,
            "main_threads": self.main_threads,
            "bytes": self.workspace_bytes,
            "fields": {"State": self._fields(self.state), "Adjoint": self._fields(self.adjoint)},
            "kept": self._words_kept(),
            "portions": self._portions(),
            "views": self._views(),
            "start": self._start(),
            "ahead": self._ahead(),
            "forward": self._meeting(self._forward()),
            "held": self._shares(),
            "before": [line.replace(MEET, self.meeting) for line in self._before()],
            "back": self._meeting(self._back()),
            "turn": self._turn(),
            "keep_sums": self._keep_sums(),
            "rates": self._rates(),
            "readings": list(range(len(self.program.readouts))),
            "online": self.is_online,
            "begin_traces": self.begin_traces(),
            "join_parts": OnlineSlices(self).join_parts() if self.is_online else [],
            "trace_end": self.trace_end(),
            "trace_penalties": self.trace_penalties(),
            "looks": self._looks("State", "s", self.state),
            "looks_back": self._looks("Adjoint", "d", self.adjoint),
        }

    @property
    def workspace_bytes(self) -> int:
        """Of a block's shared memory."""
        fields = [*self._fields(self.state), *self._fields(self.adjoint)]
        return bytes_of_workspace(self, self.maps, [f.size for f in fields])

    def _words_kept(self) -> list[str]:
        return [f"kept_{k}[{count}]" for k, count in words_of_kept(self)]

    def _fields(self, fields: dict[tuple[str, str], Field]) -> list[Field]:
        return [Field(f.identifier, self.sizes[group]) for (group, _), f in fields.items()]

    def _meeting(self, parts: list[Part]) -> list[str]:
        return with_meetings(parts, self.meeting, lambda place: not place.startswith(_OF_A_BLOCK))

    # ---------------------------------------------------------------------------------------- a block's neurons
    def _portions(self) -> list[str]:
        """Which neurons a block has."""
        lines = []
        for _, row in self.rows:
            s = self.slices[row.population]
            counts = []
            for name, size in (("count", row.size), ("extent", s.extent)):
                some = f"min(max({size} - first_{s.number}, 0), {s.most})"
                counts.append(f"{name}_{s.number} = {f'block == 0 ? {size} : 0' if s.whole else some}")
            first = "0" if s.whole else f"block * {s.most}"
            lines.append(
                f"[[maybe_unused]] const int first_{s.number} = {first}, {', '.join(counts)};  // {row.population}"
            )
        return lines

    def at(self, group: str, offset: int) -> int:
        """Where a block has what begins at `offset` in a group's arrays."""
        row = self.row_at(group, offset)
        return self.slices[row.population].at + offset - row.offset

    @property
    def main_threads(self) -> int:
        """Of a block, those that share its neurons."""
        return min(super().main_threads, THREADS_OF_WIDE)

    def first(self, row: Row) -> str:
        """The first neuron of a population that a block has."""
        return f"first_{self.slices[row.population].number}"

    def share(self, row: Row, size: int) -> str:
        """How many it has; connections are of all."""
        return f"count_{self.slices[row.population].number}"

    def extent(self, row: Row) -> str:
        """How many it has with the padding behind the population, which gradients read too."""
        return f"extent_{self.slices[row.population].number}"

    def most(self, row: Row, size: int) -> int:
        """The same, at most."""
        return self.slices[row.population].most

    def after(self, pointer: str, row: Row, times: int = 1) -> str:
        """A pointer moved to the first of these neurons."""
        return (
            f"{pointer} + std::int64_t({self.first(row)}) * {times}" if times > 1 else f"{pointer} + {self.first(row)}"
        )

    def of_own(self, source: str, row: Row) -> str:
        """What is emitted or handed over, of these neurons alone."""
        return f"{source}.moved({self.first(row)}{' / 32' if self._is_bits(source) else ''})"

    def _is_bits(self, source: str) -> bool:
        """Whether 32 neurons are one number."""
        kind, _, number = source.partition("_")
        if kind == "left":
            c = self.thinned[int(number)]
            return not c.signal and c.source not in self.counted
        return kind == "kept" or (kind == "spikes" and self.populations[int(number)] not in self.counted)

    def in_first_block(self, lines: tuple[str, ...]) -> tuple[str, ...]:
        """What is done once for a sample."""
        return ("if (block == 0) {", *(f"    {line}" for line in lines), "}")

    def own(self, group: str, offset: int = 0) -> str:
        """Slices are shared out population by population."""
        return "aside" if group in self.aside else "0"

    # ---------------------------------------------------------------------------------------- forwards in time
    def begin_traces(self) -> list[str]:
        """Before the first step."""
        return OnlineSlices(self).begin() if self.is_online else []

    def trace_step(self) -> list[str]:
        """After the forward operations of a step."""
        return OnlineSlices(self).step() if self.is_online else []

    def trace_end(self) -> list[str]:
        """After the last step, for losses at a sample's end."""
        return OnlineSlices(self).end() if self.is_online else []

    def trace_penalties(self) -> list[str]:
        """When the rates are known."""
        return OnlineSlices(self).penalties() if self.is_online else []

    # ---------------------------------------------------------------------------------------- lines
    def _loops(self, group: Group, function: Function, body: list[str]) -> list[str]:
        """Over a group's neurons that the block has, population by population, with their padding."""
        lines: list[str] = []
        for row in group.rows:
            at = self.slices[row.population].at
            lines += [
                f"for_own({self.who(group.name)}, {self.extent(row)}, [&](int own) {{  // {row.population}",
                f"    [[maybe_unused]] const int k = {self.first(row)} + own, j = {moved('own', at)}, i = {moved('k', row.offset)};",
            ]
            for a in function.of("stream"):
                lines.append(f"    constexpr std::uint32_t stream_{a.identifier} = 0x{dict(row.streams)[a.name]:08x}u;")
            for a in function.of("count"):
                lines += [f"    {x}" for x in self._count(group, row, a)]
            lines += [*(f"    {x}" for x in body), "});"]
        return lines

    def _stimuli(self, o: Update) -> list[Part]:
        """Simulations run in one block."""
        return []

    def _narrow(self, threads: int | None = None) -> list[tuple[Transpose, Connection]]:
        """No matrix is held in registers: how many rows a block has is known when it runs."""
        return []

    def seen(self, k: int) -> tuple[str, str]:
        """Where a readout's variables stand."""
        r = self.program.readouts[k]
        name = "spike.mask" if r.variable == SPIKE else r.variable
        places = (self.state[r.group, x].identifier for x in (name, r.before or name))
        seen, before = (plus(f"s.{place}", self.at(r.group, r.offset)) for place in places)
        return seen, before

    def _end_of_step(self) -> tuple[str, ...]:
        if not self.has_rounds:
            return ("if (g.looks && fails_here(false, n)) return;",)
        looks = "g.looks || (n == last && (g.keeps || g.looks_in_the_end))"  # at one place, for the sake of registers
        return (f"if (({looks}) && fails_here(false, n)) {{", "    failed = true;", "    break;", "}")

    def _end_of_step_back(self) -> str:
        return "if (g.looks && fails_here(true, n)) return;"

    def _keep_sums(self) -> list[str]:
        lines: list[str] = []
        for (group, name), offset in self.sums.items() if not self.is_online else ():
            if (group, name) in self.dynamics.first_sums:
                lines += self._first_sum(group, name, offset)
                continue
            for row in self.program.group(group).rows:
                place = moved("j", self.slices[row.population].at)
                to = f"g.sums[b * Network::sum_size + {moved(self.after('j', row), offset + row.offset)}]"
                value = f"static_cast<double>(d.{self.adjoint[group, name].identifier}[{place}])"
                lines.append(f"for_own({self.extent(row)}, [&](int j) {{ {to} = {value}; }});")
        return lines

    def _looks(self, struct: str, owner: str, fields: dict[tuple[str, str], Field]) -> list[str]:
        """All numbers of a block, and which ones of a sample's these are."""
        lines = []
        for (group, _), field in fields.items():
            for row in self.program.group(group).rows:
                own = plus(f"{owner}.{field.identifier}", self.slices[row.population].at)
                place = f"offsetof(Network::{struct}, {field.identifier}) / sizeof(Real) + static_cast<std::size_t>({moved(self.first(row), row.offset)})"
                lines.append(f"look({own}, {self.share(row, row.size)}, {place});")
        return lines
