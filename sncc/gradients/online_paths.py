"""e-prop forwards: the ways by which what leaves a group reaches what the loss reads,
and the learning signals that come back by them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sncc.gradients.feedback import filtering_input
from sncc.gradients.jacobians import Jacobian, is_shared, states_of
from sncc.gradients.online_numbers import tells_number
from sncc.gradients.online_synapses import along, is_of_synapses, places_of
from sncc.gradients.rules import Adjoint, Edge
from sncc.gradients.trace_ways import Answer, Path, Through
from sncc.program.groups import Connection
from sncc.program.learning import Each, LearningSignal
from sncc.program.nodes import Program
from sncc.program.operations import Readout
from sncc.program.statements import SPIKE

BACK = ".feedback"  # behind the names of what is at other weights


class _Ways:
    """The ways from what an adjoint's group sends, as they are found."""

    def __init__(
        self, program: Program, choice: Adjoint, chosen: Sequence[Adjoint], readouts: Sequence[Readout]
    ) -> None:
        self.program, self.choice, self.chosen, self.readouts = program, choice, chosen, readouts
        row = program.group(choice.group).rows[0]
        self.own = (choice.group, row.offset, row.size)
        self.found: list[Path] = []

    @property
    def variable(self) -> str:
        """What the next signal is written to."""
        return f"signal{len(self.found)}"

    def readouts_of(self, group: str) -> list[Readout]:
        return [r for r in self.readouts if r.group == group]

    def onward_from(self, c: Connection, label: str) -> Iterator[Adjoint]:
        """Of states of synapses that a connection moves, the ways on."""
        return (o for o in self.chosen if (o.group, o.label) == (c.target_group, label))

    def out_of_neurons(self, edge: Edge) -> None:
        """The ways that begin at a connection: into what the loss reads, or into states of synapses."""
        c = self.program.connection(edge.connection)
        if c.of_target or tells_number(c):
            return  # an answer of the group's own synapses; what the synapses behind it follow by themselves
        if self.program.group(c.target_group).rows[0].holds == "neurons":
            self.into_loss(edge, c.values or SPIKE)
            return
        for onward in self.onward_from(c, edge.label):
            if is_of_synapses(self.program, c.target_group):
                self.by_each(onward, c)
            else:
                self.out_of_shared(onward, c)

    def out_of_shared(self, onward: Adjoint, moved: Connection) -> None:
        """The ways through states that all synapses of a neuron share, and which a connection moves."""
        for edge in onward.edges:
            told = self.program.connection(edge.connection)
            if not is_of_synapses(self.program, told.target_group):
                self.into_loss(edge, moved.values or SPIKE, moved)
                continue
            for last in self.onward_from(told, edge.label):
                self.by_each(last, told, moved)

    def into_loss(self, edge: Edge, leaves: str = SPIKE, moved: Connection | None = None) -> None:
        """The ways along a connection into what the loss reads; `moved`: by the states of its source that it moves."""
        c = self.program.connection(edge.connection)
        shared = _shared_by(moved, c) if moved is not None else None
        for r in self.readouts_of(c.target_group):
            weight = c.weight if edge.feedback is None else edge.feedback
            signal = LearningSignal(
                r.index, self.own, self.variable, weight, edge.feedback is not None, c.pattern == "one_to_one", c.name
            )
            delay = c.delay if moved is None else moved.delay
            path = Path(r, signal, c.input, leaves, delay, shared)
            self.found.append(to_each(path, along(self.program, r, c), c.name) if c.delays is not None else path)

    def by_each(self, onward: Adjoint, moved: Connection, before: Connection | None = None) -> None:
        """The ways through synapses that keep states one by one, along each of them.

        `before`: what moves states that these share, by which they are moved.
        """
        tail = BACK if onward.instead is not None else ""
        for edge in onward.edges:
            self.along_each(self.program.connection(edge.connection), moved, tail, before)

    def along_each(self, onto: Connection, moved: Connection, tail: str, before: Connection | None) -> None:
        group, first = moved.target_group, before or moved
        for r in self.readouts_of(onto.target_group):
            signal = LearningSignal(r.index, self.own, self.variable)
            through = Through(group, moved.input, onto.values or "", onto.delay, places_of(group), f"{group}{tail}")
            shared = _shared_by(before, moved) if before is not None else None
            path = Path(r, signal, onto.input, first.values or SPIKE, first.delay, shared, through)
            each = along(self.program, r, onto, group, (self.choice.group, moved.source_group or ""))
            self.found.append(to_each(path, each, moved.name if moved.delays is not None else ""))


def paths_of(program: Program, choice: Adjoint, chosen: Sequence[Adjoint], readouts: Sequence[Readout]) -> list[Path]:
    """All ways from what an adjoint's group sends, or is, to what the loss reads."""
    ways = _Ways(program, choice, chosen, readouts)
    for k in choice.readouts:
        ways.found.append(Path(readouts[k], LearningSignal(k, ways.own, ways.variable)))
    for edge in choice.edges:
        ways.out_of_neurons(edge)
    for direct in choice.signals:
        for r in ways.readouts_of(direct.group):
            signal = LearningSignal(r.index, ways.own, ways.variable, direct.feedback, True)
            ways.found.append(Path(r, signal, filtering_input(program, direct.group)))
    return ways.found


def _shared_by(moved: Connection, delivering: Connection) -> Through:
    """States that all synapses of a neuron share, which one connection moves and another one delivers."""
    way = moved.target_group
    return Through(way, moved.input, delivering.values or "", delivering.delay, way, way)


def is_moved(path: Path, group: str, jacobians: Mapping[str, Jacobian]) -> bool:
    """Whether anything leaves a group, and moves what states of synapses deliver on the way;
    not where that is one number.
    """
    if path.input and path.leaves not in {output for output, _ in jacobians[group]}:
        return False  # no spikes
    ways = (way for way in (path.shared, path.through) if way is not None)
    return all(way.values in states_of(jacobians[way.jacobian]) for way in ways)


def to_each(path: Path, each: Each, delays: str = "", alike: bool = False) -> Path:
    """The same way as one to each output, or along each synapse, of which each may have a delay."""
    return replace(path, signal=replace(path.signal, each=each), each=each, delays=delays, alike=alike)


def to_each_if_needed(
    program: Program, path: Path, jacobians: Mapping[str, Jacobian], answers: tuple[Answer, ...]
) -> Path:
    """A way to all outputs at once, or to each where they filter each in its own way,
    or have their maxima each at a step of its own.

    answers: of synapses onto what the way leads to, which are each output's own.
    """
    path = replace(path, answers=answers) if path.input else path
    if not path.input or path.each is not None:
        return path
    if answers:
        return to_each(path, Each(path.readout.index))
    alike = is_shared(program, path.readout.group, jacobians)
    if alike and path.readout.reduction != "max":
        return path
    return to_each(path, Each(path.readout.index), alike=alike)
