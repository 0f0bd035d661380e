"""Processes that take turns, so that what else the machine does touches all of them; shared by the comparisons.

Each side of a comparison (a simulator, a library) lives in a process of its own and does there what it is asked for.
What is not installed is left out, with a line.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import shutil
from typing import Any, TypeVar

Worker = TypeVar("Worker")  # has a `label`, and the `module` that must be installed


def serve(pipe: Any, worker: Any) -> None:
    """Does what arrives through the pipe, in the process of one worker."""
    while (wanted := pipe.recv()) is not None:
        name, arguments = wanted
        try:
            pipe.send(getattr(worker, name)(*arguments))
        except Exception as problem:  # noqa: BLE001 - handed over to the other process
            pipe.send(RuntimeError(f"{worker.label}: {problem!r}"))


class Process:
    """A worker in a process of its own; its methods are called by name."""

    def __init__(self, worker: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self.worker, (self.pipe, other) = worker, context.Pipe()
        self.process = context.Process(target=serve, args=(other, worker), daemon=True)
        self.process.start()
        other.close()

    def __call__(self, wanted: str, *arguments: Any) -> Any:
        self.pipe.send((wanted, arguments))
        answer = self.pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.pipe.send(None)
        self.process.join()
        shutil.rmtree(getattr(self.worker, "folder", ""), ignore_errors=True)


def installed(workers: list[Worker], wanted: str, packages: str) -> list[Worker]:
    """Those wanted that can run here; a line for each that cannot. `packages`: what pip would install."""
    workers = [w for w in workers if w.module in wanted.split(",")]
    missing = {w.label: w.module for w in workers if importlib.util.find_spec(w.module) is None}
    for label, module in missing.items():
        print(f"{label} is left out: there is no module `{module}` (pip install {packages})")
    return [w for w in workers if w.label not in missing]
