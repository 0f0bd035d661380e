"""Templates and what they print."""

from __future__ import annotations

import functools
from pathlib import Path

import jinja2


def render(folder: Path, template: str, **values: object) -> str:
    """The text of `folder/template.j2` with these values; a name that has none is an error."""
    return _templates(folder).get_template(f"{template}.j2").render(**values)


@functools.cache  # reading them takes longer than all else of an emission
def _templates(folder: Path) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
