"""The whole pipeline, from text to a built project.

text → Tree → Model → Program → Program with gradients → optimised Program → files of a project → library
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from sncc.arguments import check_chosen, check_name, check_switch, folder_of, settings_of, source_of
from sncc.diagnostics import Diagnostic, DiagnosticError, Diagnostics, Source, not_supported_yet, render
from sncc.lower.engines import refuse as refuse_engines
from sncc.lower.engines import unsupported as not_executed
from sncc.lower.phases import lower, place
from sncc.lower.support import unsupported as not_lowered
from sncc.model.nodes import Model, Schedule
from sncc.model.resolve import model_of_source
from sncc.program.nodes import Precision, Program
from sncc.program.verify import verify

Backend = Literal["auto", "cpu", "cuda"]
Weights = Literal["bfloat16"]
Value = str | int | float
Settings = Mapping[str, Value]
NO_SETTINGS: Settings = {}


def compile_model(
    source: Source, settings: Settings = NO_SETTINGS, diagnostics: Diagnostics | None = None, network: str | None = None
) -> Model:
    """Text → Tree → Model: names, units and shapes resolved. `network` chooses where a file has several.

    Raises `DiagnosticError` with the user's mistakes; warnings are left in `diagnostics`.
    """
    return model_of_source(source, settings, network=network, diagnostics=diagnostics)


def scheduled(model: Model, schedule: Schedule | None) -> Model:
    """The Model with samples or neurons spread over threads, whatever its blocks suggest; None: as they do.

    With its neurons spread a network only simulates: its training is left out.
    """
    if schedule is None:
        return model
    check_chosen("schedule", schedule, ("sample_parallel", "neuron_parallel"))
    training = None if schedule == "neuron_parallel" else model.training
    return replace(model, schedule=schedule, training=training)


def compile_program(
    model: Model, precision: Precision = "float32", after: str | None = None, weights: Weights | None = None
) -> Program:
    """Model → Program: lowered, differentiated, optimised; or as it is after the pass named `after`.

    With `weights` of 16 bits it does not learn.
    """
    from sncc.passes import PIPELINE  # looking at a file needs none, nor the tools and the cache below

    program = verify(lower(model, precision))  # Model → Program: the forward phase
    if model.training is not None:
        from sncc.gradients.reverse import differentiate, only_read  # with sympy: looking at a file needs none

        if weights is None:
            program = verify(differentiate(program, model.training))  # → with reverse, gradient and optimise phases
        else:
            program = replace(verify(only_read(program, model.training)), weights=weights)
    for optimise in PIPELINE:  # Program → Program
        program = verify(optimise(program))
        if optimise.__name__ == after:
            break
    return program


def emit(program: Program) -> dict[str, str]:
    """Program → the files of a project: {path: text}, the C++ and the CUDA half.

    Raises `DiagnosticError` where a backend has no code for what the Program holds.
    """
    from sncc.backends.cxx.expressions import Unsupported
    from sncc.backends.cxx.project import emit_project  # with its templates: looking at a file needs none

    try:
        return emit_project(program)
    except Unsupported as reason:
        raise DiagnosticError(
            [not_supported_yet(None, str(reason), "`sncc ir FILE` shows where it stands: leave it out")]
        ) from None


# --------------------------------------------------------------------------------------------- what users call
def check(
    source: str | Path, settings: Mapping[str, Value] | None = None, network: str | None = None, **params: Value
) -> tuple[Diagnostic, ...]:
    """What is wrong with a source: mistakes and warnings, empty where there is nothing.

    What a later stage cannot carry out yet is a warning here and an error of `build`; what a backend alone cannot, only
    `build` says. `source`: a path (or a string that ends in `.snn`), else text. `settings`, `network` and `params` as
    for `build`. Raises `DiagnosticError` for settings or a network's name of another type.
    """
    check_name("network", network)
    return examine(source, settings_of(settings, params), network)[1]


def examine(
    source: str | Path | Source, settings: Settings = NO_SETTINGS, network: str | None = None
) -> tuple[Model | None, tuple[Diagnostic, ...]]:
    """The Model of a source, None where it has mistakes, and all mistakes and warnings in the order of the text."""
    found = Diagnostics()
    try:
        model = compile_model(source_of(source), settings, found, network)
    except DiagnosticError as error:
        return None, error.diagnostics
    later = [*not_lowered(model), *not_executed(model)]
    if not later:
        try:
            program = verify(lower(model))
            if model.training is not None and model.training.rule.online:
                # whether a readout's neurons filter alike is known from what is derived
                from sncc.gradients.reverse import differentiate  # with sympy: other files need none

                differentiate(program, model.training)
        except DiagnosticError as error:
            later += error.diagnostics
    for diagnostic in later:
        found.add(replace(diagnostic, severity="warning") if diagnostic.code == "not-supported-yet" else diagnostic)
    return None if any(d.severity == "error" for d in found.found) else model, found.sorted()


def explain(
    source: str | Path, settings: Mapping[str, Value] | None = None, latex: bool = False, network: str | None = None,
    **params: Value,
) -> str:  # fmt: skip
    """The dynamics and the derived learning rule of a source, as readable equations. Raises `DiagnosticError`.

    `latex`: as a fragment of a LaTeX document (amsmath).
    """
    from sncc.gradients.explain import explain as as_text
    from sncc.gradients.latex import explain_latex

    check_switch("latex", latex)
    check_name("network", network)
    model = compile_model(source_of(source), settings_of(settings, params), network=network)
    return (explain_latex if latex else as_text)(place(model), compile_program(model))


def build(
    source: str | Path, backend: Backend = "auto", out: str | Path | None = None, precision: Precision = "float32",
    settings: Mapping[str, Value] | None = None, emit_only: bool = False, network: str | None = None,
    schedule: Schedule | None = None, memory: str | int | None = None,
    weights: Weights | None = None, **params: Value,
) -> Path:  # fmt: skip
    """Builds a source's project, or finds it built already, and returns its folder, for `load`.

    - `source`: a path (or a string that ends in `.snn`), else text.
    - `backend`: `auto` takes cuda where nvcc and a GPU are found and the network can run there, else cpu.
    - `out`: where a copy goes; without it the folder is one of the cache, not to be changed.
    - `settings` (`{"train.rule": "bptt"}`) and `params` (`hidden_size=512`) set what `--set` sets; numbers are in SI
      base units, strings are expressions.
    - `emit_only`: sources alone, no compiler needed.
    - `network` chooses where a file has several.
    - `schedule`: `sample_parallel` or `neuron_parallel`, where the choice that the file suggests (samples if it has a
      `train` block) is not wanted.
    - `memory` (`"2 GB"`, or bytes) bounds what training takes for what it keeps of a sequence and for gradients, in all
      threads together: long sequences are then computed twice, segment by segment, with the same results.
    - `weights` (`"bfloat16"`): stored in 16 bits, for inference alone; what was trained with all bits is loaded from
      its file.

    Raises `DiagnosticError`, a ValueError, for a mistake in the source, an unknown parameter, or a missing tool. What
    `check` warns of is a UserWarning.
    """
    check_name("network", network)
    found = Diagnostics()
    model = scheduled(compile_model(source_of(source), settings_of(settings, params), found, network), schedule)
    for diagnostic in found.sorted():
        warnings.warn(render(diagnostic), stacklevel=2)
    return build_model(model, backend, out, precision, emit_only, memory, weights)


def build_model(
    model: Model, backend: str, out: str | Path | None, precision: Precision, emit_only: bool = False,
    memory: str | int | None = None, weights: Weights | None = None,
) -> Path:  # fmt: skip
    """Builds the project of a Model; see `build`."""
    from sncc import building, cache, toolchain

    building.check_weights(weights, model, precision)
    check_chosen("precision", precision, ("float32", "float64"))
    check_switch("emit_only", emit_only)
    if not isinstance(backend, str) or backend not in ("auto", "cpu", "cuda"):
        raise toolchain.failure(
            "unknown-backend", f"there is no backend `{backend}`", help=("use `auto`, `cpu` or `cuda`",)
        )
    out = folder_of(out)
    refuse_engines(model)
    program = building.within(memory, compile_program(model, precision, weights=weights))
    files = emit(program)
    if emit_only and out is not None:
        cache.write_files(files, out)
        return out
    if emit_only:
        return cache.cached(cache.key_of(files), lambda folder: cache.write_files(files, folder))
    backend = building.chosen_backend(backend, program)
    building.warn_of_differences(backend, program)
    project = building.built(files, backend)
    if out is None:
        return project
    cache.copy_project(project, out)
    return out
