"""Program → a standalone CMake project: {path: text}, with the C++ and the CUDA half and a binding for Python."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from sncc.backends.cpu import emit as cpu
from sncc.backends.cpu import emit_neurons
from sncc.backends.cxx.dynamics import dynamics
from sncc.backends.cxx.interface import bytes_to_learn, calls, tables
from sncc.backends.cxx.manifest import ABI_VERSION, VERSION, hidden_keys, manifest, seen_shape, storage_of
from sncc.backends.cxx.names import project_name
from sncc.backends.cxx.rendering import render as rendered
from sncc.backends.cxx.runner import runner
from sncc.program.nodes import Program

_HERE = Path(__file__).parent
_PACKAGE = _HERE.parent.parent  # sncc, through its links


def emit_project(program: Program) -> dict[str, str]:
    """All files of the project of a Program (all passes done)."""
    name = project_name(program.name)
    shared = dynamics(program)

    def render(template: str, **values: object) -> str:
        return rendered(_HERE / "templates", template, name=name, version=VERSION, **values)

    api = tables(program, shared)
    real = "float" if program.precision == "float32" else "double"
    files = {
        "CMakeLists.txt": render("CMakeLists.txt"),
        "CMakePresets.json": render("CMakePresets.json"),
        "cmake/flags.cmake": render("flags.cmake"),
        "cmake/cpu_tests.cmake": render("cpu_tests.cmake"),
        f"include/{name}.h": render("header.h", abi=ABI_VERSION),
        f"src/{name}_dynamics.h": render("dynamics.h", real=real, functions=shared.functions()),
        f"src/{name}_model.h": render("model.h"),
        f"src/{name}_api.cpp": render("api.cpp", calls=calls(name), bytes_to_learn=bytes_to_learn(program), **api),
        f"src/{name}_run.cpp": render("run.cpp", **runner(program)),
        "examples/example.c": render("example.c", **runner(program)),
        "examples/CMakeLists.txt": render("example.cmake"),
        "manifest.json": json.dumps(manifest(program), indent=2) + "\n",
        "model.snn": program.source,
        "README.md": render("README.md", **_readme(program)),
    }
    files |= (cpu if program.schedule == "sample_parallel" else emit_neurons).emit(program)
    files |= _headers(_HERE / "include", "src") | _headers(_HERE.parent / "cpu" / "include", "src")
    files |= _binding()
    if importlib.util.find_spec("sncc.backends.cuda.emit") is not None:
        from sncc.backends.cuda.emit import emit as emit_cuda

        files |= emit_cuda(program)
    return files


def _headers(folder: Path, to: str) -> dict[str, str]:
    return {
        f"{to}/{p.relative_to(folder).as_posix()}": p.read_text(encoding="utf-8") for p in sorted(folder.rglob("*.h"))
    }


def _binding() -> dict[str, str]:
    folder = _PACKAGE / "runtime"
    found = sorted(folder.glob("*.py"))
    return {f"python/sncc_runtime/{p.name}": p.read_text(encoding="utf-8") for p in found}


_ONE_EACH = {-1: "one a synapse"}  # a size that is known when synapses are built


def _readme(program: Program) -> dict[str, object]:
    return {
        "population_rows": [
            f"| {r.population} | {' x '.join(map(str, r.shape))} | {', '.join(n for n, _, _ in g.declared)} |"
            for g in program.groups for r in g.rows
        ],
        "parameter_rows": [
            f"| {p.key} | {' x '.join(_ONE_EACH.get(n, str(n)) for n in seen_shape(program, p)) or 'one number'} | {'learnt' if p.learnt else storage_of(program, p)} |"
            for p in program.parameters if p.key not in hidden_keys(program)
        ],
    }  # fmt: skip
