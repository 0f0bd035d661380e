"""What `sncc doctor` finds: the tools that builds need, and how to get those that are missing."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sncc import cache, toolchain

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class Finding:
    """A tool: what was found of it, whether builds for CPUs need it, and the command that installs it."""

    name: str
    found: str
    needed: bool = False
    help: str = ""


def examine() -> list[Finding]:
    """Looks at everything."""
    compiler, cmake, ninja = toolchain.find_compiler(), toolchain.find_cmake(), toolchain.find_ninja()
    nvcc, gpu = toolchain.find_nvcc(), toolchain.find_gpu()
    works = compiler is not None and _compiles(compiler)
    make = shutil.which("make") or ""
    return [
        Finding("Python", f"{platform.python_version()}  {sys.executable}", needed=True),
        _tool("C++ compiler", compiler if works else None, _compiler_help(compiler), needed=True),
        _tool("CMake", cmake, "install it: `pip install cmake` (3.20 or newer)", needed=True),
        Finding("Ninja", str(ninja or make), needed=True, help="" if ninja or make else "install it: `pip install ninja`"),
        _tool("nvcc", nvcc, "only for CUDA builds: install the CUDA toolkit (`nvidia-cuda-toolkit`), or set CUDACXX"),
        Finding("NVIDIA GPU", gpu or "", help="" if gpu else "only to run CUDA builds: a GPU and its driver"),
        Finding("cache", _cache()),
    ]  # fmt: skip


def table(findings: list[Finding]) -> Table:
    """The findings for the terminal."""
    from rich.table import Table

    table = Table("", "tool", "found")
    for finding in findings:
        mark = "ok" if finding.found else "MISSING" if finding.needed else "–"
        table.add_row(mark, finding.name, finding.found or "not found")
    return table


def _tool(name: str, path: Path | None, help: str, needed: bool = False) -> Finding:
    if path is None:
        return Finding(name, "", needed, help)
    return Finding(name, f"{toolchain.version(path)}  {path}", needed)


def _compiler_help(compiler: Path | None) -> str:
    if compiler is None:
        return toolchain.how_to_get_a_compiler()
    return f"{compiler} does not compile C++17; {toolchain.how_to_get_a_compiler()}"


def _compiles(compiler: Path) -> bool:
    """Whether the compiler makes a C++17 library with threads: a missing header or linker shows here."""
    import subprocess

    text = "#include <thread>\n#include <vector>\ninline constexpr int n = 1;\nint f() { return n; }\n"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "try.cpp"
        source.write_text(text)
        words = [str(compiler), "-std=c++17", "-shared", "-fPIC", str(source), "-o", str(source.with_suffix(".so"))]
        return subprocess.run(words, capture_output=True).returncode == 0


def _cache() -> str:
    folder = cache.location()
    above = next(p for p in (folder, *folder.parents) if p.exists())
    usable = above.is_dir() and os.access(above, os.W_OK)
    held = f"{_size(folder) / 1e6:.0f} MB" if folder.exists() else "empty"
    return f"{folder} ({held}{'' if usable else ', not writable: builds go to a temporary folder'})"


def _size(folder: Path) -> int:
    """Bytes of the files below a folder, from which other builds may be taking some away."""
    total = 0
    for place, _, names in os.walk(folder):  # passes over folders that are gone
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(place, name)).st_size
    return total
