"""e-prop forwards: the ways by which what leaves a group reaches what the loss reads, and the learning signals that come back by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sncc.gradients.eligibility import Jacobian, Path, Through, states_of
from sncc.gradients.feedback import filtering_input
from sncc.gradients.jacobians import is_shared
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

    def into_loss(edge: Edge, leaves: str = SPIKE, moved: Connection | None = None) -> None:
        """The ways along a connection into what the loss reads; `moved`: by the states of its source that it moves."""
        c = program.connection(edge.connection)
        through = None
        if moved is not None:
            way = moved.target_group
            through = Through(way, moved.input, c.values or "", c.delay, way, way)
        for r in (r for r in readouts if r.group == c.target_group):
            weight = c.weight if edge.feedback is None else edge.feedback
            signal = LearningSignal(
                r.index, own, variable(), weight, edge.feedback is not None, c.pattern == "one_to_one", c.name
            )
            delay = c.delay if moved is None else moved.delay
            path = Path(r, signal, c.input, leaves, delay, through)
            paths.append(to_each(path, along(program, r, c), c.name) if c.delays is not None else path)

    def by_each(onto: Connection, moved: Connection, tail: str) -> None:
        """The ways through synapses that keep states one by one, along each of them."""
        group = moved.target_group
        for r in (r for r in readouts if r.group == onto.target_group):
            signal = LearningSignal(r.index, own, variable())
            through = Through(group, moved.input, onto.values or "", onto.delay, places_of(group), f"{group}{tail}")
            path = Path(r, signal, onto.input, moved.values or SPIKE, moved.delay, through)
            delays = moved.name if moved.delays is not None else ""
            paths.append(to_each(path, along(program, r, onto, moved), delays))

    for k in choice.readouts:
        paths.append(Path(readouts[k], LearningSignal(k, own, variable())))
    for edge in choice.edges:
        c = program.connection(edge.connection)
        if c.of_target:
            continue  # an answer of the group's own synapses
        if program.group(c.target_group).rows[0].holds == "neurons":
            into_loss(edge, c.values or SPIKE)
            continue
        for onward in (o for o in chosen if (o.group, o.label) == (c.target_group, edge.label)):
            for further in onward.edges:
                if is_of_synapses(program, c.target_group):
                    by_each(program.connection(further.connection), c, BACK if onward.instead is not None else "")
                else:
                    into_loss(further, c.values or SPIKE, c)
    for direct in choice.signals:
        for r in (r for r in readouts if r.group == direct.group):
            signal = LearningSignal(r.index, own, variable(), direct.feedback, True)
            paths.append(Path(r, signal, filtering_input(program, direct.group)))
    return paths


def is_moved(path: Path, group: str, jacobians: Mapping[str, Jacobian]) -> bool:
    """Whether anything leaves a group, and moves what states of synapses deliver on the way; not where that is one number."""
    if path.input and path.leaves not in {output for output, _ in jacobians[group]}:
        return False  # no spikes
    return path.through is None or path.through.values in states_of(jacobians[path.through.jacobian])


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
