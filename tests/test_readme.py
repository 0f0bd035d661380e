"""What the README and the documentation promise, as far as it can be checked without training."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(text: str) -> list[str]:
    """Fenced blocks without a language, and networks."""
    return re.findall(r"^```(?:snn)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_two_commands_are_targets_of_the_makefile():
    commands = [block.strip() for block in blocks(README) if block.startswith("make ")]
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert commands == ["make demo", "make test"] and {"demo", "test"} <= set(targets)


def test_ci_runs_the_test_command():
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "make test VENV=" in text and all(
        tool in text for tool in ("ruff check", "ruff format", "mypy", "lint-imports")
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        assert target.startswith("http") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_that_pages_name_exist(page):
    from sncc.cli import cli

    for line in re.findall(r"^\s*(?:`|\| `)?sncc ([a-z]+)([^`|\n]*)", page.read_text(encoding="utf-8"), re.MULTILINE):
        command = cli.commands.get(line[0])
        assert command is not None, line
        options = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", line[1])) <= options, line


def test_the_network_of_the_readme_compiles():
    import sncc

    text = next(block for block in blocks(README) if block.startswith("neuron"))
    assert sncc.check(text) == ()


def test_the_python_of_the_readme_runs(tmp_path):
    text = next(block for block in blocks(README) if block.startswith("neuron"))
    (tmp_path / "small.snn").write_text(text)
    code = re.search(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert code is not None
    done = subprocess.run([sys.executable, "-c", code[1]], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.snn")), ids=lambda path: path.name)
def test_the_examples_have_no_mistakes(path):
    import sncc

    assert sncc.check(path) == ()
