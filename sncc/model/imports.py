"""A file with what it imports, as one text."""

from __future__ import annotations

from collections.abc import Sequence

from sncc.syntax import tree


def whole_text(file: tree.File, brought: Sequence[str]) -> str:
    """The file's text with the blocks that its imports bring in their place, so that it stands by itself."""
    text = file.span.source.text
    imports = [block.span for block in file.blocks if isinstance(block, tree.Import)]
    for span in reversed(imports):
        here = "\n\n".join(brought) if span is imports[0] else ""
        text = text[: span.start] + here + text[span.end :]
    return text
