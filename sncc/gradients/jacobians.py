"""e-prop forwards: the Jacobian of a group's update, of which traces are made,
as statements and variables of the group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sncc.expressions.algebra import ONE, ZERO, add, fold_all, mul
from sncc.expressions.nodes import Expression, Number, Symbol, substitute, symbols
from sncc.gradients.synapse_feedback import at_other_weights
from sncc.gradients.transpose import transpose
from sncc.program.groups import Group
from sncc.program.nodes import Program
from sncc.program.operations import Update
from sncc.program.rewrite import rewritten
from sncc.program.statements import LEARNS, REFRACTORY, SPIKE, TOLD, Assign, Repeat, Statement

Jacobian = dict[tuple[str, str], Expression]  # (output, input) → a number, or a variable of the group


def with_jacobian(program: Program, name: str, tail: str = "") -> tuple[Program, Jacobian]:
    """Derivatives of the states after an update, and of the spike, by the states before, inputs and numbers.

    With a `tail`, of their names, those of synapses at other weights than theirs.
    """
    group = program.group(name)
    update = next(o for o in program.forward if isinstance(o, Update) and o.group == name)
    at, others = at_other_weights(program, update) if tail else (update, {})
    states = [
        s for s in group.states if s != REFRACTORY and "/" not in s and not s.endswith(TOLD)
    ]  # no update reads these
    after = {s: others.get(local, local) for s, local in update.carry if s in states}
    after |= {SPIKE: SPIKE} if update.spikes else {}
    wanted = frozenset({*states, *update.inputs, *group.arrays})
    body, variables, jacobian = list(at.body), list(update.carry), Jacobian()
    for output, local in after.items():
        transposed = transpose(at.body, {local: ONE}, wanted)
        body += [s for s in transposed.ahead if s.name not in {own.name for own in body}]
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
        groups=tuple(with_variables(g, added) if g.name == name else g for g in program.groups),
        forward=tuple(changed if o is update else o for o in program.forward),
    ), jacobian


def _renamed(statement: Statement, name: str, names: dict[str, Expression]) -> Statement:
    assert isinstance(statement, Assign | Repeat)
    return replace(rewritten(statement, lambda e: fold_all(substitute(e, names))), name=name)


def with_variables(group: Group, names: Iterable[str]) -> Group:
    """Variables that are kept from step to step but are no states of the user's."""
    names = tuple(names)
    rows = tuple(replace(r, initial=(*r.initial, *((name, ZERO) for name in names))) for r in group.rows)
    return replace(group, states=(*group.states, *names), rows=rows)


def is_shared(program: Program, group: str, jacobians: Mapping[str, Jacobian]) -> bool:
    """Whether a Jacobian by states and inputs is the same in every step and for all neurons of a group,
    so that one filter serves all of them.
    """
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


def product(jacobian: Jacobian, output: str, vector: Mapping[str, Expression]) -> Expression:
    """A row of a Jacobian times a vector, of which it need not know all."""
    result: Expression = ZERO
    for state, value in vector.items():
        result = add(result, mul(jacobian.get((output, state), ZERO), value))
    return result


def states_of(jacobian: Jacobian) -> list[str]:
    """The states among what a Jacobian is of."""
    return [o for o in dict.fromkeys(output for output, _ in jacobian) if o != SPIKE]
