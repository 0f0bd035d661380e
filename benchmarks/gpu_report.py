"""Rows of what was measured, made for as long as there is time, and the two files that have them. Used by gpu.py."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock

Row = dict[str, object]


class Report:
    """The rows so far, by part; those of an earlier run on the same card that were as they should stay."""

    def __init__(self, folder: Path, about: Row, until: float) -> None:
        self.folder, self.about, self.until = folder, about, until
        self.parts: dict[str, list[Row]] = {}
        self.one_at_a_time = Lock()
        there = folder / "gpu.json"
        before = json.loads(there.read_text()) if there.exists() else {}
        if before and all(before.get(key) == value for key, value in about.items()):
            parts = {key: rows for key, rows in before.items() if isinstance(rows, list)}
            self.parts = {part: [row for row in rows if not is_wrong(row)] for part, rows in parts.items()}

    def has(self, part: str, name: str) -> bool:
        """Whether a row is there."""
        return any(row["of"] == name for row in self.parts.get(part, []))

    def is_wrong(self) -> bool:
        """Whether any row is."""
        return any(is_wrong(row) for rows in self.parts.values() for row in rows)

    def make(self, part: str, name: str, work: Callable[[], Row]) -> None:
        """A row, where there is time for it; both files have it then."""
        if time.monotonic() > self.until:
            return
        row = attempt(name, work)
        with self.one_at_a_time:
            self.parts.setdefault(part, []).append(row)
            self.write()

    def write(self) -> str:
        """Both files, with what is there so far."""
        beside = self.folder / ".gpu.json"  # whole at once
        beside.write_text(json.dumps({**self.about, **self.parts}, indent=2) + "\n")
        beside.rename(self.folder / "gpu.json")
        title = f"# {self.about['card']}" + (" (a dry run: no results)" if self.about["dry"] else "")
        text = [title, "", *as_table([self.about])]
        for part, rows in self.parts.items():
            text += ["", f"## {part.capitalize()}", "", *as_table(rows)]
        (self.folder / "gpu.md").write_text("\n".join(text) + "\n")
        return "\n".join(text)


def is_wrong(row: Row) -> bool:
    """Whether a row says that something is not as it has to be."""
    return "failed" in row or row.get("against the CPU", "equal") != "equal"


def attempt(name: str, work: Callable[[], Row]) -> Row:
    """A row, or one that says why there is none."""
    print(f"{time.strftime('%X')} {name}", file=sys.stderr, flush=True)
    start = time.perf_counter()
    try:
        row = work()
    except Exception as failure:  # whatever it is, the other rows are wanted
        row = {"failed": f"{type(failure).__name__}: {failure}"[-2000:]}
    return {"of": name, **row, "took, s": round(time.perf_counter() - start, 1)}


def as_table(rows: Sequence[Row]) -> list[str]:
    """Markdown; a column for every key."""
    keys = list(dict.fromkeys(key for row in rows for key in row))

    def shown(value: object) -> str:
        text = f"{value:.3g}" if isinstance(value, float) else str(value)
        return text.replace("|", "/").replace("\n", " ")

    lines = ["| " + " | ".join(keys) + " |", "|" + " --- |" * len(keys)]
    return [*lines, *("| " + " | ".join(shown(row.get(key, "")) for key in keys) + " |" for row in rows)]
