"""What networks share of their C++ is compiled once and kept:
`src/engine` of a project, by its contents, compiler and flags.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sncc import cache, toolchain


def build_library(
    files: Mapping[str, str], backend: str, tools: toolchain.Toolchain, project: Path, folder: Path, log: Path
) -> Path:
    """Builds the library of a project of these files in `folder`, with the engine that an earlier build has left."""
    shared = {name: text for name, text in files.items() if name.startswith(("src/engine/", "src/sncc/"))}
    if backend != "cpu" or not any(name.startswith("src/engine/") for name in shared):
        return toolchain.build(project, backend, tools, folder, log)
    key = cache.key_of(shared, "engine", files["cmake/flags.cmake"], tools.identity)
    kept = cache.found(key)
    library = toolchain.build(project, backend, tools, folder, log, kept and toolchain.engine_in(kept))
    made = toolchain.engine_in(folder)
    if made:
        cache.cached(key, lambda to: cache.copy_file(made, to / made.name))
    return library
