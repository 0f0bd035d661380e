"""Event data sets on the disk, read and thinned out by `tonic` (an extra: `pip install 'sncc[tonic]'`).

Nothing is downloaded. What was converted is kept in one file in the cache, found again by the options and by the names,
sizes and times of the data set's files.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sncc.data.converted import kept, listing
from sncc.data.layouts import DVS_GESTURE, NMNIST, SHD, Layout, check_events
from sncc.data.splits import DataSet
from sncc.runtime import Events
from sncc.runtime.arguments import check_whole

POLARITIES = ("both", "merged", "on", "off")
SHOWN_FROM = 2000  # samples: converting so many takes long enough to say so


@dataclass(frozen=True, slots=True)
class Thinning:
    """What is left of each sample; see `nmnist` for the words of a user."""

    size: tuple[int, int] | None  # rows, columns
    polarity: str
    denoise: float  # ms
    limit: int
    steps: int

    def __post_init__(self) -> None:
        """Raises ValueError for numbers that mean nothing."""
        if not 0 <= self.denoise < float("inf"):
            raise ValueError(f"`denoise` is a number of ms from 0, not {self.denoise:g}")
        for name, number in (("limit", self.limit), ("steps", self.steps)):
            check_whole(name, number, 0)


def nmnist(
    path: str, step: float, size: str = "", polarity: str = "", denoise: float = 0.0, steps: int = 0, limit: int = 0,
    *, target: tuple[int, ...] | None = None,
) -> DataSet:  # fmt: skip
    """N-MNIST below DIR/NMNIST/{Train,Test}: 34 x 34 x 2, 10 classes.

    - `size`: rows x columns that the sensor is reduced to, e.g. 17x17.
    - `polarity`: both, merged, on or off.
    - `denoise`: ms within which an event needs a neighbour to be kept.
    - `steps` cuts or pads the samples.
    - `limit` keeps so many of each part.
    - `target`: the shape of the network's source, which size and polarity follow where they are not given.
    """
    return _read(NMNIST, path, step, _thinning((34, 34, 2), size, polarity, denoise, steps, limit, target))


def shd(
    path: str, step: float, channels: int = 0, steps: int = 0, limit: int = 0, *, target: tuple[int, ...] | None = None
) -> DataSet:
    """Spiking Heidelberg Digits, DIR/SHD/shd_{train,test}.h5: 700 channels, 20 classes.

    `channels`: so many of neighbours put together.
    """
    fewer = channels or (target[0] if target is not None and len(target) == 1 and target[0] < 700 else 0)
    if fewer < 0 or fewer > 700:
        raise ValueError(f"`channels` is from 1 to 700, not {fewer}")
    return _read(SHD, path, step, Thinning((1, fewer) if fewer else None, "both", 0.0, limit, steps))


def dvsgesture(
    path: str, step: float, size: str = "", polarity: str = "", denoise: float = 0.0, steps: int = 0, limit: int = 0,
    *, target: tuple[int, ...] | None = None,
) -> DataSet:  # fmt: skip
    """DVS Gesture below DIR/DVSGesture/ibmGesture{Train,Test}: 128 x 128 x 2, 11 classes. Options: as `nmnist`."""
    return _read(DVS_GESTURE, path, step, _thinning((128, 128, 2), size, polarity, denoise, steps, limit, target))


def _thinning(
    sensor: tuple[int, int, int], size: str, polarity: str, denoise: float, steps: int, limit: int,
    target: tuple[int, ...] | None,
) -> Thinning:  # fmt: skip
    """The options, checked. Raises ValueError for a size or polarity that does not exist."""
    image = target is not None and len(target) in (2, 3)
    if not polarity:
        polarity = "merged" if target is not None and image and target[2:] in ((), (1,)) else "both"
    if polarity not in POLARITIES:
        raise ValueError(f"`polarity` is one of {', '.join(POLARITIES)}, not `{polarity}`")
    rows, columns = sensor[1], sensor[0]
    reduced: tuple[int, int] | None = None
    if size:
        numbers = size.split("x")
        if len(numbers) != 2 or not all(n.isdecimal() for n in numbers):
            raise ValueError(f"`size={size}`: write rows x columns, e.g. `size=32x32`")
        reduced = (int(numbers[0]), int(numbers[1]))
        if not (0 < reduced[0] <= rows and 0 < reduced[1] <= columns):
            raise ValueError(f"`size={size}`: the sensor has {rows}x{columns} pixels, and only fewer are possible")
    elif target is not None and image and target[:2] != (rows, columns) and target[0] <= rows and target[1] <= columns:
        reduced = (target[0], target[1])
    return Thinning(reduced, polarity, denoise, limit, steps)


# ------------------------------------------------------------------------------------------------ reading
class Samples:
    """Every n-th sample of a data set of tonic, so that a few of them hold all classes; in the order of their files."""

    def __init__(self, dataset: Any, thinning: Thinning, part: Path, check: Callable[[Path, int], None]) -> None:
        """At most `thinning.limit` samples; 0: all.

        Each checked as the layout says, then read and transformed by tonic.
        """
        count = len(dataset)
        number = min(thinning.limit, count) if thinning.limit > 0 else count
        files = getattr(dataset, "data", None)
        order = np.argsort(np.asarray(files), kind="stable") if files else np.arange(count)
        self._part, self._files, self._check = part, files, check
        self._dataset, self._chosen = dataset, order[np.arange(number) * count // max(1, number)]
        width, height, channels = dataset.sensor_size
        if thinning.size is not None:
            height, width = thinning.size
        self.sensor_size = (width, height, channels if thinning.polarity == "both" else 1)
        self._transform = _transform(dataset.sensor_size, thinning)

    def __len__(self) -> int:
        """The samples that are kept."""
        return len(self._chosen)

    def __getitem__(self, index: int) -> tuple[NDArray[Any], int]:
        """Events and label."""
        number = int(self._chosen[index])
        file = Path(self._files[number]) if self._files else self._part
        self._check(file, number)
        events, label = self._dataset[number]
        check_events(str(file) if self._files else f"{file}, sample {number}", events, self._dataset.sensor_size)
        if index % SHOWN_FROM == SHOWN_FROM - 1:
            print(f"{index + 1} of {len(self)} samples read", file=sys.stderr)
        return self._transform(events), int(label)


def _transform(sensor: tuple[int, int, int], thinning: Thinning) -> Any:
    from tonic import transforms

    steps: list[Any] = []
    if thinning.denoise:
        steps.append(transforms.Denoise(filter_time=1000 * thinning.denoise))
    if thinning.size is not None:
        rows, columns = thinning.size
        steps.append(lambda events: _reduced(events, {"x": (columns, sensor[0]), "y": (rows, sensor[1])}))
    if thinning.polarity in ("on", "off"):
        wanted = thinning.polarity == "on"
        steps.append(lambda events: events[events["p"].astype(bool) == wanted])
    if thinning.polarity != "both":
        steps.append(transforms.MergePolarities())
    return transforms.Compose(steps)


def _reduced(events: NDArray[Any], axes: dict[str, tuple[int, int]]) -> NDArray[Any]:
    """Events on fewer pixels; of each axis, their number and the sensor's. Exact: tonic's factors round some down."""
    reduced: NDArray[Any] = events.copy()
    for name, (fewer, length) in axes.items():
        if name in (events.dtype.names or ()):
            reduced[name] = events[name].astype(np.int64) * fewer // length
    return reduced


def _exists(dataset: object) -> bool:
    return True


def _read(layout: Layout, path: str, step: float, thinning: Thinning) -> DataSet:
    """Both parts of a data set, from the cache where they were converted before.

    Raises FileNotFoundError, saying what belongs where, for missing files, ValueError without tonic.
    """
    folder = _folder(layout, Path(path))
    files = [listing(folder / part) for part in layout.parts]
    for part, found in zip(layout.parts, files):
        if not found:
            raise FileNotFoundError(_missing(layout, folder.parent, f"no files in {folder / part}"))

    def convert() -> Iterator[tuple[Events, NDArray[Any]]]:
        try:
            import tonic
        except ImportError:
            raise ValueError(f"reading {layout.name} needs tonic: pip install 'sncc[tonic]'") from None
        # a class of the same name, since that is the folder's; it never downloads, and takes a part of the data set for
        # the whole
        base: Any = getattr(tonic.datasets, layout.name)
        local: Any = type(layout.name, (base,), {"_check_exists": _exists})
        for train, part in zip((True, False), (folder / name for name in layout.parts)):
            layout.check_part(part)
            samples = Samples(local(str(folder.parent), train=train), thinning, part, layout.check_sample)
            if not len(samples):
                raise FileNotFoundError(_missing(layout, folder.parent, f"no samples in {part}"))
            if len(samples) >= SHOWN_FROM:
                print(f"converting {len(samples)} samples of {layout.name}, once", file=sys.stderr)
            yield Events.from_tonic(samples, step, thinning.steps or None)

    key = (layout.name, str(folder.resolve()), step, astuple(thinning), files)
    (train_events, train_labels), (test_events, test_labels) = kept(repr(key), convert)
    shape = " x ".join(map(str, train_events.shape))
    about = f"{layout.name}: {len(train_events)} samples to train, {len(test_events)} to test on, {shape}"
    return DataSet(train_events, train_labels, test_events, test_labels, train_events.shape, about)


def _folder(layout: Layout, given: Path) -> Path:
    """The folder of tonic's name: below the given one, or that itself."""
    if (given / layout.name).is_dir():
        return given / layout.name
    if given.name == layout.name and given.is_dir():
        return given
    raise FileNotFoundError(_missing(layout, given, f"no folder {given / layout.name}"))


def _missing(layout: Layout, given: Path, what: str) -> str:
    parts = [str(given / layout.name / part / layout.files).rstrip("/") for part in layout.parts]
    return (
        f"{what}: put the data set's files there, as {parts[0]} and {parts[1]}; they come from {layout.source}, "
        f'or `python -c "import tonic; [tonic.datasets.{layout.name}({str(given)!r}, train=t) for t in (True, False)]"` '
        "fetches them"
    )
