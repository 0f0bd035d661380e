"""The native tools: finds compilers, CMake, Ninja and a GPU, and builds an emitted project with them."""

from __future__ import annotations

import functools
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sncc.diagnostics import Diagnostic, DiagnosticError

COMPILERS = ("c++", "g++", "clang++")
OLDEST_CMAKE = (3, 20)
LIBRARY_SUFFIXES = {"darwin": ".dylib", "win32": ".dll"}


@dataclass(frozen=True, slots=True)
class Toolchain:
    """What one build uses. `identity` changes whenever the same sources could give another library."""

    compiler: Path
    cmake: Path
    ninja: Path | None
    nvcc: Path | None
    identity: str


def toolchain(backend: str) -> Toolchain:
    """The tools for a backend. Raises `DiagnosticError` where one is missing, saying how to get it."""
    compiler = find_compiler()
    if compiler is None:
        raise failure(
            "no-compiler",
            "no C++ compiler was found",
            help=(how_to_get_a_compiler(), "`sncc doctor` shows what is there"),
        )
    cmake = find_cmake()
    if cmake is None:
        raise failure(
            "no-cmake", "no CMake of version 3.20 or newer was found", help=("install it: `pip install cmake`",)
        )
    nvcc = find_nvcc() if backend == "cuda" else None
    if backend == "cuda" and nvcc is None:
        raise failure(
            "no-nvcc", "the backend `cuda` needs `nvcc`, which was not found",
            help=("install the CUDA toolkit, or set CUDACXX to the path of nvcc", "`--backend cpu` needs none; `--emit-only` writes the sources"),
        )  # fmt: skip
    versions = [version(tool) for tool in (compiler, nvcc) if tool]
    return Toolchain(compiler, cmake, find_ninja(), nvcc, "\n".join([str(compiler), *versions, cpu_features()]))


# ---------------------------------------------------------------------------------------------------- finding
def find_compiler() -> Path | None:
    """The C++ compiler: CXX, else the first of the usual names."""
    return _first([os.environ["CXX"]] if os.environ.get("CXX") else COMPILERS)


def find_cmake() -> Path | None:
    """The machine's own CMake where it is recent enough, else that of the PyPI package."""
    packaged = Path(sysconfig.get_paths()["purelib"]) / "cmake" / "data" / "bin" / "cmake"
    for candidate in (shutil.which("cmake"), shutil.which(str(packaged))):
        if candidate and _version_numbers(version(Path(candidate))) >= OLDEST_CMAKE:
            return Path(candidate)
    return None


def find_ninja() -> Path | None:
    """Ninja: the machine's, else that of the PyPI package."""
    return _first(["ninja", str(Path(sysconfig.get_path("scripts")) / "ninja")])


def find_nvcc() -> Path | None:
    """The CUDA compiler: CUDACXX, PATH, CUDA_HOME, /usr/local/cuda."""
    if os.environ.get("CUDACXX"):
        return _first([os.environ["CUDACXX"]])
    homes = [os.environ.get(name) for name in ("CUDA_HOME", "CUDA_PATH")]
    return _first(["nvcc", *(f"{home}/bin/nvcc" for home in (*homes, "/usr/local/cuda") if home)])


@functools.cache
def find_gpu() -> str | None:
    """The name of the first NVIDIA GPU whose driver answers."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    try:
        done = subprocess.run([tool, "-L"], capture_output=True, encoding="utf-8", errors="replace", timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"GPU \d+: (.*?) \(", done.stdout)
    return found[1] if done.returncode == 0 and found else None


def choose_backend() -> str:
    """What `auto` means here: cuda where nvcc and a GPU are found, else cpu."""
    return "cuda" if find_nvcc() and find_gpu() else "cpu"


@functools.cache
def version(tool: Path) -> str:
    """The line of `--version` that names the version."""
    try:
        done = subprocess.run([tool, "--version"], capture_output=True, encoding="utf-8", errors="replace", timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return next((line for line in lines if re.search(r"\d+\.\d+", line)), "")


@functools.cache
def cpu_features() -> str:
    """The processor and its instruction sets, since code is built for this machine's."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    wanted = re.findall(r"^(?:model name|flags|Features|CPU part)\s*:.*$", text.split("\n\n")[0], re.MULTILINE)
    return "\n".join([platform.machine(), *wanted])


def how_to_get_a_compiler() -> str:
    """The command that installs a C++ compiler on this system, or what is wrong with CXX."""
    if chosen := os.environ.get("CXX"):
        return f"CXX is `{chosen}`, which is no program: set it to a compiler's path, without arguments, or unset it"
    if sys.platform == "darwin":
        return "install one: `xcode-select --install`"
    if sys.platform == "win32":
        return "install the Visual Studio Build Tools with C++"
    commands = {
        "apt-get": "sudo apt-get install g++", "dnf": "sudo dnf install gcc-c++", "pacman": "sudo pacman -S gcc",
        "zypper": "sudo zypper install gcc-c++", "apk": "sudo apk add g++ musl-dev",
    }  # fmt: skip
    command = next((command for tool, command in commands.items() if shutil.which(tool)), None)
    return f"install one: `{command}`" if command else "install g++ or clang++, version 7 or newer, or set CXX"


def _first(names: Iterable[str]) -> Path | None:
    found = next((path for name in names if (path := shutil.which(name))), None)
    return Path(found) if found else None


def _version_numbers(text: str) -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


# --------------------------------------------------------------------------------------------------- building
def build(
    project: Path, backend: str, tools: Toolchain, folder: Path, log: Path, engine: Path | None = None
) -> Path:  # fmt: skip
    """Configures and builds a project's library in `folder`; the library's path. What the tools say goes to `log`.

    `engine`: what `src/engine` makes, where it is built already; else it is in `folder` afterwards (`engine_in`).

    Raises `DiagnosticError` with the last lines of the log where a tool fails.
    """
    settings = [
        f"-DSNCC_BACKEND={backend}",
        "-DCMAKE_BUILD_TYPE=Release",
        "-DBUILD_TESTING=OFF",
        f"-DCMAKE_CXX_COMPILER={tools.compiler}",
    ]
    if engine:
        settings.append(f"-DSNCC_ENGINE={engine}")
    if tools.nvcc:
        settings.append(f"-DCMAKE_CUDA_COMPILER={tools.nvcc}")
    if tools.ninja:
        settings += ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={tools.ninja}"]
    _run([tools.cmake, "-S", project, "-B", folder, *settings], log)
    _run([tools.cmake, "--build", folder, "--parallel", str(os.cpu_count() or 1), "--target", "sncc-library"], log)
    suffix = LIBRARY_SUFFIXES.get(sys.platform, ".so")
    libraries = sorted(path for path in folder.rglob(f"*{suffix}") if "CMakeFiles" not in path.parts)
    if len(libraries) != 1:
        raise RuntimeError(f"the project built {len(libraries)} libraries instead of one: {libraries}, see {log}")
    return libraries[0]


def engine_in(folder: Path) -> Path | None:
    """The library of `src/engine` that a build has left in its folder."""
    return next((p for p in sorted(folder.rglob("*_engine.*")) if p.suffix in (".a", ".lib")), None)


def _run(command: Sequence[str | Path], log: Path) -> None:
    words = [str(word) for word in command]
    with log.open("a", encoding="utf-8") as out:
        out.write(f"$ {' '.join(words)}\n")
        out.flush()
        code = subprocess.run(words, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL).returncode
    if code:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        raise failure(
            "native-build-failed", f"`{Path(words[0]).name}` failed with exit code {code}",
            notes=(f"everything it said: {log}", *_worth_reading(lines)),
            help=("`sncc doctor` checks the tools; if they are in order, please report this",),
        )  # fmt: skip


def _worth_reading(lines: Sequence[str]) -> list[str]:
    """The first lines that speak of an error, else the last ones."""
    errors = [line for line in lines if re.search(r"\berror\b|fatal|FAILED|CMake Error", line)]
    return (errors or [line for line in lines if line.strip()][-8:])[:8]


def failure(code: str, message: str, notes: Sequence[str] = (), help: Sequence[str] = ()) -> DiagnosticError:
    """A mistake that stands in no source file, as an exception."""
    return DiagnosticError([Diagnostic(code, None, message, notes=tuple(notes), help=tuple(help))])
