"""Event data sets on the disk, read by the classes of `tonic` (an extra: `pip install 'sncc[tonic]'`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sncc.data.splits import DataSet
from sncc.runtime import Events


def nmnist(path: str, step: float, steps: int = 0, limit: int = 0) -> DataSet:
    """N-MNIST below DIR/NMNIST/{Train,Test}: 34 x 34 x 2, 10 classes."""
    return _read("NMNIST", path, step, steps, limit)


def shd(path: str, step: float, steps: int = 0, limit: int = 0) -> DataSet:
    """Spiking Heidelberg Digits, DIR/SHD/shd_{train,test}.h5: 700 channels, 20 classes."""
    return _read("SHD", path, step, steps, limit)


def dvsgesture(path: str, step: float, steps: int = 0, limit: int = 0) -> DataSet:
    """DVS Gesture below DIR/DVSGesture/ibmGesture{Train,Test}: 128 x 128 x 2, 11 classes."""
    return _read("DVSGesture", path, step, steps, limit)


class Spread:
    """Every n-th sample of a data set, so that a few of them hold all classes."""

    def __init__(self, dataset: Any, limit: int) -> None:
        """At most `limit` samples; 0: all."""
        count = len(dataset)
        kept = min(limit, count) if limit > 0 else count
        self.sensor_size = dataset.sensor_size
        self._dataset, self._chosen = dataset, np.arange(kept) * count // max(1, kept)

    def __len__(self) -> int:
        """The samples that are kept."""
        return len(self._chosen)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Events and label."""
        events, label = self._dataset[int(self._chosen[index])]
        return events, label


def _exists(dataset: object) -> bool:
    return True


def _read(name: str, path: str, step: float, steps: int, limit: int) -> DataSet:
    """Both parts of a data set; `steps` cuts or pads, `limit` thins out each part.

    Raises FileNotFoundError where the folder is missing, ValueError where tonic is.
    """
    folder = Path(path)
    if not (folder / name).is_dir():
        if folder.name != name or not folder.is_dir():
            raise FileNotFoundError(
                f"no folder {folder / name}; get the data set with tonic.datasets.{name}({str(folder)!r})"
            )
        folder = folder.parent
    try:
        import tonic
    except ImportError:
        raise ValueError(f"reading {name} needs tonic: pip install 'sncc[tonic]'") from None
    # of the same name, since that is the folder's; never downloads, and takes a part of the data set for the whole
    base: Any = getattr(tonic.datasets, name)
    local: Any = type(name, (base,), {"_check_exists": _exists})
    parts = []
    for train in (True, False):
        dataset = Spread(local(str(folder), train=train), limit)
        if not len(dataset):
            raise FileNotFoundError(f"{folder / name} holds no files of the {'training' if train else 'test'} part")
        events, labels = Events.from_tonic(dataset, step, steps or None)
        parts.append((events, labels.astype(np.int64)))
    (train_events, train_labels), (test_events, test_labels) = parts
    about = f"{name}: {len(train_events)} samples to train, {len(test_events)} to test on"
    return DataSet(train_events, train_labels, test_events, test_labels, train_events.shape, about)
