"""What is imported when, and by whom."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("sympy", "lark", "jinja2", "rich", "tonic", "numpy", "scipy", "sncc.compiler")


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def processor_seconds(*command: object, environment: dict[str, str] | None = None) -> float:
    """What a command takes of processors, so that what else runs on the machine does not count."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([str(word) for word in command], check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


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
        return min(processor_seconds(sys.executable, "-c", code) for _ in range(5))

    assert seconds(code) - seconds("pass") < 0.3


def text_of_200_lines() -> str:
    neurons = [
        f"""neuron N{k}:
    param tau_m = 20 ms
    param tau_a = 200 ms
    param theta = 0.6
    param bias = each(0)
    state v = 0
    state a = 0
    input I
    dv/dt = (bias - v) / tau_m + I
    da/dt = -a / tau_a
    spike when v > theta + 0.0{k + 1} * a:
        reset v -= theta
        a += 1
    surrogate triangle(width = theta, height = 0.3 / theta)
"""
        for k in range(6)
    ]
    lines = ["network Large:", "    step = 1 ms", "    population x: input[20]", "    population y: LI[10]"]
    lines += [f"    population p{k}: N{k % 6}[50](tau_m = {10 + k} ms)" for k in range(34)]
    lines += [f"    connect x -> p{k}: dense, weight = normal(0, 1 / sqrt(fan_in))" for k in range(34)]
    lines += [f"    connect p{k} -> y: dense, weight = normal(0, 1 / sqrt(fan_in))" for k in range(34)]
    train = [
        "train:",
        "    rule = bptt",
        "    loss = cross_entropy(mean(y.v))",
        "    optimiser = adam(learning_rate = 1e-3)",
    ]
    return "\n".join([*neurons, *lines, *train, ""])


def test_checking_a_file_is_quick_and_needs_neither_sympy_nor_numpy(tmp_path):
    text = text_of_200_lines()
    assert 195 <= text.count("\n") <= 205
    (tmp_path / "large.snn").write_text(text)
    code = f"import sncc; assert sncc.check({str(tmp_path / 'large.snn')!r}) == ()"
    assert not modules_after(code) & {"sympy", "numpy", "jinja2", "rich"}

    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(tmp_path)  # compiled by the first run, as once for all by an installation
    command = (sys.executable, "-m", "sncc.cli", "check", tmp_path / "large.snn")
    # twice what a check of the large network takes, so that slow machines pass and a heavy import or a quadratic pass
    # is found
    assert min(processor_seconds(*command, environment=environment) for _ in range(5)) < 1


def test_every_public_name_exists():
    assert python("import sncc; print(all(hasattr(sncc, name) for name in sncc.__all__))").strip() == "True"


@pytest.mark.skipif(
    shutil.which("lint-imports", path=str(Path(sys.executable).parent)) is None, reason="no import-linter"
)
def test_stages_import_downwards_only():
    command = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
