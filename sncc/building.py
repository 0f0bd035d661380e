"""Program → library: which backend there is code for, within which memory, and its project with the library built."""

from __future__ import annotations

import reprlib
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from sncc import cache, toolchain
from sncc.backends.cuda.resources import filled
from sncc.backends.cuda.supported import differences, unsupported
from sncc.engine_cache import build_library
from sncc.memory import bytes_of
from sncc.model.nodes import Model
from sncc.program.nodes import Program


def check_weights(weights: str | None, model: Model, precision: str) -> None:
    """Refuse weights of a type that there is not, or in networks that have no code for them."""
    if weights is None:
        return
    if not isinstance(weights, str) or weights != "bfloat16":
        shown = weights if isinstance(weights, str) else reprlib.repr(weights)
        help = "use `bfloat16`, or leave it out for weights of the network's precision"
        raise toolchain.failure("wrong-argument", f"there are no weights of type `{shown}`", help=(help,))
    if precision != "float32":
        raise toolchain.failure(
            "wrong-argument", "weights of 16 bits go with `float32`", help=("leave `precision` out",)
        )
    if model.schedule == "neuron_parallel" or model.training is None:
        help = "they are for what was trained: a file with a `train` block, whose samples threads share out"
        message = "weights of 16 bits are not supported yet in simulations"
        raise toolchain.failure("not-supported-yet", message, help=(help,))


def within(memory: str | int | None, program: Program) -> Program:
    """The Program with a bound on the memory of its training; `memory` as for `build`."""
    if memory is None:
        return program
    bound = bytes_of(memory)
    if program.optimise is None:
        message = "`memory` bounds training, and this network is built without any"
        raise toolchain.failure("wrong-argument", message, help=("leave `memory` out, or add a `train` block",))
    return replace(program, memory=bound)


def chosen_backend(backend: str, program: Program) -> str:
    """The backend to build; `auto` takes one that can run the Program."""
    missing = unsupported(program)
    if backend == "auto":
        return "cpu" if missing else toolchain.choose_backend()
    if backend == "cuda" and missing:
        message = f"the CUDA backend does not support {', '.join(missing)} yet"
        raise toolchain.failure("not-supported-yet", message, help=("use `--backend cpu`",))
    return backend


def warn_of_differences(backend: str, program: Program) -> None:
    """Says what is done in another way than the file asks for, with the same results, to who called `build`."""
    spread = program.schedule == "sample_parallel"
    stored = dict.fromkeys(f"`{c.owner}`" for c in program.connections if spread and not c.stored)
    if stored:
        message = f"where samples run in parallel, as in training, synapses are stored, with `stored = false` too ({', '.join(stored)})"
        warnings.warn(f"{message}: the same network, with their memory", stacklevel=4)
    for message in differences(program) if backend == "cuda" and not spread else ():
        warnings.warn(message, stacklevel=4)


def built(files: Mapping[str, str], backend: str) -> Path:
    """The project of these files with its library in `lib/`, whose name holds the key."""
    tools = toolchain.toolchain(backend)
    key = cache.key_of(files, backend, tools.identity)

    def make(folder: Path) -> None:
        cache.write_files(files, folder)
        log = cache.logs() / f"{key}.log"
        log.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(prefix="sncc-build-") as build_folder:
            library = build_library(files, backend, tools, folder, Path(build_folder), log)
            cache.install_library(folder, library, backend, key[:8])
        if backend == "cuda":
            _describe_kernels(folder, log)

    return cache.cached(key, make)


def _describe_kernels(project: Path, log: Path) -> None:
    """Fills what nvcc said of each kernel into the project's table."""
    page = project / "src" / "cuda" / "KERNELS.md"
    page.write_text(
        filled(page.read_text(encoding="utf-8"), log.read_text(encoding="utf-8", errors="replace")), encoding="utf-8"
    )
