"""What commands say to the user: tables, and mistakes that are no diagnostics."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from rich.table import Table

OUT_OF_MEMORY = "out of memory"  # what Python says nothing of itself about


@contextlib.contextmanager
def mistakes_of_the_user() -> Iterator[None]:
    """Around calls of the runtime, which says by these exceptions what is wrong with files, arrays and numbers."""
    from sncc.diagnostics import DiagnosticError

    try:
        yield
    except DiagnosticError:  # rendered as such
        raise
    except (ValueError, OSError, FloatingPointError, MemoryError) as error:
        fail(cause(error))
    except RuntimeError as error:
        from sncc.runtime.library import DeviceError

        if not isinstance(error, DeviceError):
            raise
        fail(str(error))


def cause(error: Exception) -> str:
    """What a user reads of a failure of the machine or of the runtime:
    of a file its path and why, without the number of the error.
    """
    if isinstance(error, OSError) and error.strerror:
        where = "" if error.filename is None else f"`{error.filename}`: "
        return where + error.strerror.lower()
    return str(error) or OUT_OF_MEMORY


def fail(message: str) -> NoReturn:
    """Ends the command with a mistake of the user."""
    click.echo(f"error: {message}", err=True)
    sys.exit(1)


def refuse_unwritable(option: str, path: str | Path, *read: str | Path | None) -> None:
    """Before the work that would be lost. Raises OSError, and ValueError for a file that is `read` too."""
    from sncc.runtime.arguments import check_writable

    check_writable(option, path)
    _refuse_inputs(option, path, *read)


def refuse_irreplaceable(option: str, path: str, *read: str | None) -> None:
    """The same for a file that is renamed to its place once it is whole."""
    from sncc.runtime.arguments import check_replaceable

    check_replaceable(option, path)
    _refuse_inputs(option, path, *read)


def _refuse_inputs(option: str, path: str | Path, *read: str | Path | None) -> None:
    for other in read:
        if other is not None and os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other):
            raise ValueError(f"`{option} {path}` would write over what is read from there: choose another file")


def print_table(table: Table) -> None:
    """On stdout, as wide as the terminal."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 120, highlight=False).print(table)
