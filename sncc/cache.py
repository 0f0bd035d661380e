"""Built projects, found again by their content: a folder per key, made beside and renamed when it is complete."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

LISTING = ".files"  # a project's files and their sizes, written last: what is complete, and ours beside the user's


def key_of(files: Mapping[str, str], *circumstances: str) -> str:
    """The key of a project: what was emitted, and all that decides what the tools make of it."""
    digest = hashlib.sha256()
    for part in (*circumstances, *(text for item in sorted(files.items()) for text in item)):
        data = part.encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:32]


def cached(key: str, make: Callable[[Path], None]) -> Path:
    """The complete folder of a key; where there is none, `make` fills one first, under a lock."""
    root = _root()
    folder = root / key
    if _complete(folder):
        return folder
    with _locked(root / "locks" / key):
        if _complete(folder):  # another process made it while this one waited
            return folder
        beside = Path(tempfile.mkdtemp(prefix=f"{key}.", dir=root))
        try:
            make(beside)
            _list_files(beside, _files(beside))
            _remove(folder)
            with contextlib.suppress(OSError):  # without a lock another process may have been first: its folder serves
                beside.rename(folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    return folder


def found(key: str) -> Path | None:
    """The complete folder of a key, where there is one."""
    folder = _root() / key
    return folder if _complete(folder) else None


def _complete(folder: Path) -> bool:
    """Whether nothing is missing or cut short: a crash, a full disk or a cleaner of files may have left a part."""
    return bool(found := _listed(folder)) and all(_size(folder / name) == size for name, size in found.items())


def _remove(folder: Path) -> None:
    """What is left of an incomplete folder, or stands in its place."""
    if folder.is_file():
        folder.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _size(file: Path) -> str:
    """Its bytes; nothing where there is no such file."""
    return str(file.stat().st_size) if file.is_file() else ""


def location() -> Path:
    """Where built projects are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "sncc"


def logs() -> Path:
    """Where the tools' output of builds is kept."""
    folder = _root() / "logs"
    folder.mkdir(exist_ok=True)
    return folder


def _root() -> Path:
    """The cache folder, else a folder for temporary files that is this user's alone."""
    where = location()
    if _usable(where):
        return where
    if not _usable(_instead_of(where)):  # a cleaner of temporary files was there, and somebody else since
        _instead_of.cache_clear()
    return _instead_of(where)


@functools.cache
def _instead_of(unusable: Path) -> Path:
    """Where a process keeps what it cannot keep there; a note says so, once."""
    user = os.getuid() if os.name == "posix" else 0
    temporary = Path(tempfile.gettempdir()) / f"sncc-{user}"
    if not _usable(temporary):
        temporary = Path(tempfile.mkdtemp(prefix="sncc-"))
    warnings.warn(f"cannot write to {unusable}: built projects are kept in {temporary}", stacklevel=5)
    return temporary


def _usable(folder: Path) -> bool:
    """Whether it can be written to and nobody else could have put a library there (loading one executes it)."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            return os.name != "posix" or folder.stat().st_uid == os.getuid()
    except OSError:
        return False


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a file's lock where the system and the file system have locks; elsewhere the final rename decides."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:  # it stays: removing it would let two processes lock two files of one name
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


# ------------------------------------------------------------------------------------------------ project folders
def write_files(files: Mapping[str, str], folder: Path) -> None:
    """Writes the files of a project; each is replaced in one step, and those of an earlier project are removed."""
    for name, text in files.items():
        _replace(folder / name, text.encode())
    _list_files(folder, set(files))


def copy_project(source: Path, folder: Path) -> None:
    """A real copy of a project, over what an earlier one left there; other files in the folder stay."""
    names = _files(source)
    for name in sorted(names):
        _replace(folder / name, (source / name).read_bytes(), (source / name).stat().st_mode & 0o777)
    _list_files(folder, names)


def copy_file(source: Path, target: Path) -> None:
    """A copy of one file."""
    _replace(target, source.read_bytes())


def install_library(project: Path, library: Path, backend: str, key: str) -> None:
    """Moves a built library to `lib/`, under a name that holds the key, and writes the name to the manifest.

    A process that loads a library of a name it has loaded before gets the old one: so names differ where contents do.
    """
    name = f"{library.stem}_{key}" if library.stem.endswith(backend) else f"{library.stem}_{backend}_{key}"
    target = project / "lib" / (name + library.suffix)
    target.parent.mkdir(exist_ok=True)
    shutil.move(library, target)
    manifest = json.loads((project / "manifest.json").read_text(encoding="utf-8"))
    manifest["library"] = {backend: target.name}
    _replace(project / "manifest.json", (json.dumps(manifest, indent=2) + "\n").encode())


def _files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - {LISTING}


def _listed(folder: Path) -> dict[str, str]:
    """The sizes of a folder's files by their names."""
    listing = folder / LISTING
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.is_file() else []
    return {name: size for name, _, size in (line.partition("\t") for line in lines)}


def _list_files(folder: Path, names: set[str]) -> None:
    """Writes the listing; what only an earlier one named is removed."""
    for name in _listed(folder).keys() - names:
        path = folder / name
        if folder.resolve() in path.resolve().parents:  # the listing is a file that anybody can edit
            path.unlink(missing_ok=True)
    _replace(folder / LISTING, "".join(f"{name}\t{_size(folder / name)}\n" for name in sorted(names)).encode())


def _replace(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Writes beside and renames: a process that has an older library mapped keeps it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(data)
    beside.chmod(mode)
    beside.replace(path)
