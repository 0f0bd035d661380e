"""What is imported when, and by whom."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("sympy", "lark", "jinja2", "rich", "tonic", "numpy", "scipy", "sncc.compiler")


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def modules_after(code: str) -> set[str]:
    return set(json.loads(python(f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))")))


def test_importing_sncc_imports_nothing_heavy():
    assert not modules_after("import sncc") & set(HEAVY)


def test_the_command_line_imports_nothing_heavy_before_a_command_runs():
    assert not modules_after("import sncc.cli") & set(HEAVY)


def test_loading_needs_numpy_but_no_compiler():
    heavy = set(HEAVY) - {"numpy"}
    assert not modules_after("import sncc; sncc.load; sncc.Events; sncc.Network") & heavy


@pytest.mark.parametrize("code", ["import sncc", "import sncc.cli; sncc.cli.cli(['--help'], standalone_mode=False)"])
def test_start_is_quick(code):
    def seconds(code: str) -> float:
        began = time.perf_counter()
        python(code)
        return time.perf_counter() - began

    bare = min(seconds("pass") for _ in range(3))
    assert min(seconds(code) for _ in range(5)) - bare < 0.3


def test_every_public_name_exists():
    assert python("import sncc; print(all(hasattr(sncc, name) for name in sncc.__all__))").strip() == "True"


@pytest.mark.skipif(
    shutil.which("lint-imports", path=str(Path(sys.executable).parent)) is None, reason="no import-linter"
)
def test_stages_import_downwards_only():
    command = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
