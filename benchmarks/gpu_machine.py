"""The device that gpu.py runs on, a card or its emulation, and the projects that are built for it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import sncc
from sncc import toolchain

PATIENCE = 240.0  # seconds that a tool may take

Built = Callable[[], tuple[Path, Path]]  # waits for a project: its folder, and that of its build


class Machine:
    """The device that the projects run on: a card, or its emulation."""

    def __init__(self, folder: Path, dry: bool, until: float) -> None:
        self.folder, self.dry, self.until = folder, dry, until
        self.backend = "emulated" if dry else "cuda"
        self.card = "emulated on the CPU" if dry else toolchain.find_gpu()
        if self.card is None:
            sys.exit("no NVIDIA GPU answers; --dry runs the same steps emulated")
        self.builders = self.new_builders()

    @staticmethod
    def new_builders() -> ThreadPoolExecutor:
        """Threads that build a project each."""
        return ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // 2))

    def wait_for_builders(self) -> None:
        """Until no project is being built."""
        self.builders.shutdown()
        self.builders = self.new_builders()

    def run(self, *words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """A tool, whatever it answers; its output is kept."""
        patience = max(1.0, min(PATIENCE, self.until - time.monotonic()))
        try:
            return subprocess.run([str(w) for w in words], capture_output=True, text=True, cwd=cwd, timeout=patience)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess([str(w) for w in words], 124, "", f"not ended after {patience:g} s")

    def build(self, source: str | Path, name: str, tests: bool, **params: Any) -> Built:
        """Begins to build a project; the call waits for it and gives it and its build folder,
        its library where `sncc.load` looks.
        """
        return self.builders.submit(self._build, source, name, tests, params).result

    def _build(self, source: str | Path, name: str, tests: bool, params: dict[str, Any]) -> tuple[Path, Path]:
        project, build = self.folder / name, self.folder / name / "build"
        sncc.build(source, out=project, emit_only=True, **params)
        texts = [p for part in ("include", "src", "emulation", "cmake") for p in sorted((project / part).rglob("*.*"))]
        key = hashlib.sha256(b"".join(p.read_bytes() for p in texts)).hexdigest() + f", tests {tests}"
        made_of = project / "lib" / f"{self.backend}_made_of"
        if made_of.exists() and made_of.read_text() == key:  # by an earlier run
            return project, build
        if self.dry:
            kind = ["-DSNCC_CHECKS=races", "-DSNCC_NATIVE=OFF", "-DCMAKE_CXX_FLAGS_RELEASE=-O1"]
        else:
            kind = ["-DCMAKE_CUDA_ARCHITECTURES=native", f"-DCMAKE_CUDA_COMPILER={toolchain.find_nvcc()}"]
        testing = f"-DBUILD_TESTING={'ON' if tests else 'OFF'}"
        cmake = toolchain.find_cmake()
        words = [cmake, "-S", project, "-B", build, f"-DSNCC_BACKEND={self.backend}", testing, *kind]
        for command in (words, [cmake, "--build", build, "--parallel", "2"]):
            done = self.run(*command)
            if done.returncode:
                raise RuntimeError(done.stdout + done.stderr)
        (project / "lib").mkdir(exist_ok=True)
        library = next(build.glob("lib*.so"))
        shutil.copy(library, project / "lib" / f"{library.stem}_{self.backend}.so")
        made_of.write_text(key)
        return project, build

    def synchronise(self, network: sncc.Network) -> None:
        """Waits for the device: a parameter is read after all that was given before."""
        np.asarray(network.parameters[next(iter(network.parameters))])
