"""Builds with the emulation of CUDA: plain, under the address sanitizer, and checked for races.

Kept by content between runs.

With SNCC_TEST_GPU=1, on a machine with nvcc and a card, the plain and the checked builds are nvcc's and run on the
card: the same tests then say of the card what they say of the emulation.
"""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from sncc import cache, toolchain

Build = Literal["plain", "address", "checked"]
EMULATION = Path(cache.__file__).parent / "backends" / "cuda" / "emulation"
FLAGS = ["-std=c++17", "-O1", "-fPIC", "-ffp-contract=off", "-fvisibility=hidden"]
SANITIZERS = {
    "plain": [],
    "address": ["-g1", "-Og", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"],  # -O1 compiles twice as long
    "checked": ["-g1", "-fsanitize=thread"],  # of the kernels alone; linked without libtsan
}  # fmt: skip
ALONE = dict(os.environ)  # of programs that are the only ones to use the device
# networks run as beside a library that uses the legacy stream, and captures, all the time
os.environ.setdefault("SNCC_EMULATION_OTHERS", "1")
ON_GPU = os.environ.get("SNCC_TEST_GPU") == "1"
NVCC_FLAGS = [
    "-std=c++17",
    "-O2",
    f"-arch={os.environ.get('SNCC_TEST_ARCH', 'native')}",
    "-fmad=false",
    "--extended-lambda",
    "-Xcompiler",
    "-fPIC,-ffp-contract=off,-fvisibility=hidden",
]

LINKER = str(toolchain.find_nvcc()) if ON_GPU else "g++"
needs_emulation = pytest.mark.skipif(ON_GPU, reason="says something of the emulation, not of a card")


def command(*words: object, cwd: Path | None = None) -> str:
    """Runs a tool that has to succeed; what it prints."""
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def kept(*contents: object) -> Path:
    """A folder of the cache for what these contents decide."""
    key = hashlib.sha256("\n".join(map(str, contents)).encode()).hexdigest()[:16]
    folder = cache.location() / "tests" / key
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def made(target: Path, *words: object) -> Path:
    """The target, made by a command that ends in its name unless it is there; whole at once."""
    if not target.exists():
        beside = target.with_name(f".{os.getpid()}{target.name}")
        command(*words, beside)
        beside.rename(target)
    return target


def compiled(source: Path, flags: Sequence[object]) -> Path:
    """The object file of a C++ file, found again by what the preprocessor makes of it:
    projects share what is the same.
    """
    text = command("g++", *flags, "-E", "-P", source)
    folder = kept([flag for flag in flags if flag != "-I" and not isinstance(flag, Path)], text)
    return made(folder / f"{source.stem}.o", "g++", *flags, "-c", source, "-o")


def texts(*folders: Path) -> list[str]:
    """All that is compiled or included from these folders."""
    files = sorted(p for folder in folders for p in folder.rglob("*") if p.suffix in (".h", ".cuh", ".cu", ".cpp"))
    return [p.read_text() for p in files]


def sources(build: Build) -> list[Path]:
    """Of the emulation's runtime."""
    folders = ["runtime", "checked"] if build == "checked" else ["runtime"]
    return [source for folder in folders for source in sorted((EMULATION / folder).glob("*.cpp"))]


@functools.cache
def runtime(build: Build) -> list[Path]:
    """The object files of the emulation's runtime; CUDA's is linked by nvcc."""
    if ON_GPU:
        return []
    flags = [*FLAGS, *(SANITIZERS[build] if build == "address" else ["-O2"])]
    return [compiled(source, flags) for source in sources(build)]


def kernels(source: Path, build: Build, *more: object) -> Path:
    """The object file of a `.cu` file and what it includes from its own folders."""
    if ON_GPU:
        folder = kept(NVCC_FLAGS, source.read_text(), *texts(*(path for path in more if isinstance(path, Path))))
        return made(folder / f"{source.stem}.o", toolchain.find_nvcc(), *NVCC_FLAGS, *more, "-c", source, "-o")
    flags = [*FLAGS, *SANITIZERS[build], "-I", EMULATION, *more]
    included = [path for path in more if isinstance(path, Path)]
    folder = kept([w for w in flags if w not in included], source.read_text(), *texts(EMULATION, *included))
    return made(folder / f"{source.stem}.o", "g++", *flags, "-x", "c++", "-c", source, "-o")


def program(source: Path, build: Build, *more: object) -> Path:
    """An executable of one `.cu` file."""
    objects = [kernels(source, build, *more), *runtime(build)]
    link = SANITIZERS[build] if build == "address" else []
    target = kept(*objects, link) / source.stem
    return made(target, LINKER, *link, *objects, "-ldl", "-lpthread", "-o")
