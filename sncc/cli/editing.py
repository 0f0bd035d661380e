"""Commands for writing files: fmt."""

from __future__ import annotations

import click

from sncc.cli.terminal import fail


@click.command()
@click.argument("files", nargs=-1, required=True)
@click.option("--check", is_flag=True, help="Only says whether the files are formatted.")
def fmt(files: tuple[str, ...], check: bool) -> None:
    """Formats FILES."""
    fail("`fmt` is not supported yet")
