"""Settings `NAME = VALUE` of `train` and `simulate`."""

from __future__ import annotations

from dataclasses import replace

from sncc.diagnostics import Diagnostics, did_you_mean
from sncc.syntax import tree


def read_settings(
    parts: tuple[tree.Setting, ...], known: tuple[str, ...], block: str, diagnostics: Diagnostics,
    lists: tuple[str, ...] = (),
) -> dict[str, tree.Setting]:  # fmt: skip
    """The settings of a block by name; `lists` are those that may stand repeatedly, their values together."""
    found: dict[str, tree.Setting] = {}
    for part in parts:
        name = part.name.name
        if name not in known:
            hints = did_you_mean(name, known) or ("it takes " + ", ".join(f"`{k}`" for k in known),)
            diagnostics.error("unknown-name", part.name.span, f"`{block}` has no setting `{name}`", help=hints)
        elif name in found and name in lists:
            found[name] = replace(found[name], values=(*found[name].values, *part.values))
        elif name in found:
            diagnostics.error("duplicate", part.span, f"`{name}` is given twice")
        else:
            found[name] = part
            if name not in lists:
                for extra in part.values[1:]:
                    diagnostics.error("wrong-argument", extra.span, f"`{name}` takes one value")
    return found
