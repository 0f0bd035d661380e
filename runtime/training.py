"""The training loop: shuffled batches, validation, schedule, history, callbacks."""

from __future__ import annotations

from collections.abc import Iterable
from ctypes import c_double, c_int64
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import check_choice, check_real, check_whole, shown
from .callbacks import Callback, History
from .checkpoint import Progress
from .dataset import DataSet, Inputs, labelled_set, run_batch, selected
from .library import Result, pointer
from .manifest import Manifest
from .progress import ProgressBar
from .schedules import Position, schedule

if TYPE_CHECKING:
    from .network import Network

EVALUATED_AT_ONCE = 1024  # samples a native call, so that Ctrl-C is heard


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over samples, from which the means come."""

    samples: int = 0
    loss: float = 0.0
    penalty: float = 0.0
    correct: int = 0
    labelled: int = 0

    def add(self, result: Result, samples: int) -> Sums:
        """With one more batch, whose means are over `samples`."""
        return Sums(
            self.samples + samples,
            self.loss + result.loss * samples,
            self.penalty + result.penalty * samples,
            self.correct + result.correct,
            self.labelled + result.labelled,
        )

    def means(self, classes: bool) -> dict[str, float]:
        """Loss, penalty and, of class labels, the accuracy (NaN where nothing was labelled)."""
        result = {"loss": self.loss / self.samples, "penalty": self.penalty / self.samples}
        if classes:
            result["accuracy"] = self.correct / self.labelled if self.labelled else float("nan")
        return result


def untrained(manifest: Manifest, so: str) -> str:
    """Why a network does not learn."""
    if manifest.weights:
        return f"the network was built for inference, with weights of type {manifest.weights}: {so}"
    return f"the network has no `train` block: {so}"


def fit(
    network: Network,
    data: Inputs,
    labels: ArrayLike | None,
    epochs: int,
    batch: int | None = None,
    validation: tuple[Inputs, ArrayLike | None] | None = None,
    callbacks: Iterable[Callback] = (),
    seed: int = 0,
    verbose: bool | None = None,
    learning_rate: float | None = None,
) -> History:
    """Trains; see `Network.fit`."""
    manifest = network.manifest
    if manifest.optimiser is None:
        raise ValueError(untrained(network.manifest, "it cannot be trained"))
    check_whole("epochs", epochs, 1)
    size = manifest.batch if batch is None else check_whole("batch", batch, 1)
    check_whole("seed", seed, 0, 2**64 - 1)
    check_choice("verbose", verbose)
    hooks = _checked_callbacks(callbacks)
    train = labelled_set(manifest, data, labels, network.spike_times)
    check = _validation_set(network, validation)
    rate = schedule(manifest.optimiser.schedule, manifest.optimiser.settings)
    factor = _times_the_files(learning_rate, manifest.optimiser.learning_rate)
    start = network.progress.epoch
    first = _first_epoch(network.progress, start + epochs)
    per_epoch = -(-train.samples // size)
    history: History = {}
    with ProgressBar(epochs, per_epoch, verbose) as bar:
        for epoch in range(start, start + epochs):
            network.progress = Progress(epoch, first, start + epochs)
            order = permutation(seed, epoch, train.samples)
            trials = (epoch * train.samples + order).astype(np.uint32)
            parts = [slice(k, min(k + size, train.samples)) for k in range(0, train.samples, size)]
            batches = (selected(train, order[part], trials[part]) for part in parts)
            sums = Sums()
            with network.library.drawing(seed):
                for k, chosen in enumerate(network.library.announced(batches)):
                    at = Position((epoch - first) * per_epoch + k, (start + epochs - first) * per_epoch, per_epoch)
                    count = parts[k].stop - parts[k].start
                    sums = sums.add(run_batch(network.library, "train", chosen, factor * rate(at)), count)
                    bar.update(epoch - start, k + 1, sums.loss / sums.samples)
            network.library.get_count("get_optimiser_step")  # waits for a GPU: what went wrong in the last batch
            network.progress = replace(network.progress, epoch=epoch + 1)
            line = _epoch_line(network, sums, check)
            for name, value in line.items():
                history.setdefault(name, []).append(value)
            bar.finish_epoch(epoch - start, line)
            # every callback is called, also after one that stops
            if any([hook(network, epoch, history) is True for hook in hooks]):
                break
    return history


def _times_the_files(learning_rate: float | None, files: float) -> float:
    """What the library multiplies its own learning rate by, so that it is the wanted one."""
    if learning_rate is None:
        return 1.0
    rate = check_real("`learning_rate` is a number", learning_rate)
    if rate <= 0:
        raise ValueError(f"`learning_rate` is above 0, not {rate:g}")
    return rate / files


def evaluate(network: Network, data: DataSet) -> dict[str, float]:
    """Loss, penalty and accuracy over a whole data set."""
    return evaluate_into(network, data, None, None).means(_has_classes(network))


def evaluate_into(
    network: Network, data: DataSet, outputs: NDArray[np.float64] | None, starts: NDArray[np.int64] | None
) -> Sums:
    """Runs a whole data set; the readout's values go to `outputs`, (samples, …), with `starts` at those rows."""
    sums, order = Sums(), np.arange(data.samples, dtype=np.int64)
    firsts = range(0, data.samples, EVALUATED_AT_ONCE)
    batches = (selected(data, order[first : first + EVALUATED_AT_ONCE], None) for first in firsts)
    for first, batch in zip(firsts, network.library.announced(batches)):
        if outputs is None:
            values = None
        else:  # rows of `starts` count from the array's beginning
            values = pointer(outputs if starts is not None else outputs[first:], c_double)
        rows = None if starts is None else pointer(starts[first:], c_int64)
        count = min(EVALUATED_AT_ONCE, data.samples - first)
        sums = sums.add(run_batch(network.library, "evaluate", batch, values, rows), count)
    return sums


def permutation(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """The order of the samples in an epoch: sorted by random keys, so that it is the same with every NumPy."""
    key, counter = np.array([seed, 0x73687566666C65], np.uint64), np.array([0, 0, epoch, 0], np.uint64)
    keys = np.random.Philox(key=key, counter=counter).random_raw(count)
    return np.argsort(keys, kind="stable").astype(np.int64)


def _first_epoch(progress: Progress, end: int) -> int:
    """Where the schedule of a fit that ends at `end` began: one that was interrupted goes on, else it begins anew."""
    continued = progress.fit_start < progress.epoch < progress.fit_end == end
    return progress.fit_start if continued else progress.epoch


def _checked_callbacks(callbacks: Iterable[Callback]) -> list[Callback]:
    if callable(callbacks):
        raise ValueError("`callbacks` is a list of callables: put it in brackets")
    if not np.iterable(callbacks):
        raise ValueError(f"`callbacks` is a list of callables, not {shown(callbacks)}")
    hooks = list(callbacks)
    for hook in hooks:
        if not callable(hook) or isinstance(hook, type):
            raise ValueError(f"a callback is called as callback(network, epoch, history); {shown(hook)} cannot be")
    return hooks


def _validation_set(network: Network, validation: tuple[Inputs, ArrayLike | None] | None) -> DataSet | None:
    if validation is None:
        return None
    if not isinstance(validation, (tuple, list)) or len(validation) != 2:
        raise ValueError("`validation` is a pair (data, labels)")
    try:
        return labelled_set(network.manifest, *validation, network.spike_times)
    except ValueError as error:
        raise ValueError(f"validation: {error}") from None


def _epoch_line(network: Network, sums: Sums, check: DataSet | None) -> dict[str, float]:
    """What the history keeps of an epoch; `loss` includes the penalties, `val_loss` does not."""
    means = sums.means(_has_classes(network))
    line = {"loss": means["loss"] + means["penalty"]}
    if "accuracy" in means:
        line["accuracy"] = means["accuracy"]
    if check is not None:
        try:
            validated = evaluate(network, check)
        except FloatingPointError as error:
            raise FloatingPointError(f"validation: {error}") from None
        line |= {f"val_{name}": validated[name] for name in ("loss", "accuracy") if name in validated}
    return line


def _has_classes(network: Network) -> bool:
    readout = network.manifest.readout
    return readout is not None and readout.labels == "class"
