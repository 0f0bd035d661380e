"""Weights that a block copies into its shared memory, where there is room beside a sample's states:
which ones, in what order.
"""

from __future__ import annotations

from dataclasses import dataclass

from sncc.backends.cuda.places import Places
from sncc.program.groups import Connection
from sncc.program.learning import Feedback, LearningSignal, Transpose
from sncc.program.operations import Deliver

SPIKING = 0.02  # of a source's neurons in a step, as far as a choice depends on it
ROWS_TOGETHER = 8  # a warp goes back over, where one of them counts
MOST_COPIES = 6  # each pointer takes registers


@dataclass(frozen=True, slots=True)
class Copy:
    """A matrix of weights.

    `read`: how much of it a step reads, as a fraction of the whole; `rows`: of which some may be copied, else 0.
    """

    key: str
    elements: int
    bytes: int
    read: float
    rows: int = 0

    @property
    def pays_after(self) -> int:
        """Steps in which more of it is read than the copy itself reads."""
        return int(1 / self.read) + 1


def copies_of(places: Places, room: int, held: frozenset[str]) -> list[Copy]:
    """Matrices that have room by themselves, or of which some rows have that a step reads as a whole;
    those that a step reads most of first.

    room: bytes of a block beside its states. held: connections whose way back reads registers.
    """
    found = [_copy(places, key, read) for key, read in _reads(places, held).items()]
    fitting = [copy for copy in found if (copy.bytes // copy.rows if copy.rows else copy.bytes) <= room]
    return sorted(fitting, key=lambda copy: (-copy.read, copy.bytes))[:MOST_COPIES]


def pay_after(places: Places) -> list[int]:
    """Of each connection of synapses in rows: steps after which copies of these are worth it;
    0 where they are not read row by row.
    """
    p = places.program
    reads = [0.0 for _ in places.rows_of_synapses]
    for o in (*p.forward, *p.reverse):
        if not isinstance(o, Deliver | Transpose):
            continue
        c = p.connection(o.connection)
        if c in places.rows_of_synapses and not c.signal:
            reads[places.row_number(c)] += SPIKING if isinstance(o, Deliver) else 1.0
    return [int(1 / read) + 1 if read else 0 for read in reads]


def _copy(places: Places, key: str, read: float) -> Copy:
    rows = places.matrix(key)[0]
    elements = rows * places.stride(key)
    size = elements * (2 if key in places.halves else places.program.bytes_of_real)
    return Copy(key, elements, size, read, rows if read >= 1 and not _is_indexed(places, key) else 0)


def _is_indexed(places: Places, key: str) -> bool:
    """Whether a matrix is also read element by element: of learnt delays, or by a signal forwards in time."""
    p = places.program
    learnt = any(key in (c.weight, c.delays) for c in p.connections if c.interpolated)
    return learnt or any(isinstance(o, LearningSignal) and o.weight == key for o in p.traces)


def _reads(places: Places, held: frozenset[str]) -> dict[str, float]:
    """How much of each matrix a step reads, there and back."""
    p = places.program
    found: dict[str, float] = {}

    def add(c: Connection, read: float) -> None:
        if c.pattern == "dense" and c not in places.rows_of_synapses:
            found[c.weight] = found.get(c.weight, 0.0) + read

    for o in (*p.forward, *p.reverse, *p.traces):
        match o:
            case Deliver(name):
                c = p.connection(name)
                add(c, 1.0 if c.signal else SPIKING)
            case Transpose(connection=name) if name not in held:
                add(p.connection(name), ROWS_TOGETHER * SPIKING if o.at_spikes else 1.0)
            case Feedback() if not o.one_to_one:
                found[o.weight] = found.get(o.weight, 0.0) + 1.0
            case LearningSignal(weight=str(key)) if not o.one_to_one and p.readouts[o.readout].reduction is None:
                if o.across is None or p.connection(o.across) not in places.rows_of_synapses:
                    found[key] = found.get(key, 0.0) + 1.0
    return found
