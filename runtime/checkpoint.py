"""Saved networks: parameters, the optimiser's states and the training's progress in one `.npz` file."""

from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from ctypes import c_int64
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .arguments import check_path, check_replaceable, finite_array, shown
from .library import pointer
from .manifest import Connection, Manifest, Parameter
from .parameters import check_numbers

if TYPE_CHECKING:
    from .network import Network

FORMAT = "sncc weights"
FORMAT_VERSION = 1
MOST_EPOCHS = 2**31  # of all fits of a network
# what the names of arrays of numbers that training changes begin with; those of a training's last epoch have `last/`
# before
CHANGED = ("parameter/", "unscaled/", "synapses/", "optimiser/", "optimiser_step", "progress")
SEAL = b"sncc state 1"  # what stored states of simulations begin with
BROKEN = (  # what reading a damaged `.npz` file raises
    zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, OSError, MemoryError, NotImplementedError, RuntimeError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Progress:
    """Epochs completed over all fits; the current fit's first and last (excluded), which set its schedule."""

    epoch: int = 0
    fit_start: int = 0
    fit_end: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that training changes."""

    # In the units of memory, as SI numbers need not give the same bits again.
    parameters: Mapping[str, NDArray[np.float64]]
    optimiser: Mapping[tuple[str, str], NDArray[np.float64]] | None  # by (key, state); None where they are left out
    optimiser_step: int
    progress: Progress
    # Source and target of each, of connections that training rewires.
    synapses: Mapping[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How far an early stopping is: the best value of what it monitors, the epochs since then, what the values are of
    in the user's words, and the numbers of the best epoch and of the last one, from which training goes on.
    """

    monitor: str
    value: float
    waited: int
    validated_on: str
    best: Snapshot
    last: Snapshot


# ------------------------------------------------------------------------------------------------ the network's numbers
def take_snapshot(network: Network) -> Snapshot:
    """A copy of the network's stored parameters, optimiser and progress."""
    manifest, library = network.manifest, network.library
    states: dict[tuple[str, str], NDArray[np.float64]] = {}
    step = 0
    if manifest.optimiser:
        step = library.get_count("get_optimiser_step")
        for parameter in manifest.learnt:
            for slot, state in enumerate(manifest.optimiser.states):
                values = library.get("get_optimiser_state", parameter.shape, parameter.index, slot)
                states[parameter.key, state] = values
    parameters = {p.key: library.get("get_unscaled", p.shape, p.index) for p in manifest.parameters if p.is_stored}
    synapses = {c.name: library.synapses(c.index) for c in manifest.connections if c.rewired}
    return Snapshot(parameters, states, step, network.progress, synapses)


def restore(network: Network, snapshot: Snapshot) -> None:
    """Sets what a snapshot of this network holds. Where setting fails or is interrupted, what was there comes back."""
    before = take_snapshot(network)
    try:
        _set(network, snapshot)
    except BaseException:
        _set(network, before)
        raise


def _set(network: Network, snapshot: Snapshot) -> None:
    manifest, library = network.manifest, network.library
    for c in manifest.connections:
        if c.rewired:
            pre, post = (np.ascontiguousarray(ends, np.int64) for ends in snapshot.synapses[c.name])
            library.call("connect", c.index, pointer(pre, c_int64), pointer(post, c_int64), len(pre))
    for parameter in manifest.parameters:
        if parameter.key in snapshot.parameters:
            library.set("set_unscaled", snapshot.parameters[parameter.key], parameter.index)
    if manifest.optimiser and snapshot.optimiser is not None:
        for parameter in manifest.learnt:
            for slot, state in enumerate(manifest.optimiser.states):
                library.set("set_optimiser_state", snapshot.optimiser[parameter.key, state], parameter.index, slot)
        library.call("set_optimiser_step", snapshot.optimiser_step)
        network.progress = snapshot.progress


# ------------------------------------------------------------------------------------------------ files
def save(network: Network, path: str | PathLike[str], waiting: Waiting | None = None) -> None:
    """Writes the network's numbers; a crash leaves either the old file or the new one.

    With `waiting` those of the best epoch, so that whoever reads a network finds these, and beside them what an early
    stopping goes on from.
    """
    file = check_replaceable("path", path)
    manifest = network.manifest
    arrays: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "network": manifest.name,
        "version": manifest.version,
        "source_hash": manifest.source_hash,
        "precision": manifest.precision,
        "seed": np.uint64(network.library.seed),
    }
    for c in manifest.connections:
        if c.pairs and not c.rewired:
            arrays[f"pairs/{c.name}"] = _sum_of_pairs(network, c)
    if waiting is None:
        arrays |= _arrays(manifest, take_snapshot(network))
    else:
        arrays |= _arrays(manifest, waiting.best)
        arrays |= {f"last/{name}": values for name, values in _arrays(manifest, waiting.last).items()}
        arrays |= {"waiting/monitor": waiting.monitor, "waiting/validated_on": waiting.validated_on}
        arrays |= {"waiting/value": np.float64(waiting.value), "waiting/waited": np.int64(waiting.waited)}
    _write(file, arrays)


def _arrays(manifest: Manifest, snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot as the arrays of a file."""
    progress = snapshot.progress
    arrays: dict[str, Any] = {
        "progress": np.array([progress.epoch, progress.fit_start, progress.fit_end], np.int64),
        "optimiser_step": np.int64(snapshot.optimiser_step),
    }
    for parameter in manifest.parameters:
        if (values := snapshot.parameters.get(parameter.key)) is not None:
            arrays[f"parameter/{parameter.key}"] = values * parameter.si
            # single precision finds its bits in SI numbers again
            if parameter.si != 1 and manifest.precision == "float64":
                arrays[f"unscaled/{parameter.key}"] = values
    for name, (pre, post) in snapshot.synapses.items():
        arrays |= {f"synapses/{name}/pre": pre, f"synapses/{name}/post": post}
    return arrays | {f"optimiser/{key}/{state}": v for (key, state), v in (snapshot.optimiser or {}).items()}


def load(network: Network, path: str | PathLike[str], optimiser: bool = True) -> None:
    """Sets the network's numbers from a file, after the whole file was read and checked.

    `optimiser=False` takes the parameters alone. Raises FileNotFoundError, and ValueError for a file that is corrupt or
    was saved from another network; then nothing has changed.
    """
    arrays = _read(check_path("path", path))
    try:
        restore(network, _checked(network, arrays, optimiser))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def load_waiting(network: Network, path: str | PathLike[str]) -> Waiting:
    """What `save` was given beside the network, checked against it; sets nothing. Raises as `load` does."""
    arrays = _read(check_path("path", path))
    try:
        best = _checked(network, arrays, optimiser=True)
        if "waiting/monitor" not in arrays:
            raise ValueError("it was saved without an early stopping")
        last = {name.removeprefix("last/"): values for name, values in arrays.items() if name.startswith("last/")}
        common = {name: values for name, values in arrays.items() if not name.startswith(CHANGED)}
        if set(last) != {name for name in arrays if name.startswith(CHANGED)}:
            raise ValueError("it is damaged: its last epoch has other arrays than its best")
        value = arrays.get("waiting/value")
        if value is None or value.shape != () or value.dtype != np.float64:
            raise ValueError("it is damaged: `waiting/value` is missing or no real number")
        return Waiting(
            str(arrays["waiting/monitor"]),
            float(value),
            int(_whole_numbers(arrays, "waiting/waited", ())),
            str(arrays.get("waiting/validated_on", "")),
            best,
            _checked(network, common | last, optimiser=True),
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def validated_on(path: str | PathLike[str]) -> str | None:
    """What an early stopping in a network's file had its values of; None where none was. Raises as `load` does."""
    found = _read(check_path("path", path)).get("waiting/validated_on")
    return None if found is None else str(found)


def _write(path: Path, arrays: Mapping[str, Any]) -> None:
    """Writes beside the file, and replaces it once the data are on the disk."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def sealed(state: bytes) -> bytes:
    """A simulation's state with what tells whether it is whole: a head, and the sum of what follows."""
    return SEAL + zlib.crc32(state).to_bytes(4, "little") + state


def unsealed(state: Any) -> bytes:
    """The state within. Raises ValueError for what `sealed` did not make, or what changed since."""
    try:
        given = bytes(memoryview(state))
    except TypeError:
        raise ValueError(f"a state is the bytes that `store` gives, not {shown(state)}") from None
    head, content = given[: len(SEAL) + 4], given[len(SEAL) + 4 :]
    if not head.startswith(SEAL) or not content:
        raise ValueError("these bytes are no stored state: `store` gives them")
    if head[len(SEAL) :] != zlib.crc32(content).to_bytes(4, "little"):
        raise ValueError("the stored state is damaged: its sum is wrong")
    return content


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of a file; reading them checks their sums."""
    if path.exists() and not (path.is_file() or path.is_dir()):  # which might never end
        raise ValueError(f"{path} is a pipe or a device, not a weights file")
    try:
        with zipfile.ZipFile(path):  # NumPy takes anything else for pickled objects
            pass
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise FileNotFoundError(f"no weights file {path}") from None
    except IsADirectoryError:
        raise ValueError(f"{path} is a folder, not a weights file") from None
    except PermissionError:
        raise PermissionError(f"cannot read {path}: permission denied") from None
    except BROKEN as error:
        raise ValueError(
            f"{path} is no weights file, or it is damaged ({str(error) or type(error).__name__})"
        ) from None


def _checked(network: Network, arrays: Mapping[str, NDArray[Any]], optimiser: bool) -> Snapshot:
    """The snapshot in a file's arrays. Raises ValueError unless it fits the network exactly."""
    if "format" not in arrays or str(arrays["format"]) != FORMAT:
        raise ValueError("it is no weights file of sncc; `network.save` writes them")
    version = _whole_numbers(arrays, "format_version", ())
    if version != FORMAT_VERSION:
        raise ValueError(f"it is of version {version}, this binding reads version {FORMAT_VERSION}")
    manifest = network.manifest
    _check_connectivity(network, arrays)
    shapes = {p.key: p.shape for p in manifest.parameters if p.is_stored}
    names = [name.removeprefix("parameter/") for name in arrays]
    feedback = frozenset(n for n in names if manifest.weights and n.endswith(".feedback"))  # is for training alone
    parameters = _group(arrays, "parameter/", shapes, str(arrays.get("network", "another network")), feedback)
    for parameter in manifest.parameters:
        if parameter.key in parameters:
            check_numbers(parameter, parameters[parameter.key])
            finite_array(f"`{parameter.key}`", parameters[parameter.key], parameter.largest)
            parameters[parameter.key] = _unscaled(parameter, parameters[parameter.key], arrays)
    synapses = {c.name: _pairs(network, arrays, c) for c in manifest.connections if c.rewired}
    if not optimiser or manifest.optimiser is None:
        return Snapshot(parameters, None, 0, network.progress, synapses)
    pairs = {f"{p.key}/{s}": (p.key, s) for p in manifest.learnt for s in manifest.optimiser.states}
    shapes = {name: network.parameters.describe(key).shape for name, (key, _) in pairs.items()}
    try:
        states = _group(arrays, "optimiser/", shapes, "another optimiser")
    except ValueError as error:
        raise ValueError(f"{error}; to take the parameters alone: load(path, optimiser=False)") from None
    epoch, start, end = (int(n) for n in _whole_numbers(arrays, "progress", (3,)))
    if not start <= epoch <= end < MOST_EPOCHS:
        raise ValueError("it is damaged: `progress` says what cannot be")
    step = int(_whole_numbers(arrays, "optimiser_step", ()))
    optimised = {pairs[name]: v for name, v in states.items()}
    return Snapshot(parameters, optimised, step, Progress(epoch, start, end), synapses)


def _unscaled(
    parameter: Parameter, values: NDArray[np.float64], arrays: Mapping[str, NDArray[Any]]
) -> NDArray[np.float64]:
    """Numbers of a file as memory has them: those that it holds beside the SI ones, else what these give."""
    name = f"unscaled/{parameter.key}"
    found = arrays.get(name)
    if found is None:
        return values / parameter.si
    if found.dtype != np.float64 or not np.array_equal(found * parameter.si, values):
        raise ValueError(f"it is damaged: `{name}` is not what `parameter/{parameter.key}` is in SI units")
    return found


def _check_connectivity(network: Network, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Raises ValueError where the file's numbers belong to synapses between other neurons than this network's."""
    fixed = [c for c in network.manifest.connections if not c.rewired]
    drawn, here = [c.name for c in fixed if c.drawn], network.library.seed
    if drawn and "seed" in arrays:  # older files do not say it
        seed = int(_whole_numbers(arrays, "seed", (), np.uint64))
        if seed != here:
            raise ValueError(
                f"the synapses of `{drawn[0]}` are drawn with the seed that a network is loaded with, {seed} where this file "
                f"was saved, {here} here: load the network with seed {seed}"
            )
    for c in network.manifest.connections:
        moved = arrays.get(f"synapses/{c.name}/pre") if c.rewired else None
        if moved is not None and moved.size != (count := network.library.get_count("synapse_count", c.index)):
            with_seed = f": load the network with seed {arrays['seed']}" if arrays.get("seed", here) != here else ""
            raise ValueError(f"`{c.name}` has {count} synapses, and {moved.size} where this file was saved{with_seed}")
    for c in fixed:
        found = arrays.get(f"pairs/{c.name}")
        if c.pairs and found is not None and not np.array_equal(found, _sum_of_pairs(network, c)):
            raise ValueError(f"it was saved with other pairs of neurons in the `sparse` connection `{c.name}`")


def _sum_of_pairs(network: Network, c: Connection) -> NDArray[np.int64]:
    """What tells the pairs of a connection from others: their number and the sums of sources and of targets."""
    pre, post = network.library.synapses(c.index)
    return np.array([len(pre), zlib.crc32(pre.data), zlib.crc32(post.data)], np.int64)


def _pairs(
    network: Network, arrays: Mapping[str, NDArray[Any]], c: Connection
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the synapses of a connection were that training rewires; the library checks that they may be there."""
    count = network.library.get_count("synapse_count", c.index)
    found = [_whole_numbers(arrays, f"synapses/{c.name}/{end}", (count,)) for end in ("pre", "post")]
    return found[0], found[1]


def _group(
    arrays: Mapping[str, NDArray[Any]], prefix: str, shapes: Mapping[str, tuple[int, ...]], origin: str,
    unused: frozenset[str] = frozenset(),
) -> dict[str, NDArray[np.float64]]:  # fmt: skip
    """The arrays whose names begin with the prefix: exactly those of `shapes`; those `unused` may be there too."""
    found = {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}
    if missing := sorted(set(shapes) - set(found)):
        raise ValueError(f"it was saved from {origin}: it has no `{missing[0]}`")
    if extra := sorted(set(found) - set(shapes) - unused):
        raise ValueError(f"it was saved from {origin}: it has `{extra[0]}`, which this network has not")
    for name, shape in shapes.items():
        values = found[name]
        if values.shape != shape:
            raise ValueError(f"it was saved from {origin}: `{name}` has the shape {values.shape}, here {shape}")
        if values.dtype != np.float64 or not np.isfinite(values).all():
            raise ValueError(f"it is damaged: `{name}` holds other than finite real numbers")
    return found


def _whole_numbers(
    arrays: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, ...], kind: Any = np.int64
) -> NDArray[Any]:
    values = arrays.get(name)
    if values is None or values.shape != shape or values.dtype.kind not in "iu" or (values < 0).any():
        raise ValueError(f"it is damaged: `{name}` is missing or no whole number")
    return values.astype(kind)
