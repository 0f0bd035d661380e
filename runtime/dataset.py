"""A data set as the library reads it: inputs and labels, checked and converted before native code sees them."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from ctypes import POINTER, byref, c_double, c_int32, c_int64, c_uint32
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import finite_array, regular_array
from .events import Events
from .library import Batch, Data, Library, Result, SourceData, pointer
from .manifest import Manifest, Readout, Source
from .windows import check_windows

EMPTY: Mapping[str, Any] = MappingProxyType({})
Inputs = Events | Mapping[str, Events | ArrayLike] | ArrayLike


@dataclass(frozen=True, slots=True, eq=False)
class DataSet:
    """Inputs and labels of `samples` samples; `native` points into the arrays of `alive`."""

    samples: int
    lengths: NDArray[np.int32]
    native: Data
    alive: list[Any] = field(repr=False)

    @property
    def steps(self) -> int:
        """The steps of the longest sample."""
        return int(self.lengths.max())


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """A signal's values: (samples or 1, steps or 1, size), 1 where they are constant there; `lengths`: of samples that
    were handed over one by one, behind which there are zeros.
    """

    values: NDArray[np.float64]
    each_sample: bool
    each_step: bool
    lengths: NDArray[np.int32] | None = None


class Repeated(Protocol):
    """What a source emits in every sample that is given nothing else."""

    def in_samples(self, lengths: NDArray[np.int32]) -> Events:
        """The same in each sample, of so many steps."""
        ...


def data_set(
    manifest: Manifest, inputs: Inputs, labels: ArrayLike | None = None, repeated: Mapping[str, Repeated] = EMPTY
) -> DataSet:
    """The data set of a network, for training or prediction. `repeated`: of sources that data may leave out.

    Raises ValueError, naming the source or the labels, for whatever does not fit the network.
    """
    given = named_inputs(manifest, inputs, repeated)
    if missing := [s.name for s in manifest.sources if s.name not in given and s.name not in repeated]:
        raise ValueError(f"no data for the source `{missing[0]}`: give a dict with {_names(manifest)}")
    checked = {s.name: check_source(s, given[s.name], manifest.step) for s in manifest.sources if s.name in given}
    samples = common_samples(checked)
    lengths = _common_lengths(checked, samples)
    for s in manifest.sources:
        if s.name not in given:
            checked[s.name] = check_source(s, repeated[s.name].in_samples(lengths), manifest.step)
    return assemble(manifest, checked, samples, lengths, labels)


def labelled_set(
    manifest: Manifest, inputs: Inputs, labels: ArrayLike | None, repeated: Mapping[str, Repeated] = EMPTY
) -> DataSet:
    """The data set of a network whose loss is wanted, so with labels, if it reads any; else as `data_set`."""
    readout = manifest.readout
    if labels is None and (readout is None or readout.reads_labels):
        raise ValueError("labels are missing: the loss compares the network's outputs with them")
    data = data_set(manifest, inputs, labels, repeated)
    if labels is None and readout is not None:
        unread = np.zeros((data.samples, readout.outputs) if readout.labels == "value" else data.samples, np.int64)
        data.alive.extend(_attach_labels(data.native, readout, unread, data.samples, data.lengths))
    check_windows(manifest, data.lengths)
    return data


def assemble(
    manifest: Manifest,
    checked: Mapping[str, Events | Signal],
    samples: int,
    lengths: NDArray[np.int32],
    labels: ArrayLike | None = None,
) -> DataSet:
    """The native structure of inputs that were checked: every source has `lengths` steps, constants aside."""
    sources = (SourceData * max(1, len(checked)))()
    alive: list[Any] = [sources, lengths]
    for entry, source in zip(sources, manifest.sources):
        value = checked[source.name]
        if isinstance(value, Events):
            entry.starts, entry.offsets = pointer(value.starts, c_int64), pointer(value.offsets, c_int64)
            entry.indices = pointer(value.indices, c_uint32)
            alive.append(value)
        else:
            rows, starts = _rows(value, samples, int(lengths.max(initial=0)))
            entry.value_starts, entry.values = pointer(starts, c_int64), pointer(rows, c_double)
            alive += [rows, starts]
    native = Data(samples=samples, steps=pointer(lengths, c_int32), sources=ctypes.cast(sources, POINTER(SourceData)))
    if labels is not None:
        alive += _attach_labels(native, manifest.readout, labels, samples, lengths)
    return DataSet(samples, lengths, native, alive)


# ------------------------------------------------------------------------------------------------ inputs
def named_inputs(
    manifest: Manifest, inputs: Inputs, repeated: Mapping[str, Repeated] = EMPTY
) -> dict[str, Events | ArrayLike]:
    """The inputs by source; what is no mapping goes to the only source (of its kind) that needs any.

    Raises ValueError where that is not clear, or for a name that is no source.
    """
    if not isinstance(inputs, Mapping):
        kind = "events" if isinstance(inputs, Events) else "signal"
        open_ = [s for s in manifest.sources if s.name not in repeated] or manifest.sources
        same = [s.name for s in open_ if s.kind == kind] or [s.name for s in open_]
        if len(same) != 1:
            raise ValueError(f"the network has {len(same)} sources of this kind: give a dict with {_names(manifest)}")
        return {same[0]: inputs}
    known = {s.name for s in manifest.sources}
    for name in inputs:
        if name not in known:
            raise ValueError(f"the network has no source `{name}`; it has {_names(manifest)}")
    return dict(inputs)


def check_source(source: Source, value: Events | ArrayLike, step: float) -> Events | Signal:
    """A source's events or values, checked against its shape and the network's step (in seconds)."""
    if source.kind == "signal":
        return _signal(source, value)
    if not isinstance(value, Events):
        raise ValueError(
            f"the source `{source.name}` takes Events; wrap an array of counts, (samples, steps, …): Events.from_dense(array)"
        )
    if value.shape != source.shape and value.shape != (source.size,):
        text = f"the source `{source.name}` has the shape {source.shape}, the events have {value.shape}"
        if len(value.shape) == 1 and value.steps == source.size:
            text += f" and {value.steps} steps: arrays are (samples, steps, neurons), e.g. array.swapaxes(1, 2)"
        raise ValueError(text)
    if value.step is not None and abs(value.step - step) > 1e-6 * step:
        raise ValueError(
            f"the events of `{source.name}` have steps of {value.step * 1e3:g} ms, the network's step is {step * 1e3:g} ms: "
            "make the events with the network's step"
        )
    return value


def common_samples(checked: Mapping[str, Events | Signal]) -> int:
    """The number of samples that all sources have; 1 where none says. Raises ValueError where they differ or are 0."""
    counts = {
        name: len(value) if isinstance(value, Events) else len(value.values)
        for name, value in checked.items()
        if isinstance(value, Events) or value.each_sample
    }
    if len(set(counts.values())) > 1:
        text = "the sources differ in samples: " + ", ".join(f"`{n}` has {c}" for n, c in counts.items())
        still = [n for n, v in checked.items() if isinstance(v, Signal) and v.each_sample and not v.each_step]
        if still:
            text += f"; `{still[0]}` is taken for one constant a sample: what changes has the shape (samples, steps, …)"
        raise ValueError(text)
    samples = next(iter(counts.values()), 1)
    if samples == 0:
        raise ValueError("the data hold no samples")
    return samples


def _common_lengths(checked: Mapping[str, Events | Signal], samples: int) -> NDArray[np.int32]:
    """The steps of each sample, on which sources agree; values may reach beyond samples of unequal length."""
    result: NDArray[np.int32] | None = None
    first = ""
    arrays = {n: v for n, v in checked.items() if not isinstance(v, Events) and v.each_step and v.lengths is None}
    for name, value in (*((n, v) for n, v in checked.items() if n not in arrays), *arrays.items()):
        if value.lengths is not None:
            lengths = value.lengths
        elif value.each_step:
            width = value.values.shape[1]
            if result is not None and len(set(result.tolist())) > 1 and result.max() <= width:
                continue
            lengths = np.full(samples, width, np.int32)
        else:
            continue
        if result is not None and (lengths != result).any():
            k = int(np.flatnonzero(lengths != result)[0])
            raise ValueError(f"sample {k} has {result[k]} steps in `{first}` and {lengths[k]} in `{name}`")
        result, first = lengths, name
    if result is None:
        raise ValueError(
            "nothing says how many steps a sample has: give events, or a signal of shape (samples, steps, n); values that stand "
            "still: np.repeat(array[:, None], steps, axis=1)"
        )
    if (result == 0).any():
        raise ValueError(f"sample {int(np.flatnonzero(result == 0)[0])} has no steps")
    return np.ascontiguousarray(result)


def _signal(source: Source, value: Any) -> Signal:
    if isinstance(value, Events):
        raise ValueError(f"the source `{source.name}` is a signal: give an array of real values, not Events")
    lengths = None
    if isinstance(value, (list, tuple)) and len({len(v) for v in value if isinstance(v, np.ndarray) and v.ndim}) > 1:
        value, lengths = _padded(source, value)
    values = finite_array(f"the signal `{source.name}`", value, source.largest)
    for shape in (source.shape, (source.size,)):
        lead = values.ndim - len(shape)
        if 0 <= lead <= 2 and values.shape[lead:] == shape:
            samples = values.shape[0] if lead > 0 else 1
            steps = values.shape[1] if lead > 1 else 1
            return Signal(values.reshape(samples, steps, source.size), lead > 0, lead > 1, lengths)
    n = ", ".join(str(k) for k in source.shape)
    raise ValueError(
        f"the signal `{source.name}` has the shape (samples, steps, {n}), or, where it is constant, (samples, {n}) or "
        f"({n},), not {values.shape}"
    )


def _padded(source: Source, given: Sequence[Any]) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Samples of unequal length in one array, with zeros behind their ends; their lengths."""
    samples = [finite_array(f"the signal `{source.name}`, sample {k}", v) for k, v in enumerate(given)]
    for k, values in enumerate(samples):
        if values.shape[1:] not in (source.shape, (source.size,)):
            n = ", ".join(str(length) for length in source.shape)
            raise ValueError(f"the signal `{source.name}`, sample {k}: the shape is (steps, {n}), not {values.shape}")
    lengths = np.array([len(values) for values in samples], np.int32)
    padded = np.zeros((len(samples), lengths.max(), source.size))
    for k, values in enumerate(samples):
        padded[k, : lengths[k]] = values.reshape(lengths[k], source.size)
    return padded, lengths


def _rows(signal: Signal, samples: int, steps: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Values as rows of steps, and each sample's first row; a constant is repeated over the steps."""
    values = signal.values if signal.each_step else np.repeat(signal.values, max(1, steps), axis=1)
    starts = np.arange(samples, dtype=np.int64) * (values.shape[1] if signal.each_sample else 0)
    return np.ascontiguousarray(values.reshape(-1, values.shape[2])), starts


# ------------------------------------------------------------------------------------------------ labels
def _attach_labels(
    native: Data, readout: Readout | None, labels: ArrayLike, samples: int, lengths: NDArray[np.int32]
) -> list[Any]:
    """Points `native` at the labels; gives the arrays to keep alive."""
    if readout is None:
        raise ValueError("the network has no `train` block, so no loss: labels have no meaning")
    array = regular_array("labels", labels)
    steps = int(lengths.max())
    is_class = readout.labels == "class"
    values: NDArray[Any] = _classes(array, readout) if is_class else finite_array("the targets", array)
    trailing = () if is_class else (readout.outputs,)
    if values.ndim and len(values) != samples:
        raise ValueError(f"{len(values)} labels for {samples} samples{time_first(len(values), steps)}")
    # samples of unequal length may be a part of a set with longer ones
    width = values.shape[1] if values.ndim > 1 and (lengths != steps).any() and values.shape[1] > steps else steps
    per_step = values.shape == (samples, width, *trailing) and readout.step_labels
    if not per_step and values.shape != (samples, *trailing):
        raise ValueError(_wrong_label_shape(values, readout, samples, steps))
    values = np.ascontiguousarray(values)
    if is_class:
        native.classes = pointer(values, c_int32)
    else:
        native.targets = pointer(values, c_double)
    if not per_step:
        return [values]
    starts = np.arange(samples, dtype=np.int64) * width
    native.label_starts = pointer(starts, c_int64)
    return [values, starts]


def time_first(labels: int, steps: int) -> str:
    """What to do where labels are as many as the events' steps: their array had the axes of other libraries."""
    return "; arrays are (samples, steps, …): of (steps, samples, …) take array.swapaxes(0, 1)" * (labels == steps)


def _classes(array: NDArray[Any], readout: Readout) -> NDArray[np.int32]:
    if array.dtype.kind not in "iu":
        if _one_hot(array, readout):
            raise ValueError(
                f"class labels are whole numbers, one a sample, not {array.shape} of zeros and ones: {ARGMAX}"
            )
        raise ValueError(f"class labels are whole numbers, not {array.dtype}: convert them, e.g. labels.astype(int)")
    if array.size and (array.min() < -1 or array.max() >= readout.outputs):
        wrong = array.max() if array.max() >= readout.outputs else array.min()
        raise ValueError(
            f"label {wrong} is out of range: `{readout.population}` has {readout.outputs} outputs, so labels are "
            f"0 … {readout.outputs - 1}, and -1 for none"
        )
    if array.size and array.max() < 0:
        raise ValueError("no sample has a label: all are -1")
    return array.astype(np.int32)


ARGMAX = "take labels.argmax(axis=-1)"


def _one_hot(array: NDArray[Any], readout: Readout) -> bool:
    """Whether each class stands as a row with a one at its place."""
    if readout.labels != "class" or array.dtype.kind not in "biuf" or array.shape[1:][-1:] != (readout.outputs,):
        return False
    return bool(((array == 0) | (array == 1)).all() and (array.sum(axis=-1) == 1).all())


def _wrong_label_shape(labels: NDArray[Any], readout: Readout, samples: int, steps: int) -> str:
    shape = labels.shape
    outputs = f", {readout.outputs}" if readout.labels == "value" else ","
    expected = f"({samples}{outputs})"
    if readout.step_labels:
        expected += f" or ({samples}, {steps}{outputs.rstrip(',')})"
    text = f"labels have the shape {expected}, not {shape}"
    if readout.labels == "value" and shape == (samples,):
        text += ": a real target for each output; for classes e.g. np.eye(n)[labels] times the wanted value"
    if _one_hot(labels, readout):
        return f"{text}: {ARGMAX}"
    if readout.labels == "class" and shape == (samples, 1):
        return f"{text}: take labels[:, 0]"
    per_step_given = len(shape) == (2 if readout.labels == "class" else 3)
    if per_step_given and readout.per_step and not readout.step_labels:
        text += "; one of the terms of this loss is taken once a sample, and reads one label for the whole of it"
    elif per_step_given and not readout.step_labels:
        text += "; this loss has one label a sample: a loss at every step would be e.g. `mean(cross_entropy(output.v))`"
    return text


def _names(manifest: Manifest) -> str:
    return ", ".join(f"`{s.name}` ({s.kind})" for s in manifest.sources) or "no sources"


# ------------------------------------------------------------------------------------------------ batches
def selected(data: DataSet, selection: NDArray[np.int64], trials: NDArray[np.uint32] | None) -> Batch:
    """The selected samples as a batch, with the numbers that key their random draws (None: their own)."""
    keys = None if trials is None else pointer(trials, c_uint32)
    return byref(data.native), pointer(selection, c_int64), len(selection), keys


def run_batch(library: Library, function: str, batch: Batch, *arguments: Any) -> Result:
    """Calls `train`, `gradients` or `evaluate` on a batch."""
    result = Result()
    library.call(function, *batch, *arguments, byref(result))
    return result
