"""The command line, run as users run it: in a process of its own, or in this one,
which has imported everything already.
"""

import contextlib
import io
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from sncc import cli


def in_a_process(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sncc.cli", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600)


def sncc(*words: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        pytest.MonkeyPatch.context() as patch,
        warnings.catch_warnings(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        warnings.simplefilter("default")  # and not as errors, or as pytest has them
        patch.setattr(sys, "argv", ["sncc", *map(str, words)])
        for name, value in environment.items():
            patch.setenv(name, value)
        if cwd:
            patch.chdir(cwd)
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code or 0
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())
