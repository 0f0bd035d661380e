"""Commands for writing files: fmt, lsp."""

from __future__ import annotations

import os
from pathlib import Path

import click

from sncc.cli.terminal import fail, mistakes_of_the_user, refuse_unwritable


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--check", is_flag=True, help="Changes nothing; exits 1 and names the files that would change.")
def fmt(files: tuple[str, ...], check: bool) -> int:
    """Puts files into the canonical layout. Meaning, comments and line breaks behind commas stay."""
    from sncc.diagnostics import DiagnosticError, render_all
    from sncc.syntax.format import format_text
    from sncc.syntax.parse import read_source

    failed = False
    for file in files:
        try:
            source = read_source(file)
            formatted = format_text(source.text, source.path)
        except DiagnosticError as error:
            click.echo(render_all(error.diagnostics), err=True)
            failed = True
            continue
        if formatted.encode() == Path(file).read_bytes():
            continue
        failed |= check
        if not check:
            with mistakes_of_the_user():
                _replace(Path(file), formatted)
        click.echo(f"{'would format' if check else 'formatted'} {file}")
    return int(failed)


def _replace(file: Path, text: str) -> None:
    """Atomically: another program sees the old file or the new one. A link's target is replaced, its mode stays."""
    file = file.resolve()
    refuse_unwritable("FILE", file)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_bytes(text.encode())
        beside.chmod(file.stat().st_mode)
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)


@click.command()
def lsp() -> None:
    """Serves an editor on stdin and stdout: mistakes, documentation, definitions, completion, layout."""
    try:
        from sncc.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("pygls", "lsprotocol"):
            raise
        fail("the language server needs pygls: pip install 'sncc[lsp]'")
    serve()
