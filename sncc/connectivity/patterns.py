"""The patterns of `connect`, and parts of populations: plain data that the Model and the Program share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Fans = tuple[float, float]  # fan_in and fan_out; random: the expected numbers


@dataclass(frozen=True, slots=True)
class Part:
    """A population or a slice of it: `ranges` (first, last excluded) along each dimension of `shape`, row-major.

    `exc[0:80]` of 100 neurons is `Part((100,), ((0, 80),))`; an index `3` is the range (3, 4).
    """

    shape: tuple[int, ...]
    ranges: tuple[tuple[int, int], ...]

    @staticmethod
    def whole(shape: tuple[int, ...]) -> Part:
        """The whole population."""
        return Part(shape, tuple((0, length) for length in shape))

    @property
    def lengths(self) -> tuple[int, ...]:
        """How many neurons along each dimension."""
        return tuple(stop - start for start, stop in self.ranges)

    @property
    def size(self) -> int:
        """Number of neurons in the part."""
        return math.prod(self.lengths)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return self.lengths == self.shape

    @property
    def contiguous(self) -> tuple[int, int] | None:
        """(offset, size) where the flat indices follow each other without a gap, else None."""
        offset = self.flat(0)
        return (offset, self.size) if self.flat(self.size - 1) == offset + self.size - 1 else None

    def flat(self, index: int) -> int:
        """Flat index in the population of the part's neuron number `index` (row-major within the part)."""
        position = 0
        stride = 1
        for length, (start, stop) in zip(reversed(self.shape), reversed(self.ranges), strict=True):
            index, along = divmod(index, stop - start)
            position += (start + along) * stride
            stride *= length
        return position


@dataclass(frozen=True, slots=True)
class Dense:
    """Every source neuron to every target neuron; `self_connections`: see `Random`."""

    self_connections: bool = True

    def __str__(self) -> str:
        return "dense" if self.self_connections else "dense(self = false)"


@dataclass(frozen=True, slots=True)
class OneToOne:
    """Neuron k to neuron k."""

    def __str__(self) -> str:
        return "one_to_one"


@dataclass(frozen=True, slots=True)
class Shared:
    """`dense` or `one_to_one` by weights that several connections have,
    and that lie for all pairs of neurons of the parts.

    Source i and target j of the parts have element (i, j), or (j, i) where the weights are `turned`; one to one:
    element i.
    """

    pattern: Dense | OneToOne
    turned: bool = False

    def __str__(self) -> str:
        return f"{self.pattern}, {'transposed' if self.turned else 'shared'}"


@dataclass(frozen=True, slots=True)
class Random:
    """Drawn pairs. `kind` says what `number` is: a probability per pair, or synapses per target, per source, or in all.

    `repeats`: whether a pair may be drawn more than once (default: only for `total`); `self_connections`: whether a
    neuron may reach the one of its own number: false for `self = false` from a population to itself alone.
    """

    kind: Literal["p", "fan_in", "fan_out", "total"]
    number: float
    repeats: bool = False
    self_connections: bool = True

    def __str__(self) -> str:
        repeats = ", repeats = true" if self.repeats and self.kind != "total" else ""
        repeats = ", repeats = false" if not self.repeats and self.kind == "total" else repeats
        return f"random({self.kind} = {self.number:g}{repeats}{'' if self.self_connections else ', self = false'})"


@dataclass(frozen=True, slots=True)
class Convolution:
    """`conv2d`: cross-correlation of images [y, x, channel] with a kernel (kh, kw, in, out) that all positions share.

    `padding` is the number of zero rows and columns (before, after) along y and x.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    channels: int

    def __str__(self) -> str:
        kernel, stride = list(self.kernel), list(self.stride)
        padding = [list(ends) for ends in self.padding]
        return f"conv2d(kernel = {kernel}, stride = {stride}, padding = {padding}, channels = {self.channels})"


@dataclass(frozen=True, slots=True)
class Pooling:
    """`pool2d`: every window of `size`, `stride` apart, of each channel goes to one target neuron of that channel."""

    size: tuple[int, int]
    stride: tuple[int, int]

    def __str__(self) -> str:
        return f"pool2d(size = {list(self.size)}, stride = {list(self.stride)})"


@dataclass(frozen=True, slots=True)
class Sparse:
    """Pairs handed over as index arrays when the library is loaded, sorted there by source, then target."""

    def __str__(self) -> str:
        return "sparse"


def leaves_nothing_out(pattern: Pattern) -> bool:
    """Whether all pairs are there, also those of a neuron and itself."""
    return not isinstance(pattern, Dense) or pattern.self_connections


def is_matrix(pattern: Pattern, source: Part, target: Part) -> bool:
    """Whether weights lie as a matrix, or a line of one-to-one ones:
    between parts without gaps, with a place for each pair.
    """
    parts = (source, target)
    if not isinstance(pattern, Dense | OneToOne) or any(part.contiguous is None for part in parts):
        return False
    return leaves_nothing_out(pattern) or all(part.is_whole for part in parts)


def most_synapses(pattern: Pattern, source: Part, target: Part) -> int:
    """For how many synapses there is room; where their number is drawn, six standard deviations above its mean."""
    pairs = source.size * target.size
    match pattern:
        case Shared(shared):
            return most_synapses(shared, source, target)
        case OneToOne():
            return source.size
        case Random("p", p):
            return min(pairs, math.ceil(pairs * p + 6 * math.sqrt(pairs * p * (1 - p))))
        case Random(kind, number):
            return int(number) * {"fan_in": target.size, "fan_out": source.size}.get(kind, 1)
        case Convolution(kernel):
            return target.size * math.prod(kernel) * math.prod(source.lengths[2:])
        case Pooling(size):
            return target.size * math.prod(size)
    return pairs


def fans_of(pattern: Pattern, source: Part, target: Part) -> Fans | None:
    """fan_in and fan_out of the synapses between two parts; None where only index arrays tell them."""
    match pattern:
        case Shared(shared):
            return fans_of(shared, source, target)
        case Dense(own):
            less = int(not own)
            return float(source.size - less), float(target.size - less)
        case OneToOne():
            return 1.0, 1.0
        case Random("p", number):
            less = int(not pattern.self_connections)
            return number * (source.size - less), number * (target.size - less)
        case Random("fan_in", number):
            return number, number * target.size / source.size
        case Random("fan_out", number):
            return number * source.size / target.size, number
        case Random(_, number):
            return number / target.size, number / source.size
        case Convolution((high, wide)):
            return float(high * wide * channels_of(source)), float(high * wide * pattern.channels)
        case Pooling((high, wide), (down, right)):
            return float(high * wide), float(math.ceil(high / down) * math.ceil(wide / right))
    return None


def channels_of(part: Part) -> int:
    """Channels of an image [y, x, channel]."""
    return part.lengths[2] if len(part.lengths) == 3 else 1


@dataclass(frozen=True, slots=True)
class OfSynapses:
    """Between neurons that stand for the synapses of `connection`, in their order, and the neurons that it joins.

    Neurons beyond the last synapse have no connections.
    """

    # rows: from every source to its synapses. columns: from every target to the synapses onto it. onto: from every
    # synapse to its target.
    end: Literal["rows", "columns", "onto"]
    connection: str
    pattern: Pattern  # of the synapses, between parts of the populations `between`
    between: tuple[str, str]
    source: Part
    target: Part

    def __str__(self) -> str:
        return {
            "rows": f"to the synapses of each: {self.pattern}", "onto": "each synapse to its target",
            "columns": "to the synapses onto each",
        }[self.end]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rewiring:
    """Training that moves synapses, Deep R: one whose weight would change its
    sign gives way to another pair of neurons.

    `l1` draws weights towards zero, `temperature` is that of their random walk; in the optimiser's numbers.
    """

    l1: float = 0.0
    temperature: float = 0.0

    def __str__(self) -> str:
        return f"deep_r(l1 = {self.l1:g}, temperature = {self.temperature:g})"


Pattern = Dense | OneToOne | Shared | Random | Convolution | Pooling | Sparse | OfSynapses
