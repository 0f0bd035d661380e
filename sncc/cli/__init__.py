"""The command line. Everything beyond click is imported where it is used, so that `sncc --help` is quick.

Exit codes: 0, 1 for the user's mistake, 2 for bad usage, 70 for a bug of sncc, 130 after Ctrl-C.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import Any, NoReturn

import click

from sncc import __version__
from sncc.cli import available, editing, inspecting, running
from sncc.cli.terminal import cause, fail

INTERNAL_ERROR = 70
INTERRUPTED = 130


def main() -> NoReturn:
    """The `sncc` command."""
    from sncc.diagnostics import DiagnosticError, render_all

    warnings.showwarning = _show_note
    _print_what_fits()
    try:
        sys.exit(cli(standalone_mode=False) or 0)
    except DiagnosticError as error:
        click.echo(render_all(error.diagnostics), err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if os.environ.get("SNCC_DEBUG"):
            raise
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno is not None):
            fail(cause(error))  # of the machine: a full disk, a folder that is gone
        name = f"{type(error).__name__}: {error}".splitlines()[0]
        click.echo(f"internal error: {name}; please report it with what SNCC_DEBUG=1 shows", err=True)
        sys.exit(INTERNAL_ERROR)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sncc")
def cli() -> None:
    """Compiles spiking neural networks, written as equations, to C++ and CUDA that simulate and train them."""


for command in (
    inspecting.check, inspecting.ir, inspecting.explain, inspecting.graph, editing.fmt, editing.lsp, running.build, running.train, running.simulate,
    available.models, available.doctor,
):  # fmt: skip
    cli.add_command(command)


def _print_what_fits() -> None:
    """On a stdout of fewer characters (LC_ALL=C) the others are escaped, as Python does on stderr."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _show_note(message: Warning | str, *_: Any, **__: Any) -> None:
    click.echo(f"note: {message}", err=True)
