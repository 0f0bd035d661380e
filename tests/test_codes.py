"""Every code of a diagnostic is explained, with a wrong program and a right one."""

import importlib.util
import re
import textwrap
from pathlib import Path

import pytest

import sncc
from sncc.codes import EXPLANATIONS, FRAMES

ROOT = Path(__file__).resolve().parent.parent
CODE = re.compile(r"(?:error|warning|failure|Diagnostic)\(\s*\"([a-z]+(?:-[a-z]+)*)\"")
OF_TOOLS = {  # raised where no program is at fault
    "folder-in-use", "native-build-failed", "no-cmake", "no-compiler", "no-nvcc", "not-a-folder", "unknown-backend",
}  # fmt: skip
IN_FILES = [code for code in sorted(EXPLANATIONS) if EXPLANATIONS[code].frame != "command"]


def codes_in_the_source() -> set[str]:
    files = [p for folder in ("sncc", "backends") for p in (ROOT / folder).rglob("*.py")]
    return {code for path in files for code in CODE.findall(path.read_text(encoding="utf-8"))}


def test_every_code_is_explained():
    assert codes_in_the_source() == set(EXPLANATIONS), "see the first lines of sncc/codes.py"


def test_every_code_of_a_program_has_a_wrong_program():
    assert {path.stem.split(".")[0] for path in (ROOT / "tests/invalid").glob("*.snn")} == set(EXPLANATIONS) - OF_TOOLS


@pytest.mark.parametrize("code", IN_FILES)
def test_the_right_program_is_right(code):
    explanation = EXPLANATIONS[code]
    before, behind = FRAMES[explanation.frame]
    assert sncc.check(before + explanation.right + "\n" + behind) == ()


@pytest.mark.parametrize("code", sorted(EXPLANATIONS))
def test_explanations_are_sentences_of_readable_length(code):
    meaning = EXPLANATIONS[code].meaning
    assert meaning.endswith(".") and len(textwrap.wrap(meaning, 120)) <= 4


def test_the_page_is_current():
    spec = importlib.util.spec_from_file_location("errors", ROOT / "docs" / "errors.py")
    errors = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(errors)
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert page == errors.page(), "run: python docs/errors.py > docs/errors.md"
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == sorted(EXPLANATIONS)
    shown = {code for code in EXPLANATIONS if f"## {code}\n" in page and f"../tests/invalid/{code}.snn" in page}
    assert shown == set(EXPLANATIONS) - OF_TOOLS
