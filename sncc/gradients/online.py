"""e-prop forwards: eligibility traces beside the forward phase in place of a
reverse phase (Bellec et al. 2020, eq. 13 to 24).

A trace is the derivative of a neuron's state by a weight (or by one of the neuron's numbers) through that neuron alone:
e[n] = J[n] e[n-1] + b[n] z_pre[n - d], J and b the Jacobian of the group's update. The part of it that moves the spike,
filtered as the readout filters spikes, times the learning signal is the gradient: the same number as in reverse. Where
synapses deliver states of their source, what moves the spike moves those states, and the readout filters what is
delivered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sncc.expressions.nodes import symbols
from sncc.gradients.derivation import Told, derive_adjoint, learnt_arrays
from sncc.gradients.eligibility import traces
from sncc.gradients.jacobians import Jacobian, states_of, with_jacobian, with_variables
from sncc.gradients.online_maxima import with_maxima
from sncc.gradients.online_numbers import moving, told_by, told_to
from sncc.gradients.online_paths import BACK, is_moved, paths_of, to_each_if_needed
from sncc.gradients.online_sources import (
    of_sources,
    with_derivatives,
    with_derivatives_of_each,
    with_sums,
)
from sncc.gradients.online_synapses import (
    answers_of,
    is_of_synapses,
    onwards,
    picked,
    with_places,
    with_places_of_neurons,
    with_targets,
)
from sncc.gradients.rules import Adjoint
from sncc.gradients.trace_ways import Answer, Front, Path
from sncc.program.groups import Connection, Group
from sncc.program.learning import (
    DeriveAdjoint,
    Each,
    LearningSignal,
    PenaltySignal,
    Picked,
    SignalBack,
    TraceOperation,
    TraceUpdate,
)
from sncc.program.nodes import Program
from sncc.program.operations import Readout, Update


def forward_traces(program: Program, chosen: Sequence[Adjoint], readouts: Sequence[Readout]) -> Program:
    """The Program with traces in place of adjoints; its forward updates also compute their Jacobians."""
    program, jacobians = _with_jacobians(with_maxima(program, readouts), chosen)

    def moving(group: str, variable: str) -> bool:
        learnt = learnt_arrays(program, program.group(group))
        arrays = set(program.group(group).arrays) - learnt
        return any(output == variable and by not in arrays for output, by in jacobians.get(group, {}))

    reading = sorted({c.group for c in chosen if is_of_synapses(program, c.group)})
    answers = {g.name: answers_of(program, g.name, reading, jacobians, moving) for g in program.groups}
    program = _with_what_sources_follow(program, chosen, jacobians)
    operations: list[TraceOperation] = []
    sums: dict[str, tuple[str, ...]] = {}  # by group, gradients of its numbers
    placed: dict[str, tuple[Each, str]] = {}  # by their places, loops along synapses and the neurons that have these
    told: dict[str, list[Connection]] = {}  # by places of traces, numbers of the sources that are followed there
    for choice in chosen:
        if not choice.learns or program.group(choice.group).rows[0].holds != "neurons":
            continue
        fronts = _fronts(program, choice.group, chosen, jacobians)
        sources = _sources(program, choice.group, chosen, jacobians)
        if choice.group not in _learning(program) and not fronts and not sources:
            continue
        paths = [p for p in paths_of(program, choice, chosen, readouts) if is_moved(p, choice.group, jacobians)]
        paths = [
            to_each_if_needed(program, p, jacobians, onwards(answers[p.readout.group], choice.group)) for p in paths
        ]
        penalties = [_penalty_signal(program, choice.group, k) for k in choice.penalties]
        back = answers[choice.group]
        numbers = _of_numbers(program, choice.group, jacobians, paths, penalties, back)
        made: list[TraceOperation] = [*(path.signal for path in paths), *penalties]
        made += [*_of_weights(program, choice.group, jacobians, paths, penalties, back), *numbers]
        sums[choice.group] = tuple(f"{update.array}~" for update in numbers if update.each is None)
        for front in fronts:
            program, more, places = _of_synapses(program, choice.group, front, jacobians, paths, penalties, back)
            made += more
            sums[places] = tuple(f"{a}~" for a in _moving_numbers(program, front.group, jacobians))
            told[places] = told_to(program, front.group)
        for having, onto in sources:
            program, more, places = _of_sources(program, choice.group, having, onto, jacobians, paths, penalties, back)
            made += more
            sums[places] = tuple(f"{a}~" for a in _moving_numbers(program, having, jacobians))
        made = _in_order(program, made, readouts)
        placed |= {o.places: (o, choice.group) for o in map(_loop, made) if o is not None and o.places}
        operations += made
    for loop, neurons in placed.values():
        program = with_places_of_neurons(program, loop, operations, neurons)
    groups = _with_what_is_told(program, operations)
    gradient = _derived(program, sums, told_by(program, told))
    return replace(program, groups=groups, traces=tuple(operations), gradient=gradient)


def _with_jacobians(program: Program, chosen: Sequence[Adjoint]) -> tuple[Program, dict[str, Jacobian]]:
    """The Program whose updates compute the Jacobians of all that has an adjoint, and these,
    also at the weights of feedback.
    """
    jacobians: dict[str, Jacobian] = {}
    for name in sorted({choice.group for choice in chosen}):
        program, jacobians[name] = with_jacobian(program, name)
    for name in sorted(choice.group for choice in chosen if choice.instead is not None):
        program, jacobians[f"{name}{BACK}"] = with_jacobian(program, name, BACK)
    return program, jacobians


def _with_what_sources_follow(
    program: Program, chosen: Sequence[Adjoint], jacobians: Mapping[str, Jacobian]
) -> Program:
    """The Program in which states of synapses that a source has are followed there by the numbers that they learn."""
    for name in dict.fromkeys(c.group for c in chosen if c.learns and of_sources(program, c.group)):
        followed = _moving_numbers(program, name, jacobians)
        program = with_derivatives(program, name, jacobians[name], followed)
        for c in _telling(program, name, jacobians):
            program = with_derivatives_of_each(program, c, jacobians[c.target_group], followed)
    return program


def _with_what_is_told(program: Program, operations: Sequence[TraceOperation]) -> tuple[Group, ...]:
    """The groups with variables for the signals and for what traces read of a synapse's target."""
    variables = {(o.target[0], o.variable) for o in operations if isinstance(o, LearningSignal | PenaltySignal)}
    variables |= {(o.group, o.variable) for o in operations if isinstance(o, SignalBack)}
    variables |= {(o.group, o.variable) for o in operations if isinstance(o, Picked) and o.over is not None}
    return tuple(with_variables(g, sorted(v for name, v in variables if name == g.name)) for g in program.groups)


def _derived(
    program: Program, sums: Mapping[str, tuple[str, ...]], read: Mapping[str, Sequence[Told]]
) -> tuple[DeriveAdjoint, ...]:
    """What the gradients of numbers that updates know are of the user's parameters."""
    derived = [
        derive_adjoint(
            program,
            Update(g, (), (), (), sums=tuple((name, "") for name in sums.get(g, ()))),
            by_synapses=read.get(g, ()),
        )
        for g in dict.fromkeys((*sums, *read))
    ]
    return tuple(d for d in derived if d is not None)


def _in_order(program: Program, made: Sequence[TraceOperation], readouts: Sequence[Readout]) -> list[TraceOperation]:
    """A group's operations: loops over states as the step has found them, what is in no loop, loops over outputs."""
    loops = [each for each in dict.fromkeys(_loop(o) for o in made) if each is not None]
    operations: list[TraceOperation] = []
    for each in (e for e in loops if e.readout is None):
        operations += _in_loop(program, each, made, "")
    operations += [o for o in made if _loop(o) is None]
    for each in loops:
        if each.readout is not None:
            operations += _in_loop(program, each, made, readouts[each.readout].group)
    return operations


def _loop(operation: TraceOperation) -> Each | None:
    return None if isinstance(operation, PenaltySignal) else operation.each


def _in_loop(
    program: Program, each: Each, operations: Iterable[TraceOperation], group_of_readout: str
) -> list[TraceOperation]:
    """What is done for each output of a readout: the signals of the output, what synapses onto it are like,
    and the traces that it has.
    """
    mine = [o for o in operations if _loop(o) == each]
    signals = [o for o in mine if isinstance(o, LearningSignal)]
    others = sorted((o for o in mine if o not in signals), key=lambda o: isinstance(o, TraceUpdate))
    return [*signals, *picked(program, mine, each, group_of_readout), *others]  # first what traces read


def _penalty_signal(program: Program, group: str, index: int) -> PenaltySignal:
    row = program.group(group).rows[0]  # groups hold one population each where training goes forwards
    return PenaltySignal(index, (group, row.offset, row.size), f"penalty{index}")


def _learning(program: Program) -> set[str]:
    learnt = {p.key for p in program.parameters if p.learnt}
    own = {g.name for g in program.groups for row in g.rows for _, value in row.values if value in learnt}
    return own | {c.target_group for c in program.connections if c.weight in learnt or c.moving_delays in learnt}


# ------------------------------------------------------------------------------------------------ traces
def _of_weights(
    program: Program, group: str, jacobians: Mapping[str, Jacobian], paths: Sequence[Path],
    penalties: Sequence[PenaltySignal], answers: Sequence[Answer],
) -> list[TraceUpdate]:  # fmt: skip
    return [
        o for c, of_delays in _learnt_into(program, group)
        for o in traces(
            program, group, jacobians, paths, penalties, c.input, c.name, None, answers, of_delays=of_delays
        )
    ]  # fmt: skip


def _learnt_into(program: Program, group: str) -> list[tuple[Connection, bool]]:
    """Connections into a group of which something is learnt: their weights, or (True) their delays."""
    learnt = {p.key for p in program.parameters if p.learnt}
    into = [c for c in program.connections if c.target_group == group and not c.backwards]
    return [(c, False) for c in into if c.weight in learnt] + [(c, True) for c in into if c.moving_delays in learnt]


def _fronts(program: Program, group: str, chosen: Sequence[Adjoint], jacobians: Mapping[str, Jacobian]) -> list[Front]:
    """The synapses in front of a group in which something is learnt."""
    learning = _learning(program)
    followed = {
        c.group for c in chosen
        if c.learns and is_of_synapses(program, c.group) and (c.group in learning or told_to(program, c.group))
    }  # fmt: skip
    onto = [c for c in program.connections if c.target_group == group and c.source_group in followed]
    return [
        Front(name, tuple(c for c in onto if c.source_group == name and c.values in states_of(jacobians[name])))
        for name in dict.fromkeys(c.source_group or "" for c in onto)
    ]


def _of_synapses(
    program: Program, group: str, front: Front, jacobians: Mapping[str, Jacobian], paths: Sequence[Path],
    penalties: Sequence[PenaltySignal], answers: Sequence[Answer],
) -> tuple[Program, list[TraceOperation], str]:  # fmt: skip
    """The traces of what synapses in front of a group learn, with the signals that come to their places,
    and the group of these.
    """
    own, numbers = _learnt_into(program, front.group), _moving_numbers(program, front.group, jacobians)
    program, places = with_places(program, front.group)
    front = replace(front, places=places)
    updates = [
        o for a in numbers for o in traces(program, group, jacobians, paths, penalties, a, None, a, answers, front)
    ]
    for c in told_to(program, front.group):
        updates += traces(program, group, jacobians, paths, penalties, c.input, None, c.input, answers, front)
    for c, of_delays in own:
        updates += traces(program, group, jacobians, paths, penalties, c.input, c.name, None, answers, front, of_delays)
    back: list[TraceOperation] = [
        SignalBack(front.onto[0].name, places, path.signal.variable, path.signal.readout, each=path.each)
        for path in paths
    ]
    back += [SignalBack(front.onto[0].name, places, p.variable, None) for p in penalties]
    always, of_neurons = list[str](), {u.each.places for u in updates if u.each is not None and u.each.places}
    for each in dict.fromkeys(u.each for u in updates):
        mine = [u for u in updates if u.each == each]
        read = {n for u in mine for s in u.body for n in s.reads} | {n for u in mine for _, n in u.delays}
        for name in sorted(n.removeprefix("post.") for n in read if n.startswith("post.")):
            of, _, variable = name.partition(".")
            if of in of_neurons:
                assert each is not None
                back.append(Picked(places, name, (of, variable), each, over=front.onto[0].name))
            else:
                always.append(name)
    program = with_targets(program, places, front.onto[0], dict.fromkeys(always))
    return program, [*back, *updates], places


def _telling(program: Program, group: str, jacobians: Mapping[str, Jacobian]) -> list[Connection]:
    """The connections by which states that a source has are told to synapses that keep states each."""
    known = states_of(jacobians[group])
    onto = [c for c in program.connections if c.source_group == group and c.values in known]
    return [c for c in onto if is_of_synapses(program, c.target_group)]


def _sources(
    program: Program, group: str, chosen: Sequence[Adjoint], jacobians: Mapping[str, Jacobian]
) -> list[tuple[str, tuple[Connection, ...]]]:
    """States of synapses that a source has, in which something is learnt, and what is delivered of them to a group,
    by these or by synapses that they are told to.
    """
    learning = {c.group for c in chosen if c.learns and of_sources(program, c.group)} & _learning(program)
    result: list[tuple[str, tuple[Connection, ...]]] = []
    for having in (g.name for g in program.groups if g.name in learning):
        for name in (having, *(c.target_group for c in _telling(program, having, jacobians))):
            onto = [c for c in program.connections if (c.source_group, c.target_group) == (name, group)]
            if moving := tuple(c for c in onto if c.values in states_of(jacobians[name])):
                result.append((having, moving))
    return result


def _of_sources(
    program: Program, group: str, having: str, onto: tuple[Connection, ...], jacobians: Mapping[str, Jacobian],
    paths: Sequence[Path], penalties: Sequence[PenaltySignal], answers: Sequence[Answer],
) -> tuple[Program, list[TraceOperation], str]:  # fmt: skip
    """The same of what is learnt in states of synapses that a source has:
    the traces are those of the target's neurons.
    """
    numbers = _moving_numbers(program, having, jacobians)
    program, places, fronts = with_sums(program, group, onto, having, numbers)
    updates = [
        o
        for a, front in fronts.items()
        for o in traces(program, group, jacobians, paths, penalties, a, None, a, answers, front)
    ]
    back: list[TraceOperation] = [
        SignalBack(None, places, p.signal.variable, p.signal.readout, group, p.each) for p in paths
    ]
    back += [SignalBack(None, places, p.variable, None, group) for p in penalties]
    return program, [*back, *updates], places


def _of_numbers(
    program: Program, group: str, jacobians: Mapping[str, Jacobian], paths: Sequence[Path],
    penalties: Sequence[PenaltySignal], answers: Sequence[Answer],
) -> list[TraceUpdate]:  # fmt: skip
    numbers = _moving_numbers(program, group, jacobians)
    return [o for a in numbers for o in traces(program, group, jacobians, paths, penalties, a, None, a, answers)]


def _moving_numbers(program: Program, group: str, jacobians: Mapping[str, Jacobian]) -> list[str]:
    """Numbers of a group that depend on something learnt and move its states."""
    initial = program.group(group).rows[0].initial
    moved = moving(program, group, jacobians[group]) | {name for _, value in initial for name in symbols(value)}
    return [a for a in program.group(group).arrays if a in learnt_arrays(program, program.group(group)) & moved]
