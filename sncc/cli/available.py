"""Commands that say what there is: models, doctor."""

from __future__ import annotations

import click

from sncc.cli.terminal import fail, print_table


@click.command()
@click.argument("name", required=False)
def models(name: str | None) -> None:
    """Lists the standard library, or shows the source of one of its models."""
    from sncc import standard_library

    if name is None:
        print_table(standard_library.table())
        return
    entry = standard_library.find(name)
    if entry is None:
        fail(f"there is no model `{name}`{standard_library.suggestion(name)}")
    click.echo(entry.text)


@click.command()
def doctor() -> int:
    """Says which tools are there, which are missing, and how to install them."""
    from sncc import doctor

    findings = doctor.examine()
    print_table(doctor.table(findings))
    for finding in findings:
        if finding.help:
            click.echo(f"{finding.name}: {finding.help}")
    return int(any(finding.needed and not finding.found for finding in findings))
