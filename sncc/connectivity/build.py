"""Which synapses a connection has: the reference of every engine, integer for integer.

The result depends on the seed, the connection's stream (a hash of its name and "connectivity") and the pattern alone;
every row can be built apart from the others, so any number of threads gives the same synapses. Synapses are sorted by
source, then target.

**Numbers.** Sources and targets count within their parts, row-major: ns sources, nt targets. All random numbers are
words of 32 bits of Philox4x32-10: word w of the *sequence of an element* is word w mod 4 of the counter (stream,
element, w div 4, 0). A number below n is drawn from a word U as (U · n) div 2^32. Without self-connections the
*candidates* of a neuron leave out the neuron of its own number in the population, where that is in the other part, at
position s: candidate c is neuron c, or c + 1 where c >= s. Else candidate c is neuron c.

**random(p)**, p > 0. Each source is a row; its element is the source's number; n is its number of candidates. Skips are
geometric, read from a table of thresholds that holds integers: q = 1 - p; q_1 = q, q_(k+1) = q_k · q in float64 (one
rounding each); T_k = min(floor(q_k · 2^32 + 0.5), 2^32 - 1), k = 1 .. K. K is 64, doubled while K < 4096 and T_K >=
2^28. Starting with c = 0, every word U of the row's sequence in turn:
- where U < T_K: c += K, and on with the next word (the geometric distribution has no memory);
- else: c += the number of k with U < T_k; if c < n there is a synapse to candidate c, and c += 1.
The row ends where c >= n.

**random(fan_out = k)**: the element is the source's number, candidates are targets. **random(fan_in = k)**: the element
is the target's number, candidates are sources; afterwards synapses are sorted by source. With repeats: k numbers below
n, from words 0 .. k - 1. Without: m = k if 2 k <= n, else m = n - k; from the sequence of numbers below n the first m
different ones are chosen (2 k <= n) or left out (2 k > n).

**random(total = k)**: draw d has the element d; attempt a = 0, 1, ... takes words 0 and 1 of the counter (stream, d, a,
0): source below ns, target below nt; an attempt that meets a neuron with itself where `self = false` is followed by the
next. With repeats: draws 0 .. k - 1. Without: of all E pairs allowed, the first m different ones of draws 0, 1, ... are
chosen (2 k <= E, m = k) or left out (2 k > E, m = E - k).

**conv2d**: parts are images [y, x, channel] (two dimensions: one channel). Source (y, x, c) reaches target (Y, X, o)
through kernel element (ky, kx, c, o) where Y · stride + ky = y + padding before, the same along x. A synapse's weight
is that element of the kernel (kh, kw, in, out), row-major.

**pool2d**: source (y, x, c) reaches target (Y, X, c) where Y · stride <= y < Y · stride + size, the same along x.

**dense**, **one_to_one** between parts: every pair (without a neuron to itself where `self = false`); neuron k to
neuron k. Where connections share a weight that lies for all pairs, source i and target j have its element i · nt + j,
or, transposed, j · ns + i; neuron k its element k.

**sparse**: the pairs handed over, sorted stably by source, then target.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sncc.connectivity.images import convolution, pooling
from sncc.connectivity.patterns import (
    Convolution,
    Dense,
    OfSynapses,
    OneToOne,
    Part,
    Pattern,
    Pooling,
    Random,
    Shared,
    Sparse,
    is_matrix,
)
from sncc.connectivity.philox import philox, sequence

_CHUNK = 1 << 20  # words in flight: bounds memory, not the result


@dataclass(frozen=True)
class Synapses:
    """Synapses sorted by source, then target, each (synapses,): flat indices in the source's and the target's
    population.

    `kernel` is the element of the shared kernel that is a synapse's weight; None where every synapse has its own.
    """

    pre: np.ndarray
    post: np.ndarray
    kernel: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.pre)


def build(
    pattern: Pattern, source: Part, target: Part, stream: int, seed: int,
    pairs: tuple[np.ndarray, np.ndarray] | None = None,
) -> Synapses:  # fmt: skip
    """The synapses of a connection. `pairs`: what is handed over for `sparse`, flat indices in the populations.

    Raises ValueError for a pattern that cannot be had, or indices out of
    range.
    """
    kernel = None
    match pattern:
        case Sparse():
            return _handed_over(source, target, pairs)
        case OfSynapses():
            room = source.size if pattern.end == "onto" else target.size
            return _of_synapses(pattern, room, stream, seed, pairs)
        case Dense() | OneToOne():
            pre, post = _whole(pattern, source, target)
        case Shared(whole, turned):
            pre, post = _whole(whole, source, target)
            row, column, columns = (post, pre, source.size) if turned else (pre, post, target.size)
            kernel = pre if isinstance(whole, OneToOne) else row * columns + column
        case Random():
            pre, post = _random(pattern, source, target, stream, seed, not pattern.self_connections)
        case Convolution():
            pre, post, kernel = convolution(pattern, source, target)
        case Pooling():
            pre, post = pooling(pattern, source, target)
    return Synapses(indices(source)[pre], indices(target)[post], kernel)


def _whole(pattern: Dense | OneToOne, source: Part, target: Part) -> tuple[np.ndarray, np.ndarray]:
    """Sources and targets within their parts: every pair, or neuron k and neuron k."""
    if isinstance(pattern, OneToOne):
        if source.size != target.size:
            raise ValueError(f"one_to_one from {source.size} to {target.size} neurons")
        return np.arange(source.size), np.arange(source.size)
    pre, post = (a.reshape(-1) for a in np.indices((source.size, target.size)))
    if pattern.self_connections:
        return pre, post
    keep = indices(source)[pre] != indices(target)[post]
    return pre[keep], post[keep]


def joined(pattern: OfSynapses, stream: int, seed: int, pairs: tuple[np.ndarray, np.ndarray] | None = None) -> Synapses:
    """The synapses that neurons stand for, with an element where the weights of `dense` lie as a matrix."""
    found = build(pattern.pattern, pattern.source, pattern.target, stream, seed, pairs)
    if not isinstance(pattern.pattern, Dense) or not is_matrix(pattern.pattern, pattern.source, pattern.target):
        return found
    row, column = (
        np.searchsorted(indices(part), ends)
        for part, ends in ((pattern.source, found.pre), (pattern.target, found.post))
    )
    return Synapses(found.pre, found.post, row * pattern.target.size + column)


def _of_synapses(
    pattern: OfSynapses, room: int, stream: int, seed: int, pairs: tuple[np.ndarray, np.ndarray] | None
) -> Synapses:
    found = joined(pattern, stream, seed, pairs)
    if len(found) > room:
        raise ValueError(f"{len(found)} synapses, and room for {room}")
    return stood_for(pattern, found)


def stood_for(pattern: OfSynapses, found: Synapses) -> Synapses:
    """What joins neurons that stand for synapses to the sources and targets of these."""
    own = np.arange(len(found))
    if pattern.end == "rows":
        return Synapses(found.pre, own, found.kernel)
    if pattern.end == "onto":
        return Synapses(own, found.post)
    order = np.argsort(found.post, kind="stable")
    return Synapses(found.post[order], order)


def indices(part: Part) -> np.ndarray:
    """Flat indices in the population of a part's neurons, in order."""
    ranges = (np.arange(start, stop) for start, stop in part.ranges)
    flat: np.ndarray = np.ravel_multi_index(np.ix_(*ranges), part.shape).reshape(-1)
    return flat


def _handed_over(source: Part, target: Part, pairs: tuple[np.ndarray, np.ndarray] | None) -> Synapses:
    if pairs is None:
        raise ValueError("a sparse connection needs its pairs")
    pre, post = (np.asarray(a, np.int64).reshape(-1) for a in pairs)
    if len(pre) != len(post):
        raise ValueError(f"{len(pre)} sources and {len(post)} targets")
    for name, found, part in (("source", pre, source), ("target", post, target)):
        outside = ~np.isin(found, indices(part))
        if outside.any():
            raise ValueError(f"there is no {name} neuron {found[outside][0]}")
    order = np.lexsort((post, pre))
    return Synapses(pre[order], post[order])


# ------------------------------------------------------------------------------------------------ drawn pairs
def _random(
    pattern: Random, source: Part, target: Part, stream: int, seed: int, avoid: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Sources and targets within their parts; `avoid`: no neuron to itself."""
    if pattern.kind == "total":
        return _total(pattern, source, target, stream, seed, avoid)
    rows, columns = (target, source) if pattern.kind == "fan_in" else (source, target)
    itself = _positions(rows, columns) if avoid else np.full(rows.size, -1)
    candidates = columns.size - (itself >= 0)
    if pattern.kind == "p":
        row, column = _skipping(pattern.number, candidates, stream, seed)
    else:
        row, column = _per_row(int(pattern.number), pattern.repeats, candidates, stream, seed)
    column = column + ((itself[row] >= 0) & (column >= itself[row]))
    pre, post = (column, row) if pattern.kind == "fan_in" else (row, column)
    order = np.lexsort((post, pre))
    return pre[order], post[order]


def _positions(rows: Part, columns: Part) -> np.ndarray:
    """Where each of `rows` stands among `columns` of the same population; -1: nowhere."""
    place = np.full(int(np.prod(columns.shape)), -1)
    place[indices(columns)] = np.arange(columns.size)
    found: np.ndarray = place[indices(rows)]
    return found


def thresholds(p: float) -> np.ndarray:
    """The table T_1 .. T_K of the geometric skips, (K,) integers."""
    q = 1.0 - p
    table: list[int] = []
    power = 1.0
    size = 64
    while len(table) < size:
        power *= q
        table.append(min(int(np.floor(power * 2.0**32 + 0.5)), 2**32 - 1))
        if len(table) == size < 4096 and table[-1] >= 2**28:
            size *= 2
    return np.array(table, np.uint64)


def _skipping(p: float, candidates: np.ndarray, stream: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    if p <= 0.0:
        return np.zeros(0, int), np.zeros(0, int)
    table = thresholds(p)
    ascending, last = table[::-1], table[-1]
    row, position = np.arange(len(candidates)), np.zeros(len(candidates), np.int64)
    found: list[tuple[np.ndarray, np.ndarray]] = []
    first = 0
    while len(row):
        for word in sequence(seed, stream, row, first, 4).T:
            skip = len(table) - np.searchsorted(ascending, word, side="right")
            position += skip  # all thresholds are passed where the word is below the last: K
            hit = (word >= last) & (position < candidates[row])
            found.append((row[hit], position[hit]))
            position += word >= last
        left = position < candidates[row]
        row, position = row[left], position[left]
        first += 4
    rows, columns = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    return rows, columns


def _per_row(
    count: int, repeats: bool, candidates: np.ndarray, stream: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """`count` candidates of every row."""
    if len(candidates) and count > candidates.min() and not (repeats and candidates.min() > 0):
        raise ValueError(f"{count} of {candidates.min()} neurons, each once")
    found: list[tuple[np.ndarray, np.ndarray]] = []
    width = max(4, -(-count // 4) * 4)
    size = max(1, _CHUNK // width)
    for start in range(0, len(candidates), size):
        rows = np.arange(start, min(start + size, len(candidates)))
        for limit in np.unique(candidates[rows]):
            some = rows[candidates[rows] == limit]
            if repeats:
                numbers = _below(sequence(seed, stream, some, 0, width)[:, :count], int(limit))
                found.append((np.repeat(some, count), numbers.reshape(-1)))
            else:
                chosen = _distinct(count, int(limit), some, stream, seed)
                found.append((some[chosen[0]], chosen[1]))
    if not found:
        return np.zeros(0, int), np.zeros(0, int)
    row, column = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    return row, column


def _below(words: np.ndarray, limit: int) -> np.ndarray:
    """Numbers below `limit` from words."""
    numbers: np.ndarray = ((words * np.uint64(limit)) >> np.uint64(32)).astype(np.int64)
    return numbers


def _distinct(count: int, limit: int, rows: np.ndarray, stream: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` different numbers below `limit` for each row: (index into rows, number)."""
    few = 2 * count <= limit
    wanted = count if few else limit - count
    width = 4
    while width < 2 * wanted + 8:
        width *= 2
    taken = np.zeros((len(rows), 0), bool)
    numbers = np.zeros((len(rows), 0), np.int64)
    while wanted and (not taken.size or taken.sum(axis=1).min() < wanted):
        numbers = _below(sequence(seed, stream, rows, 0, width), limit)
        taken = _first_occurrences(numbers)
        width *= 2
    taken &= np.cumsum(taken, axis=1) <= wanted
    row, place = np.nonzero(taken)
    if few:
        return row, numbers[row, place]
    kept = np.ones((len(rows), limit), bool)
    kept[row, numbers[row, place]] = False
    return np.nonzero(kept)[0], np.nonzero(kept)[1]


def _first_occurrences(numbers: np.ndarray) -> np.ndarray:
    """Where a number stands for the first time in its row."""
    order = np.argsort(numbers, axis=1, kind="stable")
    ordered = np.take_along_axis(numbers, order, axis=1)
    first = np.ones(numbers.shape, bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    result = np.zeros(numbers.shape, bool)
    np.put_along_axis(result, order, first, axis=1)
    return result


def _total(
    pattern: Random, source: Part, target: Part, stream: int, seed: int, avoid: bool
) -> tuple[np.ndarray, np.ndarray]:
    count, columns = int(pattern.number), target.size
    itself = _positions(source, target) if avoid else np.full(source.size, -1)
    allowed = source.size * columns - int((itself >= 0).sum())
    if count and (allowed == 0 or (not pattern.repeats and count > allowed)):
        raise ValueError(f"{count} of {allowed} pairs, each once")

    def pairs(first: int, last: int) -> np.ndarray:
        return _pairs(np.arange(first, last), source.size, columns, itself, stream, seed)

    if pattern.repeats:
        chosen = np.sort(pairs(0, count))
        return chosen // columns, chosen % columns
    few = 2 * count <= allowed
    wanted = count if few else allowed - count
    drawn = pairs(0, wanted)
    while len(np.unique(drawn)) < wanted:
        drawn = np.concatenate([drawn, pairs(len(drawn), 2 * len(drawn) + 8)])
    places = np.sort(np.unique(drawn, return_index=True)[1])[:wanted]
    chosen = np.sort(drawn[places])
    if not few:
        every = np.arange(source.size * columns)
        own = np.flatnonzero(itself >= 0) * columns + itself[itself >= 0]
        chosen = np.setdiff1d(every, np.concatenate([chosen, own]))
    return chosen // columns, chosen % columns


def _pairs(draws: np.ndarray, sources: int, targets: int, itself: np.ndarray, stream: int, seed: int) -> np.ndarray:
    """The pair of each draw, as source · targets + target."""
    result = np.zeros(len(draws), np.int64)
    waiting = np.arange(len(draws))
    attempt = 0
    while len(waiting):
        words = philox(seed, stream, draws[waiting], attempt, 0)
        pre, post = _below(words[0], sources), _below(words[1], targets)
        good = itself[pre] != post
        result[waiting[good]] = pre[good] * targets + post[good]
        waiting = waiting[~good]
        attempt += 1
    return result
