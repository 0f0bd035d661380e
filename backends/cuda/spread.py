"""Simulations of a large network that can also be trained:
blocks of the whole card share the sample, a slice of every population a block.
"""

from __future__ import annotations

from sncc.backends.cuda.back import THREADS_OF_WIDE
from sncc.backends.cuda.clusters import ClusterSamples
from sncc.backends.cuda.meetings import MEET, Access, Part
from sncc.backends.cuda.places import WARP, moved, words
from sncc.backends.cuda.samples import MOST_SHARED, Samples
from sncc.backends.cuda.workspace import bytes_of_workspace
from sncc.backends.cxx.stimuli import stimulated
from sncc.program.groups import Row
from sncc.program.operations import Update

FEWEST_NEURONS = 1024  # of fewer one block computes a step while others would wait for each other
MOST_BLOCKS = 64  # resident at once on every card that has cooperative launches and is not a part of one
_FEWEST_THREADS = 64


def spread_of(samples: Samples) -> SpreadSamples | None:
    """The kernel's lines; None where the network is small or has operations that slices do not know."""
    p = samples.program
    if sum(r.size for _, r in samples.rows) < FEWEST_NEURONS or any(c.gain is not None for c in p.connections):
        return None
    spread = SpreadSamples(p, samples.dynamics, min(MOST_BLOCKS, max(words(r.size) for _, r in samples.rows)))
    return spread if spread.workspace_bytes <= MOST_SHARED else None


class SpreadSamples(ClusterSamples):
    """Finished lines of the kernel that simulates on many blocks,
    which meet across the grid where those of a cluster do among themselves.
    """

    meeting = "grid.sync();"

    def parts(self) -> dict[str, object]:
        """What the template prints."""
        return {
            "blocks": self.blocks,
            "threads": self.threads,
            "main_threads": self.main_threads,
            "bytes": self.workspace_bytes,
            "fields": {"State": self._fields(self.state), "Adjoint": []},
            "kept": self._words_kept(),
            "readings": [],
            "portions": self._portions(),
            "views": self._views(),
            "start": self._start(),
            "ahead": self._ahead(),
            "forward": self._meeting(self._forward()),
            "visits": self._visits(),
        }

    @property
    def workspace_bytes(self) -> int:
        """Of a block's shared memory, without adjoints and readouts."""
        return bytes_of_workspace(self, [], [f.size for f in self._fields(self.state)])

    @property
    def main_threads(self) -> int:
        """Of a block, those that share its neurons: one each."""
        own = [
            sum(words(-(-r.size // self.blocks)) for r in g.rows)
            for g in self.program.groups
            if g.name not in self.aside
        ]
        return min(max(_FEWEST_THREADS, WARP * max(own, default=1)), THREADS_OF_WIDE)

    # ---------------------------------------------------------------------------------------- lines
    def trace_step(self) -> list[str]:
        """Nothing is learnt."""
        return []

    def _observe(self, k: int) -> list[Part]:
        """There is no loss."""
        return []

    def _stimuli(self, o: Update) -> list[Part]:
        """What `stimulate` adds to accumulators before an update."""

        def add(field: str, row: Row, first: int, last: int) -> str:
            place, number = moved("own", self.slices[row.population].at), self.after("own", row)
            own = f"if ({number} >= {first} && {number} < {last}) s.{field}[{place}] += value;"
            return f"for_own({self.share(row, row.size)}, [&](int own) {{ {own} }});"

        lines = stimulated(self, o, "g.before + n", "t", add)
        fields = (self.state[o.group, name].identifier for name in o.inputs)
        return [Part(tuple(lines), tuple(Access(f"s.{field}", writes=True) for field in fields))] if lines else []

    def _end_of_step(self) -> tuple[str, ...]:
        recorded = (
            "visit([&](const Real* own, int count, std::int64_t place) { record_own(g, n, own, count, place); });"
        )
        return ("if (g.trace_count > 0) {", f"    {MEET}", f"    {recorded}", f"    {MEET}", "}")

    def _visits(self) -> list[str]:
        """All numbers of a block's states, with their padding, and which ones of the sample's these are."""
        lines = []
        for (group, _), field in self.state.items():
            for row in self.program.group(group).rows:
                own = moved(f"s.{field.identifier}", self.slices[row.population].at)
                place = f"std::int64_t(offsetof(Network::State, {field.identifier}) / sizeof(Real)) + {moved(self.first(row), row.offset)}"
                lines.append(f"each({own}, {self.extent(row)}, {place});")
        return lines
