"""e-prop forwards: eligibility traces beside the forward phase in place of a reverse phase (Bellec et al. 2020, eq. 13 to 24).

A trace is the derivative of a neuron's state by a weight (or by one of the neuron's numbers) through that neuron alone:
e[n] = J[n] e[n-1] + b[n] z_pre[n - d], J and b the Jacobian of the group's update. The part of it that moves the spike,
filtered as the readout filters spikes, times the learning signal is the gradient: the same number as in reverse. Where
synapses deliver states of their source, what moves the spike moves those states, and the readout filters what is delivered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sncc.diagnostics import DiagnosticError
from sncc.expressions.algebra import ONE, ZERO, fold_all
from sncc.expressions.nodes import Expression, Number, Symbol, substitute, symbols
from sncc.gradients.derivation import derive_adjoint, learnt_arrays
from sncc.gradients.eligibility import Answer, Front, Jacobian, Path, Through, states_of, traces
from sncc.gradients.feedback import filtering_input
from sncc.gradients.online_sources import cannot_learn, of_sources, with_derivatives, with_sums
from sncc.gradients.online_synapses import (
    along,
    answers_of,
    is_of_synapses,
    picked,
    places_of,
    refuse_answers_of_readouts,
    with_places,
    with_places_of_neurons,
    with_targets,
)
from sncc.gradients.rules import Adjoint, Edge
from sncc.gradients.synapse_feedback import at_other_weights
from sncc.gradients.transpose import transpose
from sncc.model.training_nodes import Rule
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
from sncc.program.statements import LEARNS, REFRACTORY, SPIKE, Assign, Fire, Reduce, Statement

BACK = ".feedback"  # behind the names of what is at other weights


def forward_traces(program: Program, rule: Rule, chosen: Sequence[Adjoint], readouts: Sequence[Readout]) -> Program:
    """The Program with traces in place of adjoints; its forward updates also compute their Jacobians.

    Raises `DiagnosticError` where the neurons that the loss reads do not filter alike.
    """
    jacobians: dict[str, Jacobian] = {}
    for name in sorted({choice.group for choice in chosen}):
        program, jacobians[name] = _with_jacobian(program, name)
    for name in sorted(choice.group for choice in chosen if choice.instead is not None):
        program, jacobians[f"{name}{BACK}"] = _with_jacobian(program, name, BACK)

    def moving(group: str, variable: str) -> bool:
        learnt = learnt_arrays(program, program.group(group))
        arrays = set(program.group(group).arrays) - learnt
        return any(output == variable and by not in arrays for output, by in jacobians.get(group, {}))

    reading = sorted({c.group for c in chosen if is_of_synapses(program, c.group)})
    answers = {g.name: answers_of(program, g.name, reading, jacobians, moving, rule) for g in program.groups}
    for name in dict.fromkeys(c.group for c in chosen if c.learns and of_sources(program, c.group)):
        if (refused := cannot_learn(program, name, rule)) is not None:
            raise DiagnosticError([refused])
        program = with_derivatives(program, name, jacobians[name], _moving_numbers(program, name, jacobians))
    operations: list[TraceOperation] = []
    gradient = []
    for choice in chosen:
        if not choice.learns or program.group(choice.group).rows[0].holds != "neurons":
            continue
        fronts = _fronts(program, choice.group, chosen, jacobians)
        sources = _sources(program, choice.group, chosen, jacobians)
        if choice.group not in _learning(program) and not fronts and not sources:
            continue
        paths = [p for p in _paths(program, choice, chosen, readouts) if _is_moved(p, choice.group, jacobians)]
        paths = [
            _to_each(p, Each(p.readout.index))
            if p.input and p.each is None and not _is_shared(program, p.readout.group, jacobians)
            else p
            for p in paths
        ]
        refuse_answers_of_readouts(program, [p.readout for p in paths if p.input], answers, rule)
        penalties = [_penalty_signal(program, choice.group, k) for k in choice.penalties]
        back = answers[choice.group]
        numbers = _of_numbers(program, choice.group, jacobians, paths, penalties, back)
        made: list[TraceOperation] = [*(path.signal for path in paths), *penalties]
        made += [*_of_weights(program, choice.group, jacobians, paths, penalties, back), *numbers]
        sums = tuple((f"{update.array}~", "") for update in numbers if update.each is None)
        derived = [derive_adjoint(program, Update(choice.group, (), (), (), sums=sums))] if sums else []
        for front in fronts:
            program, more, of_numbers = _of_synapses(program, choice.group, front, jacobians, paths, penalties, back)
            made, derived = [*made, *more], [*derived, of_numbers]
        for onto in sources:
            program, more, of_numbers = _of_sources(program, choice.group, onto, jacobians, paths, penalties, back)
            made, derived = [*made, *more], [*derived, of_numbers]
        gradient += [d for d in derived if d is not None]
        loops = [each for each in dict.fromkeys(_loop(o) for o in made) if each is not None]
        for each in (e for e in loops if e.readout is None):  # of states as the step has found them
            operations += _in_loop(program, each, made, "")
        operations += [o for o in made if _loop(o) is None]
        for each in loops:
            if each.readout is not None:
                operations += _in_loop(program, each, made, readouts[each.readout].group)
    placed = {o.places: o for o in map(_loop, operations) if o is not None and o.places}
    for loop in placed.values():
        program = with_places_of_neurons(program, loop, operations)
    variables = {(o.target[0], o.variable) for o in operations if isinstance(o, LearningSignal | PenaltySignal)}
    variables |= {(o.group, o.variable) for o in operations if isinstance(o, SignalBack)}
    variables |= {(o.group, o.variable) for o in operations if isinstance(o, Picked) and o.over is not None}
    groups = tuple(_with_variables(g, sorted(v for name, v in variables if name == g.name)) for g in program.groups)
    return replace(program, groups=groups, traces=tuple(operations), gradient=tuple(gradient))


def _to_each(path: Path, each: Each, delays: str = "") -> Path:
    """The same way as one to each output, or along each synapse, of which each may have a delay."""
    return replace(path, signal=replace(path.signal, each=each), each=each, delays=delays)


def _loop(operation: TraceOperation) -> Each | None:
    return None if isinstance(operation, PenaltySignal) else operation.each


def _in_loop(
    program: Program, each: Each, operations: Iterable[TraceOperation], group_of_readout: str
) -> list[TraceOperation]:
    """What is done for each output of a readout: the signals of the output, what synapses onto it are like, and the traces that it has."""
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
    return own | {c.target_group for c in program.connections if c.weight in learnt or c.delays in learnt}


def _with_variables(group: Group, names: Iterable[str]) -> Group:
    """Variables that are kept from step to step but are no states of the user's."""
    names = tuple(names)
    rows = tuple(replace(r, initial=(*r.initial, *((name, ZERO) for name in names))) for r in group.rows)
    return replace(group, states=(*group.states, *names), rows=rows)


# ------------------------------------------------------------------------------------------------ the Jacobian of an update
def _with_jacobian(program: Program, name: str, tail: str = "") -> tuple[Program, Jacobian]:
    """Derivatives of the states after an update, and of the spike, by the states before, inputs and numbers.

    With a `tail`, of their names, those of synapses at other weights than theirs.
    """
    group = program.group(name)
    update = next(o for o in program.forward if isinstance(o, Update) and o.group == name)
    at, others = at_other_weights(program, update) if tail else (update, {})
    states = [s for s in group.states if s != REFRACTORY and "/" not in s]
    after = {s: others.get(local, local) for s, local in update.carry if s in states}
    after |= {SPIKE: SPIKE} if update.spikes else {}
    wanted = frozenset({*states, *update.inputs, *group.arrays})
    body, variables, jacobian = list(at.body), list(update.carry), Jacobian()
    for output, local in after.items():
        transposed = transpose(at.body, {local: ONE}, wanted)
        names: dict[str, Expression] = {s.name: Symbol(f"{output}{tail}/{s.name}") for s in transposed.body}
        body += [_renamed(s, f"{output}{tail}/{s.name}", names) for s in transposed.body]
        for by, value in transposed.adjoints.items():
            entry = fold_all(substitute(value, names))
            if not isinstance(entry, Number):
                variable = f"{output}{tail}/{by}"
                body.append(Assign(f"{variable}/now", entry))
                variables.append((variable, f"{variable}/now"))
                entry = Symbol(variable)
            jacobian[output, by] = entry
    jacobian |= {(s, s): ONE for s in states if s not in after}  # a state that nothing moves
    changed = replace(update, body=tuple(body), carry=tuple(variables))
    added = [v for v, _ in variables if v not in group.states]
    return replace(
        program,
        groups=tuple(_with_variables(g, added) if g.name == name else g for g in program.groups),
        forward=tuple(changed if o is update else o for o in program.forward),
    ), jacobian


def _renamed(statement: Statement, name: str, names: dict[str, Expression]) -> Statement:
    assert isinstance(statement, Assign | Reduce) and not isinstance(statement, Fire)
    return Assign(name, fold_all(substitute(statement.value, names)))


# ------------------------------------------------------------------------------------------------ ways to the loss
def _paths(program: Program, choice: Adjoint, chosen: Sequence[Adjoint], readouts: Sequence[Readout]) -> list[Path]:
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
            paths.append(_to_each(path, along(program, r, c), c.name) if c.delays is not None else path)

    def by_each(onto: Connection, moved: Connection, tail: str) -> None:
        """The ways through synapses that keep states one by one, along each of them."""
        group = moved.target_group
        for r in (r for r in readouts if r.group == onto.target_group):
            signal = LearningSignal(r.index, own, variable())
            through = Through(group, moved.input, onto.values or "", onto.delay, places_of(group), f"{group}{tail}")
            path = Path(r, signal, onto.input, moved.values or SPIKE, moved.delay, through)
            delays = moved.name if moved.delays is not None else ""
            paths.append(_to_each(path, along(program, r, onto, moved), delays))

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


def _is_moved(path: Path, group: str, jacobians: Mapping[str, Jacobian]) -> bool:
    """Whether anything leaves a group, and moves what states of synapses deliver on the way; not where that is one number."""
    if path.input and path.leaves not in {output for output, _ in jacobians[group]}:
        return False  # no spikes
    return path.through is None or path.through.values in states_of(jacobians[path.through.jacobian])


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
    return [(c, False) for c in into if c.weight in learnt] + [(c, True) for c in into if c.delays in learnt]


def _fronts(program: Program, group: str, chosen: Sequence[Adjoint], jacobians: Mapping[str, Jacobian]) -> list[Front]:
    """The synapses in front of a group in which something is learnt."""
    learning = {c.group for c in chosen if c.learns and is_of_synapses(program, c.group)} & _learning(program)
    onto = [c for c in program.connections if c.target_group == group and c.source_group in learning]
    return [
        Front(name, tuple(c for c in onto if c.source_group == name and c.values in states_of(jacobians[name])))
        for name in dict.fromkeys(c.source_group or "" for c in onto)
    ]


def _of_synapses(
    program: Program, group: str, front: Front, jacobians: Mapping[str, Jacobian], paths: Sequence[Path],
    penalties: Sequence[PenaltySignal], answers: Sequence[Answer],
) -> tuple[Program, list[TraceOperation], DeriveAdjoint | None]:  # fmt: skip
    """The traces of what synapses in front of a group learn, with the signals that come to their places; the gradient of their numbers."""
    own, numbers = _learnt_into(program, front.group), _moving_numbers(program, front.group, jacobians)
    program, places = with_places(program, front.group)
    front = replace(front, places=places)
    updates = [
        o for a in numbers for o in traces(program, group, jacobians, paths, penalties, a, None, a, answers, front)
    ]
    sums = tuple((f"{a}~", "") for a in numbers)
    for c, of_delays in own:
        updates += traces(program, group, jacobians, paths, penalties, c.input, c.name, None, answers, front, of_delays)
    back: list[TraceOperation] = [
        SignalBack(front.onto[0].name, places, path.signal.variable, path.signal.readout, each=path.each)
        for path in paths
    ]
    back += [SignalBack(front.onto[0].name, places, p.variable, None) for p in penalties]
    always, of_neurons = list[str](), {path.each.places for path in paths if path.each is not None and path.each.places}
    of_neurons |= {answer.each.places for answer in answers}
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
    derived = derive_adjoint(program, Update(places, (), (), (), sums=sums)) if sums else None
    return program, [*back, *updates], derived


def _sources(
    program: Program, group: str, chosen: Sequence[Adjoint], jacobians: Mapping[str, Jacobian]
) -> list[tuple[Connection, ...]]:
    """What is delivered to a group by states of synapses that a source has, where something is learnt in these: by group of them."""
    learning = {c.group for c in chosen if c.learns and of_sources(program, c.group)} & _learning(program)
    onto = [c for c in program.connections if c.target_group == group and c.source_group in learning]
    moving = [c for c in onto if c.values in states_of(jacobians[c.source_group or ""])]
    return [tuple(c for c in moving if c.source_group == g) for g in dict.fromkeys(c.source_group for c in moving)]


def _of_sources(
    program: Program, group: str, onto: tuple[Connection, ...], jacobians: Mapping[str, Jacobian],
    paths: Sequence[Path], penalties: Sequence[PenaltySignal], answers: Sequence[Answer],
) -> tuple[Program, list[TraceOperation], DeriveAdjoint | None]:  # fmt: skip
    """The same of what is learnt in states of synapses that a source has: the traces are those of the target's neurons."""
    numbers = _moving_numbers(program, onto[0].source_group or "", jacobians)
    program, places, fronts = with_sums(program, group, onto, numbers)
    updates = [
        o
        for a, front in fronts.items()
        for o in traces(program, group, jacobians, paths, penalties, a, None, a, answers, front)
    ]
    back: list[TraceOperation] = [
        SignalBack(None, places, p.signal.variable, p.signal.readout, group, p.each) for p in paths
    ]
    back += [SignalBack(None, places, p.variable, None, group) for p in penalties]
    sums = tuple((f"{a}~", "") for a in numbers)
    derived = derive_adjoint(program, Update(places, (), (), (), sums=sums)) if sums else None
    return program, [*back, *updates], derived


def _of_numbers(
    program: Program, group: str, jacobians: Mapping[str, Jacobian], paths: Sequence[Path],
    penalties: Sequence[PenaltySignal], answers: Sequence[Answer],
) -> list[TraceUpdate]:  # fmt: skip
    numbers = _moving_numbers(program, group, jacobians)
    return [o for a in numbers for o in traces(program, group, jacobians, paths, penalties, a, None, a, answers)]


def _moving_numbers(program: Program, group: str, jacobians: Mapping[str, Jacobian]) -> list[str]:
    """Numbers of a group that depend on something learnt and move its states."""
    initial = program.group(group).rows[0].initial
    moved = {by for _, by in jacobians[group]} | {name for _, value in initial for name in symbols(value)}
    return [a for a in program.group(group).arrays if a in learnt_arrays(program, program.group(group)) & moved]


def _is_shared(program: Program, group: str, jacobians: Mapping[str, Jacobian]) -> bool:
    """Whether a Jacobian by states and inputs is the same in every step and for all neurons of a group, so that one filter serves all of them."""
    jacobian = jacobians[group]
    update = next(o for o in program.forward if isinstance(o, Update) and o.group == group)
    values = {s.name: s.value for s in update.body if isinstance(s, Assign)}
    numbers = set(program.group(group).arrays) - _of_each_neuron(program, group)
    arrays = program.group(group).arrays
    filters = [value for (_, by), value in jacobian.items() if by not in arrays]
    waiting = [f"{value.name}/now" for value in filters if isinstance(value, Symbol)]
    while waiting:
        name = waiting.pop()
        if name in values:
            waiting += symbols(values[name])
        elif name not in numbers and name != LEARNS:
            return False
    return True


def _of_each_neuron(program: Program, group: str) -> set[str]:
    """Numbers of a group that differ from neuron to neuron, and what is computed from them."""
    shared = {p.key for p in program.parameters if p.shape == ()}
    found = {
        symbol for row in program.group(group).rows for symbol, value in row.values
        if isinstance(value, str) and value not in shared
    }  # fmt: skip
    for assign in (a for d in program.derive if d.group == group for a in d.body):
        if symbols(assign.value) & found:
            found.add(assign.name)
    return found
