"""A diagram as Mermaid's text, which GitHub and many editors draw."""

from __future__ import annotations

from sncc.graph.diagram import Box, Diagram


def mermaid(diagram: Diagram) -> str:
    """A flowchart from left to right; populations have numbered identifiers, since names may be words of Mermaid."""
    numbers = {box.name: f"p{k}" for k, box in enumerate(diagram.boxes)}
    lines = ["flowchart LR"]
    lines += [f"    {numbers[box.name]}{_shape(box)}" for box in diagram.boxes]
    for arrow in diagram.arrows:
        words = "<br/>".join(_escaped(line) for line in arrow.words)
        lines.append(f'    {numbers[arrow.source]} -->|"{words}"| {numbers[arrow.target]}')
    return "\n".join(lines) + "\n"


def _shape(box: Box) -> str:
    text = f'"<b>{_escaped(box.name)}</b><br/>{_escaped(box.below)}"'
    return f"([{text}])" if box.source else f"[{text}]"


def _escaped(text: str) -> str:
    """Mermaid reads `#quot;` and the like; a number sign of our own would begin one."""
    for character, code in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;"), ("`", "#96;")):
        text = text.replace(character, code) if character != "#" else text.replace("#", code)
    return text
