"""What callers of `sncc.build`, `check` and `explain` hand over, read in one place; all raise `DiagnosticError`."""

from __future__ import annotations

import math
import os
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sncc.diagnostics import Source
from sncc.syntax.parse import read_source
from sncc.toolchain import failure


def source_of(source: Any) -> Source:
    """The text: of a path, or of a string that ends in `.snn`, the file's; any other string is the text."""
    if isinstance(source, Source):
        return source
    if isinstance(source, os.PathLike) and isinstance(os.fspath(source), str):
        return read_source(Path(source))
    if isinstance(source, str):
        if source.rstrip().endswith(".snn"):
            return read_source(source)
        if source.split() == [source] and not set(source) & set(':"#'):  # one word, such as a path without its ending
            raise failure("wrong-argument", f"`{source}` is no text of a network", help=("a path ends in `.snn`",))
        return Source("<text>", source.removeprefix("\ufeff").replace("\r\n", "\n"))  # as of a file
    raise failure("wrong-argument", f"a source is a path or a text, not {reprlib.repr(source)}")


def settings_of(settings: Any, params: Mapping[str, Any]) -> dict[str, str | int | float]:
    """Settings and parameters by name: expressions, and numbers in SI base units, those of NumPy included."""
    if settings is not None and not isinstance(settings, Mapping):
        help = 'write e.g. `settings={"train.rule": "bptt"}`'
        raise failure("wrong-argument", f"`settings` is a dict, not {reprlib.repr(settings)}", help=(help,))
    return {_name(name): _setting(name, value) for name, value in {**(settings or {}), **params}.items()}


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise failure("wrong-argument", f"a name in `settings` is a text, not {reprlib.repr(name)}")
    return name


def _setting(name: str, value: Any) -> str | int | float:
    if isinstance(value, str):
        return str(value)
    number = value.item() if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0 else value
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not _is_finite(number):
        help = "numbers are in SI base units; a text is an expression, such as `20 ms`"
        raise failure("wrong-argument", f"`{name}` is a number or a text, not {reprlib.repr(value)}", help=(help,))
    return number


def _is_finite(number: float) -> bool:
    """Whether a double holds it."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def check_chosen(name: str, value: Any, possible: tuple[str, ...]) -> None:
    """Refuses what is none of the possible words."""
    if not isinstance(value, str) or value not in possible:
        words = ", ".join(f"`{word}`" for word in possible)
        raise failure("wrong-argument", f"`{name}` is one of {words}, not {reprlib.repr(value)}")


def check_name(name: str, value: Any) -> None:
    """Refuses what is neither a text nor None."""
    if value is not None and not isinstance(value, str):
        raise failure("wrong-argument", f"`{name}` is a name, not {reprlib.repr(value)}")


def check_switch(name: str, value: Any) -> None:
    """Refuses what is neither True nor False."""
    if not isinstance(value, bool):
        raise failure("wrong-argument", f"`{name}` is True or False, not {reprlib.repr(value)}")


def folder_of(out: Any) -> Path | None:
    """The folder that a project goes to: one that can be made, or that holds a project; None where none is given."""
    if out is None:
        return None
    text = os.fspath(out) if isinstance(out, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise failure("wrong-argument", f"`out` is a folder's path, not {reprlib.repr(out)}")
    folder = Path(text)
    if folder.exists() and not folder.is_dir():
        raise failure("not-a-folder", f"`{folder}` is a file, not a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "manifest.json").exists():
        raise failure(
            "folder-in-use", f"`{folder}` holds files that are no project of sncc", help=("choose another folder",)
        )
    above = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise failure("not-a-folder", f"no folder can be made in `{above}`, so not `{folder}`")
    return folder
