"""Places for the boxes and arrows of a diagram.

Columns from left to right, in the order in which spikes pass; populations that reach each other share a column, and the
arrows between them bow to the right on their way down and to the left on their way up. An arrow over several columns
passes through gaps that are kept free for it (Sugiyama, Tagawa and Toda 1981, without crossings minimised exactly).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sncc.graph.diagram import Arrow, Box, Diagram

BOX_HEIGHT, ROW_GAP, MARGIN, PADDING = 46.0, 34.0, 24.0, 14.0
COLUMN_GAP, LANE, LOOP_HEIGHT, LINE = 70.0, 16.0, 30.0, 15.0
Point = tuple[float, float]


@dataclass(slots=True)
class PlacedBox:
    """A box with its left upper corner and its width."""

    box: Box
    width: float
    x: float = 0.0
    y: float = 0.0

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width


@dataclass(slots=True)
class PlacedArrow:
    """An arrow as a Bézier curve (start, then triples of controls and end) with the place of its words."""

    arrow: Arrow
    curve: list[Point]
    label: Point
    anchor: str = "middle"


@dataclass(slots=True)
class Layout:
    """All of it, with the size of the drawing."""

    boxes: list[PlacedBox]
    arrows: list[PlacedArrow]
    width: float
    height: float


@dataclass(slots=True)
class _Slot:
    """A box in a column, or a gap through which an arrow passes."""

    column: int
    box: PlacedBox | None = None
    weight: float = 0.0
    y: float = 0.0  # of its centre
    x: tuple[float, float] = (0.0, 0.0)  # of the column's edges
    neighbours: list[_Slot] = field(default_factory=list)

    @property
    def height(self) -> float:
        return BOX_HEIGHT if self.box else LANE


def text_width(text: str, size: float) -> float:
    """About how wide a text is in a font of that size; there is nothing here to measure it with."""
    return 0.58 * size * len(text)


def lay_out(diagram: Diagram, labels: bool = True) -> Layout:
    """Places for everything; without `labels` no room is kept for words along the arrows."""
    column_of = _columns(diagram)
    boxes = {
        box.name: PlacedBox(box, max(text_width(box.name, 14), text_width(box.below, 12)) + 2 * PADDING)
        for box in diagram.boxes
    }
    columns: list[list[_Slot]] = [[] for _ in range(max(column_of.values(), default=0) + 1)]
    slots = {name: _Slot(column_of[name], box) for name, box in boxes.items()}
    for name, slot in slots.items():
        columns[column_of[name]].append(slot)
    routes: dict[tuple[str, str], list[_Slot]] = {}
    for arrow in diagram.arrows:
        first, last = column_of[arrow.source], column_of[arrow.target]
        if first < last:
            gaps = [_Slot(k) for k in range(first + 1, last)]
            for gap in gaps:
                columns[gap.column].append(gap)
            route = [slots[arrow.source], *gaps, slots[arrow.target]]
            routes[arrow.source, arrow.target] = route
            for one, other in zip(route, route[1:]):
                one.neighbours.append(other)
                other.neighbours.append(one)
    _order(columns, groups(diagram))
    loops = {a.source: len(a.words) for a in diagram.arrows if a.source == a.target}
    height = _rows(columns, loops if labels else dict.fromkeys(loops, 0))
    left, right = _bows(diagram, slots, column_of)
    width = _across(columns, diagram, column_of, left, right, labels)
    for slot in slots.values():
        assert slot.box is not None
        slot.box.y = slot.y - BOX_HEIGHT / 2
    arrows = _arrows(diagram, slots, routes, left, right)
    return Layout(list(boxes.values()), arrows, width, height)


# ----------------------------------------------------------------------------------------------------------- columns
def _columns(diagram: Diagram) -> dict[str, int]:
    """The column of every box: the longest way to it, with populations that reach each other counted as one."""
    group = groups(diagram)
    follow = _targets(diagram)
    column = dict.fromkeys(follow, 0)
    for _ in follow:
        for name, targets in follow.items():
            for target in targets:
                if group[target] != group[name]:
                    column[target] = max(column[target], column[name] + 1)
        deepest = {g: max(column[n] for n in follow if group[n] == g) for g in set(group.values())}
        column = {name: deepest[group[name]] for name in follow}
    # a source stands beside the first population that it feeds
    for name, targets in follow.items():
        feeds = [column[t] for t in targets if group[t] != group[name]]
        if feeds and not any(name in ts for ts in follow.values()):
            column[name] = min(feeds) - 1
    return column


def groups(diagram: Diagram) -> dict[str, str]:
    """The first of the populations that a population reaches and is reached from; itself where there are none."""
    follow = _targets(diagram)
    reach = {name: _reached(name, follow) for name in follow}
    return {name: next(o for o in follow if o == name or (o in reach[name] and name in reach[o])) for name in follow}


def _targets(diagram: Diagram) -> dict[str, list[str]]:
    follow: dict[str, list[str]] = {box.name: [] for box in diagram.boxes}
    for arrow in diagram.arrows:
        follow[arrow.source].append(arrow.target)
    return follow


def _reached(start: str, follow: dict[str, list[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(follow[start])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += follow[name]
    return found


def _order(columns: list[list[_Slot]], group: dict[str, str]) -> None:
    """Each slot near the mean of its neighbours' places, in a few sweeps right and left; a group stays together."""
    for sweep in range(6):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            for k, slot in enumerate(column):
                places = [_place(columns, n) for n in slot.neighbours]
                slot.weight = sum(places) / len(places) if places else (k + 0.5) / len(column)
            together: dict[str, list[_Slot]] = {}
            for slot in column:
                if slot.box:
                    together.setdefault(group[slot.box.box.name], []).append(slot)
            for slots in together.values():
                mean = sum(slot.weight for slot in slots) / len(slots)
                for slot in slots:
                    slot.weight = mean
            column.sort(key=lambda slot: slot.weight)


def _place(columns: list[list[_Slot]], slot: _Slot) -> float:
    column = columns[slot.column]
    return (next(k for k, s in enumerate(column) if s is slot) + 0.5) / len(column)


def _rows(columns: list[list[_Slot]], loops: dict[str, int]) -> float:
    """Centres of all slots, every column in the middle; the height of the drawing."""
    heights, above = [], 0.0  # the loops of a column's first box stand above what is centred
    for column in columns:
        y = 0.0
        for k, slot in enumerate(column):
            name = slot.box.box.name if slot.box else ""
            loop = LOOP_HEIGHT + LINE * loops[name] if name in loops else 0.0
            above = max(above, loop) if k == 0 else above
            y += loop if k > 0 else 0.0
            slot.y = y + slot.height / 2
            y += slot.height + ROW_GAP
        heights.append(y - ROW_GAP)
    for column, height in zip(columns, heights):
        for slot in column:
            slot.y += MARGIN + above + (max(heights) - height) / 2
    return max(heights) + above + 2 * MARGIN


# ------------------------------------------------------------------------------------------------------------ arrows
def _bows(
    diagram: Diagram, slots: dict[str, _Slot], column_of: dict[str, int]
) -> tuple[dict[tuple[str, str], float], dict[tuple[str, str], float]]:
    """How far arrows inside a column bow to the left (upwards) and to the right (downwards)."""
    sides: tuple[dict[tuple[str, str], float], dict[tuple[str, str], float]] = ({}, {})
    inside = [a for a in diagram.arrows if a.source != a.target and column_of[a.source] == column_of[a.target]]
    for arrow in sorted(inside, key=lambda a: abs(slots[a.source].y - slots[a.target].y)):
        down = slots[arrow.target].y > slots[arrow.source].y
        distance = abs(slots[arrow.source].y - slots[arrow.target].y)
        sides[int(down)][arrow.source, arrow.target] = 22 + 0.22 * distance
    return sides


def _across(
    columns: list[list[_Slot]], diagram: Diagram, column_of: dict[str, int],
    left: dict[tuple[str, str], float], right: dict[tuple[str, str], float], labels: bool,
) -> float:  # fmt: skip
    """Places from left to right; the width of the drawing. Between columns there is room for bows and words."""
    x = MARGIN
    words = {(a.source, a.target): max(text_width(w, 11) for w in a.words) if labels else 0.0 for a in diagram.arrows}

    def room(bows: dict[tuple[str, str], float], k: int) -> float:
        return max((bow + words[ends] + 6 for ends, bow in bows.items() if column_of[ends[0]] == k), default=0.0)

    for k, column in enumerate(columns):
        x += room(left, k)
        boxes = [slot.box for slot in column if slot.box]
        widest = max((box.width for box in boxes), default=0.0)
        for box in boxes:
            box.x = x + (widest - box.width) / 2
        for slot in column:
            slot.x = (x, x + widest)
        leaving = [words[a.source, a.target] for a in diagram.arrows if column_of[a.source] == k < column_of[a.target]]
        x += widest + room(right, k)
        if k + 1 < len(columns):
            x += max(COLUMN_GAP, max(leaving, default=0.0) + 44)
    loops = [words[a.source, a.target] for a in diagram.arrows if a.source == a.target]
    return max(x, MARGIN + max(loops, default=0.0)) + MARGIN


def _arrows(
    diagram: Diagram, slots: dict[str, _Slot], routes: dict[tuple[str, str], list[_Slot]],
    left: dict[tuple[str, str], float], right: dict[tuple[str, str], float],
) -> list[PlacedArrow]:  # fmt: skip
    ports = _ports(diagram, slots, routes, left)
    placed: list[PlacedArrow] = []
    for arrow in diagram.arrows:
        ends = (arrow.source, arrow.target)
        source, target = slots[arrow.source].box, slots[arrow.target].box
        assert source is not None and target is not None
        start, end = ports[ends]
        if arrow.source == arrow.target:
            placed.append(_loop(arrow, source))
        elif ends in routes:
            placed.append(_through(arrow, routes[ends], (source.right, start), (target.x, end)))
        else:
            bow = left.get(ends, right.get(ends, 0.0))
            sign = -1 if ends in left else 1
            outer = min(source.x, target.x) - bow if sign < 0 else max(source.right, target.right) + bow
            first = (source.x if sign < 0 else source.right, start)
            last = (target.x if sign < 0 else target.right, end)
            curve = [first, (outer + sign * bow / 3, start), (outer + sign * bow / 3, end), last]
            apex = (0.125 * (first[0] + last[0]) + 0.75 * (outer + sign * bow / 3) + sign * 4, (start + end) / 2)
            placed.append(PlacedArrow(arrow, curve, apex, "end" if sign < 0 else "start"))
    return placed


def _ports(
    diagram: Diagram,
    slots: dict[str, _Slot],
    routes: dict[tuple[str, str], list[_Slot]],
    left: dict[tuple[str, str], float],
) -> dict[tuple[str, str], Point]:
    """Heights at which arrows leave and reach their boxes, in the order of where they come from and go to."""
    sides: dict[tuple[str, bool], list[tuple[float, tuple[str, str], int]]] = {}
    for arrow in diagram.arrows:
        ends = (arrow.source, arrow.target)
        if arrow.source == arrow.target:
            continue
        route = routes.get(ends)
        leaves_right, reaches_right = (True, False) if route else (ends not in left, ends not in left)
        after = route[1].y if route else _beside(slots[arrow.source].y, slots[arrow.target].y)
        before = route[-2].y if route else _beside(slots[arrow.target].y, slots[arrow.source].y)
        sides.setdefault((arrow.source, leaves_right), []).append((after, ends, 0))
        sides.setdefault((arrow.target, reaches_right), []).append((before, ends, 1))
    found: dict[tuple[str, str], list[float]] = {(a.source, a.target): [0.0, 0.0] for a in diagram.arrows}
    for (name, _), touching in sides.items():
        for k, (_, ends, which) in enumerate(sorted(touching)):
            found[ends][which] = slots[name].y + BOX_HEIGHT * 0.76 * ((k + 0.5) / len(touching) - 0.5)
    return {ends: (start, end) for ends, (start, end) in found.items()}


def _beside(own: float, other: float) -> float:
    """Where an arrow to a box above or below touches a side: outside, of far boxes towards the middle's side."""
    return 1e6 - (other - own) if other > own else (own - other) - 1e6


def _loop(arrow: Arrow, box: PlacedBox) -> PlacedArrow:
    """Above the box, from its right half to its left."""
    middle, top = box.x + box.width / 2, box.y
    start, end = (middle + 16, top), (middle - 16, top)
    curve = [start, (middle + 34, top - LOOP_HEIGHT - 8), (middle - 34, top - LOOP_HEIGHT - 8), end]
    return PlacedArrow(arrow, curve, (middle, top - LOOP_HEIGHT - LINE * (len(arrow.words) - 1) / 2 - 6))


def _through(arrow: Arrow, route: list[_Slot], start: Point, end: Point) -> PlacedArrow:
    """A smooth curve through the gaps of its route."""
    points = [start, *((x, slot.y) for slot in route[1:-1] for x in slot.x), end]
    curve = [start]
    for (x1, y1), (x2, y2) in zip(points, points[1:]):
        bend = (x2 - x1) / 2
        curve += [(x1 + bend, y1), (x2 - bend, y2), (x2, y2)]
    (x1, y1), (x2, y2) = points[0], points[1]
    return PlacedArrow(arrow, curve, ((x1 + x2) / 2, (y1 + y2) / 2))
