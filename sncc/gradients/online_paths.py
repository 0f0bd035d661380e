"""e-prop forwards: the ways by which what leaves a group reaches what the loss reads, and the learning signals that come back by them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sncc.gradients.eligibility import Jacobian, Path, Through, states_of
from sncc.gradients.feedback import filtering_input
from sncc.gradients.jacobians import is_shared
from sncc.gradients.online_numbers import tells_number
from sncc.gradients.online_synapses import along, is_of_synapses, places_of
from sncc.gradients.rules import Adjoint, Edge
from sncc.program.groups import Connection
from sncc.program.learning import Each, LearningSignal
from sncc.program.nodes import Program
from sncc.program.operations import Readout
from sncc.program.statements import SPIKE

BACK = ".feedback"  # behind the names of what is at other weights


def paths_of(program: Program, choice: Adjoint, chosen: Sequence[Adjoint], readouts: Sequence[Readout]) -> list[Path]:
    """All ways from what an adjoint's group sends, or is, to what the loss reads."""
    group = program.group(choice.group)
    row = group.rows[0]
    own = (group.name, row.offset, row.size)
    paths: list[Path] = []

    def variable() -> str:
        return f"signal{len(paths)}"

    def onward_from(c: Connection, label: str) -> Iterator[Adjoint]:
        return (o for o in chosen if (o.group, o.label) == (c.target_group, label))

    def shared_by(moved: Connection, delivering: Connection) -> Through:
        """States that all synapses of a neuron share, which one connection moves and another one delivers."""
        way = moved.target_group
        return Through(way, moved.input, delivering.values or "", delivering.delay, way, way)

    def into_loss(edge: Edge, leaves: str = SPIKE, moved: Connection | None = None) -> None:
        """The ways along a connection into what the loss reads; `moved`: by the states of its source that it moves."""
        c = program.connection(edge.connection)
        shared = shared_by(moved, c) if moved is not None else None
        for r in (r for r in readouts if r.group == c.target_group):
            weight = c.weight if edge.feedback is None else edge.feedback
            signal = LearningSignal(
                r.index, own, variable(), weight, edge.feedback is not None, c.pattern == "one_to_one", c.name
            )
            delay = c.delay if moved is None else moved.delay
            path = Path(r, signal, c.input, leaves, delay, shared)
            paths.append(to_each(path, along(program, r, c), c.name) if c.delays is not None else path)

    def by_each(onward: Adjoint, moved: Connection, before: Connection | None = None) -> None:
        """The ways through synapses that keep states one by one, along each of them; `before`: what moves states that these share, by which they are moved."""
        for edge in onward.edges:
            along_each(program.connection(edge.connection), moved, BACK if onward.instead is not None else "", before)

    def along_each(onto: Connection, moved: Connection, tail: str, before: Connection | None) -> None:
        group, first = moved.target_group, before or moved
        for r in (r for r in readouts if r.group == onto.target_group):
            signal = LearningSignal(r.index, own, variable())
            through = Through(group, moved.input, onto.values or "", onto.delay, places_of(group), f"{group}{tail}")
            shared = shared_by(before, moved) if before is not None else None
            path = Path(r, signal, onto.input, first.values or SPIKE, first.delay, shared, through)
            delays = moved.name if moved.delays is not None else ""
            paths.append(
                to_each(path, along(program, r, onto, group, (choice.group, moved.source_group or "")), delays)
            )

    for k in choice.readouts:
        paths.append(Path(readouts[k], LearningSignal(k, own, variable())))
    for edge in choice.edges:
        c = program.connection(edge.connection)
        if c.of_target or tells_number(c):
            continue  # an answer of the group's own synapses; what the synapses behind it follow by themselves
        if program.group(c.target_group).rows[0].holds == "neurons":
            into_loss(edge, c.values or SPIKE)
            continue
        for onward in onward_from(c, edge.label):
            if is_of_synapses(program, c.target_group):
                by_each(onward, c)
                continue
            for further in onward.edges:
                told = program.connection(further.connection)
                if not is_of_synapses(program, told.target_group):
                    into_loss(further, c.values or SPIKE, c)
                    continue
                for last in onward_from(told, further.label):
                    by_each(last, told, c)
    for direct in choice.signals:
        for r in (r for r in readouts if r.group == direct.group):
            signal = LearningSignal(r.index, own, variable(), direct.feedback, True)
            paths.append(Path(r, signal, filtering_input(program, direct.group)))
    return paths


def is_moved(path: Path, group: str, jacobians: Mapping[str, Jacobian]) -> bool:
    """Whether anything leaves a group, and moves what states of synapses deliver on the way; not where that is one number."""
    if path.input and path.leaves not in {output for output, _ in jacobians[group]}:
        return False  # no spikes
    ways = (way for way in (path.shared, path.through) if way is not None)
    return all(way.values in states_of(jacobians[way.jacobian]) for way in ways)


def to_each(path: Path, each: Each, delays: str = "", alike: bool = False) -> Path:
    """The same way as one to each output, or along each synapse, of which each may have a delay."""
    return replace(path, signal=replace(path.signal, each=each), each=each, delays=delays, alike=alike)


def to_each_if_needed(program: Program, path: Path, jacobians: Mapping[str, Jacobian]) -> Path:
    """A way to all outputs at once, or to each where they filter each in its own way, or have their maxima each at a step of its own."""
    if not path.input or path.each is not None:
        return path
    alike = is_shared(program, path.readout.group, jacobians)
    if alike and path.readout.reduction != "max":
        return path
    return to_each(path, Each(path.readout.index), alike=alike)
