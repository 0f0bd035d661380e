"""Program → Program that trains: readout, reverse phase, gradient phase, optimiser.

Every adjoint update is the transposed forward update of its group (`transpose.py`); which adjoints there are, and where
credit crosses a connection, is the rule's choice (`rules.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sncc.expressions.algebra import ZERO, add, sub
from sncc.expressions.nodes import Expression, Symbol, symbols
from sncc.gradients.losses import LOSSES, with_outputs
from sncc.gradients.optimisers import optimise
from sncc.gradients.rules import Adjoint, adjoints
from sncc.gradients.transpose import Transposed, adjoint, as_local, transpose
from sncc.model.nodes import Loss, Training
from sncc.program.nodes import (
    Assign,
    DeriveAdjoint,
    Draw,
    Fire,
    ForwardOperation,
    Gather,
    GradientOperation,
    Group,
    Program,
    Readout,
    ReadoutAdjoint,
    ReverseOperation,
    Statement,
    TapeSlot,
    Transpose,
    Update,
)
from sncc.program.order import forward_order, reverse_order


def differentiate(program: Program, training: Training | None) -> Program:
    """Add what training needs; a network without a `train` block stays as it is."""
    if training is None:
        return program
    readout = _readout(program, training.losses[0])
    chosen = adjoints(program, training.rule.name, readout.group)
    updates = {o.group: o for o in program.forward if isinstance(o, Update)}
    tape: dict[tuple[str, str], TapeSlot] = {}
    reverse: list[ReverseOperation] = []
    gradient: list[GradientOperation] = []
    summed: dict[str, tuple[str, ...]] = {}
    for choice in chosen:
        slots = _slots(program, choice, chosen)
        update = updates[choice.group]
        built = _adjoint_update(program, update, choice, readout, slots)
        updates[choice.group] = built.forward
        tape |= {(s.group, s.name): s for s in built.tape}
        reverse += [ReadoutAdjoint(_accumulator("readout", choice))] * choice.reads_loss
        reverse += [
            Transpose(name, f"{program.connection(name).input}~{label}", _accumulator("credit", choice))
            for name, label in choice.edges
        ]
        reverse.append(built.reverse)
        if choice.learns:
            gradient += [Gather(c.name, f"{c.input}~") for c in _learnt_into(program, choice.group)]
            summed[choice.group] = tuple(variable for variable, _ in built.reverse.sums)
    gradient += [_derive_adjoint(program, group, sums) for group, sums in summed.items() if sums]
    operations: list[ForwardOperation] = [updates[o.group] if isinstance(o, Update) else o for o in program.forward]
    return replace(
        program,
        forward=forward_order(program.groups, program.connections, [*operations, readout]),
        reverse=reverse_order(program.groups, program.connections, reverse, readout.group),
        gradient=tuple(gradient),
        optimise=optimise(training.optimiser),
        tape=tuple(tape.values()),
    )


def _accumulator(what: str, choice: Adjoint) -> str:
    """Where an adjoint collects what comes from the readout, or as credit for its spikes; no name of the user's has a dot."""
    return f"{what}.adjoint{choice.label}"


# ------------------------------------------------------------------------------------------------ the loss
def _readout(program: Program, loss: Loss) -> Readout:
    group = next(g for g in program.groups if any(r.population == loss.population for r in g.rows))
    row = next(r for r in group.rows if r.population == loss.population)
    formula = LOSSES[loss.function]
    assert loss.reduction != "first_spike"  # the model refuses it under these rules
    body = with_outputs(formula, row.size)
    transposed = transpose(body, {"loss": Symbol("one")}, frozenset({"x"}))
    statements = [_one(s) for s in transposed.body]
    statements.append(Assign("x~", _one_in(transposed.adjoints.get("x", ZERO))))
    return Readout(
        group=group.name,
        population=loss.population,
        offset=row.offset,
        size=row.size,
        variable="spike" if loss.variable == "spikes" else loss.variable,
        reduction=loss.reduction,
        over_steps=loss.over_steps,
        first=loss.window[0],
        last=loss.window[1],
        labels=formula.labels,
        body=body,
        loss="loss",
        gradient=tuple(statements),
        factor=loss.factor,
    )


def _one_in(expression: Expression) -> Expression:
    """The loss's derivative by itself, `one`, put in as the number it is."""
    from sncc.expressions.algebra import ONE, fold_all
    from sncc.expressions.nodes import substitute

    return fold_all(substitute(expression, {"one": ONE}))


def _one(statement: Statement) -> Statement:
    if isinstance(statement, Fire | Draw):
        return statement
    return replace(statement, value=_one_in(statement.value))


# ------------------------------------------------------------------------------------------------ the adjoint of an update
@dataclass(frozen=True, slots=True)
class _Built:
    forward: Update  # stores what the reverse update loads
    reverse: Update
    tape: tuple[TapeSlot, ...]


def _learnt_into(program: Program, group: str) -> Iterable:  # type: ignore[type-arg]
    learnt = {p.key for p in program.parameters if p.learnt}
    return (c for c in program.connections if c.target_group == group and c.weight in learnt)


def _slots(program: Program, choice: Adjoint, chosen: Iterable[Adjoint]) -> frozenset[str]:
    """Inputs whose adjoint must be kept for all steps: for weight gradients, or because credit crosses from here."""
    inputs = {c.input for c in _learnt_into(program, choice.group)} if choice.learns else set()
    for other in chosen:
        for name, label in other.edges:
            connection = program.connection(name)
            if connection.target_group == choice.group and label == choice.label:
                inputs.add(connection.input)
    return frozenset(inputs)


def learnt_arrays(program: Program, group: Group) -> frozenset[str]:
    """Numbers per neuron that depend on a learnt parameter: its own symbol and coefficients computed from it."""
    learnt = {p.key for p in program.parameters if p.learnt}
    active = {symbol for row in group.rows for symbol, value in row.values if value in learnt}
    for derive in program.derive:
        if derive.group == group.name:
            for assign in derive.body:
                if symbols(assign.value) & active:
                    active.add(assign.name)
    return frozenset(active)


def _adjoint_update(
    program: Program, update: Update, choice: Adjoint, readout: Readout, slots: frozenset[str]
) -> _Built:
    group = program.group(choice.group)
    states = frozenset(group.states) - {"refractory"}
    arrays = learnt_arrays(program, group) & frozenset(group.arrays) if choice.learns else frozenset()
    carry = dict(update.carry)
    seeds: dict[str, Expression] = {}
    inputs: list[str] = []

    def seed(local: str, value: str) -> None:
        seeds[local] = add(seeds.get(local, ZERO), Symbol(value))

    for state in group.states:
        if state in states and state in carry:
            seed(carry[state], f"{state}~{choice.label}")
    if choice.reads_loss:
        local = readout.variable if readout.variable == "spike" else carry.get(readout.variable)
        inputs.append(_accumulator("readout", choice))
        if local is not None:
            seed(local, inputs[-1])
    if choice.edges:
        inputs.append(_accumulator("credit", choice))
        seed("spike", inputs[-1])
    transposed = transpose(update.body, seeds, states | slots | arrays)
    body = list(transposed.body)
    new = _carried(group, transposed, choice, body)
    stores = [
        (f"{i}~{choice.label}", as_local(f"{i}~.now", transposed.adjoints.get(i, ZERO), body))
        for i in update.inputs
        if i in slots
    ]
    sums = [
        (adjoint(a), as_local(f"{a}~.now", transposed.adjoints[a], body))
        for a in group.arrays
        if a in arrays & set(transposed.adjoints)
    ]
    sums += _of_initial_values(program, group, choice, new, body)
    forward, loads, again = _remember(update, group, body, inputs, choice)
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


def _carried(group: Group, transposed: Transposed, choice: Adjoint, body: list[Statement]) -> list[tuple[str, str]]:
    result = []
    for state in group.states:
        if state in transposed.adjoints:
            result.append((f"{state}~{choice.label}", as_local(f"{state}~.new", transposed.adjoints[state], body)))
    return result


def _learnt_initials(program: Program, group: Group) -> dict[str, Expression]:
    """First values of states that depend on learnt parameters."""
    learnt = learnt_arrays(program, group)
    return {state: value for row in group.rows for state, value in row.initial if symbols(value) & learnt}


def _of_initial_values(
    program: Program, group: Group, choice: Adjoint, carried: list[tuple[str, str]], body: list[Statement]
) -> list[tuple[str, str]]:
    """Sums that end as the adjoints of the states' first values: a state's adjoint at 0 is the sum of its changes."""
    if not choice.learns:
        return []
    new = dict(carried)
    sums = []
    for state in _learnt_initials(program, group):
        variable = f"{state}~{choice.label}"
        if variable in new:
            change = sub(Symbol(new[variable]), Symbol(variable))
            sums.append((adjoint(f"{state}.initial"), as_local(f"{state}.initial~.now", change, body)))
    return sums


# ------------------------------------------------------------------------------------------------ the tape
def _remember(
    update: Update, group: Group, body: list[Statement], inputs: list[str], choice: Adjoint
) -> tuple[Update, tuple[tuple[str, str], ...], tuple[Statement, ...]]:
    """What the reverse update needs of the forward one: stored as it is, or recomputed from less, whichever keeps less."""
    own = {s.name for s in body} | set(inputs) | set(group.arrays) | {"t"}
    own |= {f"{state}~{choice.label}" for state in group.states}
    needed = _used(body) - own
    recomputed, leaves = _recomputation(update, needed, frozenset(group.arrays) | {"t"})
    again = recomputed if len(leaves) < len(needed) else ()
    kept = sorted(leaves if again else needed)
    locals_ = {s.name for s in update.body}
    before = [name for name in kept if name not in locals_]  # values from before the update: a copy is kept
    copies = [Assign(f"{name}.0", Symbol(name)) for name in before if f"{name}.0" not in locals_]
    stores = dict(update.stores) | {name: f"{name}.0" if name in before else name for name in kept}
    forward = replace(update, body=(*copies, *update.body), stores=tuple(stores.items()))
    return forward, tuple((name, name) for name in kept), again


def _used(body: Iterable[Statement]) -> set[str]:
    return {name for s in body for name in (symbols(s.distance) if isinstance(s, Fire) else s.reads)}


def _recomputation(update: Update, needed: set[str], known: frozenset[str]) -> tuple[tuple[Statement, ...], set[str]]:
    """Forward statements that give the needed values again, and the values they start from (spikes are never redone)."""
    wanted = set(needed)
    statements: list[Statement] = []
    for statement in reversed(update.body):
        if statement.name in wanted and isinstance(statement, Assign):
            wanted.remove(statement.name)
            wanted |= symbols(statement.value)
            statements.append(statement)
    return tuple(reversed(statements)), wanted - known


def _derive_adjoint(program: Program, name: str, sums: tuple[str, ...]) -> DeriveAdjoint:
    group = program.group(name)
    learnt = {p.key for p in program.parameters if p.learnt}
    wanted = frozenset(symbol for row in group.rows for symbol, value in row.values if value in learnt)
    derive = [assign for d in program.derive if d.group == name for assign in d.body]
    derive += [Assign(f"{state}.initial", value) for state, value in _learnt_initials(program, group).items()]
    seeds = {variable.removesuffix("~"): Symbol(variable) for variable in sums}
    transposed = transpose(derive, seeds, wanted)
    body = list(transposed.body)
    results = [(w, as_local(f"{w}~.gradient", transposed.adjoints[w], body)) for w in sorted(transposed.adjoints)]
    return DeriveAdjoint(name, sums, tuple(s for s in body if isinstance(s, Assign)), tuple(results))
