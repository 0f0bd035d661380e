"""Program → Program that trains: readouts, reverse phase, gradient phase, optimiser.

Every adjoint update is the transposed forward update of its group (`transpose.py`); which adjoints there are, and where
credit crosses a connection, is the rule's choice (`rules.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sncc.expressions.algebra import ZERO, add
from sncc.expressions.nodes import Expression, Symbol, symbols
from sncc.gradients.derivation import derive_adjoint, learnt_arrays, starts_learnt
from sncc.gradients.event_times import (
    arrival_time,
    delivery_time,
    here,
    moved,
    reads_curved,
)
from sncc.gradients.feedback import feedback_across, filtering_input, with_feedback
from sncc.gradients.jumping_losses import with_jumps
from sncc.gradients.largest_values import with_rises
from sncc.gradients.online import forward_traces
from sncc.gradients.optimisers import optimise
from sncc.gradients.paths import Path, is_impulse, is_late, learnt_into, path_of
from sncc.gradients.readouts import readouts_of
from sncc.gradients.rules import Adjoint, adjoints
from sncc.gradients.synapse_feedback import at_other_weights
from sncc.gradients.transpose import Transposed, adjoint, as_local, transpose, with_statements
from sncc.model import training_nodes
from sncc.model.training_nodes import Training
from sncc.program.groups import Connection, Group, TapeSlot
from sncc.program.learning import (
    Feedback,
    Follow,
    Gather,
    GatherDelay,
    GradientOperation,
    Penalty,
    PenaltyAdjoint,
    ReadoutAdjoint,
    ReverseOperation,
    Transpose,
)
from sncc.program.nodes import Program
from sncc.program.operations import ForwardOperation, Readout, Update
from sncc.program.order import forward_order, reverse_order
from sncc.program.statements import LEARNS, MOMENT, REFRACTORY, SLOPED, Assign, Fire, Statement

# before a state's name: credit for its first value, delivered before the first step; users' names have no `~`
_START = "start~"


def differentiate(program: Program, training: Training | None) -> Program:
    """Add what training needs; a network without a `train` block stays as it is."""
    if training is None:
        return program
    readouts = readouts_of(program, training.losses)
    if training.rule.name == "eventprop":
        program, readouts = with_jumps(with_rises(program, readouts), readouts)
    penalties = tuple(_penalty(program, penalty) for penalty in training.penalties)
    chosen = adjoints(program, training.rule, readouts, penalties)
    program, chosen, follows = with_feedback(program, training.rule, chosen)
    if training.rule.online:
        return replace(_forwards(program, training, chosen, readouts, follows), penalties=penalties)
    updates = {o.group: o for o in program.forward if isinstance(o, Update)}
    tape: dict[tuple[str, str], TapeSlot] = {}
    reverse: list[ReverseOperation] = []
    gradient: list[GradientOperation] = []
    learning: dict[str, Update] = {}
    before: dict[str, list[Transpose | Feedback]] = {}
    for choice in chosen:
        slots = _slots(program, choice, chosen)
        built = _adjoint_update(program, updates[choice.group], choice, readouts, slots)
        updates[choice.group] = built.forward
        tape |= {(s.group, s.name): s for s in built.tape}
        reverse += [*_entering(program, choice, readouts, built.reverse), built.reverse]
        if choice.learns:
            gradient += _of_synapses(program, choice.group)
            learning[choice.group] = built.reverse
            before[choice.group] = _before_the_first_step(program, choice)
    for update in learning.values():
        starts = {o.into.removeprefix(_START): o.into for o in before[update.group]}
        derived = derive_adjoint(program, update, starts)
        gradient += [derived] if derived is not None else []
    operations: list[ForwardOperation] = [updates[o.group] if isinstance(o, Update) else o for o in program.forward]
    return replace(
        program,
        forward=forward_order(program.groups, program.connections, [*operations, *readouts]),
        reverse=reverse_order(
            program.groups, program.connections, reverse, [r.group for r in readouts], [p.group for p in penalties]
        ),
        before=tuple(o for found in before.values() for o in found),
        gradient=tuple(gradient),
        optimise=replace(optimise(training.optimiser), follows=follows),
        penalties=penalties,
        truncate=training.rule.truncate_steps,
        tape=tuple(tape.values()),
    )


def only_read(program: Program, training: Training) -> Program:
    """Add what inference needs: readouts and penalties,
    so that a network predicts and is evaluated, and learns nothing.
    """
    readouts = readouts_of(program, training.losses)
    return replace(
        program,
        forward=forward_order(program.groups, program.connections, [*program.forward, *readouts]),
        penalties=tuple(_penalty(program, penalty) for penalty in training.penalties),
        parameters=tuple(replace(p, learnt=False) for p in program.parameters),
        rule="",
    )


def _forwards(
    program: Program, training: Training, chosen: Sequence[Adjoint], readouts: Sequence[Readout],
    follows: tuple[Follow, ...],
) -> Program:  # fmt: skip
    """Training that needs no reverse phase."""
    program = replace(program, truncate=training.rule.truncate_steps)
    program = forward_traces(program, chosen, readouts)
    return replace(
        program,
        forward=forward_order(program.groups, program.connections, [*program.forward, *readouts]),
        optimise=replace(optimise(training.optimiser), follows=follows),
    )


def _entering(program: Program, choice: Adjoint, readouts: Sequence[Readout], update: Update) -> list[ReverseOperation]:
    """What fills the accumulators of an adjoint update."""
    into = _accumulator("credit", choice)
    result: list[ReverseOperation] = [ReadoutAdjoint(_of_readout(k, choice), k) for k in choice.readouts]
    result += [
        ReadoutAdjoint(_ahead(k, choice), k, True) for k in choice.readouts if _ahead(k, choice) in update.inputs
    ]
    result += [PenaltyAdjoint(k, into) for k in choice.penalties]
    for edge in choice.edges:
        c = program.connection(edge.connection)
        for name, variable in _credited(program, c, choice):
            slot, entered = f"{name}~{edge.label}", into if variable is None else _of_values(variable, choice)
            if edge.feedback is None:
                result.append(Transpose(edge.connection, slot, entered, choice.timed and variable is None))
            else:
                result.append(feedback_across(c, edge.feedback, slot, entered))
    for signal in choice.signals:
        row = program.group(choice.group).rows[0]
        target = (choice.group, row.offset, row.size)
        read = next(r for r in readouts if r.group == signal.group)
        slot = f"{filtering_input(program, signal.group)}~{signal.label}"
        result.append(Feedback(signal.feedback, (read.group, read.offset, read.size), slot, 0, target, into))
    return result


def _of_synapses(program: Program, group: str) -> list[GradientOperation]:
    """Gradients of the weights and delays of what enters a group."""
    learnt = {p.key for p in program.parameters if p.learnt}
    result: list[GradientOperation] = []
    for c in learnt_into(program, group):
        if c.weight in learnt:
            result.append(Gather(c.name, f"{c.input}~"))
        if is_late(c, learnt):
            result.append(GatherDelay(c.name, f"{_moved_by_delay(c)}~"))
    return result


def _moved_by_delay(c: Connection) -> str:
    """What of a target's input a learnt delay moves:
    when spikes arrive there, or how much of them at either of two steps.
    """
    return arrival_time(c.input) if c.rounded else c.input


def _before_the_first_step(program: Program, choice: Adjoint) -> list[Transpose | Feedback]:
    """The credit for states that start at something learnt and are delivered, as they start, before the first step."""
    result: list[Transpose | Feedback] = []
    for edge in choice.edges:
        c = program.connection(edge.connection)
        if c.values is not None and starts_learnt(program, c):
            slot, into = f"{c.input}~{edge.label}", f"{_START}{c.values}"
            back = feedback_across(c, edge.feedback, slot, into) if edge.feedback else Transpose(c.name, slot, into)
            result.append(back)
    return result


def _credited(program: Program, c: Connection, choice: Adjoint) -> tuple[tuple[str, str | None], ...]:
    """What of a target's input credit comes from, and for which variable of the source, None for its spikes:
    that they arrive, or when.
    """
    if not choice.timed:
        return ((c.input, c.values),)
    if c.values is None:
        return ((arrival_time(c.input), None),)
    if c.values.startswith(SLOPED):
        return ()
    if c.input.startswith(MOMENT):  # a moment's value, which no event of its step keeps for longer
        return ((c.input, here(c.values)),)
    reader = next(o for o in program.forward if isinstance(o, Update) and o.group == c.target_group)
    if reads_curved(reader, c.input):
        return ((c.input, here(c.values)), (moved(c.input), moved(c.values)))
    return ((c.input, c.values), *([(arrival_time(c.input), delivery_time(c.values))] if is_impulse(c) else []))


def _accumulator(what: str, choice: Adjoint) -> str:
    """Where an adjoint collects what comes from a readout, or as credit for its spikes;
    no name of the user's has a dot.
    """
    return f"{what}.adjoint{choice.label}"


def _of_values(variable: str, choice: Adjoint) -> str:
    """Where an adjoint collects credit for a variable whose values are delivered."""
    return _accumulator(f"credit.{variable}", choice)


def _of_readout(index: int, choice: Adjoint) -> str:
    return _accumulator(f"readout{index}" if index else "readout", choice)


def _ahead(index: int, choice: Adjoint) -> str:
    return f"ahead.{_of_readout(index, choice)}"


def _penalty(program: Program, penalty: training_nodes.Penalty) -> Penalty:
    group = next(g for g in program.groups if any(r.population == penalty.population for r in g.rows))
    row = next(r for r in group.rows if r.population == penalty.population)
    return Penalty(group.name, penalty.population, row.offset, row.size, penalty.target, penalty.strength, penalty.over)


# --------------------------------------------------------------------------------------------- the adjoint of an update
@dataclass(frozen=True, slots=True)
class _Built:
    forward: Update  # stores what the reverse update loads
    reverse: Update
    tape: tuple[TapeSlot, ...]


def _slots(program: Program, choice: Adjoint, chosen: Iterable[Adjoint]) -> frozenset[str]:
    """Inputs whose adjoint must be kept for all steps: for weight gradients, or because credit crosses from here."""
    inputs = {c.input for c in learnt_into(program, choice.group)} if choice.learns else set()
    if choice.learns and choice.timed:
        learnt = {p.key for p in program.parameters if p.learnt}
        inputs |= {_moved_by_delay(c) for c in learnt_into(program, choice.group) if is_late(c, learnt)}
    for other in chosen:
        for edge in other.edges:
            connection = program.connection(edge.connection)
            if connection.target_group == choice.group and edge.label == choice.label:
                inputs |= {name for name, _ in _credited(program, connection, other)}
        for signal in other.signals:
            if signal.group == choice.group and signal.label == choice.label:
                inputs.add(filtering_input(program, choice.group))
    return frozenset(inputs)


def _adjoint_update(
    program: Program, update: Update, choice: Adjoint, readouts: Sequence[Readout], slots: frozenset[str]
) -> _Built:
    group = program.group(choice.group)
    names: Mapping[str, str] = {}
    if choice.instead is not None:
        update, names = at_other_weights(program, update)
    path = path_of(program, update, choice, readouts, names)
    carried = frozenset(path.carry) | frozenset(group.states) - {REFRACTORY}
    arrays = learnt_arrays(program, group) & frozenset(group.arrays) if choice.learns else frozenset()
    seeds: dict[str, Expression] = {}
    inputs: list[str] = []

    def seed(local: str, value: str) -> None:
        seeds[local] = add(seeds.get(local, ZERO), Symbol(value))

    for k in choice.readouts:
        inputs.append(_of_readout(k, choice))
        if (seen := path.seen[k]) is not None:
            seed(seen, inputs[-1])
        if (ahead := path.ahead.get(k)) is not None:
            inputs.append(_ahead(k, choice))
            seed(ahead, inputs[-1])
    delivered = [v for edge in choice.edges for _, v in _credited(program, program.connection(edge.connection), choice)]
    if None in delivered or choice.signals or choice.penalties:
        inputs.append(_accumulator("credit", choice))
        seed(path.spike, inputs[-1])
    for variable in sorted({values for values in delivered if values is not None}):
        inputs.append(_of_values(variable, choice))
        if variable in path.told:  # else it never moves
            seed(path.told[variable], inputs[-1])
    transposed = _transposed(path, seeds, choice.label, carried, slots | arrays)
    update = with_statements(update, transposed.ahead)
    body = list(transposed.body)
    new = [
        (f"{variable}~{choice.label}", as_local(f"{variable}~.new", transposed.adjoints[variable], body))
        for variable in (*group.states, *path.more)
        if variable in transposed.adjoints
    ]
    stores = [
        (f"{i}~{choice.label}", as_local(f"{i}~.now", transposed.adjoints.get(i, ZERO), body))
        for name in update.inputs
        for i in (name, arrival_time(name), moved(name))
        if i in slots
    ]
    sums = [
        (adjoint(a), as_local(f"{a}~.now", transposed.adjoints[a], body))
        for a in group.arrays
        if a in arrays & set(transposed.adjoints)
    ]
    adjoints = frozenset(f"{variable}~{choice.label}" for variable in (*group.states, *path.more))
    forward, loads, again = _remember(update, group, body, adjoints | set(inputs))
    reverse = Update(
        group=group.name,
        inputs=tuple(inputs),
        body=(*again, *body),
        carry=tuple(new),
        loads=loads,
        stores=tuple(stores),
        sums=tuple(sums),
    )
    kept = [name for _, name in loads] + [name for name, _ in stores]
    return _Built(forward, reverse, tuple(TapeSlot(name, group.name) for name in kept))


def _transposed(
    path: Path, entering: Mapping[str, Expression], label: str, carried: frozenset[str], more: frozenset[str]
) -> Transposed:
    """The transposed body, from what enters and what the step before is told;
    a variable that is always written before it is read tells it nothing.
    """
    while True:
        seeds: dict[str, Expression] = {}
        for variable, local in path.carry.items():
            if variable in carried:
                seeds[local] = add(seeds.get(local, ZERO), Symbol(f"{variable}~{label}"))
        for local, value in entering.items():
            seeds[local] = add(seeds.get(local, ZERO), value)
        result = transpose(path.body, seeds, carried | more)
        told = frozenset(v for v in carried if v in result.adjoints)
        if told == carried:
            return result
        carried = told


# ------------------------------------------------------------------------------------------------ the tape
def _remember(
    update: Update, group: Group, body: list[Statement], given: frozenset[str]
) -> tuple[Update, tuple[tuple[str, str], ...], tuple[Statement, ...]]:
    """What the reverse update needs of the forward one: stored as it is, or recomputed from less, whichever keeps less.

    What follows from numbers per neuron alone is never stored; nor is what is `given`, accumulators and adjoints.
    """
    own = {s.name for s in body} | given | set(group.arrays) | {"t", LEARNS}
    needed = _used(body) - own
    known = frozenset(group.arrays) | {"t", LEARNS}
    free = {name for name in needed if not _recomputation(update, {name}, known)[1]}
    again, leaves = _recomputation(update, needed, known)
    if len(leaves) >= len(needed - free):
        again, leaves = _recomputation(update, free, known)[0], needed - free
    kept = sorted(leaves)
    locals_ = {s.name for s in update.body}
    before = [name for name in kept if name not in locals_]  # values from before the update: a copy is kept
    copies = [Assign(f"{name}.0", Symbol(name)) for name in before if f"{name}.0" not in locals_]
    stores = dict(update.stores) | {name: f"{name}.0" if name in before else name for name in kept}
    forward = replace(update, body=(*copies, *update.body), stores=tuple(stores.items()))
    return forward, tuple((name, name) for name in kept), again


def _used(body: Iterable[Statement]) -> set[str]:
    return {name for s in body for name in (symbols(s.distance) if isinstance(s, Fire) else s.reads)}


def _recomputation(update: Update, needed: set[str], known: frozenset[str]) -> tuple[tuple[Statement, ...], set[str]]:
    """Forward statements that give the needed values again,
    and the values they start from (spikes are never redone).
    """
    wanted = set(needed)
    statements: list[Statement] = []
    for statement in reversed(update.body):
        if statement.name in wanted and isinstance(statement, Assign):
            wanted.remove(statement.name)
            wanted |= symbols(statement.value)
            statements.append(statement)
    return tuple(reversed(statements)), wanted - known
