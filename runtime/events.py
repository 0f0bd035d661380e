"""Events: the spikes handed over to a network, as lists per sample and step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import check_whole, real, regular_array, shown
from .binning import binned, check_room, offsets_of
from .free_memory import check_memory

MAXIMUM_NEURONS = 2**32 - 1  # an index is 32 bits wide
_BYTES_OF_AN_OFFSET = 16  # while those of all samples are put together


class TonicDataset(Protocol):
    """What `from_tonic` needs: samples of (events, label), and the sensor's size as (width, height, channels)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[NDArray[Any], Any]: ...


class Events:
    """Spikes of a set of samples on a grid of time steps; immutable.

    Sample s has `lengths[s]` steps. What arrives in its step n (counted from 1) is `indices[offsets[starts[s] + n - 1]
    : offsets[starts[s] + n]]`: flat row-major indices, repeated where several events of one neuron fall into a step.
    Selecting samples shares these arrays.
    """

    __slots__ = ("indices", "lengths", "offsets", "shape", "starts", "step")

    def __init__(
        self,
        shape: tuple[int, ...],
        lengths: NDArray[np.int32],
        starts: NDArray[np.int64],
        offsets: NDArray[np.int64],
        indices: NDArray[np.uint32],
        step: float | None = None,
    ) -> None:
        """Events of the arrays that the class describes; `from_dense` and the like make them.

        Raises ValueError for arrays that do not belong together.
        """
        shape = _checked_shape(shape)
        size = _checked_size(shape)
        for array, kind in ((lengths, np.int32), (starts, np.int64), (offsets, np.int64), (indices, np.uint32)):
            if not isinstance(array, np.ndarray):
                raise ValueError(f"events are arrays of {np.dtype(kind)}, not {shown(array)}; `from_dense` makes them")
            if array.dtype != kind or array.ndim != 1:
                raise ValueError(f"events are lists of {np.dtype(kind)}, not {array.dtype} of shape {array.shape}")
        if lengths.shape != starts.shape or not len(offsets) or (lengths < 0).any() or (starts < 0).any():
            raise ValueError("events have one start and one length, not negative, for each sample")
        if (starts >= len(offsets) - lengths.astype(np.int64)).any():
            raise ValueError("a sample ends beyond the offsets")
        if offsets[0] < 0 or (np.diff(offsets) < 0).any() or offsets[-1] > len(indices):
            raise ValueError("offsets begin with 0 or more, do not fall, and end within the indices")
        if indices.max(initial=0) >= size:
            raise ValueError(f"neuron {indices.max()} of {size} (0 … {size - 1})")
        self._set(shape, lengths, starts, offsets, indices, _checked_step(step))

    def _set(
        self,
        shape: tuple[int, ...],
        lengths: NDArray[np.int32],
        starts: NDArray[np.int64],
        offsets: NDArray[np.int64],
        indices: NDArray[np.uint32],
        step: float | None,
    ) -> None:
        self.shape, self.step = shape, step
        self.lengths, self.starts, self.offsets, self.indices = (
            _frozen(a) for a in (lengths, starts, offsets, indices)
        )

    # -------------------------------------------------------------------------------------------- constructors
    @classmethod
    def from_dense(cls, array: ArrayLike, step: float | None = None, lengths: ArrayLike | None = None) -> Events:
        """Events from counts: (samples, steps, *shape), boolean, or whole numbers that are not negative.

        Index k along the second axis is step k + 1. `step` in seconds; None: fits every network. `lengths`: (samples,)
        the steps of each sample, where they differ (what stands beyond is left out).
        Raises ValueError for other dimensions, dtypes and numbers.
        """
        counts = _counts(array)
        samples, steps, *shape = counts.shape
        size = _checked_size(tuple(shape))
        flat = counts.reshape(samples * steps, size)
        rows, columns = np.nonzero(flat)
        repeats = flat[rows, columns]
        if repeats.size and repeats.max() > 1:
            rows, columns = np.repeat(rows, repeats), np.repeat(columns, repeats)
        return cls(
            tuple(shape),
            _checked_lengths(lengths, samples, steps),
            np.arange(samples, dtype=np.int64) * steps,
            offsets_of(rows, samples * steps),
            columns.astype(np.uint32),
            _checked_step(step),
        )

    @classmethod
    def from_lists(
        cls,
        samples: Iterable[tuple[ArrayLike, ArrayLike]],
        shape: int | Sequence[int],
        step: float,
        steps: int | ArrayLike | None = None,
    ) -> Events:
        """Events from one pair (times, neurons) a sample: seconds and flat row-major indices, in any order.

        An event at time t falls into step floor(t / step) + 1. `steps`: of all samples, or of each; by default every
        sample ends with its last event. Events after the end are left out.
        Raises ValueError for negative or non-finite times, indices outside the shape, pairs of unequal length.
        """
        whole_shape = _checked_shape(shape)
        size = _checked_size(whole_shape)
        width = _checked_step(step)
        if width is None:
            raise ValueError("`step` is missing: the length of a time step in seconds, e.g. step=1e-3")
        if not np.iterable(samples):
            raise ValueError(f"`samples` are a list of pairs (times, neurons), one a sample, not {shown(samples)}")
        bins = [binned(k, *_pair(k, pair), size, width) for k, pair in enumerate(samples)]
        lengths = _list_lengths(steps, bins)
        starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        check_room(int(starts[-1]), width)
        rows, columns = [], []
        for (row, column), start, length in zip(bins, starts, lengths):
            inside = row < length
            rows.append(row[inside].astype(np.int64) + start)
            columns.append(column[inside])
        all_rows = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        all_columns = np.concatenate(columns) if columns else np.zeros(0, np.uint32)
        return cls(whole_shape, lengths, starts[:-1], offsets_of(all_rows, int(starts[-1])), all_columns, width)

    @classmethod
    def from_tonic(
        cls,
        dataset: TonicDataset,
        step: float,
        steps: int | None = None,
        sensor_size: tuple[int, int, int] | None = None,
    ) -> tuple[Events, NDArray[Any]]:
        """Events and labels of a `tonic` data set without a transform: structured arrays with x, y, t (µs), p.

        Neurons are [y, x, channel], row-major; axes of length one are dropped. `steps` cuts or pads all samples to one
        length. Labels: (samples,). Raises ValueError for other arrays.
        """
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise ValueError(f"`dataset` is a data set of tonic, samples of (events, label), not {shown(dataset)}")
        size = getattr(dataset, "sensor_size", None) if sensor_size is None else sensor_size
        if size is None:
            raise ValueError("the data set has no `sensor_size`: pass sensor_size=(width, height, channels)")
        sizes = _checked_shape(size)
        if len(sizes) != 3:
            raise ValueError(f"`sensor_size` is (width, height, channels), not {shown(size)}")
        width, height, channels = sizes
        labels: list[Any] = []

        def lists() -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:  # one sample at a time: recordings are long
            for k in range(len(dataset)):
                events, label = _pair(k, dataset[k], "(events, label)")
                names = getattr(getattr(events, "dtype", None), "names", None) or ()
                if "t" not in names or "x" not in names:
                    raise ValueError("the data set's samples are no event arrays: use it without `transform`")
                x = _axis(events, "x", width, k)
                y = _axis(events, "y", height, k) if "y" in names else 0
                p = _axis(events, "p", channels, k) if "p" in names and channels > 1 else 0
                labels.append(label)
                if events["t"].dtype.kind not in "iuf":
                    raise ValueError(f"sample {k}: t is in microseconds, not {events['t'].dtype}")
                yield events["t"].astype(np.float64) * 1e-6, (y * width + x) * channels + p

        shape = tuple(n for n in (height, width, channels) if n > 1) or (1,)
        events = cls.from_lists(lists(), shape, step, steps)
        return events, regular_array("labels", labels)

    # -------------------------------------------------------------------------------------------- what is there
    def __len__(self) -> int:
        """The number of samples."""
        return len(self.lengths)

    @property
    def size(self) -> int:
        """The number of neurons."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def steps(self) -> int:
        """The steps of the longest sample; 0 without samples."""
        return int(self.lengths.max(initial=0))

    @property
    def counts(self) -> NDArray[np.int64]:
        """The number of events of each sample, (samples,)."""
        counts: NDArray[np.int64] = self.offsets[self.starts + self.lengths] - self.offsets[self.starts]
        return counts

    def __repr__(self) -> str:
        """E.g. `Events(24 samples, 30 steps, shape (6,), 410 events)`."""
        shortest, longest = int(self.lengths.min(initial=self.steps)), self.steps
        steps = f"{longest}" if shortest == longest else f"{shortest} to {longest}"
        width = "" if self.step is None else f" of {self.step * 1e3:g} ms"
        return f"Events({len(self)} samples, {steps} steps{width}, shape {self.shape}, {int(self.counts.sum())} events)"

    # -------------------------------------------------------------------------------------------- other events
    def __getitem__(self, selection: Any) -> Events:
        """The selected samples, by a slice, an index array or a boolean mask; one index gives one sample."""
        if isinstance(selection, (int, np.integer)) and not isinstance(selection, (bool, np.timedelta64)):
            if not -len(self) <= selection < len(self):
                raise IndexError(f"sample {selection} of {len(self)}")
            selection = [int(selection)]
        try:
            chosen = np.arange(len(self))[selection]
        except (IndexError, TypeError) as error:
            raise IndexError(f"{len(self)} samples have no selection {shown(selection)}: {error}") from None
        if chosen.ndim != 1:
            raise IndexError("samples are selected along one axis")
        selected = Events.__new__(Events)  # the arrays were checked
        selected._set(self.shape, self.lengths[chosen], self.starts[chosen], self.offsets, self.indices, self.step)
        return selected

    def binary(self) -> Events:
        """The same with at most one event per neuron and step."""
        rows, columns = self._rows(), self.indices[self.offsets[0] : self.offsets[-1]]
        order = np.lexsort((columns, rows))
        rows, columns = rows[order], columns[order]
        first = np.ones(len(rows), bool)
        first[1:] = (rows[1:] != rows[:-1]) | (columns[1:] != columns[:-1])
        offsets = offsets_of(rows[first], len(self.offsets) - 1)
        return Events(self.shape, self.lengths, self.starts, offsets, columns[first], self.step)

    def to_dense(self) -> NDArray[np.int32]:
        """Counts, (samples, steps of the longest, *shape); zero beyond a sample's end."""
        dense = np.zeros((len(self), self.steps, self.size), np.int32)
        for k, (start, length) in enumerate(zip(self.starts, self.lengths)):
            bounds = self.offsets[start : start + length + 1]
            rows = np.repeat(np.arange(length), np.diff(bounds))
            np.add.at(dense[k], (rows, self.indices[bounds[0] : bounds[-1]]), 1)
        return dense.reshape(len(self), self.steps, *self.shape)

    def resized(self, steps: int) -> Events:
        """The same with every sample cut, or padded with empty steps, to that many steps."""
        steps = check_whole("steps", steps, 0)
        check_memory(f"{len(self)} samples of {steps} steps", _BYTES_OF_AN_OFFSET * len(self) * steps)
        kept = np.minimum(self.lengths, steps)
        offsets = np.zeros((len(self), steps + 1), np.int64)
        parts, base = [], 0
        for k, (start, length) in enumerate(zip(self.starts, kept)):
            bounds = self.offsets[start : start + length + 1]
            parts.append(self.indices[bounds[0] : bounds[-1]])
            offsets[k, : length + 1] = bounds - bounds[0] + base
            base += int(bounds[-1] - bounds[0])
            offsets[k, length + 1 :] = base
        flat = np.concatenate([offsets[:, :-1].ravel(), [base]])
        indices = np.concatenate(parts) if parts else np.zeros(0, np.uint32)
        lengths = np.full(len(self), steps, np.int32)
        return Events(self.shape, lengths, np.arange(len(self), dtype=np.int64) * steps, flat, indices, self.step)

    def _rows(self) -> NDArray[np.int64]:
        """The row of `offsets` that each event stands in."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


# ------------------------------------------------------------------------------------------------ checks
def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array = np.ascontiguousarray(array).view()
    array.flags.writeable = False
    return array


def _counts(array: ArrayLike) -> NDArray[Any]:
    """The array of counts, as a whole-number dtype. Raises ValueError where it is none."""
    try:
        counts = regular_array("dense events", array)
    except ValueError as error:
        raise ValueError(
            f"{error}; samples of unequal length are padded, with `lengths=`, or go to `from_lists`"
        ) from None
    if counts.ndim < 3:
        raise ValueError(f"dense events have the shape (samples, steps, neurons), not {counts.shape}")
    if counts.dtype.kind == "f":
        if not np.isfinite(counts).all():
            raise ValueError("events hold NaN or infinite numbers; they are counts: 0, 1, 2 …")
        if (counts != np.floor(counts)).any():
            raise ValueError("events hold fractions; they are counts: 0, 1, 2 … (real values are a `signal`'s)")
    elif counts.dtype.kind not in "biu":
        raise ValueError(f"events are boolean or whole numbers, not {counts.dtype}")
    if counts.dtype.kind != "b" and counts.size:
        if counts.min() < 0:
            raise ValueError("events hold negative numbers; they are counts: 0, 1, 2 …")
        if float(counts.max()) > 2**31 - 1:
            raise ValueError(f"a count of {counts.max():g} events of one neuron in one step is too large")
    return counts.astype(np.int64) if counts.dtype.kind == "f" else counts


def _checked_shape(shape: Any) -> tuple[int, ...]:
    """The lengths of a shape's axes; one number is that of a list. Raises ValueError for other than whole numbers."""
    axes = (
        shape if isinstance(shape, (tuple, list)) or (isinstance(shape, np.ndarray) and shape.ndim == 1) else (shape,)
    )
    return tuple(check_whole("shape", n, 0, MAXIMUM_NEURONS) for n in axes)


def _pair(sample: int, pair: Any, what: str = "(times, neurons)") -> tuple[Any, Any]:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise ValueError(f"sample {sample} is a pair {what}, not {shown(pair)}")
    return pair[0], pair[1]


def _checked_size(shape: tuple[int, ...]) -> int:
    """The number of neurons of a shape. Raises ValueError without neurons or with too many."""
    size = 1
    for length in shape:
        if length <= 0:
            raise ValueError(f"events of shape {shape} have no neurons")
        size *= length
    if not shape or size > MAXIMUM_NEURONS:
        raise ValueError(f"events of shape {shape}: from 1 to {MAXIMUM_NEURONS} neurons are possible")
    return size


def _checked_step(step: float | None) -> float | None:
    if step is None:
        return None
    seconds = real(step)
    if seconds is None or not 0 < seconds < np.inf:
        raise ValueError(f"`step` is the length of a time step, a number of seconds above zero, not {shown(step)}")
    return seconds


def _checked_lengths(lengths: ArrayLike | None, samples: int, steps: int) -> NDArray[np.int32]:
    """Steps of each sample, 0 … steps. Raises ValueError for others."""
    if lengths is None:
        return np.full(samples, steps, np.int32)
    array = regular_array("`lengths`", lengths)
    if array.shape != (samples,) or array.dtype.kind not in "iu":
        raise ValueError(
            f"`lengths` are {samples} whole numbers, one a sample, not {array.dtype} of shape {array.shape}"
        )
    if array.size and (array.min() < 0 or array.max() > steps):
        raise ValueError(f"`lengths` are from 0 to {steps} steps, not {array.min()} to {array.max()}")
    return array.astype(np.int32)


def _list_lengths(
    steps: int | ArrayLike | None, bins: list[tuple[NDArray[np.int32], NDArray[np.uint32]]]
) -> NDArray[np.int32]:
    if steps is None:
        return np.asarray([int(rows[-1]) + 1 if len(rows) else 1 for rows, _ in bins], np.int32)
    given = regular_array("`steps`", steps)
    lengths = np.full(len(bins), given) if given.ndim == 0 else given
    return _checked_lengths(lengths, len(bins), 2**31 - 1)


def _axis(events: NDArray[Any], name: str, length: int, sample: int) -> NDArray[np.int64]:
    values: NDArray[np.int64] = events[name].astype(np.int64)
    if values.size and (values.min() < 0 or values.max() >= length):
        raise ValueError(f"sample {sample}: {name} from {values.min()} to {values.max()}, outside a sensor of {length}")
    return values
