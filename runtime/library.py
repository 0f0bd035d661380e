"""The library: finds a project's shared library, declares its C functions, turns its errors into Python's."""

from __future__ import annotations

import ctypes
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, byref, c_char_p, c_double, c_int, c_int32, c_int64, c_ubyte, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .manifest import ABI_VERSION, Manifest

BACKENDS = ("cpu", "cuda", "emulated")  # the last: the CUDA half on the CPU, to test it
SUFFIXES = (".so", ".dylib", ".dll")


class SourceData(ctypes.Structure):
    """NAME_source_data."""

    _fields_ = [
        ("starts", POINTER(c_int64)),
        ("offsets", POINTER(c_int64)),
        ("indices", POINTER(c_uint32)),
        ("value_starts", POINTER(c_int64)),
        ("values", POINTER(c_double)),
    ]


class Data(ctypes.Structure):
    """NAME_data."""

    _fields_ = [
        ("samples", c_int64),
        ("steps", POINTER(c_int32)),
        ("sources", POINTER(SourceData)),
        ("classes", POINTER(c_int32)),
        ("targets", POINTER(c_double)),
        ("label_starts", POINTER(c_int64)),
    ]


class Result(ctypes.Structure):
    """NAME_result."""

    _fields_ = [("loss", c_double), ("penalty", c_double), ("correct", c_int64), ("labelled", c_int64)]


class Trace(ctypes.Structure):
    """NAME_trace."""

    _fields_ = [
        ("population", c_int32),
        ("state", c_int32),
        ("every", c_int32),
        ("first", c_int32),
        ("size", c_int32),
        ("values", POINTER(c_double)),
    ]


Batch = tuple[Any, ...]  # data, samples, their number, the keys of their random draws
_HANDLE = c_void_p
_BATCH = (_HANDLE, POINTER(Data), POINTER(c_int64), c_int64, POINTER(c_uint32))
_ARRAY = (POINTER(c_double), c_int64)
SIGNATURES: dict[str, tuple[Any, ...]] = {  # argument types; all return an error code but those in RESULTS
    "abi_version": (),
    "create": (c_uint64, c_int),
    "destroy": (_HANDLE,),
    "creation_code": (),
    "error": (_HANDLE,),
    "connect": (_HANDLE, c_int, POINTER(c_int64), POINTER(c_int64), c_int64),
    "build": (_HANDLE,),
    "parameter_size": (_HANDLE, c_int, POINTER(c_int64)),
    "synapse_count": (_HANDLE, c_int, POINTER(c_int64)),
    "synapses": (_HANDLE, c_int, POINTER(c_int64), POINTER(c_int64), c_int64),
    "get_parameter": (_HANDLE, c_int, *_ARRAY),
    "set_parameter": (_HANDLE, c_int, *_ARRAY),
    "get_unscaled": (_HANDLE, c_int, *_ARRAY),
    "set_unscaled": (_HANDLE, c_int, *_ARRAY),
    "get_synapse_state": (_HANDLE, c_int, *_ARRAY),
    "get_gradient": (_HANDLE, c_int, *_ARRAY),
    "get_optimiser_state": (_HANDLE, c_int, c_int, *_ARRAY),
    "set_optimiser_state": (_HANDLE, c_int, c_int, *_ARRAY),
    "get_optimiser_step": (_HANDLE, POINTER(c_int64)),
    "set_optimiser_step": (_HANDLE, c_int64),
    "set_draw_seed": (_HANDLE, c_uint64),
    "train": (*_BATCH, c_double, POINTER(Result)),
    "announce": _BATCH,
    "gradients": (*_BATCH, POINTER(Result)),
    "evaluate": (*_BATCH, POINTER(c_double), POINTER(c_int64), POINTER(Result)),
    "simulate": (
        _HANDLE,
        POINTER(Data),
        c_int64,
        c_int64,
        c_uint64,
        c_uint32,
        c_int,
        POINTER(c_int32),
        c_int32,
        POINTER(Trace),
        c_int32,
    ),
    "spike_count": (_HANDLE, c_int, POINTER(c_int64)),
    "copy_spikes": (_HANDLE, c_int, POINTER(c_int64), POINTER(c_uint32), c_int64),
    "reset": (_HANDLE,),
    "step_count": (_HANDLE, POINTER(c_int64)),
    "state_size": (_HANDLE, POINTER(c_int64)),
    "get_state": (_HANDLE, POINTER(c_ubyte), c_int64),
    "set_state": (_HANDLE, POINTER(c_ubyte), c_int64),
}
RESULTS: dict[str, Any] = {"create": c_void_p, "destroy": None, "error": c_char_p}
BUSY = 2
IN_USE = "the network is running in another thread: load it once for each"


class DeviceError(RuntimeError):
    """A GPU, or its driver, is missing or has failed."""


ERRORS: dict[int, type[Exception]] = {
    1: ValueError,
    3: MemoryError,
    4: DeviceError,
    5: FloatingPointError,
}


class Library:
    """A loaded library with one network in it.

    Raises ValueError where the library is of another version, OSError where it cannot be loaded.
    """

    def __init__(self, path: Path, name: str, seed: int, threads: int) -> None:
        """Loads the file and creates the network; functions have the prefix `name`."""
        self.path, self.seed, self._handle = path, seed, None
        self._announced = False  # a batch, of data that may then be gone
        self._inside = threading.RLock()  # callbacks of a fit come from the thread that is inside
        if _cut_short(path):
            raise OSError(f"cannot load {path}: a part of the file is missing; build it again")
        try:
            library = ctypes.CDLL(str(path))
            self._functions = {key: getattr(library, f"{name}_{key}") for key in SIGNATURES}
        except AttributeError as error:
            raise ValueError(f"{path} is no library of the network `{name}`: {error}") from None
        except OSError as error:
            raise OSError(f"cannot load {path}: {error}; was it built on another machine? build it again") from None
        for key, function in self._functions.items():
            function.argtypes, function.restype = SIGNATURES[key], RESULTS.get(key, c_int)
        version = self._functions["abi_version"]()
        if version != ABI_VERSION:
            raise ValueError(f"{path} is of version {version}, this binding of version {ABI_VERSION}: build it again")
        self._handle = self._functions["create"](seed, threads)
        if not self._handle:
            kind = ERRORS.get(self._functions["creation_code"](), RuntimeError)
            raise kind(f"cannot create the network: {self._message(None)}")

    def call(self, function: str, *arguments: Any) -> None:
        """Calls a function on the network; raises what its error code stands for, with its message."""
        self._enter()
        try:
            code = self._functions[function](self._handle, *arguments)
        finally:
            self._inside.release()
        if code == BUSY:  # its message is the other caller's
            raise RuntimeError(IN_USE)
        if code:
            raise ERRORS.get(code, RuntimeError)(self._message(self._handle))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keeps other threads out between calls that belong together. Raises RuntimeError where one is inside."""
        self._enter()
        try:
            yield
        finally:
            if self._announced:
                self._announced = False
                self._functions["announce"](self._handle, None, None, 0, None)
            self._inside.release()

    @contextmanager
    def drawing(self, seed: int) -> Iterator[None]:
        """Noise, sources and dropout of the batches within are drawn with that seed, not with the network's."""
        self.call("set_draw_seed", seed)
        try:
            yield
        finally:
            self.call("set_draw_seed", self.seed)

    def announced(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Each batch, for one call, after the library was told the one after it, which a GPU copies during that call.

        Their data stay as they are while the library is `alone`.
        """
        now = next(batches, None)
        while now is not None:
            after = next(batches, None)
            if after is not None:
                self._announced = True
                self.call("announce", *after)
            yield now
            now = after

    def _enter(self) -> None:
        if not self._inside.acquire(blocking=False):
            raise RuntimeError(IN_USE)

    def __del__(self) -> None:
        """Destroys the network."""
        handle, self._handle = getattr(self, "_handle", None), None
        if handle:
            self._functions["destroy"](handle)

    def get(self, function: str, shape: tuple[int, ...], *indices: int) -> NDArray[np.float64]:
        """The array that a `get_…` function copies out."""
        values = np.zeros(shape, np.float64)
        self.call(function, *indices, pointer(values, c_double), values.size)
        return values

    def set(self, function: str, values: NDArray[np.float64], *indices: int) -> None:
        """Hands an array to a `set_…` function."""
        values = np.ascontiguousarray(values, np.float64)
        self.call(function, *indices, pointer(values, c_double), values.size)

    def synapses(self, connection: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Source and target of each synapse of a connection: flat indices, by source, then target."""
        count = self.get_count("synapse_count", connection)
        pre, post = np.empty(count, np.int64), np.empty(count, np.int64)
        self.call("synapses", connection, pointer(pre, c_int64), pointer(post, c_int64), count)
        return pre, post

    def get_count(self, function: str, *indices: int) -> int:
        """The number that a function returns through its last argument."""
        value = c_int64()
        self.call(function, *indices, byref(value))
        return value.value

    def _message(self, handle: int | None) -> str:
        text = self._functions["error"](handle)
        return text.decode("utf-8", "replace") if text else "no message"


def _cut_short(path: Path) -> bool:
    """Whether an ELF file ends before its table of sections, which stands last: loading it would end the process."""
    with path.open("rb") as file:
        head = file.read(64)
        length = file.seek(0, os.SEEK_END)
    if head[:6] != b"\x7fELF\x02\x01":  # of 64 bits, little-endian
        return False
    table, entry, entries = (int.from_bytes(head[a:b], "little") for a, b in ((40, 48), (58, 60), (60, 62)))
    return len(head) < 64 or length < table + entry * entries


def pointer(array: NDArray[Any], kind: Any) -> Any:
    """A typed pointer to a C-contiguous array, which it keeps alive (NumPy's `data_as` holds it),
    a slice with no other name too.
    """
    assert array.flags.c_contiguous and array.itemsize == ctypes.sizeof(kind)
    return array.ctypes.data_as(POINTER(kind))


def find_library(project: Path, manifest: Manifest, backend: str | None) -> tuple[Path, str]:
    """The project's library and its backend: of all that were built the last one, or the last one of a backend.

    Looks into `lib/` (where `sncc build` puts it) and into CMake's `build*/`.
    Raises FileNotFoundError where none is built, ValueError for a backend that does not exist.
    """
    if backend is not None and not (isinstance(backend, str) and backend in BACKENDS):
        raise ValueError(f"no backend `{backend}`: it is one of {', '.join(BACKENDS)}")
    found = [(path, of) for path, of in _libraries(project, manifest) if backend in (None, of)]
    if not found:
        raise FileNotFoundError(
            f"{project} has no library{f' for {backend}' if backend else ''} that is built; build it with "
            f"`cmake -S {project} -B {project}/build -DSNCC_BACKEND={backend or 'cpu'} && cmake --build {project}/build`"
        )
    return max(found, key=lambda entry: entry[0].stat().st_mtime_ns)


def _libraries(project: Path, manifest: Manifest) -> Iterator[tuple[Path, str]]:
    """Every library of the project's name, `lib<name>[_<backend>[_<key>]].so`, with its backend."""
    pattern = re.compile(rf"(?:lib)?{re.escape(manifest.name)}(?:_({'|'.join(BACKENDS)})(?:_\w+)?)?")
    for path in [*project.glob("lib/*"), *project.glob("build*/**/*")]:
        match = pattern.fullmatch(path.stem)
        if match and path.suffix in SUFFIXES and path.is_file():
            of = match[1] or _configured_backend(path, project)
            if path.parent.name != "lib" or path.name == manifest.libraries.get(of, path.name):
                yield path, of


def _configured_backend(library: Path, project: Path) -> str:
    """The backend that CMake was told to build in this folder."""
    for folder in library.parents:
        if (cache := folder / "CMakeCache.txt").is_file():
            match = re.search(r"^SNCC_BACKEND:\w+=(\w+)$", cache.read_text(errors="replace"), re.MULTILINE)
            return match[1] if match else BACKENDS[0]
        if folder == project:
            break
    return BACKENDS[0]


def available_threads() -> int:
    """The number of processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
