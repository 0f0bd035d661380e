"""Diagrams of networks: nothing is missing, nothing overlaps, nothing lies outside."""

import xml.etree.ElementTree as xml
from dataclasses import replace
from itertools import combinations

import pytest

from sncc.compiler import compile_model
from sncc.connectivity.patterns import Part
from sncc.diagnostics import Source
from sncc.graph.diagram import Arrow, Box, Diagram, diagram
from sncc.graph.layout import BOX_HEIGHT, lay_out
from sncc.graph.mermaid import mermaid
from sncc.graph.svg import svg
from sncc.model.nodes import Plasticity, Synapse

BALANCED = """network Balanced:
    step = 0.5 ms
    population noise: input[4, 5]
    population exc: LIF[80]
    population inh: LIF[20]
    population output: LI[10]
    connect noise -> exc: dense, weight = 1
    connect exc -> exc: dense, weight = 1, delay = 1.5 ms
    connect exc -> inh: dense, weight = 1, delay = 1 ms
    connect inh -> exc: dense, weight = 1, delay = 1 ms
    connect exc -> output: dense, weight = 1
    connect noise -> output: dense, weight = 1
    connect second = noise -> output: dense, weight = 1
"""


def network(boxes: int, arrows: list[tuple[int, int]]) -> Diagram:
    """Populations with numbers for names."""
    named = tuple(Box(f"p{k}", "LIF · 10", k == 0) for k in range(boxes))
    return Diagram("N", named, tuple(Arrow(f"p{a}", f"p{b}", ("dense, 1 ms",)) for a, b in arrows))


NETWORKS = {
    "one": network(1, []),
    "one that is connected to itself": network(1, [(0, 0)]),
    "unconnected": network(3, []),
    "chain": network(6, [(k, k + 1) for k in range(5)]),
    "over several columns": network(6, [(k, k + 1) for k in range(5)] + [(0, 5), (0, 3), (1, 4), (2, 5)]),
    "loop": network(4, [(0, 1), (1, 2), (2, 3), (3, 1), (2, 2)]),
    "eight, all to all": network(9, [(a, b) for a in range(1, 9) for b in range(1, 9)] + [(0, b) for b in range(1, 9)]),
    "two loops": network(7, [(0, 1), (1, 2), (2, 1), (2, 3), (3, 4), (4, 3), (4, 5), (0, 6), (6, 5)]),
}


def test_a_diagram_says_what_the_network_is():
    shown = diagram(compile_model(Source("x", BALANCED)))
    assert [(b.name, b.below, b.source) for b in shown.boxes] == [
        ("noise", "input · 4 × 5 = 20", True), ("exc", "LIF · 80", False), ("inh", "LIF · 20", False), ("output", "LI · 10", False),
    ]  # fmt: skip
    arrows = {(a.source, a.target): a.words for a in shown.arrows}
    assert arrows["exc", "exc"] == ("dense, 1.5 ms",) and arrows["noise", "exc"] == ("dense",)
    assert arrows["noise", "output"] == ("dense", "second: dense") and len(arrows) == 6


def test_an_arrow_says_what_does_not_go_without_saying():
    model = compile_model(Source("x", BALANCED))
    (first, *rest) = model.connections
    sliced = replace(
        first,
        name="part",
        source_part=Part((4, 5), ((0, 2), (0, 5))),
        synapse=Synapse("conductance", ()),
        plasticity=Plasticity("stdp", ()),
        delay=first.weight,
        delay_steps=3,
    )
    (arrow, *_) = diagram(replace(model, connections=(sliced, *rest))).arrows
    assert arrow.words == ("part: dense, 1.5 ms or more, conductance, stdp, from [0:2, 0:5]",)


@pytest.mark.parametrize("name", NETWORKS)
def test_boxes_lie_apart_inside_the_drawing_and_arrows_end_at_boxes(name):
    layout = lay_out(NETWORKS[name])
    for box in layout.boxes:
        assert 0 < box.x and box.right < layout.width and 0 < box.y and box.y + BOX_HEIGHT < layout.height
    for one, other in combinations(layout.boxes, 2):
        apart = one.right < other.x or other.right < one.x or abs(one.y - other.y) > BOX_HEIGHT
        assert apart, (one, other)
    boxes = {placed.box.name: placed for placed in layout.boxes}
    for arrow in layout.arrows:
        for (x, y), end in ((arrow.curve[0], arrow.arrow.source), (arrow.curve[-1], arrow.arrow.target)):
            box = boxes[end]
            assert box.x <= x <= box.right and box.y <= y <= box.y + BOX_HEIGHT
            assert x in (box.x, box.right) or y in (box.y, box.y + BOX_HEIGHT)
        assert all(0 <= x <= layout.width and 0 <= y <= layout.height for x, y in (arrow.label, *points(arrow.curve)))


@pytest.mark.parametrize("name", NETWORKS)
def test_arrows_pass_no_box_between_their_ends(name):
    layout = lay_out(NETWORKS[name])
    for arrow in layout.arrows:
        for x, y in points(arrow.curve):
            for box in layout.boxes:
                inside = box.x + 1 < x < box.right - 1 and box.y + 1 < y < box.y + BOX_HEIGHT - 1
                assert not inside, (arrow.arrow, box.box)


def points(curve):
    """Points along a Bézier curve, by its definition."""
    for k in range(0, len(curve) - 1, 3):
        a, b, c, d = curve[k : k + 4]
        for t in (j / 20 for j in range(21)):
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            yield tuple(sum(w * p[axis] for w, p in zip(weights, (a, b, c, d))) for axis in (0, 1))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_svg_is_well_formed_and_complete(name):
    shown = NETWORKS[name]
    root = xml.fromstring(svg(shown))
    texts = [t.text for t in root.iter("{http://www.w3.org/2000/svg}text") if t.get("class") != "halo"]
    assert {b.name for b in shown.boxes} <= set(texts)
    arrows = [p for p in root.iter("{http://www.w3.org/2000/svg}path") if p.get("class") == "arrow"]
    assert len(arrows) == len(shown.arrows)
    assert sum("dense" in text for text in texts) == (len(shown.arrows) if len(shown.arrows) <= 16 else 9)


def test_names_are_escaped():
    odd = Diagram("<&>", (Box("a<b", 'say "#1"', False),), (Arrow("a<b", "a<b", ("x & y",)),))
    assert xml.fromstring(svg(odd)).tag.endswith("svg")
    text = mermaid(odd)
    assert "a#lt;b" in text and "#quot;#35;1#quot;" in text and 'p0 -->|"x & y"| p0' in text


def test_mermaid_has_a_line_for_every_box_and_arrow():
    lines = mermaid(diagram(compile_model(Source("x", BALANCED)))).splitlines()
    assert lines[:2] == ["flowchart LR", '    p0(["<b>noise</b><br/>input · 4 × 5 = 20"])']
    assert '    p0 -->|"dense<br/>second: dense"| p3' in lines and len(lines) == 1 + 4 + 6


def test_words_are_seen_by_converters_that_do_not_know_paint_order():
    """A text with a white stroke is white there: the stroke is drawn below, of its own."""
    drawn = svg(NETWORKS["chain"])
    assert "paint-order" not in drawn
    texts = [(t.get("class"), t.text) for t in xml.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert texts[-10:] == [("halo", "dense, 1 ms")] * 5 + [("words", "dense, 1 ms")] * 5
