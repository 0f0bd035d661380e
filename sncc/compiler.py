"""The whole pipeline, from text to a built project.

text → Tree → Model → Program → Program with gradients → optimised Program → files of a project → library
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from sncc import cache, toolchain
from sncc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Source
from sncc.gradients.support import refuse
from sncc.lower.phases import lower
from sncc.model.nodes import Model
from sncc.model.resolve import resolve
from sncc.passes import PIPELINE
from sncc.program.nodes import Precision, Program
from sncc.program.verify import verify
from sncc.syntax.parse import parse, read_source

Backend = Literal["auto", "cpu", "cuda"]
Value = str | int | float
Settings = Mapping[str, Value]
NO_SETTINGS: Settings = {}


def compile_model(source: Source, settings: Settings = NO_SETTINGS, diagnostics: Diagnostics | None = None) -> Model:
    """Text → Model: names, units and shapes resolved.

    Raises `DiagnosticError` with the user's mistakes; warnings are left in `diagnostics`.
    """
    tree = parse(source.text, source.path)  # text → Tree
    return resolve(tree, settings, diagnostics=diagnostics)  # Tree → Model


def compile_program(model: Model, precision: Precision = "float32", after: str | None = None) -> Program:
    """Model → Program: lowered, differentiated, optimised; or as it is after the pass named `after`."""
    program = verify(lower(model, precision))  # Model → Program: the forward phase
    if model.training is not None:
        from sncc.gradients.reverse import differentiate  # with sympy: looking at a file needs none

        refuse(model)
        program = verify(differentiate(program, model.training))  # → with reverse, gradient and optimise phases
    for optimise in PIPELINE:  # Program → Program
        program = verify(optimise(program))
        if optimise.__name__ == after:
            break
    return program


def emit(program: Program) -> dict[str, str]:
    """Program → the files of a project: {path: text}, the C++ and the CUDA half."""
    from sncc.backends.cxx.project import emit_project  # with its templates: looking at a file needs none

    return emit_project(program)


# --------------------------------------------------------------------------------------------- what users call
def check(source: str | Path, settings: Mapping[str, Value] | None = None, **params: Value) -> tuple[Diagnostic, ...]:
    """What is wrong with a source: mistakes and warnings, empty where there is nothing.

    `source`: a path (or a string that ends in `.snn`), else text. `settings` and `params` as for `build`.
    """
    return examine(source, merged(settings, params))[1]


def examine(
    source: str | Path | Source, settings: Settings = NO_SETTINGS
) -> tuple[Model | None, tuple[Diagnostic, ...]]:
    """The Model of a source, None where it has mistakes, and all mistakes and warnings in the order of the text."""
    found = Diagnostics()
    try:
        model = compile_model(read(source), settings, found)
        verify(lower(model))
        refuse(model)
    except DiagnosticError as error:
        return None, error.diagnostics
    return model, found.sorted()


def explain(
    source: str | Path, settings: Mapping[str, Value] | None = None, latex: bool = False, **params: Value
) -> str:
    """The dynamics and the derived learning rule of a source, as readable equations. Raises `DiagnosticError`.

    `latex`: as a fragment of a LaTeX document (amsmath).
    """
    from sncc.gradients.explain import explain as as_text
    from sncc.gradients.latex import explain_latex

    model = compile_model(read(source), merged(settings, params))
    return (explain_latex if latex else as_text)(model, compile_program(model))


def build(
    source: str | Path, backend: Backend = "auto", out: str | Path | None = None, precision: Precision = "float32",
    settings: Mapping[str, Value] | None = None, emit_only: bool = False, **params: Value,
) -> Path:  # fmt: skip
    """Builds a source's project, or finds it built already, and returns its folder, for `load`.

    `source`: a path (or a string that ends in `.snn`), else text. `out`: where a copy goes; without it the folder is
    one of the cache, not to be changed. `settings` (`{"train.rule": "bptt"}`) and `params` (`hidden_size=512`) set what
    `--set` sets; numbers are in SI base units, strings are expressions. `emit_only`: sources alone, no compiler needed.
    Raises `DiagnosticError` for a mistake in the source, an unknown parameter, or a missing tool.
    """
    model = compile_model(read(source), merged(settings, params))
    return build_model(model, backend, Path(out) if out is not None else None, precision, emit_only)


def build_model(model: Model, backend: str, out: Path | None, precision: Precision, emit_only: bool = False) -> Path:
    """Builds the project of a Model; see `build`."""
    if backend not in ("auto", "cpu", "cuda"):
        raise toolchain.failure(
            "unknown-backend", f"there is no backend `{backend}`", help=("use `auto`, `cpu` or `cuda`",)
        )
    if out is not None:
        _refuse_to_overwrite(out)
    program = compile_program(model, precision)
    files = emit(program)
    if emit_only and out is not None:
        cache.write_files(files, out)
        return out
    if emit_only:
        return cache.cached(cache.key_of(files), lambda folder: cache.write_files(files, folder))
    backend = chosen_backend(backend, program)
    project = _built(files, backend)
    if out is None:
        return project
    cache.copy_project(project, out)
    return out


def chosen_backend(backend: str, program: Program) -> str:
    """The backend to build; `auto` takes one that can run the Program."""
    from sncc.backends.cuda.supported import unsupported

    missing = unsupported(program)
    if backend == "auto":
        return "cpu" if missing else toolchain.choose_backend()
    if backend == "cuda" and missing:
        message = f"the CUDA backend does not support {', '.join(missing)} yet"
        raise toolchain.failure("not-supported-yet", message, help=("use `--backend cpu`",))
    return backend


def _built(files: Mapping[str, str], backend: str) -> Path:
    """The project of these files with its library in `lib/`, whose name holds the key."""
    tools = toolchain.toolchain(backend)
    key = cache.key_of(files, backend, tools.identity)

    def make(folder: Path) -> None:
        cache.write_files(files, folder)
        log = cache.logs() / f"{key}.log"
        log.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(prefix="sncc-build-") as build_folder:
            library = toolchain.build(folder, backend, tools, Path(build_folder), log)
            cache.install_library(folder, library, backend, key[:8])

    return cache.cached(key, make)


def _refuse_to_overwrite(out: Path) -> None:
    """A folder that is no project of ours stays as it is."""
    if out.exists() and not out.is_dir():
        raise toolchain.failure("not-a-folder", f"`{out}` is a file, not a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / "manifest.json").exists():
        raise toolchain.failure(
            "folder-in-use", f"`{out}` holds files that are no project of sncc", help=("choose another folder",)
        )


def read(source: str | Path | Source) -> Source:
    """A path, or a string that ends in `.snn`, is a file; any other string is text."""
    if isinstance(source, Source):
        return source
    if isinstance(source, Path) or source.rstrip().endswith(".snn"):
        return read_source(source)
    return Source("<text>", source)


def merged(settings: Mapping[str, Value] | None, params: Mapping[str, Value]) -> dict[str, Value]:
    """Settings and parameters: expressions, and numbers in SI base units."""
    return {**(settings or {}), **params}
