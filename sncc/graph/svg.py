"""A diagram as one self-contained SVG."""

from __future__ import annotations

from xml.sax.saxutils import escape

from sncc.graph.diagram import Diagram
from sncc.graph.layout import BOX_HEIGHT, LINE, MARGIN, Layout, PlacedArrow, PlacedBox, lay_out, text_width

LABELS_AT_MOST = 16  # arrows that still have room for words; the words of more stand in a list below
_STYLE = """
  text { font-family: system-ui, sans-serif; fill: #1f2933; }
  .title { font-size: 16px; font-weight: 600; }
  .name { font-size: 14px; font-weight: 600; text-anchor: middle; }
  .below { font-size: 12px; fill: #52606d; text-anchor: middle; }
  .words, .halo { font-size: 11px; fill: #334e68; }
  .halo { stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round; }
  .neuron { fill: #fff8e6; stroke: #b7791f; }
  .source { fill: #e8f1fb; stroke: #2b6cb0; }
  .arrow { fill: none; stroke: #627d98; stroke-width: 1.4px; }
  .head { fill: #627d98; }
"""
_TITLE_HEIGHT = 30.0


def svg(diagram: Diagram) -> str:
    """The drawing as text."""
    labelled = len(diagram.arrows) <= LABELS_AT_MOST
    layout = lay_out(diagram, labelled)
    listed = [] if labelled else _list(diagram)
    width = max(
        [layout.width, text_width(diagram.title, 16) + 2 * MARGIN, *(text_width(t, 11) + 2 * MARGIN for t in listed)]
    )
    height = _TITLE_HEIGHT + layout.height + LINE * len(listed) + (MARGIN if listed else 0.0)
    body = [_arrow(arrow) for arrow in layout.arrows]
    body += [_box(box) for box in layout.boxes]
    body += _labels(layout) if labelled else []
    below = [
        f'<text class="words" x="{MARGIN:g}" y="{layout.height + LINE * k:.1f}">{escape(text)}</text>'
        for k, text in enumerate(listed)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
            f"<title>Network {escape(diagram.title)}</title>",
            f"<style>{_STYLE}</style>",
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path class="head" d="M0 0.5 8 4 0 7.5z"/></marker></defs>',
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            f'<text class="title" x="{MARGIN:g}" y="{MARGIN + 4:g}">{escape(diagram.title)}</text>',
            f'<g transform="translate(0 {_TITLE_HEIGHT:g})">',
            *body,
            *below,
            "</g>",
            "</svg>",
            "",
        ]
    )


def _box(placed: PlacedBox) -> str:
    box, middle = placed.box, placed.x + placed.width / 2
    kind, round_ = ("source", BOX_HEIGHT / 2) if box.source else ("neuron", 6)
    return (
        f'<g><rect class="{kind}" x="{placed.x:.1f}" y="{placed.y:.1f}" width="{placed.width:.1f}" height="{BOX_HEIGHT:g}" '
        f'rx="{round_:g}"/><text class="name" x="{middle:.1f}" y="{placed.y + 19:.1f}">{escape(box.name)}</text>'
        f'<text class="below" x="{middle:.1f}" y="{placed.y + 36:.1f}">{escape(box.below)}</text></g>'
    )


def _arrow(placed: PlacedArrow) -> str:
    start, *rest = (f"{x:.1f} {y:.1f}" for x, y in placed.curve)
    curves = " ".join("C" + ", ".join(rest[k : k + 3]) for k in range(0, len(rest), 3))
    arrow = placed.arrow
    words = escape(f"{arrow.source} → {arrow.target}: {'; '.join(arrow.words)}")
    return f'<path class="arrow" d="M{start} {curves}" marker-end="url(#head)"><title>{words}</title></path>'


def _labels(layout: Layout) -> list[str]:
    """The words of every arrow; where they would stand on each other, the lower ones move down.

    What keeps lines away from them is drawn below as texts of its own: `paint-order` is unknown to some converters,
    whose labels would be white.
    """
    taken: list[tuple[float, float, float, float]] = []
    found = []
    for placed in sorted(layout.arrows, key=lambda a: a.label[1]):
        x, y = placed.label
        width = max(text_width(w, 11) for w in placed.arrow.words)
        left = x - {"start": 0.0, "middle": width / 2, "end": width}[placed.anchor]
        top = y - LINE * len(placed.arrow.words) / 2
        height = LINE * len(placed.arrow.words)
        for other_left, other_top, other_width, other_height in sorted(taken, key=lambda other: other[1]):
            beside = left < other_left + other_width and other_left < left + width
            if beside and top < other_top + other_height and other_top < top + height:
                top = other_top + other_height
        taken.append((left, top, width, height))
        for k, words in enumerate(placed.arrow.words):
            baseline = top + LINE * (k + 1) - 4
            anchor = "" if placed.anchor == "start" else f' text-anchor="{placed.anchor}"'
            found.append(f'x="{x:.1f}" y="{baseline:.1f}"{anchor}>{escape(words)}</text>')
    halos = [f'<text class="halo" aria-hidden="true" {text}' for text in found]
    return halos + [f'<text class="words" {text}' for text in found]


def _list(diagram: Diagram) -> list[str]:
    """A line for what one population sends in the same way to others."""
    targets: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for arrow in diagram.arrows:
        targets.setdefault((arrow.source, arrow.words), []).append(arrow.target)
    return [f"{source} → {', '.join(names)}: {'; '.join(words)}" for (source, words), names in targets.items()]
