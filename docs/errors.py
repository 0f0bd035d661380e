"""Writes `docs/errors.md` from `sncc/codes.py` and `tests/invalid`: `python docs/errors.py > docs/errors.md`."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from sncc.codes import EXPLANATIONS, Explanation

INVALID = Path(__file__).resolve().parent.parent / "tests" / "invalid"
HEAD = """# Diagnostics

<!-- written by docs/errors.py from sncc/codes.py and tests/invalid -->

Every mistake that sncc reports has a code, which `sncc check --json` and editors show. Errors stop the compilation,
warnings do not. Each entry shows what is reported of a wrong program (the whole of it is linked), and how it is done right.
"""
LONGEST = 120  # characters of a line that is shown


def page() -> str:
    """The page."""
    return "\n".join([HEAD, *(_entry(code, EXPLANATIONS[code]) for code in sorted(EXPLANATIONS))])


def _entry(code: str, explanation: Explanation) -> str:
    parts = [f"## {code}", "\n".join(textwrap.wrap(explanation.meaning, 120, break_on_hyphens=False))]
    shown = _reported(code)
    if shown:
        parts += [f"Wrong ([the program](../tests/invalid/{code}.snn)):", f"```text\n{shown}\n```"]
    if explanation.frame == "command":
        parts += ["Right:", f"```sh\n{explanation.right}\n```"]
    else:
        fragment = "" if explanation.frame == "file" else " fragment"
        parts += ["Right:", f"```snn{fragment}\n{explanation.right}\n```"]
    return "\n\n".join(parts) + "\n"


def _reported(code: str) -> str:
    """The first diagnostic of the wrong program that has this code: of golden text, by the order of codes beside it."""
    golden = INVALID / f"{code}.txt"
    if not golden.exists():
        return ""
    blocks = re.split(r"\n(?=\S)", golden.read_text(encoding="utf-8").rstrip("\n"))
    block = blocks[_index(code)]
    return "\n".join(line if len(line) <= LONGEST else line[: LONGEST - 1] + "…" for line in block.split("\n"))


def _index(code: str) -> int:
    """Which of the diagnostics of the wrong program has the code."""
    from sncc.compiler import examine

    text = (INVALID / f"{code}.snn").read_text(encoding="utf-8")
    settings = {}
    if text.startswith("# settings:"):
        pairs = text.splitlines()[0].removeprefix("# settings:").split(",")
        settings = dict(pair.strip().split("=", 1) for pair in pairs)
    found = examine(INVALID / f"{code}.snn", settings)[1]
    return next(k for k, diagnostic in enumerate(found) if diagnostic.code == code)


if __name__ == "__main__":
    print(page(), end="")
